package front

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

func (w *world) read(path string) string {
	w.t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(content)
}

// application answers with what it saw, and speaks WebSocket as far as the handshake, then repeats what it hears.
func application(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			harness.EchoWebSocket(w, r, "X-Email", r.Header.Get("X-Goog-Authenticated-User-Email"))
			return
		}
		body, _ := io.ReadAll(r.Body) // what has come is enough
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(seen{harness.Seen{Method: r.Method, Host: r.Host, Target: r.RequestURI, Header: r.Header}, len(body)})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

type seen struct {
	harness.Seen
	Body int // its length
}

var stateField = regexp.MustCompile(`name="state" value="([^"]*)"`)

// signIn walks the whole way: to the application, to the sign-in page, and back.
func (w *world) signIn(client *http.Client) {
	w.t.Helper()
	page := harness.Get(w.t, client, w.url("/deep?x=1"), "Accept", "text/html")
	state := stateField.FindStringSubmatch(page.Text)
	if page.Request.URL.Host != "auth.example.com:"+w.port || state == nil {
		w.t.Fatalf("led to %s, %d:\n%s", page.Request.URL, page.StatusCode, page.Text)
	}
	form := url.Values{"state": {html.UnescapeString(state[1])}, "email": {alice}, "password": {password}}
	request, err := http.NewRequest(http.MethodPost, "https://auth.example.com:"+w.port+"/signin", strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", "https://auth.example.com:"+w.port)
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	answer := harness.Do(w.t, client, request)
	if got := answer.Request.URL.String(); got != w.url("/deep?x=1") {
		w.t.Fatalf("after sign-in at %s, %d:\n%s", got, answer.StatusCode, answer.Text)
	}
	if email := decode(w.t, answer).Header.Get("X-Goog-Authenticated-User-Email"); email != "accounts.google.com:"+alice {
		w.t.Fatalf("the application sees %q", email)
	}
}

func decode(t *testing.T, a harness.Answer) seen {
	t.Helper()
	var s seen
	if err := json.Unmarshal([]byte(a.Text), &s); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, not the application:\n%s", a.Request.URL, a.StatusCode, a.Text)
	}
	return s
}

// lies are what a client may claim about itself. Each has the word mallory or the address 6.6.6.6.
var lies = []string{
	"X-Forwarded-For", "6.6.6.6", "X-Forwarded-Proto", "mallory", "X-Forwarded-Host", "mallory.example.com", "X-Forwarded-Port", "mallory",
	"Forwarded", `for=6.6.6.6;host=mallory.example.com;proto=http`, "X-Real-IP", "6.6.6.6", "Client-Cert", ":bWFsbG9yeQ==:",
	"Client-Cert-Chain", ":bWFsbG9yeQ==:", "X-Goog-Authenticated-User-Email", "accounts.google.com:mallory@example.com",
	"X-Goog-IAP-JWT-Assertion", "mallory", "X_Goog_IAP_JWT_Assertion", "mallory", "X-Original-URL", "/mallory",
}

func TestBehindAProxy(t *testing.T) {
	t.Parallel()
	app := application(t)
	for name, p := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, p, app)
			for version, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
				client := w.client(http2)
				t.Run("people sign in over "+version, func(*testing.T) { w.signIn(client) })
				t.Run("the client's own address counts over "+version, func(t *testing.T) { w.addresses(t, client) })
				t.Run("lies stay outside over "+version, func(t *testing.T) { w.lies(t, client) })
				t.Run("targets and bodies pass as they are over "+version, func(t *testing.T) { w.targets(t, client) })
			}
			t.Run("a person signs in with a browser", w.browse)
			t.Run("a WebSocket is opened", w.webSocket)
			t.Run("who comes past the proxy is not believed", w.pastTheProxy)
		})
	}
}

// browse signs in as people do, and sends a form.
func (w *world) browse(t *testing.T) {
	page := chromium.NewPage(t)
	network := page.Watch()
	page.Open(w.url("/deep?x=1"))
	w.fillIn(page)
	page.See("accounts.google.com:" + alice) // from the application
	if got := page.Location(); got != w.url("/deep?x=1") {
		t.Errorf("after sign-in at %s", got)
	}
	if got := page.Evaluate(`fetch("/posted", {method: "POST", body: "hello"}).then(r => r.json()).then(s => s.Method + " " + s.Body)`); got != "POST 5" {
		t.Errorf("the application sees %q", got)
	}
	for _, r := range network.Responses() {
		if r.Protocol != "h2" || r.Status >= 400 && !strings.HasSuffix(r.URL, "/favicon.ico") {
			t.Errorf("%+v", r)
		}
	}
}

// fillIn fills in the form of the sign-in page.
func (w *world) fillIn(page *harness.Page) {
	page.See("Password")
	page.Fill("Email", alice)
	page.Fill("Password", password)
	page.Click("Sign in")
}

