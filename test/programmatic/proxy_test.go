package programmatic

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// googleTokenHost is where Google's library for Node asks for tokens, whatever the key file says.
const googleTokenHost = "oauth2.googleapis.com"

// network is what the names of other languages' programs lead to: *.localhost to this machine, which their resolvers
// do not know, and Google's token host to the gate's, as `gatehouse dev` and a hosts entry would have it.
type network struct {
	URL    string
	CAFile string
}

func newNetwork(t *testing.T, gate *harness.Gate) network {
	t.Helper()
	certificate := harness.SelfSigned(googleTokenHost)
	auth, err := url.Parse(gate.Auth)
	if err != nil {
		t.Fatal(err)
	}
	toGate := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(auth); r.Out.Host = auth.Host },
		Transport: harness.Client(nil).Transport,
	}
	google := httptest.NewUnstartedServer(toGate)
	google.TLS = &tls.Config{Certificates: []tls.Certificate{certificate.Pair}}
	google.StartTLS()
	t.Cleanup(google.Close)

	forward := &httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}, Transport: harness.Client(nil).Transport}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			forward.ServeHTTP(w, r)
			return
		}
		host, port, _ := net.SplitHostPort(r.Host)
		target := net.JoinHostPort("127.0.0.1", port)
		if host == googleTokenHost {
			target = google.Listener.Addr().String()
		} else if !strings.HasSuffix(host, ".localhost") && host != "127.0.0.1" {
			http.Error(w, "this machine only", http.StatusForbidden)
			return
		}
		tunnel(w, target)
	}))
	t.Cleanup(proxy.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, certificate.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	return network{proxy.URL, file}
}

func tunnel(w http.ResponseWriter, target string) {
	there, err := net.Dial("tcp", target)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		_, _ = io.Copy(there, bufio.NewReader(buffered))
		_ = there.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(here, there)
}
