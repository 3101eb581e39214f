package load

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// Minutes of it belong to make e2e; make soak runs the hour.
var soakFor = flag.Duration("soak", 20*time.Second, "how long the gate is kept under load")

const wikiHost = "wiki.localhost"

// soak is a gate under load, and what its actors share.
type soak struct {
	whole     *testing.T // what an actor starts may live longer than the actor
	site      *harness.Site
	pid       int
	end       time.Time
	checks    atomic.Int64 // answers that were as they should be
	apps      [2]string    // addresses of one application
	processes [2]*harness.Process
}

// Everything that happens to a gate happens at once: load at 60 % of what it carries, people who sign in and out,
// policies that change, keys that rotate, an application that restarts, clients that hardly send. Whoever may pass
// passes, nobody else does, and nothing grows.
func TestTheGateStaysUp(t *testing.T) {
	s := newSoak(t)
	before := s.look(t)
	s.end = time.Now().Add(*soakFor)
	var all sync.WaitGroup // not t.Parallel, which lets as many run as there are cores
	for name, actor := range map[string]func(*testing.T){
		"requests at 60 % of what the gate carries are all answered": s.load,
		"people who sign in get in, and are out when they sign out":  s.people,
		"a member is in and out with the policy":                     s.policies,
		"assertions verify while keys rotate":                        s.keys,
		"an application is restarted and nobody sees it":             s.restarts,
		"clients that hardly send disturb nobody":                    s.slowClients,
		"strangers stay outside":                                     s.strangers,
		"memory and goroutines stay as they are":                     s.flat,
	} {
		all.Go(func() { t.Run(name, actor) })
	}
	all.Wait()
	t.Logf("%d answers were as they should be", s.checks.Load())
	s.settle(t, before)
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{whole: t, site: harness.NewSite(t)}
	s.site.Init(t, "--host="+appHost, "--auth-host=auth.localhost", "--domain=example.com", "--upstream=http://127.0.0.1:1")
	for i := range s.apps {
		s.apps[i] = harness.FreeAddress(t)
	}
	s.site.Write(t, "apps.yaml", fmt.Sprintf(soakManifest, s.apps[0], s.apps[1]))
	process := s.site.Serve(t)
	s.pid = process.PID()
	for _, person := range []string{alice, "bob@example.com"} {
		s.site.CLIWith(t, password+"\n", "users", "create", person)
	}
	for i := range s.apps {
		s.startApp(t, i)
	}
	return s
}

const soakManifest = `apiVersion: gatehouse.dev/v1
kind: BackendService
metadata: {name: app}
spec:
  id: "1234567890123456789"
  hosts: [app.localhost]
  upstreams: [http://%[1]s, http://%[2]s]
---
apiVersion: gatehouse.dev/v1
kind: IamPolicy
metadata: {name: app}
spec:
  resource: projects/gatehouse/iap_web/compute/services/app
  bindings:
    - {role: roles/iap.httpsResourceAccessor, members: [allAuthenticatedUsers]}
---
apiVersion: gatehouse.dev/v1
kind: BackendService
metadata: {name: wiki}
spec:
  hosts: [wiki.localhost]
  upstreams: [http://%[1]s, http://%[2]s]
`

// startApp runs one of the application's processes, which can verify assertions.
func (s *soak) startApp(t *testing.T, i int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+roleApp, "LISTEN="+s.apps[i],
		"KEYS_URL="+s.site.Auth+"/iap/verify/public_key-jwk", "AUDIENCE=/projects/1/global/backendServices/1234567890123456789")
	s.processes[i] = harness.StartProcess(s.whole, roleApp, cmd)
	s.processes[i].AwaitListener(t, s.apps[i])
}

// over reports whether an actor has done its part.
func (s *soak) over() bool { return time.Now().After(s.end) }

// passes asks as somebody who may, and checks whom the application saw.
func (s *soak) passes(t *testing.T, client *http.Client, host, path, email string) {
	t.Helper()
	answer := harness.Get(t, client, s.site.URL(host)+path, "Accept", "application/json")
	if answer.StatusCode != http.StatusOK || answer.Header.Get("X-Email") != "accounts.google.com:"+email {
		t.Fatalf("%s asked %s for %s: %d as %q, want 200\n%s", email, host, path, answer.StatusCode, answer.Header.Get("X-Email"), answer.Text)
	}
	s.checks.Add(1)
}

// stopped asks as somebody who may not.
func (s *soak) stopped(t *testing.T, client *http.Client, host, path string, status int) {
	t.Helper()
	answer := harness.Get(t, client, s.site.URL(host)+path, "Accept", "application/json", "X-Requested-With", "XMLHttpRequest")
	if answer.StatusCode != status || answer.Header.Get("X-Email") != "" {
		t.Fatalf("%s%s answered %d (application saw %q), want %d\n%s", host, path, answer.StatusCode, answer.Header.Get("X-Email"), status, answer.Text)
	}
	s.checks.Add(1)
}

// signedIn is the browser of somebody who has signed in.
func (s *soak) signedIn(t *testing.T, email string) *harness.Visitor {
	t.Helper()
	visitor := harness.NewVisitor(t)
	page := visitor.Open(s.site.URL(appHost) + "/bytes/2")
	for page = visitor.Send(page, "email", email, "password", password); page.StatusCode == http.StatusServiceUnavailable; {
		page = visitor.Send(visitor.Open(s.site.URL(appHost)+"/bytes/2"), "email", email, "password", password)
	}
	if got := page.Header.Get("X-Email"); got != "accounts.google.com:"+email {
		t.Fatalf("after sign-in at %s: %d as %q\n%s", page.Request.URL, page.StatusCode, got, page.Text)
	}
	s.checks.Add(1)
	return visitor
}

// cookies are what the visitor's browser would send to a host.
func (s *soak) cookies(t *testing.T, visitor *harness.Visitor, host string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.site.URL(host), nil)
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for _, c := range visitor.Client().Jar.Cookies(request.URL) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}
