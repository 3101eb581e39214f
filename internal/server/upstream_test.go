package server_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
)

// application2 is an application that speaks HTTP/2 and remembers the newest request, in words.
type application2 struct {
	server *httptest.Server
	url    string
	tls    *catalog.UpstreamTLS

	mu   sync.Mutex
	seen string
}

func (a *application2) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Goog-IAP-Generated-Response", "mallory")
	w.Header().Add("Set-Cookie", "GCP_IAP_UID=mallory")
	w.Header().Set("Content-Length", "2")
	if r.URL.Path == "/hints" {
		hint := w.Header().Clone()
		w.Header().Set("Link", "</own.css>; rel=preload")
		w.Header().Del("Content-Length")
		w.WriteHeader(http.StatusEarlyHints)
		clear(w.Header())
		maps.Copy(w.Header(), hint)
	}
	if r.URL.Path == "/announced" {
		w.Header().Set("Trailer", "X-Sum")
		defer w.Header().Set("X-Sum", "7")
	}
	body, _ := io.ReadAll(r.Body) // what has come of it is remembered
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\r\nHost: %s\r\n", r.Method, r.RequestURI, r.Proto, r.Host)
	_ = r.Header.Write(&b) // a Builder takes everything
	fmt.Fprintf(&b, "\r\n%s\r\n", body)
	_ = r.Trailer.Write(&b)
	a.mu.Lock()
	a.seen = b.String()
	a.mu.Unlock()
	_, _ = io.WriteString(w, "ok")
	w.Header().Set(http.TrailerPrefix+"X-Checksum", "from the app")
	w.Header().Set(http.TrailerPrefix+"X-Goog-Iap-Trailer", "mallory")
	w.Header().Set(http.TrailerPrefix+"Set-Cookie", "GCP_IAP_UID=mallory")
}

func (a *application2) last() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.seen
	a.seen = ""
	return seen
}

// overTLS and withoutTLS are the two ways to speak HTTP/2.
func overTLS(t *testing.T) *application2 {
	t.Helper()
	a := &application2{}
	a.server = httptest.NewUnstartedServer(a)
	a.server.EnableHTTP2 = true
	a.server.StartTLS()
	t.Cleanup(a.server.Close)
	file := t.TempDir() + "/ca.pem"
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	a.url, a.tls = a.server.URL, &catalog.UpstreamTLS{CAFile: file}
	return a
}

func withoutTLS(t *testing.T) *application2 {
	t.Helper()
	a := &application2{}
	a.server = httptest.NewUnstartedServer(a)
	a.server.Config.Protocols = new(http.Protocols)
	a.server.Config.Protocols.SetUnencryptedHTTP2(true)
	a.server.Start()
	t.Cleanup(a.server.Close)
	a.url = "h2c" + strings.TrimPrefix(a.server.URL, "http")
	return a
}

// lead makes a service lead to another application.
func (g *gate) lead(service catalog.Service, to *application2) {
	g.t.Helper()
	service.Upstream, service.UpstreamTLS = to.url, to.tls
	service.IAPDisabled = service.Name == "open"
	if err := g.server.Admin().PutService(g.t.Context(), admin.System("test"), service); err != nil {
		g.t.Fatal(err)
	}
}

// overBothHTTP2 runs a test with an application for each of the two.
func overBothHTTP2(t *testing.T, test func(t *testing.T, g *gate, app *application2)) {
	t.Helper()
	for name, start := range map[string]func(*testing.T) *application2{"https": overTLS, "h2c": withoutTLS} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, startGate(t), start(t))
		})
	}
}

func TestPathAndQueryReachTheAppAsReceivedOverHTTP2Too(t *testing.T) {
	t.Parallel()
	overBothHTTP2(t, func(t *testing.T, g *gate, app *application2) {
		g.lead(private, app)
		for _, target := range []string{
			"/", "/a|b", "//a", "/a/", "/a//b", "/a%2Fb", "/a%2fb", "/%61", "/?", "/?b=1;c=2", "/?x=%zz", "/?a=b&a=c", "/a;v=1/b", "/a/../b",
			"/./a", "/a?x=/../..", "/\xc3\xa9", "/a'b(c)*!", `/"<>^{}` + "`", "/a+b", "/a?q=\"<>", "//a//b?c", "/a:b@c",
		} {
			response, body := g.get("app.test", target, g.as("alice@example.com", private))
			lines := strings.SplitN(app.last(), "\r\n", 3)
			if lines[0] != "GET "+target+" HTTP/2.0" || lines[1] != "Host: app.test" {
				t.Errorf("%s reached the app as %q (status %d %s)", target, lines, response.StatusCode, body)
			}
		}
	})
}

