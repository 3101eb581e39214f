package server_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// login is one `gatehouse auth login` as the program sees it.
type login struct {
	verifier string
	query    url.Values
}

const loopback = "http://127.0.0.1:45678/"

func newLogin(changes ...string) login {
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	l := login{verifier, url.Values{
		"client_id": {"gatehouse-cli"}, "redirect_uri": {loopback}, "response_type": {"code"}, "scope": {"openid email"}, "state": {"xyz"},
		"access_type": {"offline"}, "code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
	}}
	for i := 0; i < len(changes); i += 2 {
		l.query.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			l.query.Del(changes[i])
		}
	}
	return l
}

func (l login) address() string { return "http://auth.test/o/oauth2/v2/auth?" + l.query.Encode() }

func (l login) redemption(code string, changes ...string) url.Values {
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"gatehouse-cli"}, "redirect_uri": {loopback}, "code": {code}, "code_verifier": {l.verifier},
	}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
	}
	return form
}

func refresh(token string, changes ...string) url.Values {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"gatehouse-cli"}, "refresh_token": {token}}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
	}
	return form
}

var hiddenRequest = regexp.MustCompile(`name="request" value="([^"]+)"`)

// consentPage goes to the address of a login, signing in on the way, and returns what the consent page's form carries.
func (v *visitor) consentPage(l login) string {
	v.t.Helper()
	response, body := v.visit(l.address())
	match := hiddenRequest.FindStringSubmatch(body)
	if response.StatusCode != http.StatusOK || match == nil {
		v.t.Fatalf("%s: no consent page\n%s", response.Status, body)
	}
	return html.UnescapeString(match[1])
}

// decide answers the consent page and returns where the browser is sent.
func (v *visitor) decide(request, decision string, header ...string) (*http.Response, url.Values) {
	v.t.Helper()
	form := url.Values{"request": {request}, "decision": {decision}}
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, "http://auth.test/signin/consent", strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for name, value := range v.cookies["auth.test"] {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	response, err := v.http.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	response.Body.Close()
	location, _ := url.Parse(response.Header.Get("Location"))
	return response, location.Query()
}

// code is a whole login up to the code.
func (v *visitor) code(l login) string {
	v.t.Helper()
	response, answer := v.decide(v.consentPage(l), "allow")
	if !strings.HasPrefix(response.Header.Get("Location"), loopback+"?") || answer.Get("code") == "" || answer.Get("state") != "xyz" || answer.Get("iss") != "http://auth.test" {
		v.t.Fatalf("%s: %s", response.Status, response.Header.Get("Location"))
	}
	return answer.Get("code")
}

// loggedIn is a gate, a person of its provider, and the tokens of a program of theirs.
func loggedIn(t *testing.T) (*gate, *visitor, map[string]any) {
	t.Helper()
	g, _, _ := federated(t)
	g.grant("user:alice@corp.example")
	v, l := newVisitor(t, g), newLogin()
	status, tokens := g.program().post("/token", l.redemption(v.code(l)))
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, tokens)
	}
	return g, v, tokens
}

