package sink

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// encrypted listens as a collector over TLS at 127.0.0.1, and returns the file of the authority that vouches for it.
func encrypted(t *testing.T) (net.Listener, string) {
	t.Helper()
	pki := httptest.NewTLSServer(nil)
	pki.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: pki.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pki.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return l, file
}

// accept takes a connection and returns what comes up to the end of the first object.
func accept(t *testing.T, l net.Listener) (net.Conn, string) {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	text, err := bufio.NewReader(conn).ReadString('}')
	if err != nil {
		t.Fatal(err)
	}
	return conn, text[strings.Index(text, "{"):]
}

func TestACollectorThatIsNotVouchedForIsToldNothing(t *testing.T) {
	t.Parallel()
	trusted, file := encrypted(t)
	_, port, err := net.SplitHostPort(trusted.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Close() })
	nothing := filepath.Join(t.TempDir(), "none.pem")
	if err := os.WriteFile(nothing, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	one := batch{lines: []byte(`{"id":1}` + "\n"), count: 1, kind: "decision"}
	heard := make(chan string, 100)
	for _, l := range []net.Listener{trusted, plain} {
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer conn.Close()
					if l == plain { // which answers nonsense, and no handshake
						_, _ = io.WriteString(conn, "<34>1 - hello\n")
					}
					text, _ := io.ReadAll(conn)
					heard <- string(text)
				}()
			}
		}()
	}
	for name, c := range map[string]struct{ at, file, problem string }{
		"by an authority of the system": {trusted.Addr().String(), "", "x509: "},
		"under its name":                {"localhost:" + port, file, "x509: "},
		"by any authority":              {trusted.Addr().String(), nothing, "holds no certificate in PEM"},
		"because the file is gone":      {trusted.Addr().String(), nothing + ".gone", "no such file"},
		"because it speaks no TLS":      {plain.Addr().String(), file, "tls: "},
	} {
		s := newSyslog(Address{"tls", c.at}, c.file)
		if _, err := s.write(one); err == nil || !strings.Contains(err.Error(), c.problem) || s.conn != nil {
			t.Errorf("not vouched for %s: %v", name, err)
		}
	}
	for range 3 { // the others were not connected to
		if text := <-heard; strings.Contains(text, `{"id"`) {
			t.Errorf("it was told %q", text)
		}
	}
}

func TestAConnectionThatTheCollectorHasEndedLosesNothingMore(t *testing.T) {
	t.Parallel()
	secure, file := encrypted(t)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Close() })
	for network, l := range map[string]net.Listener{"tls": secure, "tcp": plain} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			s := newSyslog(Address{network, l.Addr().String()}, file)
			t.Cleanup(func() { _ = s.close() })
			for _, text := range []string{`{"id":1}`, `{"id":2}`} {
				sent := make(chan error, 1)
				go func() {
					_, err := s.write(batch{lines: []byte(text + "\n"), count: 1, kind: "decision"})
					sent <- err
				}()
				conn, got := accept(t, l)
				if err := <-sent; err != nil || got != text {
					t.Fatalf("%s came as %q, %v", text, got, err)
				}
				conn.Close()
				eventually(t, "the end is heard", func() bool { return len(s.gone) == 1 })
			}
		})
	}
}
