package interception

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/certauthority"
)

// world is a proxy, and a client that goes through it and trusts its authority.
type world struct {
	proxy     *Proxy
	client    *http.Client
	authority *certauthority.Authority
}

// says answers with its name and what it was asked.
func says(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s%s proxy=%v forwarded=%v", name, r.Method, r.Host, r.RequestURI, r.Header["Proxy-Authorization"], r.Header["X-Forwarded-For"])
	})
}

func newWorld(t *testing.T, environ ...string) *world {
	t.Helper()
	now := time.Now()
	authority, err := certauthority.New(GStaticHost, now)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := authority.Issue(now)
	if err != nil {
		t.Fatal(err)
	}
	outside, err := NewOutside(environ)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := Start(Options{
		GStatic: says("gstatic"), Metadata: says("metadata"), Outside: outside, Log: slog.New(slog.DiscardHandler),
		Certificate: tls.Certificate{Certificate: [][]byte{leaf.Certificate.Raw}, PrivateKey: leaf.Key},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	through, err := url.Parse(proxy.URL())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority.Certificate)
	transport := &http.Transport{Proxy: http.ProxyURL(through), TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &world{proxy, &http.Client{Transport: transport, Timeout: time.Minute}, authority}
}

func (w *world) get(t *testing.T, address string) (status int, body string) {
	t.Helper()
	response, err := w.client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func TestTheTwoHostsAreOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for address, want := range map[string]string{
		"https://www.gstatic.com/iap/verify/public_key":                "gstatic GET www.gstatic.com/iap/verify/public_key proxy=[] forwarded=[]",
		"https://www.gstatic.com/other?x=1":                            "gstatic GET www.gstatic.com/other?x=1 proxy=[] forwarded=[]",
		"https://WWW.gstatic.com/x":                                    "gstatic GET WWW.gstatic.com/x proxy=[] forwarded=[]",
		"http://www.gstatic.com/iap/verify/public_key":                 "gstatic GET www.gstatic.com/iap/verify/public_key proxy=[] forwarded=[]",
		"http://www.gstatic.com/x/../iap//verify/public_key":           "gstatic GET www.gstatic.com/x/../iap//verify/public_key proxy=[] forwarded=[]",
		"http://metadata.google.internal/computeMetadata/v1/?alt=json": "metadata GET metadata.google.internal/computeMetadata/v1/?alt=json proxy=[] forwarded=[]",
		"http://metadata.google.internal:80/":                          "metadata GET metadata.google.internal:80/ proxy=[] forwarded=[]",
	} {
		if status, body := w.get(t, address); status != 200 || body != want {
			t.Errorf("%s: %d %q, want %q", address, status, body, want)
		}
	}
}

func TestMetadataThroughATunnel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn := w.dial(t)
	// Everything at once: what comes before our answer is not lost.
	fmt.Fprintf(conn, "CONNECT metadata.google.internal:80 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %s\r\n\r\nGET /detect HTTP/1.1\r\nHost: metadata.google.internal\r\n\r\n", w.proxy.credential)
	reader := bufio.NewReader(conn)
	for _, want := range []string{"", "metadata GET metadata.google.internal/detect proxy=[] forwarded=[]"} {
		response, err := http.ReadResponse(reader, &http.Request{Method: map[bool]string{true: "CONNECT", false: "GET"}[want == ""]})
		if err != nil || response.StatusCode != 200 {
			t.Fatal(response, err)
		}
		if want == "" {
			continue
		}
		if body, _ := io.ReadAll(response.Body); string(body) != want {
			t.Errorf("%q", body)
		}
	}
}

func (w *world) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", w.proxy.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestAllElsePassesUntouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain := httptest.NewServer(says("plain"))
	t.Cleanup(plain.Close)
	secure := httptest.NewTLSServer(says("secure"))
	t.Cleanup(secure.Close)
	w.client.Transport.(*http.Transport).TLSClientConfig.RootCAs.AddCert(secure.Certificate())

	host := strings.TrimPrefix(plain.URL, "http://")
	if _, body := w.get(t, plain.URL+"/a%2Fb?x;y"); body != "plain GET "+host+"/a%2Fb?x;y proxy=[] forwarded=[]" {
		t.Errorf("a plain request arrives as %q", body)
	}
	_, port, _ := net.SplitHostPort(host)
	if _, body := w.get(t, "http://app.localhost:"+port+"/"); body != "plain GET app.localhost:"+port+"/ proxy=[] forwarded=[]" {
		t.Errorf("a name below localhost leads to %q", body)
	}
	// The client verifies the server's own certificate: nobody stands between them.
	if _, body := w.get(t, secure.URL+"/x"); !strings.HasPrefix(body, "secure GET ") {
		t.Errorf("%q", body)
	}
	// A port or a name that is not one of ours.
	for _, address := range []string{"http://www.gstatic.com.localhost:" + port + "/iap/verify/x", "http://metadata.google.internal.localhost:" + port + "/"} {
		if _, body := w.get(t, address); !strings.HasPrefix(body, "plain GET ") {
			t.Errorf("%s is answered by %q", address, body)
		}
	}
	if status, body := w.get(t, "http://gone.invalid/"); status != http.StatusBadGateway || !strings.Contains(body, "gone.invalid cannot be reached") {
		t.Errorf("%d %q", status, body)
	}
}

func TestHalfOfATunnelMayEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		if conn, err := listener.Accept(); err == nil {
			asked, _ := io.ReadAll(conn) // until the client has ended its half
			fmt.Fprintf(conn, "heard %s", asked)
			conn.Close()
		}
	}()
	conn := w.dial(t)
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %s\r\n\r\nhello", listener.Addr(), w.proxy.credential)
	_ = conn.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(answer), "\r\n\r\nheard hello") {
		t.Errorf("%q %v", answer, err)
	}
}

func TestOnlyWhoKnowsTheCredentialGetsThrough(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	target := httptest.NewServer(says("target"))
	t.Cleanup(target.Close)
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"nothing":                {"CONNECT www.gstatic.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", 407},
		"another password":       {"CONNECT www.gstatic.com:443 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic Z2F0ZWhvdXNlOng=\r\n\r\n", 407},
		"the credential twice":   {"CONNECT www.gstatic.com:443 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: " + w.proxy.credential + "\r\nProxy-Authorization: " + w.proxy.credential + "\r\n\r\n", 407},
		"as a web server's":      {"CONNECT www.gstatic.com:443 HTTP/1.1\r\nHost: x\r\nAuthorization: " + w.proxy.credential + "\r\n\r\n", 407},
		"a plain request":        {"GET " + target.URL + "/ HTTP/1.1\r\nHost: x\r\n\r\n", 407},
		"metadata":               {"GET http://metadata.google.internal/ HTTP/1.1\r\nHost: x\r\n\r\n", 407},
		"what browsers may send": {"GET / HTTP/1.1\r\nHost: " + w.proxy.listener.Addr().String() + "\r\n\r\n", 400},
		"https without CONNECT":  {"GET https://www.gstatic.com/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: " + w.proxy.credential + "\r\n\r\n", 400},
		"CONNECT without port":   {"CONNECT www.gstatic.com HTTP/1.1\r\nHost: x\r\nProxy-Authorization: " + w.proxy.credential + "\r\n\r\n", 400},
	} {
		conn := w.dial(t)
		fmt.Fprint(conn, c.request)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(name, err)
		}
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != c.status || strings.Contains(string(body), w.proxy.secret) || c.status == 407 && response.Header.Get("Proxy-Authenticate") == "" {
			t.Errorf("%s: %d %q", name, response.StatusCode, body)
		}
	}
}

// TestTheDevelopersProxyIsGoneOnThrough has two of our own proxies: one stands for that of the developer's company.
func TestTheDevelopersProxyIsGoneOnThrough(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		company := newWorld(t)
		var connects atomic.Int64
		count := company.proxy.server.Handler
		company.proxy.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			connects.Add(1)
			count.ServeHTTP(w, r)
		})
		ours := newWorld(t, scheme+"="+company.proxy.URL(), "NO_PROXY=excepted.example,*.localhost")
		// Only the company's proxy knows the authority of this one, so its answer shows that it was reached.
		ours.client.Transport.(*http.Transport).TLSClientConfig.RootCAs.AddCert(company.authority.Certificate)
		if status, _ := ours.get(t, "https://www.gstatic.com/x"); status != 200 || connects.Load() != 0 {
			t.Errorf("%s: the two hosts are not ours any more: %d, %d", scheme, status, connects.Load())
		}
		conn, err := ours.proxy.options.Outside.Dial(t.Context(), "tcp", "www.gstatic.com:443")
		if err != nil {
			t.Fatal(scheme, err)
		}
		secure := tls.Client(conn, &tls.Config{ServerName: GStaticHost, RootCAs: ours.client.Transport.(*http.Transport).TLSClientConfig.RootCAs})
		if err := secure.Handshake(); err != nil || connects.Load() != 1 {
			t.Errorf("%s: %v, %d", scheme, err, connects.Load())
		}
		secure.Close()
	}
}

func TestProxiesThatCannotBeUsedAreNamedWithoutTheirPassword(t *testing.T) {
	t.Parallel()
	for _, environ := range []string{"HTTPS_PROXY=http://user:secret@%zz", "HTTP_PROXY=ftp://user:secret@proxy.example"} {
		if _, err := NewOutside([]string{environ}); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "_PROXY") {
			t.Errorf("%s: %v", environ, err)
		}
	}
}

func TestTheAuthorityVouchesForNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn := w.dial(t)
	fmt.Fprintf(conn, "CONNECT www.gstatic.com:443 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %s\r\n\r\n", w.proxy.credential)
	if _, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: "CONNECT"}); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(w.authority.Certificate)
	if err := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "www.google.com"}).Handshake(); err == nil {
		t.Error("it passes for another host")
	}
}

func TestAfterTheEndNothingGoesThrough(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.get(t, "https://www.gstatic.com/x")
	if err := w.proxy.Close(); err != nil {
		t.Fatal(err)
	}
	if response, err := w.client.Get("https://www.gstatic.com/x"); err == nil {
		response.Body.Close()
		t.Error("it answers still")
	}
}
