package signin_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/sealing"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/signin/password"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
	"github.com/gatehouse-iap/gatehouse/internal/storage"
	"github.com/gatehouse-iap/gatehouse/internal/storage/sqlite/sqlitetest"
)

// The hosts of every test: an auth host and two applications on unrelated domains, the first with a second host.
const (
	authHost   = "auth.example.net"
	appHost    = "app.example.com"
	secondHost = "app.second.test"
	otherHost  = "other.test"
)

var (
	app = signin.App{
		Name: "app", Host: appHost, Resource: "projects/1/iap_web/compute/services/7", ClientID: "1-app.apps.googleusercontent.com",
	}
	other = signin.App{
		Name: "other", Host: otherHost, Resource: "projects/1/iap_web/compute/services/8", ClientID: "1-other.apps.googleusercontent.com",
	}
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// accounts is the directory as requests see it.
type accounts struct {
	mu      sync.Mutex
	byEmail map[string]directory.Account
}

func (a *accounts) Account(email string) (directory.Account, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	account, found := a.byEmail[email]
	return account, found
}

// put makes an account be seen, without the store knowing.
func (a *accounts) put(account directory.Account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byEmail[account.Email] = account
}

// world is a gate with the real store, and what is around it.
type world struct {
	*signin.SignIn
	db       *storage.DB
	accounts *accounts
	clock    *clock
	log      *logBuffer
	gone     map[string]bool         // hosts that are served no more
	outside  map[string]http.Handler // hosts that are not the gate's: identity providers
	// forceBegin makes the next request begin a sign-in although there is a session, as enforcement does when the
	// session is to be confirmed.
	forceBegin atomic.Bool
	// demand is what the application app demands of its people.
	demand session.Demand
	// hint is the login hint of the applications' settings.
	hint    string
	records decisions
	tokens  tokenBook
}

// tokenBook knows the redirect tokens that were handed out, and which of them opened a session, at which host.
type tokenBook struct {
	mu             sync.Mutex
	handed, opened map[string]int
}

// tokenAt is what tells a token from others: what stands behind the full stop only says where its person was going.
func tokenAt(u *url.URL, host string) string {
	token, _, _ := strings.Cut(u.Query().Get("redirect_token_v2"), ".")
	return token + " at " + host
}

// note looks at an answer on its way to the browser.
func (b *tokenBook) note(r *http.Request, header http.Header) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.handed == nil {
		b.handed, b.opened = map[string]int{}, map[string]int{}
	}
	if to, err := url.Parse(header.Get("Location")); err == nil && r.Host == authHost {
		b.handed[tokenAt(to, to.Host)]++
	}
	for _, c := range (&http.Response{Header: header}).Cookies() {
		if strings.HasPrefix(c.Name, "__Host-GCP_IAP_AUTH_TOKEN_") && c.MaxAge >= 0 {
			b.opened[tokenAt(r.URL, r.Host)]++
		}
	}
}

