package upstream_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/upstream"
	"github.com/gatehouse-iap/gatehouse/internal/upstream/http1"
)

func TestAnApplicationIsReachedOnlyAsItsServiceSays(t *testing.T) {
	t.Parallel()
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	ca, otherCA := ours.file(), other.file()
	certFile, keyFile := clientFiles(t, ours.issue("gatehouse", time.Time{}))
	strangerCert, strangerKey := clientFiles(t, other.issue("gatehouse", time.Time{}))
	roots := x509.NewCertPool()
	roots.AddCert(ours.cert)

	serving := func(cert tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{cert}} }
	asking := serving(ours.issue("app.internal", time.Time{}))
	asking.ClientAuth, asking.ClientCAs = tls.RequireAndVerifyClientCert, roots
	asking12 := asking.Clone()
	asking12.MaxVersion = tls.VersionTLS12
	old := serving(ours.issue("app.internal", time.Time{}))
	old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11

	modern := application(t, serving(ours.issue("app.internal", time.Time{})), http1And2)
	plain := application(t, nil, onlyHTTP1)
	secret := application(t, asking, http1And2)
	for name, c := range map[string]struct {
		url    string
		tls    upstream.TLS
		want   string // in the answer
		advice string // in the error
	}{
		"https over HTTP/2": {url: modern.URL, tls: upstream.TLS{CAFile: ca, ServerName: "app.internal"}, want: "HTTP/2.0 app.test /path?q"},
		"https of an application without HTTP/2": {
			url: application(t, serving(ours.issue("app.internal", time.Time{})), onlyHTTP1).URL,
			tls: upstream.TLS{CAFile: ca, ServerName: "app.internal"}, want: "HTTP/1.1 app.test /path?q",
		},
		"h2c":                        {url: "h2c" + strings.TrimPrefix(application(t, nil, h2c).URL, "http"), want: "HTTP/2.0 app.test /path?q"},
		"http":                       {url: plain.URL, want: "HTTP/1.1 app.test /path?q"},
		"the wrong authority":        {url: modern.URL, tls: upstream.TLS{CAFile: otherCA, ServerName: "app.internal"}, advice: "upstreamTls.caFile"},
		"the system's roots":         {url: modern.URL, tls: upstream.TLS{ServerName: "app.internal"}, advice: "upstreamTls.caFile"},
		"the wrong name":             {url: modern.URL, tls: upstream.TLS{CAFile: ca, ServerName: "other.internal"}, advice: "upstreamTls.serverName"},
		"an address for a name":      {url: modern.URL, tls: upstream.TLS{CAFile: ca}, advice: "upstreamTls.serverName"},
		"an expired certificate":     {url: application(t, serving(ours.issue("app.internal", time.Now().Add(-time.Hour))), http1And2).URL, tls: upstream.TLS{CAFile: ca, ServerName: "app.internal"}, advice: "expired"},
		"verification off":           {url: modern.URL, tls: upstream.TLS{InsecureSkipVerify: true}, want: "HTTP/2.0"},
		"TLS that is too old":        {url: application(t, old, onlyHTTP1).URL, tls: upstream.TLS{CAFile: ca, ServerName: "app.internal"}, advice: "TLS"},
		"a client certificate":       {url: secret.URL, tls: upstream.TLS{CAFile: ca, ServerName: "app.internal", CertFile: certFile, KeyFile: keyFile}, want: "HTTP/2.0"},
		"no client certificate":      {url: secret.URL, tls: upstream.TLS{CAFile: ca, ServerName: "app.internal"}, advice: "upstreamTls.certFile"},
		"a stranger's certificate":   {url: secret.URL, tls: upstream.TLS{CAFile: ca, ServerName: "app.internal", CertFile: strangerCert, KeyFile: strangerKey}, advice: "upstreamTls.certFile"},
		"none, and TLS 1.2":          {url: application(t, asking12, onlyHTTP1).URL, tls: upstream.TLS{CAFile: ca, ServerName: "app.internal"}, advice: "upstreamTls.certFile"},
		"https where there is none":  {url: "https" + strings.TrimPrefix(plain.URL, "http"), tls: upstream.TLS{CAFile: ca}, advice: "make the upstream http://"},
		"h2c where there is none":    {url: "h2c" + strings.TrimPrefix(plain.URL, "http"), advice: "make the upstream http://"},
		"http where only HTTP/2 is":  {url: "http://" + speaker(t, "\x00\x00\x00\x04\x00\x00\x00\x00\x00"), advice: "h2c://"},
		"a port where nobody is":     {url: "http://" + deadAddress(t), advice: "nothing listens there"},
		"a file that is not there":   {url: modern.URL, tls: upstream.TLS{CAFile: ca + "x"}, advice: "caFile: open "},
		"a key that is not the cert": {url: modern.URL, tls: upstream.TLS{CertFile: certFile, KeyFile: strangerKey}, advice: "do not make a client certificate"},
		"a key for an authority":     {url: modern.URL, tls: upstream.TLS{CAFile: keyFile}, advice: "holds a PRIVATE KEY"},
		"a folder for an authority":  {url: modern.URL, tls: upstream.TLS{CAFile: t.TempDir()}, advice: "not an ordinary file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ask(t, one(t, &upstream.Pools{}, upstream.Config{URL: c.url, TLS: c.tls}))
			if c.advice != "" {
				if err == nil || !strings.Contains(err.Error(), c.advice) {
					t.Errorf("answered %q, error %v; it should say %q", got, err, c.advice)
				}
				return
			}
			if err != nil || !strings.HasPrefix(got, c.want) {
				t.Errorf("answered %q, %v", got, err)
			}
		})
	}
}

