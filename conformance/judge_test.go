package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/conformance"
	"github.com/gatehouse-iap/gatehouse/emulator"
)

// answering is an application that answers people without a good assertion with one status, and others with 200.
func (w *world) answering(status int, header ...string) http.Handler {
	right := w.rightApp()
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		recorder := httptest.NewRecorder()
		right.ServeHTTP(recorder, r)
		if recorder.Code == http.StatusOK {
			rw.Write(recorder.Body.Bytes())
			return
		}
		for i := 0; i+1 < len(header); i += 2 {
			rw.Header().Set(header[i], header[i+1])
		}
		rw.WriteHeader(status)
	})
}

func TestWhatAnAnswerProves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	always := func(status int) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) })
	}
	alone := func(*conformance.Check) {}
	for name, test := range map[string]struct {
		app    http.Handler
		change func(c *conformance.Check)
		want   conformance.Verdict
		status int
	}{
		"401 is a refusal":                               {w.answering(401), alone, conformance.Refused, 0},
		"403 is a refusal":                               {w.answering(403), alone, conformance.Refused, 0},
		"500 may be a crash":                             {w.answering(500), alone, conformance.Inconclusive, 2},
		"unless it is said to be a refusal":              {w.answering(500), func(c *conformance.Check) { c.RefusedStatus = []int{500} }, conformance.Refused, 0},
		"503 is no refusal either":                       {w.answering(503), alone, conformance.Inconclusive, 2},
		"429 says nothing":                               {w.answering(429), alone, conformance.Inconclusive, 2},
		"404 refuses where others get 200":               {w.answering(404), alone, conformance.Refused, 0},
		"400 likewise":                                   {w.answering(400), alone, conformance.Refused, 0},
		"404 to everybody proves nothing":                {always(404), withoutHelp, conformance.Inconclusive, 2},
		"a redirect may lead anywhere":                   {w.answering(302, "Location", "/login"), alone, conformance.Inconclusive, 2},
		"unless it is said to be a refusal too":          {w.answering(302, "Location", "/login"), func(c *conformance.Check) { c.RefusedStatus = []int{302} }, conformance.Refused, 0},
		"a redirect for everybody admits":                {redirecting("/home"), alone, conformance.Accepted, 1},
		"200 admits":                                     {always(200), withoutHelp, conformance.Accepted, 1},
		"so does 204":                                    {always(204), withoutHelp, conformance.Accepted, 1},
		"200 is unclear where 204 is expected":           {always(200), func(c *conformance.Check) { withoutHelp(c); c.ExpectedStatus = []int{204} }, conformance.Inconclusive, 2},
		"404 admits where it is expected":                {always(404), func(c *conformance.Check) { withoutHelp(c); c.ExpectedStatus = []int{404} }, conformance.Accepted, 1},
		"who refuses the genuine as well proves nothing": {always(401), alone, conformance.Inconclusive, 2},
		"a connection that breaks proves nothing":        {hangingUp(w.rightApp()), alone, conformance.Inconclusive, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := w.everything(t, test.app)
			test.change(&check)
			check.Only = []string{"plain-email"}
			report := run(t, check)
			if got := find(t, report, "plain-email"); got.Verdict != test.want {
				t.Errorf("it is %s, not %s: %s", got.Verdict, test.want, got.Reason)
			}
			if got := report.ExitStatus(false); got != test.status {
				t.Errorf("the check ends with %d, not %d", got, test.status)
			}
		})
	}
}

func withoutHelp(c *conformance.Check) { c.Minter, c.Gate, c.KeysURL, c.Audience = nil, nil, "", "" }

func redirecting(where string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, where, http.StatusFound) })
}

// hangingUp breaks the connection on plain headers.
func hangingUp(app http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Goog-Authenticated-User-Email") != "" {
			panic(http.ErrAbortHandler)
		}
		app.ServeHTTP(rw, r)
	})
}

