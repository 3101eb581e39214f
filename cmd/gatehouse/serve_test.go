package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gatehouse-iap/gatehouse/internal/config"
	"github.com/gatehouse-iap/gatehouse/internal/manifest"
)

// TestServeStories runs the sessions in testdata/serve/*.txt. Each has the commands of this binary, an application
// at $UPSTREAM, and:
//
//	serve FILE          starts `gatehouse serve --config FILE` in the background and waits until it is ready
//	await TEXT          waits until the server logs it, once more than at the last wait for it
//	signal HUP|TERM     sends it; after TERM it waits for the end, which must be clean
//	get URL STATUS TEXT asks the server, whatever the host's address; status and text must come
//	certificate NAME HOST...  writes NAME.crt and NAME.key
func TestServeStories(t *testing.T) {
	t.Parallel()
	upstream := startUpstream(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/serve",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			dir, err := os.MkdirTemp("", "gh") // a socket's path has little room, and that of the story is long
			if err != nil {
				return err
			}
			env.Defer(func() {
				if err := os.RemoveAll(dir); err != nil {
					t.Error(err)
				}
			})
			env.Setenv("SHORT", dir)
			env.Setenv("UPSTREAM", upstream)
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Values["serving"] = &serving{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve":  func(ts *testscript.TestScript, _ bool, args []string) { servingOf(ts).start(ts, args[0]) },
			"await":  func(ts *testscript.TestScript, _ bool, args []string) { servingOf(ts).await(ts, args[0]) },
			"signal": func(ts *testscript.TestScript, _ bool, args []string) { servingOf(ts).signal(ts, args[0]) },
			"get":    func(ts *testscript.TestScript, _ bool, args []string) { servingOf(ts).get(ts, args) },
			"certificate": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(writeCertificate(ts.MkAbs(args[0]), args[1:]))
			},
		},
	})
}

func startUpstream(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "app sees %s\n", r.Host)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return "http://" + l.Addr().String()
}

func servingOf(ts *testscript.TestScript) *serving { return ts.Value("serving").(*serving) }

// serving is a `gatehouse serve` in a process of its own.
type serving struct {
	cmd    *exec.Cmd
	log    journal
	waited map[string]int
	ended  chan error
}

func (s *serving) start(ts *testscript.TestScript, file string) {
	s.log.reset()
	s.waited = map[string]int{}
	path, _, _ := strings.Cut(ts.Getenv("PATH"), string(os.PathListSeparator)) // testscript puts this binary there
	s.cmd = exec.Command(filepath.Join(path, "gatehouse"), "serve", "--config", ts.MkAbs(file))
	s.cmd.Dir = ts.MkAbs(".")
	s.cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "GORACE=atexit_sleep_ms=0", "ROOT_KEY=" + ts.Getenv("ROOT_KEY")}
	s.cmd.Stderr = &s.log
	ts.Check(s.cmd.Start())
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.cmd.Wait() }()
	ts.Defer(func() {
		if s.cmd != nil {
			_ = s.cmd.Process.Kill()
			<-s.ended
		}
	})
	s.await(ts, "msg=ready")
}

func (s *serving) await(ts *testscript.TestScript, text string) {
	s.waited[text]++
	if err := s.log.await(text, s.waited[text], s.ended); err != nil {
		ts.Fatalf("%v", err)
	}
}

func (s *serving) signal(ts *testscript.TestScript, name string) {
	if name == "HUP" {
		ts.Check(s.cmd.Process.Signal(syscall.SIGHUP))
		return
	}
	ts.Check(s.cmd.Process.Signal(syscall.SIGTERM))
	err := <-s.ended
	s.cmd = nil
	if err != nil {
		ts.Fatalf("the server ended with %v:\n%s", err, s.log.text())
	}
}

var listening = regexp.MustCompile(`msg=listening address=(\S+) tls=(true|false)`)
var listeningHealth = regexp.MustCompile(`msg="listening for health and metrics" address=(\S+)`)

// address is where the server answers for a URL: the health listener for localhost, else one of its scheme.
func (s *serving) address(scheme, host string) string {
	log := s.log.text()
	if host == "localhost" {
		return listeningHealth.FindStringSubmatch(log)[1]
	}
	for _, match := range listening.FindAllStringSubmatch(log, -1) {
		if (match[2] == "true") == (scheme == "https") {
			return match[1]
		}
	}
	return "no listener"
}

func (s *serving) get(ts *testscript.TestScript, args []string) {
	request, err := http.NewRequest(http.MethodGet, args[0], http.NoBody)
	ts.Check(err)
	address := s.address(request.URL.Scheme, request.URL.Hostname())
	transport := &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // certificates have their own tests
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		},
	}
	response, err := transport.RoundTrip(request)
	ts.Check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	ts.Check(err)
	answer := fmt.Sprintf("%d %s\n%s", response.StatusCode, response.Header.Get("Location"), body)
	if !strings.HasPrefix(answer, args[1]) || len(args) > 2 && !strings.Contains(answer, args[2]) {
		ts.Fatalf("%s gets\n%s", args[0], answer)
	}
}

// journal keeps what a process writes, and lets others wait for it.
type journal struct {
	mu     sync.Mutex
	buffer bytes.Buffer
	more   chan struct{} // closed at the next write
}

func (j *journal) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.buffer.Reset()
	j.more = make(chan struct{})
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.more != nil {
		close(j.more)
	}
	j.more = make(chan struct{})
	return j.buffer.Write(p)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buffer.String()
}