// check fails unless each session was opened by a token that was handed out for that host, once; and that of an address
// as often as is wanted.
func (b *tokenBook) check(t testing.TB, what, address string, want int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for token, times := range b.opened {
		if times > 1 || b.handed[token] == 0 {
			t.Errorf("%s: %.20s… opened %d sessions, and was handed out %d times", what, token, times, b.handed[token])
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.opened[tokenAt(u, u.Host)]; got != want {
		t.Errorf("%s: the token opened %d sessions, want %d", what, got, want)
	}
}

// decisions keeps what was recorded.
type decisions struct {
	mu  sync.Mutex
	all []audit.Decision
}

func (d *decisions) record(one *audit.Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, *one)
}

// of returns the record with an id.
func (d *decisions) of(id string) (audit.Decision, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.all {
		if one.ID.String() == id {
			return one, true
		}
	}
	return audit.Decision{}, false
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newWorld(t testing.TB) *world {
	t.Helper()
	db := sqlitetest.Open(t)
	ring, err := sealing.NewRing([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	renderer, err := pages.New()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		db: db, accounts: &accounts{byEmail: make(map[string]directory.Account)}, log: &logBuffer{},
		clock: &clock{now: time.Now().Truncate(time.Second)}, gone: make(map[string]bool),
	}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.SignIn = &signin.SignIn{
		External: signin.External{Scheme: "https", Port: 443}, AuthHost: authHost, Transactor: db,
		Sessions: &session.Table{
			Store: db, Codec: session.Codec{Sealer: ring.Sealer("session cookie")}, Now: w.clock.Now,
			Lifetimes: session.DefaultLifetimes(), Log: log,
		},
		Sealer: ring.Sealer("sign-in"), Pages: renderer,
		Accounts: func() signin.AccountLookup { return w.accounts },
		Serves: func(host string, name resource.Name) bool {
			return !w.gone[host] && ((host == appHost || host == secondHost) && name == app.Resource || host == otherHost && name == other.Resource)
		},
		Record: w.records.record, Passwords: password.NewChecker(w.clock.Now), Lifetimes: session.DefaultLifetimes(), Now: w.clock.Now, Log: log,
	}
	for _, email := range []string{"alice@example.com", "bob@example.com"} {
		w.create(t, email, "secret of "+email)
	}
	return w
}

// create adds an account whose password costs next to nothing to check.
func (w *world) create(t testing.TB, email, secret string) {
	t.Helper()
	key := argon2.IDKey([]byte(secret), []byte("saltsalt"), 1, 8, 1, 16)
	b64 := base64.RawStdEncoding.EncodeToString
	account := directory.Account{
		Kind: principal.User, Email: email, Created: w.clock.Now(),
		Subject:      fmt.Sprintf("1%020d", len(w.accounts.byEmail)+1),
		PasswordHash: "$argon2id$v=19$m=8,t=1,p=1$" + b64([]byte("saltsalt")) + "$" + b64(key),
	}
	w.store(t, func(s directory.Store) error { return s.CreateAccount(t.Context(), account) })
	w.accounts.put(account)
}

// disable switches an account off, in the store and in what requests see.
func (w *world) disable(t testing.TB, email string) {
	t.Helper()
	account, _ := w.accounts.Account(email)
	account.Disabled = true
	w.store(t, func(s directory.Store) error { return s.UpdateAccount(t.Context(), account) })
	w.accounts.put(account)
}

// setPassword does what an administrator's change does to the store: another hash, and no session is left. It takes
// requests some time to see it.
func (w *world) setPassword(t testing.TB, email, hash string) {
	t.Helper()
	account, _ := w.accounts.Account(email)
	account.PasswordHash = hash
	w.store(t, func(s directory.Store) error { return s.UpdateAccount(t.Context(), account) })
	if _, err := w.db.EndSessions(t.Context(), session.Filter{Email: email}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) store(t testing.TB, f func(directory.Store) error) {
	t.Helper()
	entry := &audit.Entry{Time: w.clock.Now(), Actor: audit.Actor{Kind: "system", Name: "test"}, Action: "test", Target: "test"}
	if _, err := w.db.Do(t.Context(), entry, func(tx admin.Tx) error { return f(tx.Directory()) }); err != nil {
		t.Fatal(err)
	}
}

// ServeHTTP is a gate with only sign-in in it: who is signed in is greeted.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	defer func() { w.tokens.note(r, rw.Header()) }()
	var here signin.App
	switch r.Host {
	case authHost:
		w.Handler().ServeHTTP(rw, r)
		return
	case appHost:
		here = app
		here.Demand = w.demand
	case secondHost:
		here = app
		here.Host = secondHost
	case otherHost:
		here = other
	default:
		http.Error(rw, "unknown host "+r.Host, http.StatusMisdirectedRequest)
		return
	}
	here.LoginHint = w.hint
	call, err := specialurl.Parse(r.URL.EscapedPath(), r.URL.RawQuery)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	switch call.Mode {
	case specialurl.Authenticating:
		w.Complete(rw, r, here)
		return
	case specialurl.ClearLoginCookie:
		w.Clear(rw, r, here)
		return
	case specialurl.SignOut:
		w.SignOut(rw, r, here)
		return
	case specialurl.ForceLogin:
		if _, err := w.Sessions.Authenticate(r.Context(), r.Header["Cookie"], here.Host, session.HostCookie(here.Resource).Name, here.Resource); err == nil {
			w.GoOn(rw, r, here)
			return
		}
	}
	record, err := w.Sessions.Authenticate(r.Context(), r.Header["Cookie"], here.Host, session.HostCookie(here.Resource).Name, here.Resource)
	switch {
	case errors.Is(err, session.ErrStore):
		http.Error(rw, err.Error(), http.StatusServiceUnavailable)
	case errors.Is(err, session.ErrInvalid):
		w.Begin(rw, r, here, policy.CookieInvalid)
	case err != nil:
		w.Begin(rw, r, here, policy.NoCredential)
	case !here.Demand.MetBy(record.Proof(), w.clock.Now()):
		w.Begin(rw, r, here, policy.SignInTooOld)
	case w.forceBegin.CompareAndSwap(true, false):
		w.Begin(rw, r, here, policy.ConfirmationDue)
	default:
		fmt.Fprintf(rw, "Hello %s at %s%s", record.Identity.Email, r.Host, r.RequestURI)
	}
}

// browser keeps cookies by host and follows redirects, as far as it is told to.
type browser struct {
	t     testing.TB
	world *world
	http  *http.Client
	jar   *cookiejar.Jar
	peer  string
	// between stands between the browser and the gate; nil for nothing.
	between func(r *http.Request, pass func(*http.Request) *http.Response) *http.Response
}

func newBrowser(t testing.TB, w *world) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, world: w, jar: jar, peer: "192.0.2.1:1234"}
	b.http = &http.Client{Jar: jar, Transport: b, CheckRedirect: follow}
	return b
}

// RoundTrip hands a request to the world's handler as a server would.
func (b *browser) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.Host, in.RemoteAddr = r.URL.RequestURI(), r.URL.Host, b.peer
	target, err := url.ParseRequestURI(in.RequestURI)
	if err != nil {
		return nil, err
	}
	if in.URL = target; in.Body == nil {
		in.Body = http.NoBody
	}
	pass := func(in *http.Request) *http.Response {
		recorder := httptest.NewRecorder()
		if elsewhere := b.world.outside[r.URL.Host]; elsewhere != nil {
			elsewhere.ServeHTTP(recorder, in)
		} else {
			b.world.ServeHTTP(recorder, in)
		}
		return recorder.Result()
	}
	var response *http.Response
	if b.between != nil {
		response = b.between(in, pass)
	} else {
		response = pass(in)
	}
	response.Request = r
	return response, nil
}

