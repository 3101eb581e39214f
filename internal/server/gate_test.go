package server_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/server"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/storage/sqlite/sqlitetest"
)

// gate is a whole server in front of a recording upstream.
type gate struct {
	t       testing.TB
	server  *server.Server
	address string
	dataDir string
	app     *recorder
	clock   *clock
	edits   []func(*server.Options)
	stop    func()
}

// The services of a test gate. All lead to the same upstream.
var (
	private  = backend("private", "1", "app.test")
	public   = backend("public", "2", "public.test")
	open     = backend("open", "3", "open.test")
	prefixed = withPrefix(backend("prefixed", "4", "prefixed.test"), "/api")
	spa      = withOpenings(backend("spa", "5", "spa.test"))
	engine   = catalog.Service{
		Service: resource.Service{Kind: resource.AppEngineApp, ProjectID: "dev-project", ProjectNumber: 123456789012},
		Name:    "engine", Hosts: []string{"engine.test"}, OAuthClientID: "client-engine",
	}
)

func backend(name, id, host string) catalog.Service {
	return catalog.Service{
		Service: resource.Service{Kind: resource.BackendService, ProjectID: "dev-project", ProjectNumber: 123456789012, ID: id},
		Name:    name, Hosts: []string{host}, OAuthClientID: "client-" + name,
	}
}

func withPrefix(s catalog.Service, prefix string) catalog.Service {
	s.PathPrefixes = []string{prefix}
	return s
}

func withOpenings(s catalog.Service) catalog.Service {
	s.PublicPaths = []catalog.PublicPath{{Prefix: "/hooks", Methods: []string{"POST", "GET"}}, {Path: "/healthz", Methods: []string{"GET"}}}
	s.CORSOrigins = []string{"https://spa.example.com", "http://localhost:5173"}
	return s
}

// clock is the time of a gate; tests move it.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// startGate starts a gate with the options of these tests, after edits.
func startGate(t testing.TB, edits ...func(*server.Options)) *gate {
	t.Helper()
	g := &gate{t: t, dataDir: sqlitetest.Data(t), app: startRecorder(t), clock: &clock{}, edits: edits}
	g.start()
	t.Cleanup(func() { g.stop() })
	return g
}

// start opens the server on the gate's data directory; restart is stop and start.
func (g *gate) start() {
	g.t.Helper()
	options := server.Options{
		DataDir: g.dataDir, External: signin.External{Scheme: "http", Port: 80}, AuthHost: "auth.test",
		ProjectID: "dev-project", ProjectNumber: 123456789012, Bootstrap: g.bootstrap,
		Log: slog.New(slog.DiscardHandler), Now: g.clock.now,
	}
	for _, edit := range g.edits {
		edit(&options)
	}
	if options.Listener == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			g.t.Fatal(err)
		}
		options.Listener = l
	}
	s, err := server.New(g.t.Context(), options)
	if err != nil {
		g.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Serve(ctx)
		cancel() // a server that cannot serve never gets ready
	}()
	if err := s.Ready(ctx); err != nil {
		g.t.Fatal(err, <-ended)
	}
	g.server, g.address = s, options.Listener.Addr().String()
	g.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			g.t.Errorf("the server ended with %v", err)
		}
	})
}

func (g *gate) bootstrap(ctx context.Context, a *admin.Admin) error {
	if services, err := a.Services(ctx); err != nil || len(services) > 0 {
		return err
	}
	actor := admin.System("test")
	for _, email := range []string{"alice@example.com", "bob@example.com"} {
		account := directory.Account{Kind: principal.User, Email: email, Subject: directory.NewSubject(), HostedDomain: "example.com"}
		if _, err := a.CreateAccount(ctx, actor, account, ""); err != nil {
			return err
		}
	}
	for _, service := range []catalog.Service{private, public, open, prefixed, spa, engine} {
		service.Upstream = "http://" + g.app.address
		service.IAPDisabled = service.Name == "open"
		if err := a.PutService(ctx, actor, service); err != nil {
			return err
		}
		member := "user:alice@example.com"
		if service.Name == "public" {
			member = "allUsers"
		}
		policy := iam.Policy{Bindings: []iam.Binding{{Role: iam.RoleHTTPSResourceAccessor, Members: []string{member}}}}
		if _, err := a.SetIamPolicy(ctx, actor, service.Service.Name(), policy); err != nil {
			return err
		}
	}
	return nil
}

// confirm makes the view fresh again after the clock was moved: a change is read, and with it confirmed.
func (g *gate) confirm() {
	g.t.Helper()
	for _, on := range []bool{true, false} {
		if _, err := g.server.Admin().SetIAPEnabled(g.t.Context(), admin.System("test"), open.Service.Name(), on); err != nil {
			g.t.Fatal(err)
		}
	}
}

// token returns a bearer token of an account for a service.
func (g *gate) token(email string, service catalog.Service) string {
	g.t.Helper()
	token, err := g.server.MintIDToken(g.t.Context(), email, service.OAuthClientID)
	if err != nil {
		g.t.Fatal(err)
	}
	return token
}

// raw sends bytes as they are on a new connection and reads one response to its end.
func (g *gate) raw(request string) (*http.Response, string) {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.address)
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		g.t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		g.t.Fatalf("%q was answered with %v", request, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return response, string(body)
}

// get is raw for an ordinary GET with header lines.
func (g *gate) get(host, target string, lines ...string) (*http.Response, string) {
	g.t.Helper()
	return g.raw("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + joinLines(lines) + "Connection: close\r\n\r\n")
}

func joinLines(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line + "\r\n")
	}
	return b.String()
}

// as is the header line that authenticates.
func (g *gate) as(email string, service catalog.Service) string {
	return "Authorization: Bearer " + g.token(email, service)
}

// recorder is an application that keeps the bytes it receives.
type recorder struct {
	address string
	// answer is what it says; nil says 200 and "ok".
	mu       sync.Mutex
	answer   func(*http.Request) string
	received []string
}

func startRecorder(t testing.TB) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r := &recorder{address: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(conn)
		}
	}()
	return r
}

func (r *recorder) serve(conn net.Conn) {
	defer conn.Close()
	var bytesIn bytes.Buffer
	request, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &bytesIn)))
	if err != nil {
		return
	}
	if _, err := io.Copy(io.Discard, request.Body); err != nil {
		return
	}
	r.mu.Lock()
	r.received = append(r.received, bytesIn.String())
	answer := r.answer
	r.mu.Unlock()
	if answer == nil {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
		return
	}
	_, _ = io.WriteString(conn, answer(request))
}

// last returns the bytes of the newest request, and forgets all.
func (r *recorder) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.received) == 0 {
		return ""
	}
	last := r.received[len(r.received)-1]
	r.received = nil
	return last
}

func (r *recorder) say(answer func(*http.Request) string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// headerOf returns the values of a header in raw request bytes, names compared as written.
func headerOf(request, name string) []string {
	var values []string
	head, _, _ := strings.Cut(request, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if value, found := strings.CutPrefix(line, name+": "); found {
			values = append(values, value)
		}
	}
	return values
}