// await waits until a text has been written so many times, or the process has ended.
func (j *journal) await(text string, times int, ended chan error) error {
	late := time.After(time.Minute)
	for {
		j.mu.Lock()
		all, more := j.buffer.String(), j.more
		j.mu.Unlock()
		if strings.Count(all, text) >= times {
			return nil
		}
		select {
		case <-more:
		case err := <-ended:
			ended <- err
			return fmt.Errorf("the process ended (%w) and has not written %q:\n%s", err, text, j.text())
		case <-late:
			return fmt.Errorf("%q is not written:\n%s", text, all)
		}
	}
}

func writeCertificate(name string, hosts []string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: hosts[0]}, DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(name+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}

func TestWhatInitWritesIsReadWithoutAFault(t *testing.T) {
	t.Parallel()
	for name, i := range map[string]config.Initial{
		"a company":                  {Host: "app.example.com", Upstream: "http://127.0.0.1:3000", Issuer: "https://login.example.com"},
		"a domain of its own":        {Host: "example.com", Upstream: "http://10.0.0.1", Issuer: "https://login.example.com"},
		"this machine":               {Host: "app.localhost", Upstream: "http://127.0.0.1:3000", Issuer: "http://127.0.0.1:5556/dex"},
		"local accounts":             {Host: "wiki.corp.example", Upstream: "http://127.0.0.1:3000"},
		"localhost itself":           {Host: "localhost", Upstream: "http://127.0.0.1:3000"},
		"everything said":            {Host: "x.example.com", Upstream: "http://x", Issuer: "https://accounts.google.com", ClientID: "id", AuthHost: "login.example.net", Domain: "example.net"},
		"a host that begins with 9":  {Host: "9.example.com", Upstream: "http://127.0.0.1:3000"},
		"an international host name": {Host: "bücher.example", Upstream: "http://127.0.0.1:3000"},
		"a client id of digits":      {Host: "app.example.com", Upstream: "http://127.0.0.1:3000", Issuer: "https://login.example.com", ClientID: "0123456789"},
		"a client id that YAML reads as something else": {Host: "app.example.com", Upstream: "http://127.0.0.1:3000", Issuer: "https://login.example.com", ClientID: "null"},
		"a client id that would be YAML":                {Host: "app.example.com", Upstream: "http://127.0.0.1:3000", Issuer: "https://login.example.com", ClientID: "x\"#{}'&*:!|>%@`"},
		"an issuer that would be a comment":             {Host: "app.example.com", Upstream: "http://127.0.0.1:3000", Issuer: "https://login.example.com/a:%20%23b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			complete, err := i.Complete()
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "new")
			configFile, manifestFile, err := complete.Write(dir)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(configFile)
			if err != nil {
				t.Fatal(err)
			}
			c, err := config.Parse(configFile, text)
			if err != nil {
				t.Error(err)
			}
			documents, err := manifest.Load(manifestFile)
			if err != nil || len(documents) < 2 || len(c.Manifests) != 1 || c.Manifests[0] != manifestFile {
				t.Errorf("%d documents of %q, %v", len(documents), c.Manifests, err)
			}
			for _, d := range documents {
				if d.Provider != nil && (d.Provider.OIDC.Issuer != complete.Issuer || d.Provider.OIDC.ClientID != complete.ClientID || d.Provider.TrustEmail) {
					t.Errorf("read as %+v", d.Provider.OIDC)
				}
			}
			before := string(text)
			if _, _, err := complete.Write(dir); err == nil || !strings.Contains(err.Error(), "nothing is overwritten") {
				t.Errorf("written twice: %v", err)
			}
			if text, err = os.ReadFile(configFile); err != nil || string(text) != before {
				t.Errorf("overwritten: %v", err)
			}
		})
	}
}

func TestInitRefusesWhatItCouldNotWrite(t *testing.T) {
	t.Parallel()
	for name, i := range map[string]config.Initial{
		"an upstream with a path":       {Host: "app.example.com", Upstream: "http://127.0.0.1:3000/base"},
		"an upstream with a user":       {Host: "app.example.com", Upstream: "http://me@127.0.0.1:3000"},
		"a domain that is all of them":  {Host: "app.example.com", Upstream: "http://127.0.0.1:3000", Domain: "*"},
		"a domain that leaves its text": {Host: "app.example.com", Upstream: "http://127.0.0.1:3000", Domain: `x", "allUsers`},
		"a domain with a line break":    {Host: "app.example.com", Upstream: "http://127.0.0.1:3000", Domain: "a.example\nb"},
		"a host with a line break":      {Host: "app.example.com\nb", Upstream: "http://127.0.0.1:3000"},
		"an auth host that is no name":  {Host: "app.example.com", Upstream: "http://127.0.0.1:3000", AuthHost: "a b"},
	} {
		if complete, err := i.Complete(); err == nil {
			t.Errorf("%s: %+v", name, complete)
		}
	}
}

func TestTheExampleUnitRunsACommandThatExists(t *testing.T) {
	t.Parallel()
	unit, err := os.ReadFile("../../docs/examples/gatehouse.service")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/gatehouse (.*)$`).FindSubmatch(unit)
	if found == nil {
		t.Fatal("the unit runs something else")
	}
	if problem := checkExample(strings.Fields(string(found[1]))); problem != "" {
		t.Error(problem)
	}
}
