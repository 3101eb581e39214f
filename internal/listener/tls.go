package listener

import (
	"crypto/tls"
	"errors"
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
func tlsConfig(store *CertificateStore, minVersion uint16) *tls.Config {
	base := &tls.Config{
		MinVersion:   minVersion,
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
	base.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c, ok := hello.Conn.(*conn)
		if !ok {
			return nil, errNoConn
		}
		c.presented = store.choose(hello)
		if c.presented.files.MinVersion <= base.MinVersion {
			return nil, nil
		}
		stricter := base.Clone()
		stricter.MinVersion = c.presented.files.MinVersion
		return stricter, nil
	}
	return base
}
