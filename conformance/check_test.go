package conformance_test

import (
	"net/http"
	"testing"

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