func TestNoHeaderOfAClientReachesAnHTTP2AppAsOneOfOurs(t *testing.T) {
	t.Parallel()
	overBothHTTP2(t, func(t *testing.T, g *gate, app *application2) {
		g.lead(private, app)
		g.lead(open, app)
		token := g.as("alice@example.com", private)
		for _, spoof := range spoofed {
			for host, auth := range map[string]string{"app.test": token, "open.test": "X-Nobody: yes"} {
				response, body := g.get(host, "/", auth, spoof, spoof)
				seen := app.last()
				if response.StatusCode != http.StatusOK || seen == "" {
					t.Fatalf("%s at %s: status %d %s", spoof, host, response.StatusCode, body)
				}
				if strings.Contains(seen, "mallory") {
					t.Errorf("%s at %s reached the app:\n%s", spoof, host, seen)
				}
				if host == "app.test" && len(headerOf(seen, "X-Goog-Iap-Jwt-Assertion")) != 1 {
					t.Errorf("%s: no assertion reached the app:\n%s", spoof, seen)
				}
			}
		}
	})
}

func TestTrailersPassBetweenHTTP2AndHTTP2AndCarryNothingOfOurs(t *testing.T) {
	t.Parallel()
	overBothHTTP2(t, func(t *testing.T, g *gate, app *application2) {
		g.lead(private, app)
		request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+g.address+"/", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "app.test"
		key, value, _ := strings.Cut(g.as("alice@example.com", private), ": ")
		request.Header.Set(key, value)
		request.Trailer = http.Header{"X-Sum": {"42"}, "X-Goog-Iap-Jwt-Assertion": {"mallory"}}
		response, err := g.overHTTP2(t).RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || string(body) != "ok" || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %q, %v", response.Status, body, err)
		}
		if got := response.Trailer.Get("X-Checksum"); got != "from the app" {
			t.Errorf("trailers of the answer: %v", response.Trailer)
		}
		if all := fmt.Sprint(response.Header, response.Trailer); strings.Contains(all, "mallory") {
			t.Errorf("the app spoke as the gate: %s", all)
		}
		if seen := app.last(); strings.Contains(seen, "mallory") || !strings.Contains(seen, "\r\nbody\r\nX-Sum: 42\r\n") {
			t.Errorf("the app received:\n%s", seen)
		}
	})
}

func TestTrailersPassFromHTTP1ToHTTP2AndCarryNothingOfOurs(t *testing.T) {
	t.Parallel()
	overBothHTTP2(t, func(t *testing.T, g *gate, app *application2) {
		g.lead(open, app)
		response, body := g.raw("POST / HTTP/1.1\r\nHost: open.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Goog-Iap-Jwt-Assertion\r\n\r\n" +
			"4\r\nbody\r\n0\r\nX-Sum: 42\r\nX-Goog-Iap-Jwt-Assertion: mallory\r\n\r\n")
		if response.StatusCode != http.StatusOK || body != "ok" {
			t.Errorf("%s: %q", response.Status, body)
		}
		if seen := app.last(); strings.Contains(seen, "mallory") || !strings.Contains(seen, "\r\nbody\r\nX-Sum: 42\r\n") {
			t.Errorf("the app received:\n%s", seen)
		}
	})
}

