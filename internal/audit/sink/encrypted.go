package sink

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"

	"github.com/gatehouse-iap/gatehouse/internal/regularfile"
)

// maxAuthorities bounds a file of certificates.
const maxAuthorities = 1 << 20

// authorities reads the certificates that vouch for a collector; nil for those of the system.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	content, _, err := regularfile.Read(file, maxAuthorities)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return pool, nil
}

// CheckAuthorities refuses a file that no collector could be verified with.
func CheckAuthorities(file string) error {
	_, err := authorities(file)
	return err
}

// dialTLS connects as RFC 5425 has it. The file is read each time: a renewed authority counts at the next connection.
func (s *syslog) dialTLS() (net.Conn, error) {
	roots, err := authorities(s.caFile)
	if err != nil {
		return nil, err
	}
	return tls.DialWithDialer(&net.Dialer{Timeout: dialPatience}, "tcp", s.address.Target, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots})
}

// hear waits for the end of a connection to a collector, which never says anything else. Whoever only writes finds out
// with the second write after it, and has lost what was in the first.
func hear(conn net.Conn) (gone chan error) {
	gone = make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, conn)
		gone <- err
	}()
	return gone
}

// leaveDead lets go of a connection that the collector has ended. An error says why it did, if it has.
func (s *syslog) leaveDead() error {
	select {
	case err := <-s.gone: // nil blocks
		_ = s.close() // there is nobody to say goodbye to
		if err != nil {
			return fmt.Errorf("the collector has ended the connection: %w", err)
		}
	default:
	}
	return nil
}
