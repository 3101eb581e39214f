package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-iap/gatehouse/conformance"
	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// forgeries are probes that nobody needs the gate's key for.
var forgeries = []string{"forged-unknown-key", "forged-known-key", "alg-none", "alg-hs256-pem", "payload-swapped", "alg-mislabelled", "expired", "signature-zero", "gate-signature"}

func TestCheckTellsRightApplicationsFromWrongOnes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		program, file, identity string
		status                  int
		accepted                []string // at least
		remedy                  string
	}{
		"Python that believes headers":      {"/usr/bin/python3", "python/app.py", "headers", conformance.Fooled, []string{"plain-email", "plain-headers"}, "google-auth"},
		"Python that verifies no signature": {"/usr/bin/python3", "python/app.py", "unsigned", conformance.Fooled, forgeries, "google-auth"},
		"Python that verifies":              {"/usr/bin/python3", "python/app.py", "verified", conformance.Clean, nil, ""},
		"Node that believes headers":        {"node", "node/app.mjs", "headers", conformance.Fooled, []string{"plain-email", "plain-headers"}, "google-auth-library"},
		"Node that verifies no signature":   {"node", "node/app.mjs", "unsigned", conformance.Fooled, forgeries, "google-auth-library"},
		"Node that verifies":                {"node", "node/app.mjs", "verified", conformance.Clean, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app, upstream := "", later{}
			front := httptest.NewServer(&upstream)
			t.Cleanup(front.Close)
			gate := harness.Start(t, "--upstream", front.URL)
			app = harness.StartApp(t, test.program, test.file, "IDENTITY="+test.identity, "IAP_AUDIENCE="+gate.Audience, "KEYS="+gate.Machine+"/iap/verify")
			upstream.lead(t, app)

			report, status := check(t, gate, app)
			for _, probe := range report.Probes {
				switch {
				case slices.Contains(test.accepted, probe.ID) && probe.Verdict != conformance.Accepted,
					test.status == conformance.Clean && probe.Verdict != conformance.Refused:
					t.Errorf("%s is %s: %s %+v", probe.ID, probe.Verdict, probe.Reason, probe.Decisive())
				}
			}
			if status != test.status {
				t.Errorf("it ends with %d, not %d: %+v", status, test.status, report.Summary)
			}
			if !strings.Contains(strings.Join(report.Libraries, " "), test.remedy) {
				t.Errorf("it does not name %s: %v", test.remedy, report.Libraries)
			}
		})
	}
}

// The recipe of docs/check.md, as it stands there: nothing but the port is said, and the application gets Google's
// addresses to see.
func TestCheckUnderDevNeedsNothingButThePort(t *testing.T) {
	t.Parallel()
	for identity, want := range map[string]int{"verified": conformance.Clean, "headers": conformance.Fooled} {
		t.Run(identity, func(t *testing.T) {
			t.Parallel()
			binary := harness.Binary(t)
			cmd := exec.Command(binary, "dev", "--listen", "127.0.0.1:0", "--exec", binary+` check http://127.0.0.1:$PORT --require-all`,
				"--", "/usr/bin/python3", "../python/app.py")
			cmd.Env = append(os.Environ(), "IDENTITY="+identity, "HOME="+t.TempDir())
			if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != want {
				t.Errorf("it ends with %d, not %d (%v):\n%s", cmd.ProcessState.ExitCode(), want, err, out)
			}
		})
	}
}

// check runs the command against an application, with all that the emulator has to give.
func check(t *testing.T, gate *harness.Gate, app string) (conformance.Report, int) {
	t.Helper()
	cmd := gate.Command(t, "check", app, "--emulator", gate.Machine, "--format=json")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var report conformance.Report
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatalf("no report: %v\n%s%s", err, &stdout, &stderr)
	}
	return report, cmd.ProcessState.ExitCode()
}

// later is a proxy to an application that is started after the gate, whose keys it needs.
type later struct {
	proxy atomic.Pointer[httputil.ReverseProxy]
}

func (l *later) lead(t *testing.T, app string) {
	t.Helper()
	target, err := url.Parse(app)
	if err != nil {
		t.Fatal(err)
	}
	l.proxy.Store(httputil.NewSingleHostReverseProxy(target))
}

func (l *later) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if proxy := l.proxy.Load(); proxy != nil {
		proxy.ServeHTTP(w, r)
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
}
