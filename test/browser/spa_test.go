package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const spaFiles = "../../docs/examples/spa"

// notes is the application of the example: its page, and what the page asks for. origin may ask from elsewhere.
func notes(t *testing.T, origin *atomic.Value) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(spaFiles)))
	mux.HandleFunc("/api/notes", func(w http.ResponseWriter, r *http.Request) {
		if allowed, _ := origin.Load().(string); allowed != "" && r.Header.Get("Origin") == allowed {
			w.Header().Set("Access-Control-Allow-Origin", allowed)
			w.Header().Set("Access-Control-Allow-Credentials", "true")
		}
		fmt.Fprintf(w, "%s for %s", r.Method, r.Header.Get("X-Goog-Authenticated-User-Email"))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestASinglePageApplicationGoesOnAfterItsSessionHasEnded(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t, "--upstream", notes(t, &atomic.Value{}).URL)
	page := chromium.NewPage(t)
	page.Open(gate.App + "/")
	signIn(page, harness.Alice, harness.Password)
	page.See("Load the notes")
	page.Click("Load the notes")
	page.See("GET for accounts.google.com:" + harness.Alice)

	gate.CLI(t, "sessions", "revoke", "--user="+harness.Alice)
	page.Click("Save a note")
	page.See("Your session has ended")
	if got := page.Location(); got != gate.App+"/" {
		t.Errorf("the page was left for %s", got)
	}
	popup := page.Popup(func() { page.Click("Sign in and go on") })
	signIn(popup, harness.Alice, harness.Password)
	page.See("Done.", "POST for accounts.google.com:"+harness.Alice)
	popup.Closed()
}

func TestASinglePageApplicationOfAnotherOriginSignsInToo(t *testing.T) {
	t.Parallel()
	var origin atomic.Value
	origin.Store("")
	gate := harness.Start(t, "--upstream", notes(t, &origin).URL)
	// The same host on another port: another origin, and the same site, as two hosts of one domain are.
	elsewhere := httptest.NewServer(http.FileServer(http.Dir(spaFiles)))
	t.Cleanup(elsewhere.Close)
	spa := strings.Replace(elsewhere.URL, "127.0.0.1", "app.localhost", 1)
	origin.Store(spa)
	file := filepath.Join(t.TempDir(), "app.yaml")
	manifest := ""
	for document := range strings.SplitSeq(gate.CLI(t, "export"), "\n---\n") {
		if strings.Contains(document, "kind: BackendService") && strings.Contains(document, "  name: app\n") {
			manifest = document + "\n  corsOrigins: [" + spa + "]\n"
		}
	}
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	gate.CLI(t, "apply", "-f", file)

	page := chromium.NewPage(t)
	page.Open(spa + "/?api=" + url.QueryEscape(gate.App))
	page.See("Load the notes")
	page.Click("Save a note") // asks by OPTIONS first
	page.See("Your session has ended")
	popup := page.Popup(func() { page.Click("Sign in and go on") })
	signIn(popup, harness.Alice, harness.Password)
	page.See("Done.", "POST for accounts.google.com:"+harness.Alice)

	gate.CLI(t, "apply", "-f", withoutOrigins(t, file))
	page.Click("Load the notes")
	page.See("Done.") // the application's own headers, with the session
	gate.CLI(t, "sessions", "revoke", "--user="+harness.Alice)
	page.Click("Load the notes")
	page.See("It did not work") // nobody lists the origin now: the page may not read why
}

func withoutOrigins(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "\n  corsOrigins:")
	if err := os.WriteFile(file, []byte(before+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