func TestARefusalThatNamesTheForgedPersonIsNoProof(t *testing.T) {
	t.Parallel()
	app := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.Error(rw, r.Header.Get("X-Goog-Authenticated-User-Email")+" is not on the list", http.StatusForbidden)
	})
	w := newWorld(t)
	check := w.everything(t, app)
	withoutHelp(&check)
	check.Email = "mallory@example.com"
	got := find(t, run(t, check), "plain-email")
	if got.Verdict != conformance.Inconclusive || !got.Answers[0].Names {
		t.Errorf("it is %s: %+v", got.Verdict, got.Answers)
	}
}

func TestWithTheAddressAloneForgeriesProveLittle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	check := w.everything(t, w.rightApp())
	withoutHelp(&check)
	report := run(t, check)
	for _, probe := range conformance.Probes() {
		got := find(t, report, probe.ID)
		want := conformance.Refused
		if len(probe.Needs)+len(probe.Wants) > 0 && probe.ID != "header-jku" {
			want = conformance.NotRun
		}
		if probe.ID == "header-jku" { // the application is on this machine; the audience is still made up
			want = conformance.NotRun
		}
		if got.Verdict != want || want == conformance.NotRun && got.Reason == "" {
			t.Errorf("%s is %s (%s), not %s", probe.ID, got.Verdict, got.Reason, want)
		}
	}
	if got := [2]int{report.ExitStatus(false), report.ExitStatus(true)}; got != [2]int{conformance.Clean, conformance.Undecided} {
		t.Errorf("it ends with %d, and with %d when all are required", got[0], got[1])
	}
	if report.Audience != "" {
		t.Errorf("the made-up audience %s is shown as the application's", report.Audience)
	}
}

func TestAnAcceptedForgeryCountsEvenForAMadeUpAudience(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.rightApp()
	app.trustIf(func(*parsed) bool { return true })
	app.claims = nil
	check := w.everything(t, app)
	withoutHelp(&check)
	if got := find(t, run(t, check), "forged-unknown-key"); got.Verdict != conformance.Accepted {
		t.Errorf("it is %s: %s", got.Verdict, got.Reason)
	}
}

func TestAGenuineAssertionTellsTheAudience(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	check := w.everything(t, w.rightApp())
	withoutHelp(&check)
	check.Assertion = w.sign(nil, goodClaims())
	report := run(t, check)
	if report.Audience != audience {
		t.Errorf("the audience is %q", report.Audience)
	}
	for _, id := range []string{"payload-swapped", "encoding", "genuine-and-forged", "forged-unknown-key"} {
		if got := find(t, report, id); got.Verdict != conformance.Refused {
			t.Errorf("%s is %s: %s", id, got.Verdict, got.Reason)
		}
	}
	if got := find(t, report, "expired"); got.Verdict != conformance.NotRun {
		t.Errorf("without the gate's key, expired is %s", got.Verdict)
	}
	text := encodeJSON(report)
	if parts := strings.Split(check.Assertion, "."); bytes.Contains(text, []byte(parts[2])) {
		t.Error("the report holds the genuine assertion")
	}
}

func TestProbesThroughTheGateAreNotRunWhereItLetsNobodyThrough(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, spoil := range map[string]func(c *conformance.Check){
		"a wrong credential": func(c *conformance.Check) { c.Gate.Header = http.Header{"Authorization": {"Bearer other"}} },
		"a page of the gate's own": func(c *conformance.Check) {
			signIn := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("X-Goog-IAP-Generated-Response", "true")
			}))
			t.Cleanup(signIn.Close)
			c.Gate.URL = signIn.URL
		},
		"a gate that is not there": func(c *conformance.Check) {
			c.Gate.URL = "http://" + closedAddress(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := w.everything(t, w.rightApp())
			spoil(&check)
			report := run(t, check)
			for _, id := range []string{"gate-issuer", "gate-signature"} {
				if got := find(t, report, id); got.Verdict != conformance.NotRun || got.Reason == "" {
					t.Errorf("%s is %s (%s)", id, got.Verdict, got.Reason)
				}
			}
		})
	}
}