// page is a response with its body read.
type page struct {
	*http.Response
	body string
}

// field returns the value of a hidden form field.
func (p page) field(name string) string {
	found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(p.body)
	if found == nil {
		return ""
	}
	return found[1]
}

func (b *browser) do(r *http.Request) page {
	b.t.Helper()
	response, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{response, string(body)}
}

func request(t testing.TB, method, address, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// get opens an address and follows where it leads.
func (b *browser) get(address string) page {
	b.t.Helper()
	return b.do(request(b.t, http.MethodGet, address, ""))
}

// post sends a form of the auth host's own page and follows where it leads.
func (b *browser) post(path string, form map[string]string) page {
	b.t.Helper()
	values := make(url.Values)
	for name, value := range maps.All(form) {
		values.Set(name, value)
	}
	r := request(b.t, http.MethodPost, "https://"+authHost+path, values.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

// follow gives up where browsers do. Go's client does so after 10, which a tab that others overtake twice needs.
func follow(_ *http.Request, via []*http.Request) error {
	const most = 20
	if len(via) >= most {
		return fmt.Errorf("stopped after %d redirects", most)
	}
	return nil
}

// step makes the browser stop at each redirect until the function that it returns is called.
func (b *browser) step() (release func()) {
	b.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return func() { b.http.CheckRedirect = follow }
}

// signIn opens an address and signs in on the way.
func (b *browser) signIn(address, email string) page {
	b.t.Helper()
	asked := b.get(address)
	if asked.field("state") == "" {
		b.t.Fatalf("GET %s: no sign-in form but %s: %s", address, asked.Status, asked.body)
	}
	return b.post("/signin", map[string]string{"state": asked.field("state"), "email": email, "password": "secret of " + email})
}

// wantHello fails unless the page greets somebody at an address.
func (p page) wantHello(t testing.TB, email, at string) {
	t.Helper()
	if want := "Hello " + email + " at " + at; p.StatusCode != http.StatusOK || p.body != want {
		t.Errorf("got %s: %.200q, want %q", p.Status, p.body, want)
	}
}

// wantRefused fails unless the page is error page 9 of sign-in, and generated by us.
func (p page) wantRefused(t testing.TB, what string) {
	t.Helper()
	if p.StatusCode != http.StatusBadRequest || p.Header.Get("X-Goog-IAP-Generated-Response") != "true" || !strings.Contains(p.body, "code 9") {
		t.Errorf("%s: got %s: %.300q, want error page 9", what, p.Status, p.body)
	}
	for _, c := range p.Cookies() {
		if c.MaxAge >= 0 && (strings.HasPrefix(c.Name, "__Host-GCP_IAP_AUTH") || c.Name == "GCP_IAP_UID") {
			t.Errorf("%s: it sets %s", what, c.Name)
		}
	}
}