func TestAProgramThatAPersonAllowsGetsTokensForApplications(t *testing.T) {
	t.Parallel()
	g, _, tokens := loggedIn(t)
	p := g.program()
	refreshToken, _ := tokens["refresh_token"].(string)
	access, _ := tokens["access_token"].(string)
	if refreshToken == "" || access == "" || tokens["id_token"] == "" || tokens["scope"] != "openid email" {
		t.Fatalf("%v", tokens)
	}
	// The ID token that comes with the code is for the program, and no application lists the program.
	if status, body := p.app("http://app.test/", tokens["id_token"].(string)); status != http.StatusUnauthorized {
		t.Errorf("the program's own ID token: %d %s", status, body)
	}
	for range 2 { // the refresh token stays
		status, again := p.post("/token", refresh(refreshToken, "audience", private.OAuthClientID))
		if status != http.StatusOK || again["refresh_token"] != nil {
			t.Fatalf("%d %v", status, again)
		}
		if status, body := p.app("http://app.test/", again["id_token"].(string)); status != http.StatusOK {
			t.Errorf("%d %s", status, body)
		}
	}
	if email := headerOf(g.app.last(), "X-Goog-Authenticated-User-Email"); len(email) != 1 || email[0] != "accounts.google.com:alice@corp.example" {
		t.Errorf("the application is told %q", email)
	}
	if response, body := p.do(http.MethodGet, "http://auth.test/v1/userinfo", "", "Authorization", "Bearer "+access); response.StatusCode != http.StatusOK || !strings.Contains(body, "alice@corp.example") {
		t.Errorf("userinfo: %s %s", response.Status, body)
	}
	// The browser is idle for two hours; the provider goes on confirming, and so does the program.
	if status, answer := p.post("/token", refresh(refreshToken, "audience", "somebody-else")); status != http.StatusBadRequest {
		t.Errorf("an audience that nobody takes: %d %v", status, answer)
	}
}

func TestWhatEndsAPersonsProgram(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(ctx context.Context, g *gate, v *visitor, tokens map[string]any) error{
		"signing out": func(_ context.Context, g *gate, v *visitor, _ map[string]any) error {
			r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://auth.test/signout", nil)
			if err != nil {
				return err
			}
			for name, value := range v.cookies["auth.test"] {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			response, err := v.http.Do(r)
			if err != nil {
				return err
			}
			return response.Body.Close()
		},
		"an administrator who ends the person's sessions": func(ctx context.Context, g *gate, _ *visitor, _ map[string]any) error {
			_, err := g.server.Admin().EndSessions(ctx, admin.System("test"), session.Filter{Email: "alice@corp.example"}, false)
			return err
		},
		"a suspension": func(ctx context.Context, g *gate, _ *visitor, _ map[string]any) error {
			p, err := g.server.Admin().Providers(ctx)
			if err != nil {
				return err
			}
			p[0].Disabled = true
			return g.server.Admin().PutProvider(ctx, admin.System("test"), p[0])
		},
		"an account of the same address that is switched off": func(ctx context.Context, g *gate, _ *visitor, _ map[string]any) error {
			_, err := g.server.Admin().CreateAccount(ctx, admin.System("test"), directory.Account{
				Kind: principal.User, Email: "alice@corp.example", Disabled: true,
			}, "")
			return err
		},
		"a provider that loses the domain": func(ctx context.Context, g *gate, _ *visitor, _ map[string]any) error {
			p, err := g.server.Admin().Providers(ctx)
			if err != nil {
				return err
			}
			p[0].Domains, p[0].Groups = []string{"elsewhere.example"}, nil
			return g.server.Admin().PutProvider(ctx, admin.System("test"), p[0])
		},
		"revoking the refresh token": func(_ context.Context, g *gate, _ *visitor, tokens map[string]any) error {
			g.program().post("/revoke", url.Values{"token": {tokens["refresh_token"].(string)}})
			return nil
		},
		"revoking the access token": func(_ context.Context, g *gate, _ *visitor, tokens map[string]any) error {
			g.program().post("/revoke", url.Values{"token": {tokens["access_token"].(string)}, "client_id": {"gatehouse-cli"}})
			return nil
		},
		"the end of the sign-in": func(_ context.Context, g *gate, _ *visitor, _ map[string]any) error {
			g.clock.advance(16 * time.Hour)
			g.confirm()
			return nil
		},
		"a provider that has not confirmed the person for long": func(_ context.Context, g *gate, _ *visitor, _ map[string]any) error {
			g.clock.advance(71 * time.Minute)
			g.confirm()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, v, tokens := loggedIn(t)
			p := g.program()
			refreshToken, access := tokens["refresh_token"].(string), tokens["access_token"].(string)
			if status, answer := p.post("/token", refresh(refreshToken)); status != http.StatusOK {
				t.Fatalf("before: %d %v", status, answer)
			}
			if err := end(t.Context(), g, v, tokens); err != nil {
				t.Fatal(err)
			}
			if status, answer := p.post("/token", refresh(refreshToken)); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
				t.Errorf("the refresh token: %d %v", status, answer)
			}
			if response, body := p.do(http.MethodGet, "http://auth.test/v1/userinfo", "", "Authorization", "Bearer "+access); response.StatusCode != http.StatusUnauthorized {
				t.Errorf("the access token: %s %s", response.Status, body)
			}
		})
	}
}

