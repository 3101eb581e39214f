package secrets

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// vault knows which secrets were planted, and where.
type vault struct {
	t      *testing.T
	mu     sync.Mutex
	places map[string]string // secret to where it was planted
	// returned may be in links and forms of the page that answers who sent them, and in the store until they have come
	// back to where they are going: they are part of an address.
	returned map[string]bool
}

func newVault(t *testing.T) *vault {
	return &vault{t: t, places: map[string]string{}, returned: map[string]bool{}}
}

// plant makes a secret for a place.
func (v *vault) plant(place string) string {
	secret := "planted" + rand.Text()
	v.keep(secret, place)
	return secret
}

// keep takes note of a secret that somebody else made.
func (v *vault) keep(secret, place string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(secret) < 12 {
		v.t.Errorf("%q of %s is too short to be looked for", secret, place)
		return
	}
	v.places[secret] = place
}

// address makes a secret that is part of an address.
func (v *vault) address(place string) string {
	secret := v.plant(place)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.returned[secret] = true
	return secret
}

// search looks for every secret in an output, as it is and as URLs write it; in one that may hold what is returned, not
// for that.
func (v *vault) search(output, text string, returns bool) {
	v.t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for secret, place := range v.places {
		if returns && v.returned[secret] {
			continue
		}
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			if i := strings.Index(text, form); i >= 0 {
				v.t.Errorf("%s holds what was planted in %s: …%s…", output, place, text[max(0, i-200):min(len(text), i+len(form)+50)])
				break
			}
		}
	}
}

// watch keeps the values of each address that a visitor is sent to.
func (v *vault) watch(u *url.URL) bool {
	for name, values := range u.Query() {
		for _, value := range values {
			if slices.Contains([]string{"code", "state", "nonce", "code_challenge", "gatehouse_token"}, name) || len(value) > 60 && name != "scope" && !strings.Contains(value, "://") {
				v.keep(value, "the address parameter "+name)
				v.mu.Lock()
				v.returned[value] = true
				v.mu.Unlock()
			}
		}
	}
	return true
}

// world is a served site whose every output is looked at in the end.
type world struct {
	*vault
	site       *harness.Site
	server     *harness.Process
	collectors *collectors
	pages      []string
}

const (
	appHost = "app.localhost"
	carol   = "carol@corp.example"
)

// serve serves a site of an application that repeats nothing but messages.
func serve(t *testing.T, prepare func(w *world), init ...string) *world {
	t.Helper()
	w := &world{vault: newVault(t), site: harness.NewSite(t)}
	garbage := w.plant("what an application sends in place of messages")
	app := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/messages":
			harness.EchoWebSocket(rw, r, "X-App", w.plant("an answer's header"))
			return
		case "/garbage":
			conn, _, err := http.NewResponseController(rw).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, harness.WebSocketAnswer(r)+garbage)
				_ = conn.Close()
			}
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(rw, "the application")
	}))
	t.Cleanup(app.Close)
	w.site.Init(t, append([]string{"--host=" + appHost, "--upstream=" + app.URL}, init...)...)
	credential := w.plant("the credential for a collector")
	w.site.Write(t, "collector", credential)
	w.collectors = startCollectors(t, credential)
	config := w.site.Read(t, "gatehouse.yaml")
	w.site.Write(t, "gatehouse.yaml", config+"\nlog: {level: debug}\n"+w.collectors.config)
	if prepare != nil {
		prepare(w)
	}
	w.server = w.site.Serve(t)
	return w
}

