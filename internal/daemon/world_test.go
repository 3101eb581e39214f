package daemon

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/systemd"
)

// world is a directory with the files of a gate, and a run of it.
type world struct {
	t        *testing.T
	dir      string
	upstream string

	log    *logBook
	tick   chan time.Time
	hangup chan os.Signal
	env    map[string]string
	notify systemd.Notifier
	stop   func() error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "app sees %s %s\n", r.Host, r.Header.Get("X-Forwarded-For"))
	}))
	t.Cleanup(app.Close)
	dir, err := os.MkdirTemp("", "gh") // a socket's path has little room, and that of t.TempDir is long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, dir: dir, upstream: app.URL, env: map[string]string{}}
	w.write("gatehouse.yaml", plainConfig)
	w.write("apps.yaml", w.app("app", "app.localhost"))
	return w
}

const plainConfig = `project: {id: test-project, number: 42}
externalURL: http://auth.localhost:8080
dataDir: data
listeners: [{address: "127.0.0.1:0"}]
admin: {address: "127.0.0.1:0"}
manifests: [apps.yaml]
`

// app is the manifest of an application that everybody may use.
func (w *world) app(name, host string) string {
	return fmt.Sprintf(`---
apiVersion: gatehouse.dev/v1
kind: BackendService
metadata: {name: %[1]s}
spec: {hosts: [%[2]s], upstream: "%[3]s"}
---
apiVersion: gatehouse.dev/v1
kind: IamPolicy
metadata: {name: %[1]s}
spec:
  resource: projects/test-project/iap_web/compute/services/%[1]s
  bindings: [{role: roles/iap.httpsResourceAccessor, members: [allUsers]}]
`, name, host, w.upstream)
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// edit replaces text in a file.
func (w *world) edit(name, old, replacement string) {
	w.t.Helper()
	text, err := os.ReadFile(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	changed := strings.ReplaceAll(string(text), old, replacement)
	if changed == string(text) {
		w.t.Fatalf("%s does not hold %q", name, old)
	}
	w.write(name, changed)
}

// options are those of the next run.
func (w *world) options() Options {
	w.log, w.tick, w.hangup = new(logBook), make(chan time.Time), make(chan os.Signal)
	return Options{
		ConfigFile: w.path("gatehouse.yaml"), Version: "test", Log: w.log, Notifier: w.notify, Tick: w.tick, Hangup: w.hangup,
		LookupEnv: func(name string) (string, bool) { value, found := w.env[name]; return value, found },
	}
}

// refused runs the daemon, which must not start, and returns why.
func (w *world) refused() string {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	o := w.options()
	started := make(chan struct{})
	go func() {
		defer close(started)
		select {
		case w.tick <- time.Now(): // only a daemon that has started looks
			cancel()
		case <-ctx.Done():
		}
	}()
	err := Run(ctx, o)
	cancel()
	<-started
	if err == nil {
		w.t.Fatal("the daemon starts")
	}
	return err.Error()
}

// start runs the daemon until it is ready.
func (w *world) start() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o, ended := w.options(), make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	w.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	w.t.Cleanup(func() { _ = w.stop() })
	select {
	case w.tick <- time.Now(): // it looks at its files once it is ready
	case err := <-ended:
		ended <- err
		w.t.Fatalf("the daemon does not start: %v", err)
	case <-time.After(time.Minute):
		w.t.Fatal("the daemon does not become ready")
	}
}

// look has the daemon look at its files as often as it takes to read a change, and returns when that is done.
func (w *world) look() {
	w.t.Helper()
	for range 3 { // seen, come to rest and read, and the next look waits until that is over
		select {
		case w.tick <- time.Now():
		case <-time.After(time.Minute):
			w.t.Fatal("the daemon does not look at its files")
		}
	}
}

// sighup has everything read again, and returns when that is done.
func (w *world) sighup() {
	w.t.Helper()
	w.hangup <- syscall.SIGHUP
	w.look()
}

var addressField = regexp.MustCompile(`address=(\S+)`)

// address returns where listener number i listens; -1 is the one for health.
func (w *world) address(i int) string {
	w.t.Helper()
	text := "msg=listening "
	if i < 0 {
		text, i = `msg="listening for health`, 0
	}
	return addressField.FindStringSubmatch(w.log.lines(text)[i])[1]
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   string
	tls    *tls.ConnectionState
}

// get asks a host at listener number i.
func (w *world) get(i int, url string, header ...string) answer {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	address := w.address(i)
	transport := &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the test looks at the certificate itself
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		w.t.Fatalf("%s: %v", url, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body), response.TLS}
}

// state is what /readyz says about one part.
type state struct {
	State  string   `json:"state"`
	Faults []string `json:"faults"`
}

func (w *world) readyz() (parts struct {
	Status                                            string
	Config, Certificates, Manifests, Upstreams, Pages state
}) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(w.get(-1, "http://localhost/readyz").body), &parts); err != nil {
		w.t.Fatal(err)
	}
	return parts
}

// expectMetric fails unless a scrape has the line.
func (w *world) expectMetric(line string) {
	w.t.Helper()
	if scrape := w.get(-1, "http://localhost/metrics").body; !strings.Contains(scrape, "\n"+line+"\n") {
		w.t.Errorf("the metrics lack %q", line)
	}
}

// certificate writes a pair of files for host names.
func (w *world) certificate(name string, hosts ...string) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: hosts[0]}, DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	w.write(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

// logBook keeps what was logged.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// lines returns the lines that hold a text.
func (l *logBook) lines(text string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}
