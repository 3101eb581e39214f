package upstream_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/upstream"
	"github.com/gatehouse-iap/gatehouse/internal/upstream/http1"
)

// accept serves every connection to an address of its own, which is closed behind it, until the test ends; over TLS where
// that is configured.
func accept(t *testing.T, config *tls.Config, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// authority issues the certificates of a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  crypto.Signer
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	a.cert = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, a.key)
	return a
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(template *x509.Certificate, key crypto.Signer) *x509.Certificate {
	a.t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	template.NotBefore = time.Now().Add(-48 * time.Hour)
	parent := a.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// issue returns a certificate for a name that counts until a time; the zero time is an hour from now.
func (a *authority) issue(name string, until time.Time) tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	cert := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// file writes the authority's certificate as a PEM file.
func (a *authority) file() string {
	a.t.Helper()
	return writeFile(a.t, a.t.TempDir(), "ca.pem", certificatePEM(a.cert))
}

func certificatePEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// clientFiles writes a client certificate and its key.
func clientFiles(t *testing.T, cert tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile = writeFile(t, dir, "client.pem", certificatePEM(cert.Leaf))
	return certFile, writeFile(t, dir, "client.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func writeFile(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// application is an HTTP server that answers with the protocol it was asked over. Nil config is without TLS.
func application(t *testing.T, config *tls.Config, protocols func(*http.Protocols)) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto+" "+r.Host+" "+r.RequestURI)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	server.Config.Protocols = new(http.Protocols)
	protocols(server.Config.Protocols)
	if config == nil {
		server.Start()
	} else {
		server.TLS = config
		server.EnableHTTP2 = server.Config.Protocols.HTTP2()
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	return server
}

func onlyHTTP1(p *http.Protocols) { p.SetHTTP1(true) }
func http1And2(p *http.Protocols) { p.SetHTTP1(true); p.SetHTTP2(true) }
func h2c(p *http.Protocols)       { p.SetUnencryptedHTTP2(true) }

// one returns the upstream of a single configuration.
func one(t *testing.T, pools *upstream.Pools, config upstream.Config) *upstream.Upstream {
	t.Helper()
	config = config.Canonical()
	up := pools.Keep(map[upstream.Config]struct{}{config: {}})[config]
	t.Cleanup(func() { pools.Keep(nil) })
	return up
}

// ask sends a GET through an upstream.
func ask(t *testing.T, up *upstream.Upstream) (string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, up.Scheme+"://"+up.Address+"/path?q", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "app.test"
	response, err := up.Send(request, http1.Whole{Request: request})
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// replaceFile gives a file the content of another.
func replaceFile(t *testing.T, path, with string) {
	t.Helper()
	content, err := os.ReadFile(with)
	if err == nil {
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