func TestAGateThatIgnoresSecureTokenTestIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	check := w.everything(t, w.rightApp())
	tested := w.gate(t, w.rightApp())
	ignoring := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = ""
		tested.Config.Handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(ignoring.Close)
	check.Gate.URL = ignoring.URL
	report := run(t, check)
	if got := find(t, report, "gate-issuer"); got.Verdict != conformance.Inconclusive || report.ExitStatus(false) != conformance.Undecided {
		t.Errorf("it is %s, and ends with %d: %s", got.Verdict, report.ExitStatus(false), got.Reason)
	}
}

func TestAnEmulatorThatCannotMintIsSaidSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	check := w.everything(t, w.rightApp())
	check.Assertion = w.sign(nil, goodClaims())
	refusing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refusing.Close)
	check.Minter = conformance.Emulator{Client: &emulator.Client{Endpoint: refusing.URL}}
	if got := find(t, run(t, check), "expired"); got.Verdict != conformance.NotRun || !strings.Contains(got.Reason, "404") {
		t.Errorf("it is %s: %s", got.Verdict, got.Reason)
	}
}

func TestFetchingKeysFromAnywhereIsAFindingEvenWhenTheyAreNotBelieved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.rightApp()
	app.header = func(h map[string]any) bool {
		keyOfURL(h["jku"])
		return rightHeader(h)
	}
	check := w.everything(t, app)
	check.Only = []string{"header-jku"}
	got := find(t, run(t, check), "header-jku")
	if got.Verdict != conformance.Accepted || got.Decisive()[0].Status != http.StatusUnauthorized {
		t.Errorf("it is %s: %+v", got.Verdict, got.Answers)
	}
}

func TestNobodyIsBelievedOnPublicPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	right := w.rightApp()
	for name, test := range map[string]struct {
		health string // what the public path answers, with %s for who asks
		want   conformance.Verdict
	}{
		"one that answers everybody alike": {"ok", conformance.Refused},
		"one that greets the forged":       {"ok %s", conformance.Accepted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := w.everything(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/healthz" {
					right.ServeHTTP(rw, r)
					return
				}
				rw.Write([]byte(strings.ReplaceAll(test.health, "%s", r.Header.Get("X-Goog-Authenticated-User-Email"))))
			}))
			check.PublicPaths = []string{"/healthz"}
			report := run(t, check)
			if got := find(t, report, "public-path"); got.Verdict != test.want {
				t.Errorf("it is %s: %s", got.Verdict, got.Reason)
			}
		})
	}
}

func TestAllowedProbesDoNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.rightApp()
	wrong["header-typ"](app)
	check := w.everything(t, app)
	check.Allowed = []string{"header-typ"}
	report := run(t, check)
	if got := find(t, report, "header-typ"); got.Verdict != conformance.Accepted || !got.Allowed {
		t.Errorf("it is %s, allowed %v", got.Verdict, got.Allowed)
	}
	if report.ExitStatus(true) != conformance.Clean || report.Summary.Allowed != 1 {
		t.Errorf("it ends with %d: %+v", report.ExitStatus(true), report.Summary)
	}
}

func TestEveryPathIsAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	right := w.rightApp()
	check := w.everything(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/forgotten" && r.Host == "app.example.com" && r.URL.Query().Get("page") == "2" {
			return // 200 to everybody
		}
		right.ServeHTTP(rw, r)
	}))
	check.Paths = []string{"/", "/forgotten?page=2"}
	check.Header = http.Header{"Host": {"app.example.com"}}
	got := find(t, run(t, check), "no-assertion")
	if got.Verdict != conformance.Accepted || len(got.Decisive()) != 1 || got.Decisive()[0].Path != "/forgotten?page=2" {
		t.Errorf("it is %s: %+v", got.Verdict, got.Answers)
	}
}