func TestTrailersOfAnHTTP2AppReachAClientOfHTTP1WhoWantsThemInPlaceOfALength(t *testing.T) {
	t.Parallel()
	overBothHTTP2(t, func(t *testing.T, g *gate, app *application2) {
		g.lead(open, app)
		for _, c := range []struct {
			request, rest string
			length        int64
			sum           string
		}{
			{"GET /announced HTTP/1.1", "TE: trailers\r\nConnection: TE\r\n", -1, "7"},
			{"GET /announced HTTP/1.1", "", 2, ""},
			{"GET / HTTP/1.1", "TE: trailers\r\n", 2, ""},
			{"HEAD /announced HTTP/1.1", "TE: trailers\r\n", 2, ""},
			{"GET /announced HTTP/1.0", "TE: trailers\r\n", 2, ""},
		} {
			response, body := g.raw(c.request + "\r\nHost: open.test\r\n" + c.rest + "\r\n")
			if response.ContentLength != c.length || response.Trailer.Get("X-Sum") != c.sum || body != "ok" && !strings.HasPrefix(c.request, "HEAD ") {
				t.Errorf("%s with %q: %q, length %d, then %v", c.request, c.rest, body, response.ContentLength, response.Trailer)
			}
		}
	})
}

func TestTrailersPassFromHTTP2ToHTTP1AndBackAndCarryNothingOfOurs(t *testing.T) {
	t.Parallel()
	s := startGate(t).stage(t, 0)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.gate.address+"/", struct{ io.Reader }{strings.NewReader("body")})
	if err != nil {
		t.Fatal(err)
	}
	request.Host = s.host
	request.Header.Set("Te", "trailers")
	request.Trailer = http.Header{"X-Sum": {"42"}, "X-Goog-Iap-Jwt-Assertion": {"mallory"}}
	answered := make(chan error, 1)
	go func() {
		response, err := s.gate.overHTTP2(t).RoundTrip(request)
		if err != nil {
			answered <- err
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err == nil && (string(body) != "ok" || len(response.Trailer) != 1 || response.Trailer.Get("X-Told") != "2") {
			err = fmt.Errorf("answered with %q, then %v", body, response.Trailer)
		}
		answered <- err
	}()
	app, head := s.accept(t)
	mustHold(t, "the request", head, "Transfer-Encoding: chunked", "Trailer: X-Sum", "Te: trailers")
	app.expect("4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n")
	app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Told\r\n\r\n2\r\nok\r\n0\r\nX-Told: 2\r\nX-Goog-Iap-Trailer: mallory\r\n\r\n")
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestHintsOfAnHTTP2AppReachClientsOfEitherProtocolAndCarryNothingOfOurs(t *testing.T) {
	t.Parallel()
	overBothHTTP2(t, func(t *testing.T, g *gate, app *application2) {
		g.lead(open, app)
		for _, two := range []bool{false, true} {
			transport := &http.Transport{Protocols: new(http.Protocols), DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, g.address)
			}}
			transport.Protocols.SetHTTP1(!two)
			transport.Protocols.SetUnencryptedHTTP2(two)
			defer transport.CloseIdleConnections()
			var hints []string
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				hints = append(hints, fmt.Sprint(code, h))
				return nil
			}})
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://open.test/hints", nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := transport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || string(body) != "ok" || response.Header.Get("Link") != "" {
				t.Errorf("HTTP/2 %v: %s with %v: %q, %v", two, response.Status, response.Header, body, err)
			}
			if want := "103 map[Link:[</own.css>; rel=preload]]"; !slices.Equal(hints, []string{want}) {
				t.Errorf("HTTP/2 %v: the hints are %q, want %s", two, hints, want)
			}
		}
	})
}

func TestABadFileOfOneServiceHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	g, app := startGate(t), overTLS(t)
	app.tls = &catalog.UpstreamTLS{CAFile: t.TempDir() + "/missing.pem"}
	g.lead(private, app)
	alice := g.as("alice@example.com", private)
	response, body := g.get("app.test", "/", alice, "Accept: text/html")
	if response.StatusCode != http.StatusBadGateway || !strings.Contains(body, "upstream_failed") || strings.Contains(body, "missing.pem") {
		t.Errorf("status %d:\n%s", response.StatusCode, body)
	}
	if response, _ := g.get("public.test", "/"); response.StatusCode != http.StatusOK {
		t.Errorf("another service: status %d", response.StatusCode)
	}
	if _, err := g.server.Admin().SetIAPEnabled(t.Context(), admin.System("test"), public.Service.Name(), false); err != nil {
		t.Errorf("a change after it: %v", err)
	}
}