func TestAttacksOnCodes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		form   func(l, other login, code string) url.Values
		before func(g *gate)
	}{
		"PKCE swap: another login's verifier": {form: func(l, other login, code string) url.Values { return other.redemption(code) }},
		"no verifier":                         {form: func(l, _ login, code string) url.Values { return l.redemption(code, "code_verifier", "") }},
		"the challenge as the verifier": {form: func(l, _ login, code string) url.Values {
			return l.redemption(code, "code_verifier", l.query.Get("code_challenge"))
		}},
		"redirect_uri swap: another port": {form: func(l, _ login, code string) url.Values {
			return l.redemption(code, "redirect_uri", "http://127.0.0.1:45679/")
		}},
		"redirect_uri swap: localhost for 127.0.0.1": {form: func(l, _ login, code string) url.Values {
			return l.redemption(code, "redirect_uri", "http://localhost:45678/")
		}},
		"no redirect_uri":      {form: func(l, _ login, code string) url.Values { return l.redemption(code, "redirect_uri", "") }},
		"another client":       {form: func(l, _ login, code string) url.Values { return l.redemption(code, "client_id", "client-private") }},
		"as a refresh token":   {form: func(_, _ login, code string) url.Values { return refresh(code) }},
		"61 seconds later":     {form: func(l, _ login, code string) url.Values { return l.redemption(code) }, before: func(g *gate) { g.clock.advance(61 * time.Second); g.confirm() }},
		"with a letter more":   {form: func(l, _ login, code string) url.Values { return l.redemption(code + "A") }},
		"the person suspended": {form: func(l, _ login, code string) url.Values { return l.redemption(code) }, before: func(g *gate) { g.suspendProvider() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, _, _ := federated(t)
			v, l, other := newVisitor(t, g), newLogin(), newLogin()
			code := v.code(l)
			if c.before != nil {
				c.before(g)
			}
			status, answer := g.program().post("/token", c.form(l, other, code))
			if status == http.StatusOK || answer["access_token"] != nil || answer["id_token"] != nil || answer["refresh_token"] != nil {
				t.Fatalf("%d %v", status, answer)
			}
		})
	}
}

func (g *gate) suspendProvider() {
	g.t.Helper()
	providers, err := g.server.Admin().Providers(context.Background())
	if err != nil {
		g.t.Fatal(err)
	}
	providers[0].Disabled = true
	g.put(providers[0])
}

func TestAWrongVerifierUsesTheCodeUp(t *testing.T) {
	t.Parallel()
	g, _, _ := federated(t)
	v, l := newVisitor(t, g), newLogin()
	code := v.code(l)
	if status, _ := g.program().post("/token", newLogin().redemption(code)); status == http.StatusOK {
		t.Fatal("redeemed with another verifier")
	}
	if status, answer := g.program().post("/token", l.redemption(code)); status == http.StatusOK {
		t.Errorf("a second try: %v", answer)
	}
}