func TestAChecksFaultsAreFoundBeforeAnythingIsJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, spoil := range map[string]func(c *conformance.Check){
		"no address":                       func(c *conformance.Check) { c.URL = "localhost:3000" },
		"nobody there":                     func(c *conformance.Check) { c.URL = "http://" + closedAddress(t) },
		"the gate itself":                  func(c *conformance.Check) { c.URL = c.Gate.URL },
		"a relative path":                  func(c *conformance.Check) { c.Paths = []string{"reports"} },
		"a path both public and protected": func(c *conformance.Check) { c.Paths, c.PublicPaths = []string{"/a"}, []string{"/a"} },
		"an unknown probe":                 func(c *conformance.Check) { c.Allowed = []string{"forged"} },
		"a status that is none":            func(c *conformance.Check) { c.RefusedStatus = []int{42} },
		"a status with two meanings":       func(c *conformance.Check) { c.ExpectedStatus = []int{401} },
		"an assertion that is none":        func(c *conformance.Check) { c.Assertion = "ya29.no.assertion" },
		"an assertion for another": func(c *conformance.Check) {
			c.Assertion, c.Audience = w.sign(nil, goodClaims()), "/projects/1/apps/other"
		},
		"a gate that is no address": func(c *conformance.Check) { c.Gate.URL = "app" },
		"an emulator that is not to be asked": func(c *conformance.Check) {
			c.Minter = conformance.Emulator{Client: &emulator.Client{Endpoint: "127.0.0.1:8080"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := w.everything(t, w.rightApp())
			spoil(&check)
			if report, err := check.Run(t.Context()); err == nil {
				t.Errorf("it was made: %+v", report.Summary)
			}
		})
	}
}

func TestTheReportSaysWhatWasCheckedAndWithWhichKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	check := w.everything(t, w.rightApp())
	check.Version = "1.2.3"
	var report struct {
		Time, Version, URL string
		KeyIDs             []string `json:"keyIds"`
		Probes             []struct {
			ID, Title, Verdict string
			Answers            []struct{ Status int }
		}
	}
	if err := json.Unmarshal(encodeJSON(run(t, check)), &report); err != nil {
		t.Fatal(err)
	}
	if report.Time == "" || report.Version != "1.2.3" || report.URL != check.URL || !slices.Equal(report.KeyIDs, []string{w.keyID}) {
		t.Errorf("it says %+v", report)
	}
	for _, probe := range report.Probes {
		if probe.Title == "" || probe.Verdict != "refused" || len(probe.Answers) == 0 || probe.Answers[0].Status != 401 {
			t.Errorf("%+v", probe)
		}
	}
}

func TestTheAssertionReachesTheApplicationAsTheGateSendsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.rightApp()
	var lines []string
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() { // one request, as bytes
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buffer := make([]byte, 4096)
		n, _ := conn.Read(buffer)
		lines = strings.Split(string(buffer[:n]), "\r\n")
		fmt.Fprint(conn, "HTTP/1.1 401 Unauthorized\r\nX-Goog-IAP-Generated-Response: true\r\nContent-Length: 0\r\n\r\n")
	}()
	check := w.everything(t, app)
	check.URL = "http://" + listener.Addr().String()
	check.Header = http.Header{"x_odd_NAME": {"kept"}}
	if _, err := check.Run(t.Context()); err == nil {
		t.Error("a gate was taken for an application")
	}
	if !slices.Contains(lines, "x_odd_NAME: kept") || !strings.HasPrefix(lines[0], "GET / HTTP/1.1") {
		t.Errorf("the spelling was changed: %q", lines)
	}
}

func closedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestIAPsHeaderIsTheOneOfTheAssertionModule(t *testing.T) {
	t.Parallel()
	if !strings.EqualFold(assertion.Header, "X-Goog-IAP-JWT-Assertion") {
		t.Error(assertion.Header)
	}
}
