package upstreams

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const (
	password = "correct horse battery staple"
	grant    = "--role=roles/iap.httpsResourceAccessor"
	// isApplication is set in the process that is the application in Go, this program once more, and certificateFile where
	// it is to speak TLS.
	isApplication   = "GATEHOUSE_TEST_UPSTREAM"
	certificateFile = "GATEHOUSE_TEST_UPSTREAM_CERTIFICATE"
)

func TestMain(m *testing.M) {
	if os.Getenv(isApplication) == "" {
		os.Exit(m.Run())
	}
	log.Fatal(serveApplication(os.Getenv(certificateFile)))
}

// kinds are the servers that applications are written for, the last one reached in three ways.
var kinds = []string{"nginx", "Node", "Python", "Go", overH2C, overTLS}

const (
	overH2C = "Go-h2c"
	overTLS = "Go-TLS" // which is HTTP/2 but for WebSockets
)

// gate is the one that stands before all of them.
type gate struct {
	*harness.Site
	keys *assertion.RemoteKeySet
}

// place is an application behind the gate, with somebody who has signed in to it.
type place struct {
	kind   string
	gate   *gate
	origin string // as browsers write it
	alice  *harness.Visitor
	nginx  string // directory of nginx's files; empty for the others
}

func service(kind string) string { return strings.ToLower(kind) }

// start starts the applications and the gate, and lets Alice in everywhere.
func start(t *testing.T) []*place {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	origins := map[string]string{
		"Go":     harness.StartApp(t, self, "upstreams/app_test.go", isApplication+"=1"),
		"Node":   harness.StartApp(t, "node", "node/upstream.mjs"),
		"Python": harness.StartApp(t, "/usr/bin/python3", "python/upstream.py"),
	}
	certificate, dir := harness.SelfSigned("app.internal"), t.TempDir()
	own, trusted := filepath.Join(dir, "app.pem"), filepath.Join(dir, "ca.pem")
	for file, content := range map[string][]byte{own: slices.Concat(certificate.PEM, certificate.KeyPEM), trusted: certificate.PEM} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	origins[overH2C] = strings.Replace(harness.StartApp(t, self, "upstreams/app_test.go", isApplication+"=1"), "http:", "h2c:", 1)
	origins[overTLS] = strings.Replace(harness.StartApp(t, self, "upstreams/app_test.go", isApplication+"=1", certificateFile+"="+own), "http:", "https:", 1)
	var nginx string
	origins["nginx"], nginx = startNginx(t, origins["Go"])
	g := &gate{Site: harness.NewSite(t)}
	g.Init(t, "--host=app.localhost", "--upstream="+origins["Go"])
	manifests := "apiVersion: gatehouse.dev/v1\nkind: IamPolicy\nmetadata: {name: all}\nspec:\n  resource: projects/gatehouse/iap_web\n" +
		"  bindings: [{role: roles/iap.httpsResourceAccessor, members: [\"user:" + harness.Alice + "\"]}]\n"
	for _, kind := range kinds {
		manifests += fmt.Sprintf("---\napiVersion: gatehouse.dev/v1\nkind: BackendService\nmetadata: {name: %s}\nspec:\n  hosts: [%[1]s.localhost]\n  upstream: %s\n",
			service(kind), origins[kind])
		if kind == overTLS {
			manifests += fmt.Sprintf("  upstreamTls: {caFile: %q, serverName: app.internal}\n", trusted)
		}
	}
	g.Write(t, "apps.yaml", manifests)
	g.Serve(t)
	g.CLIWith(t, password+"\n", "users", "create", harness.Alice)
	keys, err := assertion.NewRemoteKeySet(assertion.RemoteConfig{
		URL: g.Auth + "/iap/verify/public_key-jwk", Client: harness.Client(nil), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	g.keys = keys
	places := make([]*place, len(kinds))
	for i, kind := range kinds {
		places[i] = &place{kind: kind, gate: g, origin: g.URL(service(kind) + ".localhost")}
		places[i].alice = places[i].signIn(t, harness.Alice)
	}
	places[0].nginx = nginx
	return places
}

// signIn is somebody who walks the whole way: to the application, to the sign-in page, and back.
func (p *place) signIn(t *testing.T, person string) *harness.Visitor {
	t.Helper()
	connections := harness.Connections()
	t.Cleanup(connections.CloseIdleConnections)
	v := harness.NewVisitorOver(t, connections)
	answer := v.Send(v.Open(p.origin+"/who"), "email", person, "password", password)
	if answer.StatusCode != http.StatusOK || answer.Request.URL.String() != p.origin+"/who" {
		t.Fatalf("%s is led to %s, %s:\n%s", person, answer.Request.URL, answer.Status, answer.Text)
	}
	return v
}

// request is one of Alice's.
func (p *place) request(t *testing.T, method, target string, body io.Reader, headers ...string) *http.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, p.origin+target, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// open sends a request of Alice's and leaves the answer's body to be read.
func (p *place) open(t *testing.T, r *http.Request) *http.Response {
	t.Helper()
	response, err := p.alice.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// get fetches something, which must have the status.
func (p *place) get(t *testing.T, status int, target string, headers ...string) harness.Answer {
	t.Helper()
	return p.send(t, status, p.request(t, http.MethodGet, target, nil, headers...))
}

func (p *place) send(t *testing.T, status int, r *http.Request) harness.Answer {
	t.Helper()
	answer := harness.Do(t, p.alice.Client(), r)
	if answer.StatusCode != status {
		t.Fatalf("%s %s: %s, not %d\n%.1000s", r.Method, r.URL, answer.Status, status, answer.Text)
	}
	return answer
}

// seen is what the application says that it was sent.
func (p *place) seen(t *testing.T, target string, headers ...string) harness.Seen {
	t.Helper()
	s := p.get(t, http.StatusOK, target, headers...).Seen(t)
	header := http.Header{}
	for name, values := range s.Header {
		name = textproto.CanonicalMIMEHeaderKey(name)
		header[name] = append(header[name], values...)
	}
	s.Header = header
	return s
}

// write sends text over a connection of its own, with Alice's cookies for $COOKIE and the host for $HOST.
func (p *place) write(t *testing.T, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	at, err := url.Parse(p.origin)
	if err != nil {
		t.Fatal(err)
	}
	var cookies []string
	for _, c := range p.alice.Client().Jar.Cookies(at) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	conn, err := net.Dial("tcp", "127.0.0.1:"+at.Port())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(harness.Patience))
	if _, err := io.WriteString(conn, strings.NewReplacer("$HOST", at.Host, "$COOKIE", strings.Join(cookies, "; ")).Replace(text)); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// deliveries is how often a POST has arrived at the application, by the id at the end of its path.
func (p *place) deliveries(t *testing.T, id string) string {
	t.Helper()
	if p.nginx == "" {
		return p.get(t, http.StatusOK, "/deliveries/"+id).Text
	}
	posted, err := os.ReadFile(filepath.Join(p.nginx, "posted.log"))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(bytes.Count(posted, []byte("/"+id+"\n")))
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