// speaker says one thing to everybody who connects.
func speaker(t *testing.T, words string) string {
	t.Helper()
	return accept(t, nil, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = conn.Write([]byte(words + "\r\n"))
	})
}

// deadAddress is one on which nobody listens, nor will: the port is taken until the test ends.
func deadAddress(t *testing.T) string {
	t.Helper()
	address, _ := bound(t)
	return address
}

// bound takes a port on which nobody listens until listen is called, with room for so many connections that nobody
// accepts.
func bound(t *testing.T) (address string, listen func(backlog int) net.Listener) {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(socket), "bound")
	t.Cleanup(func() { file.Close() })
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	listen = func(backlog int) net.Listener {
		t.Helper()
		if err := syscall.Listen(socket, backlog); err != nil {
			t.Fatal(err)
		}
		l, err := net.FileListener(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*syscall.SockaddrInet4).Port)), listen
}

func TestAPipeInPlaceOfAFileHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	pipe := t.TempDir() + "/pipe"
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (upstream.Config{URL: "https://app.internal", TLS: upstream.TLS{CAFile: pipe}}).Check(); err == nil {
		t.Error("taken")
	}
}

func TestABundleWithACertificateThatIsCutOffIsRefused(t *testing.T) {
	t.Parallel()
	a, b := newAuthority(t, "a"), newAuthority(t, "b")
	whole := string(certificatePEM(a.cert))
	cut := string(certificatePEM(b.cert))[:200] + "\n"
	for name, content := range map[string]string{
		"at the end": whole + cut, "at the beginning": cut + whole, "nothing in it": "", "no PEM": "hello",
	} {
		path := writeFile(t, t.TempDir(), "ca.pem", []byte(content))
		if err := (upstream.Config{URL: "https://app.internal", TLS: upstream.TLS{CAFile: path}}).Check(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestAWebSocketOverH2CIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	up := one(t, &upstream.Pools{}, upstream.Config{URL: "h2c" + strings.TrimPrefix(application(t, nil, h2c).URL, "http")})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+up.Address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
	if _, err := up.Send(request, http1.Whole{Request: request}); err == nil || !strings.Contains(err.Error(), "h2c has none") {
		t.Errorf("error %v", err)
	}
}

func TestAWebSocketOverHTTPSGoesOverHTTP1EvenWhereHTTP2IsOffered(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return // HTTP/2: the answer is 200, and the test fails
		}
		_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"))
		conn.Close()
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	up := one(t, &upstream.Pools{}, upstream.Config{URL: server.URL, TLS: upstream.TLS{InsecureSkipVerify: true}})
	for range 2 { // with and without a connection over HTTP/2 that could be used
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
		response, err := up.Send(request, http1.Whole{Request: request})
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("%s %s", response.Proto, response.Status)
		}
		if got, err := ask(t, up); err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestPoolsAreKeptWhileTheirConfigurationIs(t *testing.T) {
	t.Parallel()
	var pools upstream.Pools
	config := func(c upstream.Config) upstream.Config { return c.Canonical() }
	a := config(upstream.Config{URL: "https://App.internal"})
	first := pools.Keep(map[upstream.Config]struct{}{a: {}})
	again := pools.Keep(map[upstream.Config]struct{}{config(upstream.Config{URL: "https://app.internal:443/"}): {}})
	if first[a] != again[a] {
		t.Error("the same place, written another way, has a pool of its own")
	}
	for name, other := range map[string]upstream.Config{
		"another scheme":   {URL: "http://app.internal:443"},
		"another host":     {URL: "https://app.internal", Host: "x"},
		"another name":     {URL: "https://app.internal", TLS: upstream.TLS{ServerName: "x"}},
		"verification off": {URL: "https://app.internal", TLS: upstream.TLS{InsecureSkipVerify: true}},
	} {
		other = config(other)
		if both := pools.Keep(map[upstream.Config]struct{}{a: {}, other: {}}); both[a] != first[a] || both[other] == both[a] || both[other] == nil {
			t.Errorf("%s shares the pool", name)
		}
	}
}

func TestAChangedFileCountsAtTheNextReload(t *testing.T) {
	t.Parallel()
	before, after := newAuthority(t, "before"), newAuthority(t, "after")
	ca := before.file()
	server := application(t, &tls.Config{Certificates: []tls.Certificate{after.issue("app.internal", time.Time{})}}, http1And2)
	var pools upstream.Pools
	config := upstream.Config{URL: server.URL, TLS: upstream.TLS{CAFile: ca, ServerName: "app.internal"}}.Canonical()
	old := one(t, &pools, config)
	if _, err := ask(t, old); err == nil {
		t.Fatal("verified by an authority that did not sign")
	}
	if changed, problems := pools.Reload(); len(changed)+len(problems) > 0 {
		t.Fatalf("nothing was changed: %v, %v", changed, problems)
	}

	replace := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(ca, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace([]byte("half a fi"))
	if changed, problems := pools.Reload(); len(changed) > 0 || problems[config] == nil {
		t.Fatalf("a bad file: %v, %v", changed, problems)
	}
	if kept := pools.Keep(map[upstream.Config]struct{}{config: {}})[config]; kept != old || kept.Problem != nil {
		t.Fatal("a bad file replaced what worked")
	}
	replace(certificatePEM(after.cert))
	changed, problems := pools.Reload()
	if len(problems) > 0 || changed[config] == nil {
		t.Fatalf("a good file: %v, %v", changed, problems)
	}
	if got, err := ask(t, changed[config]); err != nil {
		t.Errorf("answered %q, %v", got, err)
	}
	if kept := pools.Keep(map[upstream.Config]struct{}{config: {}})[config]; kept != changed[config] {
		t.Error("the next policy write brings back what was before")
	}
}

func TestAnUpstreamWithABadFileComesBackOnceTheFileIsGood(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t, "ours")
	ca := writeFile(t, t.TempDir(), "ca.pem", nil)
	server := application(t, &tls.Config{Certificates: []tls.Certificate{ours.issue("app.internal", time.Time{})}}, http1And2)
	var pools upstream.Pools
	config := upstream.Config{URL: server.URL, TLS: upstream.TLS{CAFile: ca, ServerName: "app.internal"}}.Canonical()
	if _, err := ask(t, one(t, &pools, config)); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Fatalf("error %v", err)
	}
	if err := os.WriteFile(ca, certificatePEM(ours.cert), 0o600); err != nil {
		t.Fatal(err)
	}
	changed, problems := pools.Reload()
	if len(problems) > 0 || changed[config] == nil {
		t.Fatalf("%v, %v", changed, problems)
	}
	if _, err := ask(t, changed[config]); err != nil {
		t.Error(err)
	}
}

func TestConnectionsThatNobodyUsesAreClosedOnceTheirPoolIs(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(closed)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	var pools upstream.Pools
	began := time.Now()
	if _, err := ask(t, one(t, &pools, upstream.Config{URL: server.URL, TLS: upstream.TLS{InsecureSkipVerify: true}})); err != nil {
		t.Fatal(err)
	}
	pools.Keep(nil)
	select {
	case <-closed:
		if waited := time.Since(began); waited > 3*time.Second {
			t.Errorf("closed by its age, after %v", waited)
		}
	case <-time.After(10 * time.Second):
		t.Error("the connection is still open")
	}
}