// send sends a request with secrets in everything that a client writes.
func (w *world) send(method, address string, header ...string) {
	w.t.Helper()
	body := strings.NewReader("a=" + w.plant("a body") + "&password=" + w.plant("a field of a form"))
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	request, err := http.NewRequest(method, address+separator+"token="+w.address("a query string"), body)
	if err != nil {
		w.t.Fatal(err)
	}
	if method == http.MethodPost {
		request.ContentLength, request.Trailer = -1, http.Header{"X-Sum": {w.plant("a trailer")}}
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("X-Api-Key", w.plant("a header"))
	request.Header.Set("Traceparent", w.plant("Traceparent"))
	request.Header.Set("Tracestate", "x="+w.plant("Tracestate"))
	request.Header.Set("X-Request-Id", w.plant("X-Request-Id"))
	request.Header.Set("Referer", "http://elsewhere.example/?x="+w.plant("Referer"))
	request.Header.Set("User-Agent", w.plant("User-Agent"))
	request.Header.Set("Cookie", "theirs="+w.plant("a cookie of the application")+"; __Host-GCP_IAP_AUTH_TOKEN_0123456789ABCDEF="+w.plant("a cookie that is not ours")+"; GCP_IAP_UID="+w.plant("IAP's cookie"))
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	w.page(harness.Do(w.t, harness.Client(nil), request).Text)
}

// page keeps a page that the gate answered with.
func (w *world) page(text string) {
	if text != "the application" {
		w.pages = append(w.pages, text)
	}
}

// strangers asks for everything that is refused, and how.
func (w *world) strangers() {
	app, auth := w.site.URL(appHost), w.site.Auth
	for _, address := range []string{
		app + "/", app + "/?gcp-iap-mode=IDENTITY", app + "/?gcp-iap-mode=AUTHENTICATING&code=" + w.address("a code") + "&state=" + w.address("a state"), app + "/_gcp_iap/x",
		app + "/a%00b", w.site.URL("unknown.localhost") + "/", auth + "/", auth + "/nothing", auth + "/signin",
		auth + "/v1/oauth/clientIds/gatehouse:handleRedirect?code=" + w.address("a code of a provider") + "&state=" + w.address("a state of a provider") + "&id_token=" + w.address("an ID token"),
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			w.send(method, address)
			w.send(method, address, "Accept", "text/html", "Authorization", "Basic "+w.plant("Basic credentials"))
			w.send(method, address, "Authorization", "Bearer eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJ4In0."+w.plant("a token"), "Proxy-Authorization", "Bearer "+w.plant("a token for a proxy"))
		}
	}
	for _, field := range []string{"grant_type=authorization_code&code=", "grant_type=refresh_token&refresh_token=", "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.", "client_id=x&client_secret=", "token="} {
		for _, path := range []string{"/token", "/revoke"} {
			request, err := http.NewRequest(http.MethodPost, auth+path, strings.NewReader(field+w.plant("a field of "+path)))
			if err != nil {
				w.t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			request.SetBasicAuth("client", w.plant("a client's password"))
			w.page(harness.Do(w.t, harness.Client(nil), request).Text)
		}
	}
}

// cookies keeps what a visitor's browser holds.
func (w *world) cookies(visitor *harness.Visitor) {
	found := 0
	for _, address := range []string{w.site.URL(appHost), w.site.Auth} {
		u, err := url.Parse(address)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, cookie := range visitor.Client().Jar.Cookies(u) {
			if cookie.Name != "GCP_IAP_UID" { // which is the subject, for scripts of the application to read
				w.keep(cookie.Value, "our cookie "+cookie.Name)
				found++
			}
		}
	}
	if found < 2 {
		w.t.Errorf("the visitor has %d cookies of ours, and was to be signed in", found)
	}
}

// messages sends secrets over a WebSocket, and opens another on which the application sends what no WebSocket has.
func (w *world) messages(visitor *harness.Visitor) {
	w.t.Helper()
	origin, err := url.Parse(w.site.URL(appHost))
	if err != nil {
		w.t.Fatal(err)
	}
	var cookies []string
	for _, cookie := range visitor.Client().Jar.Cookies(origin) {
		cookies = append(cookies, cookie.Name+"="+cookie.Value)
	}
	for path, message := range map[string]string{"/messages": w.plant("a message"), "/garbage": ""} {
		conn, err := net.Dial("tcp", "127.0.0.1:"+w.site.Port)
		if err != nil {
			w.t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(harness.Patience))
		_, _ = fmt.Fprintf(conn, "GET %s?t=%s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Protocol: %s\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n%s%s",
			path, w.address("the address of a WebSocket"), origin.Host, strings.Join(cookies, "; "), w.plant("a subprotocol"), []byte{0x81, 0x80 | byte(len(message)), 0, 0, 0, 0}, message) // the answer tells
		reader := bufio.NewReader(conn)
		if response, err := http.ReadResponse(reader, nil); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
			w.t.Fatalf("%s: %+v, %v", path, response, err)
		}
		frame, err := harness.ReadFrame(reader, make([]byte, 1<<10))
		if message != "" && string(frame.Payload) != message || message == "" && err == nil {
			w.t.Errorf("%s: came back: %q, %v", path, frame.Payload, err)
		}
	}
}

