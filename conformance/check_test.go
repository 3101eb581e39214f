package conformance_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/conformance"
)

func run(t *testing.T, c conformance.Check) *conformance.Report {
	t.Helper()
	report, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func find(t *testing.T, report *conformance.Report, id string) conformance.Result {
	t.Helper()
	for _, result := range report.Probes {
		if result.ID == id {
			return result
		}
	}
	t.Fatalf("the report has no probe %s", id)
	return conformance.Result{}
}

func TestARightApplicationRefusesEveryProbe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	verifier, err := assertion.NewVerifier(assertion.Config{
		Audiences: []string{audience}, Keys: assertion.StaticKeySet{w.keyID: &w.key.PublicKey},
	})
	if err != nil {
		t.Fatal(err)
	}
	hello := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		claims, _ := assertion.FromContext(r.Context())
		rw.Write([]byte("Hello " + claims.Email))
	})
	for name, app := range map[string]http.Handler{
		"with our assertion module":          verifier.Handler(hello),
		"that does by hand what is required": w.rightApp(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := run(t, w.everything(t, app))
			for _, probe := range report.Probes {
				if probe.Verdict != conformance.Refused {
					t.Errorf("%s: %s (%s) %+v", probe.ID, probe.Verdict, probe.Reason, probe.Decisive())
				}
			}
			if status := report.ExitStatus(true); status != conformance.Clean {
				t.Errorf("it ends with %d: %+v", status, report.Summary)
			}
			if len(report.Remedies) != 0 {
				t.Errorf("there is nothing to mend, and it says %v", report.Remedies)
			}
		})
	}
}

func TestEveryProbeCatchesTheApplicationThatIsWrongInThatWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, probe := range conformance.Probes() {
		t.Run(probe.ID, func(t *testing.T) {
			t.Parallel()
			spoil := wrong[probe.ID]
			if spoil == nil {
				t.Fatal("no application is wrong in this way: add one")
			}
			app := w.rightApp()
			spoil(app)
			check := w.everything(t, app)
			check.Only = []string{probe.ID}
			report := run(t, check)
			if got := find(t, report, probe.ID); got.Verdict != conformance.Accepted {
				t.Errorf("%s (%s): %+v", got.Verdict, got.Reason, got.Answers)
			}
			if status := report.ExitStatus(false); status != conformance.Fooled {
				t.Errorf("it ends with %d", status)
			}
			if len(report.Remedies) != 1 || report.Remedies[0].Fault != probe.Fault || len(report.Libraries) == 0 {
				t.Errorf("it does not say how to mend %s: %v %v", probe.Fault, report.Remedies, report.Libraries)
			}
		})
	}
}

// overHTTP2 serves an application in HTTP/2 without TLS, and in nothing else.
func overHTTP2(t *testing.T, app http.Handler) string {
	t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	server := httptest.NewUnstartedServer(app)
	server.Config.Protocols = &protocols
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

func TestAnApplicationThatSpeaksHTTP2OnlyIsCheckedInIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	right, believing, lax := w.rightApp(), w.rightApp(), w.rightApp()
	believing.known = plain("X-Goog-Authenticated-User-Email")
	wrong["forged-known-key"](lax)
	for name, test := range map[string]struct {
		app    *app
		status int
		caught []string
	}{
		"a right one":               {right, conformance.Clean, nil},
		"one that believes headers": {believing, conformance.Fooled, []string{"plain-email", "plain-headers"}},
		"one that believes anything under the right kid": {lax, conformance.Fooled, []string{"forged-known-key", "gate-signature"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := w.everything(t, test.app)
			check.URL, check.Only = overHTTP2(t, test.app), test.caught
			report := run(t, check)
			if report.Protocol != "HTTP/2.0" {
				t.Errorf("it was checked in %s", report.Protocol)
			}
			for _, probe := range report.Probes {
				if caught := slices.Contains(test.caught, probe.ID); caught != (probe.Verdict == conformance.Accepted) || !caught && probe.Verdict != conformance.Refused {
					t.Errorf("%s: %s (%s)", probe.ID, probe.Verdict, probe.Reason)
				}
			}
			if status := report.ExitStatus(true); status != test.status {
				t.Errorf("it ends with %d, want %d: %+v", status, test.status, report.Summary)
			}
		})
	}
}

// closing calls back when the body of an answer is closed.
type closing struct {
	io.ReadCloser
	closed func()
}

func (c closing) Close() error { defer c.closed(); return c.ReadCloser.Close() }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestKeysThatAreFetchedAfterTheAnswerAreFetchedAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var told []string // where the application is told that keys are, in the order of the probe's requests
	app := w.rightApp()
	app.header = func(h map[string]any) bool {
		if address := claim(h, "jku") + claim(h, "x5u"); address != "" {
			told = append(told, address)
		}
		return rightHeader(h)
	}
	check := w.everything(t, app)
	check.Only, check.CallbackPatience, check.Client = []string{"header-jku"}, time.Minute, conformance.NewClient(conformance.ClientConfig{})
	inner := check.Client.Transport
	check.Client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		response, err := inner.RoundTrip(r)
		if err == nil && len(told) == 4 { // what the first request named is fetched after the last has been answered
			response.Body = closing{response.Body, func() { go keyOfURL(told[0]) }}
		}
		return response, err
	})
	report := run(t, check)
	if got := find(t, report, "header-jku"); got.Verdict != conformance.Accepted || len(got.Decisive()) != 1 {
		t.Errorf("%s (%s): %+v", got.Verdict, got.Reason, got.Answers)
	}
	if report.ExitStatus(false) != conformance.Fooled || len(report.Remedies) != 1 {
		t.Errorf("it ends with %d, remedies %v", report.ExitStatus(false), report.Remedies)
	}
}
