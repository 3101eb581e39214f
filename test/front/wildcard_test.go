package front

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// wiki is a second application below the same wildcard.
const wiki = `---
apiVersion: gatehouse.dev/v1
kind: BackendService
metadata: {name: wiki}
spec: {hosts: [wiki.example.com], upstream: "http://127.0.0.1:3000"}
---
apiVersion: gatehouse.dev/v1
kind: IamPolicy
metadata: {name: wiki}
spec:
  resource: projects/gatehouse/iap_web/compute/services/wiki
  bindings: [{role: roles/iap.httpsResourceAccessor, members: ["user:alice@example.com"]}]
`

// forms shows who asks for what, and a form to send.
func forms(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := strings.Cut(r.Host, ":")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><title>%[1]s</title><p>%[1]s has %[2]s of %[3]s with %[4]q<form method=post action=/sent><input type=hidden name=word value=hello><button>Send</button></form>`,
			host, r.Method, r.Header.Get("X-Goog-Authenticated-User-Email"), r.PostFormValue("word"))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// Browsers use one HTTP/2 connection for all hosts that its certificate names and that have its address. The gate ends
// TLS itself here.
func TestAWildcardCertificateCarriesTwoHostsInABrowser(t *testing.T) {
	t.Parallel()
	w := &world{t: t, dir: t.TempDir(), port: harness.FreePort(t)}
	w.writeCertificate()
	direct := program{example: "haproxy-passes-tls", gate: func(w *world) []string {
		return []string{
			"127.0.0.1:8443", "127.0.0.1:" + w.port, "/etc/gatehouse/tls.crt", w.certFile, "/etc/gatehouse/tls.key", w.keyFile,
			"    proxyProtocol: {from: [127.0.0.1]}\n", "",
		}
	}}
	w.more = wiki
	w.startGate(direct, forms(t))
	at := func(host, path string) string { return "https://" + host + ".example.com:" + w.port + path }

	page := chromium.NewPage(t)
	network := page.Watch()
	page.Open(at("app", "/"))
	w.fillIn(page)
	who := "accounts.google.com:" + alice
	page.See("app.example.com has GET of " + who)
	for range 2 {
		for _, host := range []string{"wiki", "app"} {
			here := host + ".example.com has "
			page.Open(at(host, "/page"))
			page.See(here + "GET of " + who)
			if got := page.Evaluate(`fetch("/fetched").then(r => r.text())`); !strings.Contains(got, here+"GET of "+who) {
				t.Errorf("fetched: %s", got)
			}
			page.Click("Send")
			page.See(here + "POST of " + who + ` with "hello"`)
		}
	}
	// And across: what one application's page asks of the other goes over the same connection.
	page.Evaluate(`fetch("` + at("wiki", "/across") + `", {mode: "no-cors", credentials: "include"}).then(r => r.type)`)

	connections, asked := map[float64]int{}, map[string]int{}
	for _, r := range network.Responses() {
		u, err := url.Parse(r.URL)
		if err != nil {
			t.Fatal(err)
		}
		if r.Protocol != "h2" || r.Status == http.StatusMisdirectedRequest {
			t.Errorf("%+v", r)
		}
		if r.Connection != 0 { // 0 came from the browser's cache
			connections[r.Connection]++
		}
		asked[r.Method+" "+u.Hostname()+u.Path]++
	}
	for _, want := range []string{
		"GET app.example.com/page", "GET wiki.example.com/page", "GET app.example.com/fetched", "GET wiki.example.com/fetched",
		"POST app.example.com/sent", "POST wiki.example.com/sent", "POST auth.example.com/signin", "GET wiki.example.com/across",
	} {
		if asked[want] == 0 {
			t.Errorf("nobody asked for %s: %v", want, asked)
		}
	}
	if len(connections) != 1 {
		t.Errorf("three hosts over %d connections, not one: %v", len(connections), network.Responses())
	}
}
