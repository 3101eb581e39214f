package listener

import (
	"crypto/tls"
	"errors"
	"strings"
)

// suites of TLS 1.2: forward secrecy and authenticated encryption only. Those of TLS 1.3 are all so.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

var errNoConn = errors.New("the connection was not accepted by a listener of this package")

// tlsConfig chooses a certificate for each handshake and notes it on the connection. The choice falls in
// GetConfigForClient, which runs for resumed sessions too; GetCertificate does not.
func tlsConfig(store *CertificateStore) *tls.Config {
	base := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		CipherSuites: suites,
		NextProtos:   []string{"h2", "http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			c, ok := hello.Conn.(*conn)
			if !ok || c.presented == nil {
				return nil, errNoConn
			}
			return &c.presented.tls, nil
		},
	}
	strict := base.Clone() // it shares the keys of session tickets with the one that is asked first
	strict.MinVersion = tls.VersionTLS13
	base.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c, ok := hello.Conn.(*conn)
		if !ok {
			return nil, errNoConn
		}
		c.asked = strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
		if c.presented, c.demanded = store.choose(hello, c.asked); c.demanded > base.MinVersion {
			return strict, nil
		}
		return nil, nil
	}
	return base
}
