package server_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/metrics"
	"github.com/gatehouse-iap/gatehouse/internal/requestid"
	"github.com/gatehouse-iap/gatehouse/internal/server"
	"github.com/gatehouse-iap/gatehouse/internal/tracing"
	"github.com/gatehouse-iap/gatehouse/internal/tracing/tracingtest"
)

// counted gives a gate metrics, which the result shows.
func counted(t *testing.T) (edit func(*server.Options), scrape func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	health := &server.Health{Listener: l, Metrics: metrics.New("test")}
	return func(o *server.Options) { o.Health = health }, func() string {
		response, err := http.Get("http://" + l.Addr().String() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
}

func wantSeries(t *testing.T, scrape string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(scrape, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, " ")
			name, _, _ = strings.Cut(name, "{")
			var are []string
			for l := range strings.Lines(scrape) {
				if strings.HasPrefix(l, name) {
					are = append(are, l)
				}
			}
			t.Errorf("there is no %s, but\n%s", line, strings.Join(are, ""))
		}
	}
}

// recordOf stops the gate and returns the record of the decision about a path.
func (g *gate) recordOf(path string) map[string]any {
	g.t.Helper()
	g.stop() // writes what waits
	files, err := filepath.Glob(filepath.Join(g.dataDir, "decisions", "*"))
	if err != nil {
		g.t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			g.t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			var record map[string]any
			if json.Unmarshal([]byte(line), &record) == nil && record["path"] == path {
				return record
			}
		}
	}
	g.t.Fatalf("no record of %s", path)
	return nil
}

func TestARequestHasOneIdEverywhere(t *testing.T) {
	t.Parallel()
	const given = "7f9c24e8-3b12-4c6e-9d0a-1f2e3d4c5b6a"
	for name, c := range map[string]struct {
		trusted bool
		sent    []string
		want    string // empty for one of our own
	}{
		"nobody gives one":                  {true, nil, ""},
		"a trusted proxy gives one":         {true, []string{"X-Request-Id: " + given}, given},
		"a trusted proxy gives two":         {true, []string{"X-Request-Id: " + given, "X-Request-Id: b"}, ""},
		"a trusted proxy gives a bad one":   {true, []string{`X-Request-Id: a"b`}, ""},
		"a stranger gives one":              {false, []string{"X-Request-Id: " + given}, ""},
		"a stranger gives another spelling": {false, []string{"X_Request_Id: " + given, "x-request_id: " + given}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var edits []func(*server.Options)
			if c.trusted {
				edits = append(edits, trusting("127.0.0.0/8"))
			}
			g := startGate(t, edits...)
			g.app.say(func(*http.Request) string {
				return "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nX-Request-Id: the-apps-own\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
			})
			passed, _ := newVisitor(t, g).ask(http.MethodGet, appURL+"passed", append([]string{g.as("alice@example.com", private)}, c.sent...)...)
			app := headerOf(g.app.last(), "X-Request-Id")
			refused, page := g.get("app.test", "/refused", append([]string{g.as("bob@example.com", private), "Accept: text/html"}, c.sent...)...)
			auth, _ := g.get("auth.test", "/", c.sent...)
			broken, brokenPage := g.get("auth.test", "/o/oauth2/v2/auth?state=x&state=y", append([]string{"Accept: text/html"}, c.sent...)...)
			for where, values := range map[string][]string{
				"the answer": passed.Header["X-Request-Id"], "the application": app, "a refusal": refused.Header["X-Request-Id"],
				"the auth host": auth.Header["X-Request-Id"], "a refusal of sign-in": broken.Header["X-Request-Id"],
			} {
				if len(values) != 1 || c.want != "" && values[0] != c.want || c.want == "" && len(values[0]) != 26 {
					t.Errorf("%s: %q", where, values)
				}
			}
			if len(app) == 1 && app[0] != passed.Header.Get("X-Request-Id") {
				t.Errorf("the application is told %q, the client %q", app, passed.Header.Get("X-Request-Id"))
			}
			if c.want == "" && (!strings.Contains(page, refused.Header.Get("X-Request-Id")) || !strings.Contains(brokenPage, broken.Header.Get("X-Request-Id"))) {
				t.Errorf("a page shows another id than the header %s", refused.Header.Get("X-Request-Id"))
			}
			record := g.recordOf("/refused")
			if c.want == "" && (record["id"] != refused.Header.Get("X-Request-Id") || record["request_id"] != nil) || c.want != "" && record["request_id"] != c.want {
				t.Errorf("the record has %v, %v", record["id"], record["request_id"])
			}
		})
	}
}