// administer asks for everything that commands show.
func (w *world) administer() (answers []string) {
	w.t.Helper()
	for _, command := range []string{
		"users list --format=json", "sessions list --format=json", "keys list --format=json", "export", "audit list --format=json", "audit search --record=all --format=json",
		"audit search --format=csv", "audit stats --by=host --format=json", "iam service-accounts list --format=json", "groups list --format=json", "config check gatehouse.yaml",
		"iam service-accounts keys list --iam-account=nightly@gatehouse.iam.gserviceaccount.com --format=json",
	} {
		answers = append(answers, w.site.CLI(w.t, strings.Fields(command)...))
	}
	return answers
}

// look looks for every secret in every output.
func (w *world) look() {
	w.t.Helper()
	for _, answer := range w.administer() {
		w.search("an answer of the administration", answer, false)
	}
	health := w.site.Read(w.t, "gatehouse.yaml")
	_, address, _ := strings.Cut(health, "admin:")
	start := strings.Index(address, "127.0.0.1:")
	port, _, _ := strings.Cut(address[start+len("127.0.0.1:"):], "\"")
	port = strings.TrimRight(strings.Fields(port)[0], "}")
	for _, path := range []string{"/metrics", "/readyz", "/healthz"} {
		w.search(path, harness.Get(w.t, harness.Client(nil), "http://127.0.0.1:"+port+path).Text, false)
	}
	w.server.Stop(w.t)
	output := w.server.Output()
	for _, expected := range []string{"level=DEBUG", `"type":"decision"`, `"type":"change"`} {
		if !strings.Contains(output, expected) {
			w.t.Errorf("the server's output has no %s, so nothing is proved about it", expected)
		}
	}
	w.search("the server's output", output, false)
	w.collectors.look(w)
	for i, page := range w.pages {
		w.search(fmt.Sprintf("page %d", i), page, true)
	}
	if len(w.pages) < 40 {
		w.t.Errorf("only %d pages were seen", len(w.pages))
	}
	files, err := filepath.Glob(filepath.Join(w.site.Dir, "data", "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	decisions, err := filepath.Glob(filepath.Join(w.site.Dir, "data", "decisions", "*"))
	if err != nil || len(decisions) == 0 {
		w.t.Fatalf("%d files of decisions, %v", len(decisions), err)
	}
	for _, file := range slices.Concat(files, decisions, []string{filepath.Join(w.site.Dir, "audit.jsonl")}) {
		info, err := os.Stat(file)
		if err != nil || !info.Mode().IsRegular() || filepath.Base(file) == "root.key" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			w.t.Fatal(err)
		}
		w.search(filepath.Base(file), string(text), strings.HasPrefix(filepath.Base(file), "gatehouse.db"))
	}
	w.t.Logf("%d secrets in %d bytes of output and %d pages", len(w.places), len(output), len(w.pages))
}

// robot gives a service account a key.
func (w *world) robot() {
	w.t.Helper()
	w.site.CLI(w.t, "iam", "service-accounts", "create", "nightly")
	w.site.CLI(w.t, "iam", "service-accounts", "keys", "create", "nightly.json", "--iam-account=nightly@gatehouse.iam.gserviceaccount.com")
	_, key, found := strings.Cut(w.site.Read(w.t, "nightly.json"), "PRIVATE KEY-----\\n")
	if !found {
		w.t.Fatal("the key file has no private key")
	}
	w.keep(key[:64], "a service account's key")
	root, err := os.ReadFile(filepath.Join(w.site.Dir, "data", "root.key"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.keep(strings.TrimSpace(string(root)), "the root key")
}

func TestNothingOfASignInAtAProviderIsToldByAnyOutput(t *testing.T) {
	t.Parallel()
	provider := oidctest.New(t, "gatehouse")
	provider.SignedIn("carol", carol)
	w := serve(t, func(w *world) {
		provider.ClientSecret = w.plant("the client secret")
		w.site.Write(t, "client-secret", provider.ClientSecret)
		provider.Refresh(true)
		provider.Bend(oidctest.Bends{
			Authorize: func(answer url.Values) { w.keep(answer.Get("code"), "the provider's code") },
			Token: func(answer map[string]any) {
				for _, name := range []string{"access_token", "refresh_token", "id_token"} {
					if token, ok := answer[name].(string); ok {
						w.keep(token, "the provider's "+name)
					}
				}
			},
		})
	}, "--issuer="+provider.Issuer)
	visitor := harness.NewVisitor(t)
	visitor.Before = w.watch
	if answer := visitor.Open(w.site.URL(appHost) + "/?deep=" + w.address("the address that one wants to see")); answer.Text != "the application" {
		t.Fatalf("carol does not get in: %d %s", answer.StatusCode, answer.Text)
	}
	w.cookies(visitor)
	w.messages(visitor)
	w.page(visitor.Open(w.site.Auth + "/").Text)
	w.page(visitor.Open(w.site.URL(appHost) + "/?gcp-iap-mode=IDENTITY").Text)

	liar := harness.NewVisitor(t) // whose provider does not say what it should
	provider.Bend(oidctest.Bends{
		Token:  func(answer map[string]any) { answer["access_token"] = w.plant("a bent access token") },
		Claims: func(claims map[string]any) { claims["aud"] = "somebody else"; claims["secret"] = w.plant("a claim") },
	})
	w.page(liar.Open(w.site.URL(appHost) + "/").Text)
	provider.Bend(oidctest.Bends{Serve: func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			http.Error(rw, `{"error":"invalid_grant","error_description":"`+w.plant("the provider's error")+`"}`, http.StatusBadRequest)
		}
		return r.URL.Path == "/token"
	}})
	w.page(harness.NewVisitor(t).Open(w.site.URL(appHost) + "/").Text)
	w.robot()
	w.strangers()
	w.look()
}

func TestNoPasswordIsToldByAnyOutput(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	password := w.plant("a password that is right")
	w.site.CLIWith(t, password+"\n", "users", "create", carol)
	visitor := harness.NewVisitor(t)
	visitor.Before = w.watch
	form := visitor.Open(w.site.URL(appHost) + "/")
	w.page(form.Text)
	refused := visitor.Send(form, "email", carol, "password", w.plant("a password that is wrong"))
	w.page(refused.Text)
	w.page(visitor.Send(refused, "email", w.address("a password in the place of an address")+"@x.example", "password", w.plant("a password of nobody")).Text)
	if answer := visitor.Send(form, "email", carol, "password", password); answer.Text != "the application" {
		t.Fatalf("carol does not get in: %d %s", answer.StatusCode, answer.Text)
	}
	w.cookies(visitor)
	w.site.CLIWith(t, w.plant("a new password")+"\n", "users", "set-password", carol)
	w.robot()
	w.strangers()
	w.look()
}

func TestNoPasswordOfADirectoryIsToldByAnyOutput(t *testing.T) {
	t.Parallel()
	directory := harness.StartSlapd(t)
	w := serve(t, func(w *world) {
		w.keep(harness.SlapdSecret, "the password for searches")
		w.keep("alice-password", "a person's password at the directory")
		w.site.Write(t, "apps.yaml", w.site.Read(t, "apps.yaml")+fmt.Sprintf(`---
apiVersion: gatehouse.dev/v1
kind: IdentityProvider
metadata: {name: corp}
spec:
  kind: ldap
  domains: [corp.example]
  ldap: {url: %q, caFile: %q, bindDn: %q, bindPassword: {file: %q}, userBase: "ou=people,%s"}
`, directory.Encrypted, directory.CAFile, harness.SlapdSearcher, directory.SecretFile, harness.SlapdBase))
	})
	visitor := harness.NewVisitor(t)
	visitor.Before = w.watch
	form := visitor.Open(w.site.URL(appHost) + "/")
	refused := visitor.Send(form, "email", "alice@corp.example", "password", w.plant("a wrong password for the directory"))
	w.page(refused.Text)
	w.page(visitor.Send(refused, "email", w.address("a password in the place of an address there")+"@corp.example", "password", w.plant("nobody's password there")).Text)
	if answer := visitor.Send(form, "email", "alice@corp.example", "password", "alice-password"); answer.Text != "the application" {
		t.Fatalf("alice does not get in: %d %s", answer.StatusCode, answer.Text)
	}
	w.cookies(visitor)
	late := harness.NewVisitor(t)
	form = late.Open(w.site.URL(appHost) + "/")
	directory.Process.Stop(t)
	down := late.Send(form, "email", "alice@corp.example", "password", w.plant("a password for a directory that is down"))
	if down.StatusCode == http.StatusOK {
		t.Errorf("a directory that is down lets somebody in: %s", down.Text)
	}
	w.page(down.Text)
	w.robot()
	w.strangers()
	w.look()
}