func TestACodeThatIsReplayedRevokesWhatItGave(t *testing.T) {
	t.Parallel()
	g, _, _ := federated(t)
	v, l := newVisitor(t, g), newLogin()
	p, code := g.program(), v.code(l)
	_, tokens := p.post("/token", l.redemption(code))
	refreshToken, _ := tokens["refresh_token"].(string)
	if status, answer := p.post("/token", refresh(refreshToken)); status != http.StatusOK {
		t.Fatalf("before: %d %v", status, answer)
	}
	if status, answer := p.post("/token", l.redemption(code)); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("the replay: %d %v", status, answer)
	}
	if status, answer := p.post("/token", refresh(refreshToken)); status != http.StatusBadRequest {
		t.Errorf("the refresh token: %d %v", status, answer)
	}
	if response, body := p.do(http.MethodGet, "http://auth.test/v1/userinfo", "", "Authorization", "Bearer "+tokens["access_token"].(string)); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("the access token: %s %s", response.Status, body)
	}
}

func TestABrowserThatIsIdleDoesNotEndTheProgram(t *testing.T) {
	t.Parallel()
	g, v, tokens := loggedIn(t)
	g.clock.advance(65 * time.Minute) // idle for more than an hour; the provider's grace is not over
	g.confirm()
	if response, _ := v.ask(http.MethodPost, appURL); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("the browser: %s", response.Status)
	}
	if status, answer := g.program().post("/token", refresh(tokens["refresh_token"].(string))); status != http.StatusOK {
		t.Errorf("the program: %d %v", status, answer)
	}
}

func TestWhoAsksAndWhereTheAnswerGoes(t *testing.T) {
	t.Parallel()
	g, _, _ := federated(t)
	v := newVisitor(t, g)
	v.visit(appURL)
	for name, c := range map[string]struct {
		changes []string
		goes    string // error at the redirect URI; empty for a page that goes nowhere
	}{
		"an unknown client":                   {[]string{"client_id", "nobody"}, ""},
		"an application's client id":          {[]string{"client_id", "client-private"}, ""},
		"no client":                           {[]string{"client_id", ""}, ""},
		"a redirect URI on the web":           {[]string{"redirect_uri", "https://evil.example/"}, ""},
		"a redirect URI over https":           {[]string{"redirect_uri", "https://127.0.0.1:45678/"}, ""},
		"a redirect URI with a user":          {[]string{"redirect_uri", "http://127.0.0.1@evil.example/"}, ""},
		"a redirect URI with a longer host":   {[]string{"redirect_uri", "http://127.0.0.1.evil.example/"}, ""},
		"a redirect URI with another host":    {[]string{"redirect_uri", "http://localhost.evil.example/"}, ""},
		"a redirect URI with a backslash":     {[]string{"redirect_uri", `http://127.0.0.1\@evil.example/`}, ""},
		"a redirect URI with a query":         {[]string{"redirect_uri", loopback + "?next=https://evil.example"}, ""},
		"a redirect URI with a fragment":      {[]string{"redirect_uri", loopback + "#x"}, ""},
		"a redirect URI with a path":          {[]string{"redirect_uri", loopback + "other"}, ""},
		"a redirect URI with port 0":          {[]string{"redirect_uri", "http://127.0.0.1:0/"}, ""},
		"a redirect URI with a port too high": {[]string{"redirect_uri", "http://127.0.0.1:99999/"}, ""},
		"a redirect URI of another scheme":    {[]string{"redirect_uri", "javascript:alert(1)"}, ""},
		"a redirect URI of another loopback":  {[]string{"redirect_uri", "http://127.0.0.2:45678/"}, ""},
		"a redirect URI in numbers":           {[]string{"redirect_uri", "http://2130706433:45678/"}, ""},
		"a redirect URI with a line break":    {[]string{"redirect_uri", loopback + "\r\nSet-Cookie: x=y"}, ""},
		"no PKCE":                             {[]string{"code_challenge", ""}, "invalid_request"},
		"plain PKCE":                          {[]string{"code_challenge_method", "plain"}, "invalid_request"},
		"a short challenge":                   {[]string{"code_challenge", "AAAA"}, "invalid_request"},
		"the implicit flow":                   {[]string{"response_type", "token"}, "unsupported_response_type"},
		"an answer by form":                   {[]string{"response_mode", "form_post"}, "invalid_request"},
		"scopes that are not given":           {[]string{"scope", "https://www.googleapis.com/auth/drive"}, "invalid_scope"},
		"without a page":                      {[]string{"prompt", "none"}, "consent_required"},
		"a prompt that nobody knows":          {[]string{"prompt", "please"}, "invalid_request"},
		"an endless state":                    {[]string{"state", strings.Repeat("x", 1025)}, "invalid_request"},
	} {
		response, body := v.ask(http.MethodGet, newLogin(c.changes...).address())
		location := response.Header.Get("Location")
		answer, _ := url.Parse(location)
		switch {
		case c.goes == "" && (response.StatusCode != http.StatusBadRequest || location != "" || hiddenRequest.MatchString(body)):
			t.Errorf("%s: %s to %q", name, response.Status, location)
		case c.goes != "" && (response.StatusCode != http.StatusFound || !strings.HasPrefix(location, loopback+"?") || answer.Query().Get("error") != c.goes || answer.Query().Has("code")):
			t.Errorf("%s: %s to %q", name, response.Status, location)
		}
	}
	if response, _ := newVisitor(t, g).ask(http.MethodGet, newLogin("prompt", "none").address()); !strings.Contains(response.Header.Get("Location"), "error=login_required") {
		t.Errorf("nobody signed in, without a page: %s", response.Header.Get("Location"))
	}
	if response, _ := v.ask(http.MethodGet, newLogin().address()+"&state=twice"); response.StatusCode != http.StatusBadRequest {
		t.Errorf("a parameter given twice: %s", response.Status)
	}
	for _, uri := range []string{"http://localhost:8085/", "http://[::1]:8085/", "http://127.0.0.1", "http://127.0.0.1:8085"} {
		if response, body := v.ask(http.MethodGet, newLogin("redirect_uri", uri).address()); response.StatusCode != http.StatusOK || !hiddenRequest.MatchString(body) {
			t.Errorf("%s: %s", uri, response.Status)
		}
	}
}

