package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/server"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// secured lets a gate end TLS, with one certificate for each list of names.
func secured(t *testing.T, pool *x509.CertPool, certificates ...[]string) func(*server.Options) {
	t.Helper()
	var files []listener.CertificateFiles
	for _, names := range certificates {
		files = append(files, writeCertificate(t, pool, names))
	}
	return func(o *server.Options) {
		store, err := listener.LoadCertificates(files, nil)
		if err != nil {
			t.Fatal(err)
		}
		if o.Listener, err = listener.Open(t.Context(), listener.Spec{Address: "127.0.0.1:0", Certificates: store}, nil); err != nil {
			t.Fatal(err)
		}
		o.External = signin.External{Scheme: "https", Port: 443}
	}
}

// writeCertificate makes a certificate that the pool trusts.
func writeCertificate(t *testing.T, pool *x509.CertPool, names []string) listener.CertificateFiles {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := listener.CertificateFiles{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}
	for file, block := range map[string]*pem.Block{files.CertFile: {Type: "CERTIFICATE", Bytes: cert}, files.KeyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	return files
}

// coalescing is an HTTP/2 client that uses one connection, made for sni, for every host, as browsers do where one
// certificate covers several. It counts its connections.
func (g *gate) coalescing(pool *x509.CertPool, sni string) (send func(method, host, body string, lines ...string) (*http.Response, string), connections *atomic.Int32) {
	connections = new(atomic.Int32)
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	transport := &http.Transport{Protocols: protocols, DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
		connections.Add(1)
		return tls.Dial("tcp", g.address, &tls.Config{RootCAs: pool, ServerName: sni, NextProtos: []string{"h2"}})
	}}
	g.t.Cleanup(transport.CloseIdleConnections)
	send = func(method, host, body string, lines ...string) (*http.Response, string) {
		g.t.Helper()
		request, err := http.NewRequestWithContext(g.t.Context(), method, "https://"+sni+"/", strings.NewReader(body))
		if err != nil {
			g.t.Fatal(err)
		}
		request.Host = host
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			request.Header.Add(name, value)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			g.t.Fatal(err)
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			g.t.Fatal(err)
		}
		if response.ProtoMajor != 2 {
			g.t.Fatalf("the gate speaks %s", response.Proto)
		}
		return response, string(answer)
	}
	return send, connections
}

func TestOneWildcardCertificateCarriesTwoHostsOnOneConnection(t *testing.T) {
	t.Parallel()
	pool := x509.NewCertPool()
	g := startGate(t, secured(t, pool, []string{"*.test"}))
	send, connections := g.coalescing(pool, "app.test")
	for range 2 {
		for _, c := range []struct{ method, host, auth string }{
			{"GET", "app.test", g.as("alice@example.com", private)},
			{"GET", "open.test", "X-Nobody: yes"},
			{"POST", "open.test", "X-Nobody: yes"},
			{"POST", "app.test", g.as("alice@example.com", private)},
		} {
			response, body := send(c.method, c.host, "body", c.auth)
			seen := g.app.last()
			want := told{c.host, "127.0.0.1", "https", c.host, `for=127.0.0.1;host="` + c.host + `";proto=https`}
			if response.StatusCode != http.StatusOK || toldIn(seen) != want {
				t.Errorf("%s %s: status %d, %s; the app received\n%s", c.method, c.host, response.StatusCode, body, seen)
			}
		}
		if response, _ := send("GET", "auth.test", ""); response.StatusCode != http.StatusOK {
			t.Errorf("the auth host: status %d", response.StatusCode)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestAHostOutsideTheCertificateOfItsConnectionIsMisdirected(t *testing.T) {
	t.Parallel()
	pool := x509.NewCertPool()
	g := startGate(t, secured(t, pool, []string{"app.test", "auth.test"}, []string{"open.test"}))
	fromApp, _ := g.coalescing(pool, "app.test")
	fromOpen, _ := g.coalescing(pool, "open.test")
	for _, c := range []struct {
		send func(method, host, body string, lines ...string) (*http.Response, string)
		host string
		code string
	}{
		{fromApp, "open.test", `"code":51`},    // a certificate for it exists
		{fromOpen, "app.test", `"code":51`},    // and a bearer does not help
		{fromOpen, "auth.test", `"code":51`},   // the auth host is no exception
		{fromApp, "engine.test", `"code":52`},  // served, and no certificate names it
		{fromApp, "unknown.test", `"code":52`}, // neither
	} {
		response, body := c.send("GET", c.host, "", "Accept: application/json", g.as("alice@example.com", private))
		if response.StatusCode != http.StatusMisdirectedRequest || !strings.Contains(body, c.code) || !strings.Contains(body, `"host_conflict"`) || g.app.last() != "" {
			t.Errorf("%s: status %d, %s", c.host, response.StatusCode, body)
		}
		if response.Header.Get("X-Goog-Iap-Generated-Response") != "true" {
			t.Errorf("%s: the answer does not say whose it is", c.host)
		}
	}
	if response, _ := fromOpen("GET", "open.test", ""); response.StatusCode != http.StatusOK {
		t.Errorf("its own host: status %d", response.StatusCode)
	}
	_, page := fromApp("GET", "open.test", "", "Accept: text/html")
	if !strings.Contains(page, "Error code 51") {
		t.Errorf("the page says\n%s", page)
	}
	if response, _ := fromApp("GET", "open.test", "", "X-Forwarded-Host: app.test"); response.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a forwarded host from a stranger: status %d", response.StatusCode)
	}
}

func TestATrustedProxyMayAskForAnyHostOverItsConnection(t *testing.T) {
	t.Parallel()
	pool := x509.NewCertPool()
	g := startGate(t, secured(t, pool, []string{"app.test"}), trusting("127.0.0.0/8"))
	send, _ := g.coalescing(pool, "app.test")
	if response, body := send("GET", "open.test", ""); response.StatusCode != http.StatusOK {
		t.Errorf("status %d, %s", response.StatusCode, body)
	}
	g.app.last()
	if response, _ := send("GET", "app.test", "", "X-Forwarded-Host: open.test", "X-Forwarded-Proto: http", "X-Forwarded-For: 203.0.113.9"); response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
	want := told{"open.test", "203.0.113.9, 127.0.0.1", "http", "open.test", `for=203.0.113.9;host="open.test";proto=http, for=127.0.0.1`}
	if got := toldIn(g.app.last()); got != want {
		t.Errorf("the app was told %+v", got)
	}
}
