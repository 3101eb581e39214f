package providers

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// cutOffVariable marks the run of these tests on a machine of its own, with a loopback and no other network.
const cutOffVariable = "GATEHOUSE_TEST_CUT_OFF"

func TestLocalAccountsSignInWithNoRouteToTheInternet(t *testing.T) {
	t.Parallel()
	if os.Getenv(cutOffVariable) != "" {
		cutOff(t)
		return
	}
	harness.Binary(t) // built while there is a network
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), cutOffVariable+"=1", "GATEHOUSE_BINARY="+harness.Binary(t))
	harness.CutOff(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("in a network namespace of its own (which needs the kernel's user namespaces): %v\n%s", err, out)
	}
}

// cutOff is the story, run where nothing but this machine can be reached.
func cutOff(t *testing.T) {
	for _, address := range []string{"192.0.2.1:443", "[2001:db8::1]:443"} {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			t.Fatalf("there is a route to %s: this proves nothing", address)
		}
	}
	site, app := harness.NewSite(t), harness.StartHello(t)
	site.Init(t, "--host="+appHost, "--upstream="+app.URL)
	serve(t, site, app)
	site.CLIWith(t, "correct horse battery staple\n", "users", "create", carol)

	page := chromium.NewPage(t)
	page.Open(site.URL(appHost) + "/")
	page.See("Sign in", "Password")
	page.Fill("Email", carol)
	page.Fill("Password", "wrong")
	page.Click("Sign in")
	page.See("Not signed in")
	page.Fill("Email", carol)
	page.Fill("Password", "correct horse battery staple")
	page.Click("Sign in")
	page.See("Hello " + carol)
	page.Open(site.Auth + "/")
	page.See("Your account", carol)
	page.Click("Sign out")
	page.See("not signed in")
	page.Open(site.URL(appHost) + "/")
	page.See("Password")
}