func TestNobodyConsentsForSomebodyElse(t *testing.T) {
	t.Parallel()
	g, corp, _ := federated(t)
	v := newVisitor(t, g)
	request := v.consentPage(newLogin())
	if response, answer := v.decide(request, "deny"); answer.Get("error") != "access_denied" || answer.Has("code") {
		t.Errorf("declined: %s %v", response.Status, answer)
	}
	for name, header := range map[string][]string{
		"another site's form":      {"Sec-Fetch-Site", "cross-site"},
		"a form of another origin": {"Origin", "https://evil.example"},
		"a form of an application": {"Origin", "http://app.test", "Sec-Fetch-Site", "same-site"},
	} {
		if response, answer := v.decide(request, "allow", header...); response.StatusCode != http.StatusBadRequest || answer.Has("code") {
			t.Errorf("%s: %s %v", name, response.Status, answer)
		}
	}
	stranger := newVisitor(t, g)
	if response, answer := stranger.decide(request, "allow"); response.StatusCode != http.StatusBadRequest || answer.Has("code") {
		t.Errorf("nobody signed in: %s %v", response.Status, answer)
	}
	corp.SignedIn("bob-at-corp", "bob@corp.example")
	stranger.visit(appURL)
	if response, answer := stranger.decide(request, "allow"); response.StatusCode != http.StatusBadRequest || answer.Has("code") {
		t.Errorf("somebody else's browser: %s %v", response.Status, answer)
	}
	if response, answer := v.decide(request[:len(request)-2], "allow"); response.StatusCode != http.StatusBadRequest || answer.Has("code") {
		t.Errorf("a request that is cut off: %s %v", response.Status, answer)
	}
	g.clock.advance(10 * time.Minute)
	g.confirm()
	if response, answer := v.decide(request, "allow"); response.StatusCode != http.StatusBadRequest || answer.Has("code") {
		t.Errorf("ten minutes later: %s %v", response.Status, answer)
	}
}