func TestTheLogNamesTheRequest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	g := startGate(t, func(o *server.Options) { o.Log = slog.New(requestid.LogHandler(slog.NewTextHandler(&out, nil))) })
	g.app.say(func(*http.Request) string { return "garbage\r\n\r\n" })
	failed, _ := g.get("app.test", "/", g.as("alice@example.com", private))
	broken, _ := g.get("auth.test", "/o/oauth2/v2/auth?state=x&state=y")
	g.stop()
	for what, response := range map[string]*http.Response{"the application did not answer": failed, "sign-in step refused": broken} {
		found := false
		for line := range strings.Lines(out.String()) {
			found = found || strings.Contains(line, what) && strings.Contains(line, "request="+response.Header.Get("X-Request-Id"))
		}
		if !found || len(response.Header.Get("X-Request-Id")) != 26 {
			t.Errorf("no line %q names %q:\n%s", what, response.Header.Get("X-Request-Id"), out.String())
		}
	}
}

func TestWhatHappensIsCounted(t *testing.T) {
	t.Parallel()
	metered, scrape := counted(t)
	g, _, p := federated(t, metered)
	v := newVisitor(t, g)
	v.visit(appURL)
	v.ask(http.MethodGet, appURL)
	g.app.say(func(*http.Request) string {
		return "HTTP/1.1 599 Odd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	})
	v.ask(http.MethodGet, appURL)
	g.app.say(func(*http.Request) string { return "garbage\r\n\r\n" })
	v.ask(http.MethodGet, appURL)
	g.app.say(func(*http.Request) string {
		return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
	})
	v.ask(http.MethodGet, appURL)
	p.Domains = []string{"elsewhere.example"} // whoever comes now is not the provider's to vouch for
	p.Groups = nil
	g.put(p)
	newVisitor(t, g).visit(appURL)

	name := string(private.Service.Name())
	got := scrape()
	wantSeries(t, got,
		`gatehouse_upstream_responses_total{code="200",resource="`+name+`"} 3`,
		`gatehouse_upstream_responses_total{code="5xx",resource="`+name+`"} 1`,
		`gatehouse_upstream_failures_total{code="502",resource="`+name+`"} 1`,
		`gatehouse_upstream_header_duration_seconds_count{resource="`+name+`"} 4`,
		`gatehouse_sign_ins_total{outcome="success",provider="corp"} 1`,
		`gatehouse_sign_ins_total{outcome="address_refused",provider="corp"} 1`,
		`gatehouse_requests_in_flight 0`, `gatehouse_ready 1`, `gatehouse_store_errors_total{operation="write"} 0`,
		`gatehouse_snapshot_refreshes_total{result="failure"} 0`, `gatehouse_trace_spans_total{result="exported"} 0`,
	)
	if !strings.Contains(got, `gatehouse_provider_fetches_total{document="keys",provider="corp",result="success"}`) {
		t.Error("nothing was fetched of the provider")
	}
	if !strings.Contains(got, `gatehouse_signing_key_age_seconds{purpose="assertion"}`) || !strings.Contains(got, "gatehouse_assertions_signed_total 1\n") {
		t.Error("keys or assertions are missing")
	}
	var all, streams float64
	for line := range strings.Lines(got) {
		if strings.HasPrefix(line, "gatehouse_request_duration_seconds_count") {
			all += last(t, line)
		}
		if strings.HasPrefix(line, "gatehouse_decision_duration_seconds_count") {
			streams += last(t, line)
		}
	}
	if streams != all+1 {
		t.Errorf("%v requests were decided, and %v have a duration: the event stream should have none", streams, all)
	}
}

func TestWhatLastsAndWhoIsWellIsCounted(t *testing.T) {
	t.Parallel()
	metered, scrape := counted(t)
	e := startEndless(t, func(t *testing.T, edits ...func(*server.Options)) *gate {
		return startGate(t, append(edits, metered)...)
	})
	e.reach(private, func(s *catalog.Service) {
		s.Upstreams, s.Upstream = []string{"http://" + e.app.address, "http://" + refusing(t)}, ""
		s.HealthCheck = &catalog.HealthCheck{HealthyThreshold: 1, UnhealthyThreshold: 1}
	})
	e.app.say(func(r *http.Request) string {
		return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	})
	address := func(series, url string) string {
		return series + `{address="` + url + `",resource="` + string(private.Service.Name()) + `"}`
	}
	well, ill := "http://"+e.app.address, ""
	for _, a := range e.server.Admin().Upstreams("private") {
		if a.Address != well {
			ill = a.Address
		}
	}
	told := func() bool {
		now := scrape()
		return strings.Contains(now, address("gatehouse_upstream_healthy", ill)+" 0\n") && strings.Contains(now, address("gatehouse_upstream_healthy", well)+" 1\n")
	}
	for end := time.Now().Add(5 * time.Second); !told(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nobody is told that %s is ill and %s is not:\n%s", ill, well, scrape())
		}
	}
	wantSeries(t, scrape(), address("gatehouse_upstream_circuit_open", well)+" 0", address("gatehouse_upstream_requests_in_flight", well)+" 0")

	e.let("user:alice@example.com")
	_, rest := openCall(t, e, e.byToken)
	e.awaitKnown(t, 1)
	wantSeries(t, scrape(), `gatehouse_exchanges_open{kind="grpc"} 1`)
	e.let()
	rest()
	wantSeries(t, scrape(), `gatehouse_exchanges_ended_total{kind="grpc",reason="not_granted"} 1`)
}

func last(t *testing.T, line string) (n float64) {
	t.Helper()
	if err := json.Unmarshal([]byte(line[strings.LastIndex(line, " ")+1:]), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestARequestIsTracedFromTheDoorToTheApplicationAndTheProvider(t *testing.T) {
	t.Parallel()
	receiver := tracingtest.Start(t)
	tracer := tracing.New(tracing.Config{Endpoint: receiver.URL, Ratio: 1, Version: "test", Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(tracer.Close)
	g, _, _ := federated(t, func(o *server.Options) { o.Tracer = tracer })
	v := newVisitor(t, g)
	v.visit(appURL + "deep?planted=query")
	traceparent := headerOf(g.app.last(), "Traceparent")
	v.ask(http.MethodGet, appURL, "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Tracestate: a=b")
	stranger := g.app.last()
	for _, host := range []string{"app.test", "auth.test", "unknown.test"} { // let through, answered by the gate, and refused
		v.ask(http.MethodGet, "http://"+host+"/?x=planted", "X-Api-Key: planted", "Referer: http://a.test/?planted", "User-Agent: planted", "Cookie: theirs=planted",
			"Authorization: Basic planted", "Proxy-Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.e30.planted", "Tracestate: planted=planted", "X-Request-Id: planted")
	}
	if err := tracer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(traceparent) != 1 || len(headerOf(stranger, "Traceparent")) != 1 || strings.Contains(stranger, "4bf92f35") || len(headerOf(stranger, "Tracestate")) != 0 {
		t.Errorf("the application is told %q, and then\n%s", traceparent, stranger)
	}
	asked := map[string]bool{}
	for _, span := range receiver.Spans() {
		attributes := tracingtest.Attributes(span.GetAttributes())
		what := span.GetName()
		if address := attributes["url.full"]; address != "" {
			what += " " + address[strings.LastIndex(address, "/"):]
		}
		asked[what] = true
	}
	for _, what := range []string{"GET", "decide", "forward", "store write", "POST /token", "GET /keys"} {
		if !asked[what] {
			t.Errorf("there is no span %s in %v", what, asked)
		}
	}
	raw := receiver.Raw()
	if strings.Contains(raw, "planted") || strings.Contains(raw, "alice@") || strings.Contains(raw, "code=") {
		t.Error("a span holds a query, a header or an address")
	}
	secrets := 0
	for host, cookies := range v.cookies {
		for name, value := range cookies {
			if secrets++; len(value) > 12 && strings.Contains(raw, value) {
				t.Errorf("a span holds the cookie %s of %s", name, host)
			}
		}
	}
	if secrets < 2 {
		t.Errorf("the visitor has %d cookies, and was to be signed in", secrets)
	}
}

func TestWithoutTracingATraceparentReachesTheApplicationAsItIs(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	const theirs = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	g.get("public.test", "/", "Traceparent: "+theirs, "Tracestate: a=b")
	seen := g.app.last()
	if got := headerOf(seen, "Traceparent"); len(got) != 1 || got[0] != theirs || len(headerOf(seen, "Tracestate")) != 1 {
		t.Errorf("%s", seen)
	}
}