func (w *world) addresses(t *testing.T, client *http.Client) {
	s := decode(t, harness.Get(t, client, w.url("/")))
	host := "app.example.com:" + w.port
	if got := s.Header["X-Forwarded-For"]; len(got) != 1 || !strings.HasPrefix(got[0], clientAddress) || s.Host != host {
		t.Errorf("for %q, host %q", got, s.Host)
	}
	if s.Header.Get("X-Forwarded-Proto") != "https" || s.Header.Get("X-Forwarded-Host") != host {
		t.Errorf("%v", s.Header)
	}
}

func (w *world) lies(t *testing.T, client *http.Client) {
	s := decode(t, harness.Get(t, client, w.url("/"), lies...))
	for name, values := range s.Header {
		if all := strings.Join(values, " "); strings.Contains(all, "mallory") || strings.Contains(all, "6.6.6.6") || strings.Contains(all, "bWFsbG9yeQ") {
			t.Errorf("the application is told %s: %q", name, values)
		}
	}
	if got := s.Header.Get("X-Forwarded-For"); !strings.HasPrefix(got, clientAddress) {
		t.Errorf("the client is %q", got)
	}
}

func (w *world) targets(t *testing.T, client *http.Client) {
	for _, target := range []string{"/a%2Fb?x=%zz", "//a//b", "/a;v=1/b?b=1;c=2", "/%61?q=a+b", "/a:b@c?", "/a|b"} {
		request, err := http.NewRequest(http.MethodPost, w.url("/"), strings.NewReader(strings.Repeat("x", 2<<20)))
		if err != nil {
			t.Fatal(err)
		}
		path, query, _ := strings.Cut(target, "?")
		if request.URL.Opaque = path; strings.HasPrefix(path, "//") {
			request.URL.Opaque, request.URL.Path = "", path
		}
		request.URL.RawQuery, request.URL.ForceQuery = query, strings.HasSuffix(target, "?")
		want := cmp.Or(w.respells[target], target)
		if s := decode(t, harness.Do(t, client, request)); s.Target != want || s.Body != 2<<20 {
			t.Errorf("%s arrives as %s, %d bytes", target, s.Target, s.Body)
		}
	}
}

func (w *world) webSocket(t *testing.T) {
	client := w.client(false)
	w.signIn(client)
	at, err := url.Parse(w.url("/socket"))
	if err != nil {
		t.Fatal(err)
	}
	var cookies []string
	for _, cookie := range client.Jar.Cookies(at) {
		cookies = append(cookies, cookie.Name+"="+cookie.Value)
	}
	conn, err := tls.Dial("tcp", "127.0.0.1:"+w.port, w.tls())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(harness.Patience))
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nCookie: %s\r\n\r\n",
		at.Host, key, strings.Join(cookies, "; "))
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Sec-WebSocket-Accept") != harness.WebSocketAccept(key) ||
		response.Header.Get("X-Email") != "accounts.google.com:"+alice {
		t.Fatalf("%s %v", response.Status, response.Header)
	}
	for _, words := range []string{"hello", "and again"} {
		_, _ = conn.Write(append([]byte{0x81, 0x80 | byte(len(words)), 0, 0, 0, 0}, words...)) // what is heard tells
		if heard, err := harness.ReadFrame(reader, make([]byte, 125)); err != nil || string(heard.Payload) != words {
			t.Fatalf("heard %q, %v", heard.Payload, err)
		}
	}
}

// pastTheProxy connects to the gate itself, from an address that is no proxy's, and claims to be one.
func (w *world) pastTheProxy(t *testing.T) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientAddress)}}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: redirectTo(dialer, w.gate)}
	client := &http.Client{Transport: transport, Timeout: harness.Patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer := harness.Get(t, client, "http://app.example.com/", "X-Forwarded-For", "6.6.6.6")
	if location := answer.Header.Get("Location"); answer.StatusCode != http.StatusMovedPermanently || location != w.url("/") {
		t.Errorf("believed: %d, to %q", answer.StatusCode, location)
	}
	// One that says it has ended https would be sent back to itself for ever: it gets a page that names the cause.
	answer = harness.Get(t, client, "http://app.example.com/", "X-Forwarded-For", "6.6.6.6", "X-Forwarded-Proto", "https")
	if answer.StatusCode != http.StatusInternalServerError || !strings.Contains(answer.Text, "redirect_loop") || !strings.Contains(answer.Text, "trustedProxies") {
		t.Errorf("believed: %d\n%s", answer.StatusCode, answer.Text)
	}
	if log := w.served.Output(); !strings.Contains(log, clientAddress) {
		t.Errorf("the log does not name who claims to be a proxy:\n%s", log)
	}
}
