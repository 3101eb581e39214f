package server_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// program calls a gate as programs do: without cookies, and following nothing.
type program struct {
	t    testing.TB
	http *http.Client
}

func (g *gate) program() program {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, g.address)
	}
	return program{g.t, &http.Client{
		Transport:     &http.Transport{DialContext: dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (p program) do(method, address, body string, header ...string) (*http.Response, string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, address, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	response, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response, string(content)
}

// app opens an address of an application with a bearer token.
func (p program) app(address, token string) (int, string) {
	p.t.Helper()
	response, body := p.do(http.MethodGet, address, "", "Authorization", "Bearer "+token)
	return response.StatusCode, body
}

// post sends a form to an endpoint of the auth host and reads the answer.
func (p program) post(path string, form url.Values) (int, map[string]any) {
	p.t.Helper()
	response, body := p.do(http.MethodPost, "http://auth.test"+path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	answer := map[string]any{}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		p.t.Fatalf("%s answers %s: %s", path, response.Status, body)
	}
	if response.Header.Get("Cache-Control") != "no-store" || len(response.Cookies()) > 0 || response.Header.Get("Access-Control-Allow-Origin") != "" {
		p.t.Errorf("%s answers with %v", path, response.Header)
	}
	return response.StatusCode, answer
}

// robot is a service account with a key.
type robot struct {
	email, kid string
	private    *rsa.PrivateKey
}

var robotKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func (g *gate) robot(name string) robot {
	g.t.Helper()
	a := g.server.Admin()
	email, err := a.ServiceAccountEmail(name)
	if err != nil {
		g.t.Fatal(err)
	}
	account := directory.Account{Kind: principal.ServiceAccount, Email: email}
	if _, err := a.CreateAccount(context.Background(), admin.System("test"), account, ""); err != nil {
		g.t.Fatal(err)
	}
	private, err := robotKey()
	if err != nil {
		g.t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		g.t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	key, err := a.CreateAccountKey(context.Background(), admin.System("test"), email, admin.NewAccountKey{PublicKey: string(text)})
	if err != nil {
		g.t.Fatal(err)
	}
	g.grant("user:alice@example.com", "user:alice@corp.example", "serviceAccount:"+email)
	return robot{email, key.ID, private}
}

// grant lets members, and nobody else, use the private application.
func (g *gate) grant(members ...string) {
	g.t.Helper()
	policy := iam.Policy{Bindings: []iam.Binding{{Role: iam.RoleHTTPSResourceAccessor, Members: members}}}
	if _, err := g.server.Admin().SetIamPolicy(context.Background(), admin.System("test"), private.Service.Name(), policy); err != nil {
		g.t.Fatal(err)
	}
}

func (r robot) sign(t testing.TB, claims map[string]any) string {
	t.Helper()
	encode := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	input := encode(map[string]string{"alg": "RS256", "typ": "JWT", "kid": r.kid}) + "." + encode(claims)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, r.private, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// bearer is a token that the account signs for an address of an application.
func (r robot) bearer(t testing.TB, now time.Time, audience string) string {
	return r.sign(t, map[string]any{"iss": r.email, "sub": r.email, "aud": audience, "iat": now.Unix(), "exp": now.Unix() + 3600})
}

// assertion is what it signs for the token endpoint.
func (r robot) assertion(t testing.TB, now time.Time, target string) string {
	claims := map[string]any{"iss": r.email, "aud": "http://auth.test/token", "iat": now.Unix(), "exp": now.Unix() + 3600}
	if target != "" {
		claims["target_audience"] = target
	}
	return r.sign(t, claims)
}

const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

func byAssertion(assertion string) url.Values {
	return url.Values{"grant_type": {jwtBearer}, "assertion": {assertion}}
}

func TestAServiceAccountOpensAnApplicationInEachWay(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	r, p := g.robot("nightly-report"), g.program()
	now := time.Now()

	if status, body := p.app("http://app.test/reports", r.bearer(t, now, "http://app.test/*")); status != http.StatusOK {
		t.Errorf("its own token: %d %s", status, body)
	}
	if email := headerOf(g.app.last(), "X-Goog-Authenticated-User-Email"); len(email) != 1 || email[0] != "accounts.google.com:"+r.email {
		t.Errorf("the application is told %q", email)
	}
	status, answer := p.post("/token", byAssertion(r.assertion(t, now, private.OAuthClientID)))
	id, _ := answer["id_token"].(string)
	if status != http.StatusOK || id == "" || answer["access_token"] != nil {
		t.Fatalf("token endpoint: %d %v", status, answer)
	}
	if status, body := p.app("http://app.test/", id); status != http.StatusOK {
		t.Errorf("an ID token: %d %s", status, body)
	}
	status, answer = p.post("/token", byAssertion(r.assertion(t, now, "")))
	access, _ := answer["access_token"].(string)
	if status != http.StatusOK || access == "" || answer["token_type"] != "Bearer" || answer["expires_in"] != 3599.0 || answer["id_token"] != nil {
		t.Fatalf("token endpoint: %d %v", status, answer)
	}
	if response, body := p.do(http.MethodGet, "http://auth.test/v1/userinfo", "", "Authorization", "Bearer "+access); response.StatusCode != http.StatusOK || !strings.Contains(body, r.email) {
		t.Errorf("userinfo: %s %s", response.Status, body)
	}
	if status, body := p.app("http://app.test/", access); status != http.StatusUnauthorized || !strings.HasPrefix(body, "Invalid IAP credentials: Base64 decode failed on token: ") || strings.Contains(body, access) {
		t.Errorf("an access token at an application: %d %s", status, body)
	}
	if status, answer := p.post("/token", byAssertion(r.assertion(t, now, "https://somebody.else"))); status != http.StatusBadRequest || answer["error"] != "invalid_request" {
		t.Errorf("for an audience that nobody takes: %d %v", status, answer)
	}
	if response, body := p.do(http.MethodGet, "http://auth.test/service_accounts/v1/jwk/"+r.email, ""); response.StatusCode != http.StatusOK || !strings.Contains(body, r.kid) {
		t.Errorf("its public keys: %s %s", response.Status, body)
	}
}

func TestWhatEndsAServiceAccountsTokens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end    func(ctx context.Context, a *admin.Admin, r robot) error
		status int // of its own token
	}{
		"its key is deleted": {func(ctx context.Context, a *admin.Admin, r robot) error {
			return a.DeleteAccountKey(ctx, admin.System("test"), r.email, r.kid)
		}, http.StatusUnauthorized},
		"its key is switched off": {func(ctx context.Context, a *admin.Admin, r robot) error {
			return a.SetAccountKeyDisabled(ctx, admin.System("test"), r.email, r.kid, true)
		}, http.StatusUnauthorized},
		"the account is switched off": {func(ctx context.Context, a *admin.Admin, r robot) error {
			return a.SetDisabled(ctx, admin.System("test"), principal.ServiceAccount, r.email, true)
		}, http.StatusForbidden},
		"the account is deleted": {func(ctx context.Context, a *admin.Admin, r robot) error {
			_, err := a.DeleteAccount(ctx, admin.System("test"), principal.ServiceAccount, r.email)
			return err
		}, http.StatusUnauthorized},
		"the account is deleted and made again": {func(ctx context.Context, a *admin.Admin, r robot) error {
			if _, err := a.DeleteAccount(ctx, admin.System("test"), principal.ServiceAccount, r.email); err != nil {
				return err
			}
			_, err := a.CreateAccount(ctx, admin.System("test"), directory.Account{Kind: principal.ServiceAccount, Email: r.email}, "")
			return err
		}, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := startGate(t)
			r, p := g.robot("nightly-report"), g.program()
			own := r.bearer(t, time.Now(), "http://app.test/*")
			_, answer := p.post("/token", byAssertion(r.assertion(t, time.Now(), "")))
			access, _ := answer["access_token"].(string)
			if status, body := p.app("http://app.test/", own); status != http.StatusOK {
				t.Fatalf("before: %d %s", status, body)
			}
			if err := c.end(t.Context(), g.server.Admin(), r); err != nil {
				t.Fatal(err)
			}
			if status, body := p.app("http://app.test/", own); status != c.status {
				t.Errorf("its own token, verified before: %d %s", status, body)
			}
			if status, answer := p.post("/token", byAssertion(r.assertion(t, time.Now(), private.OAuthClientID))); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
				t.Errorf("at the token endpoint: %d %v", status, answer)
			}
			if response, body := p.do(http.MethodGet, "http://auth.test/v1/userinfo", "", "Authorization", "Bearer "+access); response.StatusCode != http.StatusUnauthorized {
				t.Errorf("its access token: %s %s", response.Status, body)
			}
		})
	}
}

func TestGuessesAtTheTokenEndpointAreSlowedDown(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	p := g.program()
	refused := 0
	for range 60 {
		status, answer := p.post("/token", refresh("gatehouse_rt_"+strings.Repeat("A", 43)))
		switch {
		case status == http.StatusTooManyRequests && answer["error"] == "rate_limit_exceeded":
			refused++
		case status != http.StatusBadRequest:
			t.Fatalf("%d %v", status, answer)
		}
	}
	if refused == 0 {
		t.Error("60 guesses at once were all looked at")
	}
	g.clock.advance(time.Minute)
	if status, _ := p.post("/token", refresh("x")); status != http.StatusBadRequest {
		t.Errorf("a minute later: %d", status)
	}
}

func TestFormsThatTheTokenEndpointDoesNotTake(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	r, p := g.robot("nightly-report"), g.program()
	good := byAssertion(r.assertion(t, time.Now(), private.OAuthClientID))
	form := "application/x-www-form-urlencoded"
	for name, c := range map[string]struct {
		method, path, body, kind string
		status                   int
		code                     string
	}{
		"good":                         {http.MethodPost, "/token", good.Encode(), form, 200, ""},
		"good, with a charset":         {http.MethodPost, "/token", good.Encode(), form + "; charset=UTF-8", 200, ""},
		"GET":                          {http.MethodGet, "/token?" + good.Encode(), "", "", 405, "invalid_request"},
		"in the address":               {http.MethodPost, "/token?" + good.Encode(), "", form, 400, "invalid_request"},
		"JSON":                         {http.MethodPost, "/token", `{"grant_type":"refresh_token"}`, "application/json", 415, "invalid_request"},
		"no type":                      {http.MethodPost, "/token", good.Encode(), "", 415, "invalid_request"},
		"a form with files":            {http.MethodPost, "/token", "--x\r\n", "multipart/form-data; boundary=x", 415, "invalid_request"},
		"a parameter twice":            {http.MethodPost, "/token", good.Encode() + "&grant_type=refresh_token", form, 400, "invalid_request"},
		"no grant_type":                {http.MethodPost, "/token", "assertion=x", form, 400, "invalid_request"},
		"a grant that is not given":    {http.MethodPost, "/token", "grant_type=password&username=alice@example.com&password=x", form, 400, "unsupported_grant_type"},
		"client_credentials":           {http.MethodPost, "/token", "grant_type=client_credentials", form, 400, "unsupported_grant_type"},
		"broken escapes":               {http.MethodPost, "/token", "grant_type=%zz", form, 400, "invalid_request"},
		"more than 64 KiB":             {http.MethodPost, "/token", "grant_type=" + strings.Repeat("x", 70<<10), form, 400, "invalid_request"},
		"no client":                    {http.MethodPost, "/token", "grant_type=refresh_token&refresh_token=x", form, 401, "invalid_client"},
		"an application as the client": {http.MethodPost, "/token", "grant_type=refresh_token&refresh_token=x&client_id=client-private", form, 401, "invalid_client"},
		"revoke without a token":       {http.MethodPost, "/revoke", "x=y", form, 400, "invalid_request"},
		"revoke what nobody knows":     {http.MethodPost, "/revoke", "token=unknown", form, 200, ""},
	} {
		header := []string{"Cookie", "__Host-GCP_IAP_AUTH_TOKEN=x", "Origin", "https://evil.example"}
		if c.kind != "" {
			header = append(header, "Content-Type", c.kind)
		}
		response, body := p.do(c.method, "http://auth.test"+c.path, c.body, header...)
		answer := map[string]string{}
		_ = json.Unmarshal([]byte(body), &answer)
		if response.StatusCode != c.status || answer["error"] != c.code {
			t.Errorf("%s: %s %s", name, response.Status, body)
		}
		if response.Header.Get("Access-Control-Allow-Origin") != "" || len(response.Cookies()) > 0 || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, response.Header)
		}
	}
}

func TestAuthorizationIsTheApplicationsOwnWhenTheGateIsToldElsewhere(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	r, p := g.robot("nightly-report"), g.program()
	ours := "Bearer " + r.bearer(t, time.Now(), "http://app.test/*")
	bad := "Bearer " + r.bearer(t, time.Now(), "http://other.test/*")
	for name, c := range map[string]struct {
		header []string
		status int
		passes string // Authorization as the application sees it
	}{
		"ours in both":                             {[]string{"Proxy-Authorization", ours, "Authorization", ours}, 200, ours},
		"ours in Authorization":                    {[]string{"Authorization", ours}, 200, ""},
		"ours in Proxy-Authorization, theirs also": {[]string{"Proxy-Authorization", ours, "Authorization", "Bearer theirs"}, 200, "Bearer theirs"},
		"ours in Proxy-Authorization, Basic":       {[]string{"Proxy-Authorization", ours, "Authorization", "Basic eDp5"}, 200, "Basic eDp5"},
		"somebody's Proxy-Authorization":           {[]string{"Proxy-Authorization", "Basic eDp5", "Authorization", ours}, 200, ""},
		"a bad one in Proxy-Authorization":         {[]string{"Proxy-Authorization", bad, "Authorization", ours}, 401, ""},
		"a bad one in Authorization":               {[]string{"Authorization", bad}, 401, ""},
		"given twice":                              {[]string{"Authorization", ours, "Authorization", "Bearer theirs"}, 401, ""},
	} {
		response, body := p.do(http.MethodGet, "http://app.test/", "", c.header...)
		if response.StatusCode != c.status || response.Header.Get("Location") != "" {
			t.Errorf("%s: %s %s", name, response.Status, body)
			continue
		}
		if c.status != http.StatusOK {
			continue
		}
		seen := g.app.last()
		if got := strings.Join(headerOf(seen, "Authorization"), ", "); got != c.passes {
			t.Errorf("%s: the application sees Authorization %q", name, got)
		}
		if got := headerOf(seen, "Proxy-Authorization"); len(got) > 0 {
			t.Errorf("%s: the application sees Proxy-Authorization %q", name, got)
		}
	}
	// Where everybody may come in, a header of which one value is for us is still refused, and none reaches the application
	// where the gate is off.
	public := "Bearer " + r.bearer(t, time.Now(), "http://public.test/*")
	if response, body := p.do(http.MethodGet, "http://public.test/", "", "Authorization", public, "Authorization", "Bearer theirs"); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("given twice, where everybody may: %s %s", response.Status, body)
	}
	if response, body := p.do(http.MethodGet, "http://open.test/", "", "Proxy-Authorization", ours); response.StatusCode != http.StatusOK {
		t.Errorf("where the gate is off: %s %s", response.Status, body)
	} else if got := headerOf(g.app.last(), "Proxy-Authorization"); len(got) > 0 {
		t.Errorf("where the gate is off, the application sees Proxy-Authorization %q", got)
	}
}

func TestAProgramThatAnApplicationListsSignsPeopleIn(t *testing.T) {
	t.Parallel()
	g, _, _ := federated(t)
	g.grant("user:alice@corp.example")
	set := settings.Document{IapSettings: settings.IapSettings{AccessSettings: &settings.AccessSettings{
		OAuthSettings: &settings.OAuthSettings{ProgrammaticClients: []string{"desktop-app"}},
	}}}
	if _, err := g.server.Admin().UpdateIapSettings(t.Context(), admin.System("test"), private.Service.Name(), set, nil); err != nil {
		t.Fatal(err)
	}
	const uri = "http://localhost:4444/oauth/callback"
	v, l := newVisitor(t, g), newLogin("client_id", "desktop-app", "redirect_uri", uri)
	response, answer := v.decide(v.consentPage(l), "allow")
	if !strings.HasPrefix(response.Header.Get("Location"), uri+"?") {
		t.Fatalf("%s to %s", response.Status, response.Header.Get("Location"))
	}
	p := g.program()
	_, stolen := v.decide(v.consentPage(l), "allow")
	if status, answer := p.post("/token", l.redemption(stolen.Get("code"), "redirect_uri", uri)); status != http.StatusBadRequest {
		t.Errorf("its code in another program's hand: %d %v", status, answer)
	}
	status, tokens := p.post("/token", l.redemption(answer.Get("code"), "client_id", "desktop-app", "redirect_uri", uri))
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, tokens)
	}
	if status, body := p.app(appURL, tokens["id_token"].(string)); status != http.StatusOK {
		t.Errorf("its own ID token: %d %s", status, body)
	}
	if status, body := p.app("http://public.test/", tokens["id_token"].(string)); status != http.StatusUnauthorized {
		t.Errorf("at an application that does not list it: %d %s", status, body)
	}
	if status, answer := p.post("/token", refresh(tokens["refresh_token"].(string))); status != http.StatusBadRequest {
		t.Errorf("its refresh token in another program's hand: %d %v", status, answer)
	}
	if _, err := g.server.Admin().UpdateIapSettings(t.Context(), admin.System("test"), private.Service.Name(), settings.Document{}, nil); err != nil {
		t.Fatal(err)
	}
	if status, answer := p.post("/token", refresh(tokens["refresh_token"].(string), "client_id", "desktop-app")); status != http.StatusUnauthorized {
		t.Errorf("once nobody lists it: %d %v", status, answer)
	}
}

func TestAServiceAccountIsNotAskedForARecentSignIn(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	r, p := g.robot("nightly-report"), g.program()
	g.set(private.Service.Name(), `{accessSettings: {reauthSettings: {method: SECURE_KEY, maxAge: 300s, policyType: MINIMUM}}}`)
	if status, body := p.app("http://app.test/reports", r.bearer(t, time.Now(), "http://app.test/*")); status != http.StatusOK {
		t.Errorf("a service account: %d %s", status, body)
	}
	if response, body := g.get("app.test", "/", g.as("alice@example.com", private)); response.StatusCode != http.StatusForbidden {
		t.Errorf("a program that acts for a person: %d %s", response.StatusCode, body)
	}
}

func TestAProvidersTokenCarriesTheAttributesThatTheApplicationIsTold(t *testing.T) {
	t.Parallel()
	g, corp, p := federated(t)
	p.Attributes = []string{"department"}
	g.put(p)
	g.set(private.Service.Name(), `{applicationSettings: {attributePropagationSettings: {enable: true, expression: "attributes.saml_attributes", outputCredentials: [HEADER]}}}`)
	now := time.Now()
	token := func(department any) string {
		return corp.Signed(map[string]any{
			"iss": corp.Issuer, "sub": "alice-at-corp", "aud": private.OAuthClientID, "email": "alice@corp.example", "email_verified": true,
			"groups": []string{"admins"}, "department": department, "iat": now.Unix(), "exp": now.Unix() + 600,
		}, "JWT")
	}
	waitForKeys(t, g, token("Research"))
	program := g.program()
	for range 2 { // the second time the token is known
		if status, body := program.app(appURL, token("Research")); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		if told := headerOf(g.app.last(), "X-Goog-Iap-Attr-Department"); len(told) != 1 || told[0] != "Research" {
			t.Errorf("the application is told %q", told)
		}
	}
	if status, _ := program.app(appURL, token(strings.Repeat("x", 9000))); status != http.StatusUnauthorized {
		t.Errorf("more than can be handed on: %d, want 401", status)
	}
	if status, _ := program.app(appURL, token("a\r\nb")); status != http.StatusUnauthorized {
		t.Errorf("what could not stand in a header: %d, want 401", status)
	}
}

func TestAProvidersTokenOpensTheApplicationItIsFor(t *testing.T) {
	t.Parallel()
	g, corp, _ := federated(t)
	p, now := g.program(), time.Now()
	token := func(changes map[string]any) string {
		claims := map[string]any{
			"iss": corp.Issuer, "sub": "alice-at-corp", "aud": private.OAuthClientID, "email": "alice@corp.example", "email_verified": true,
			"groups": []string{"admins"}, "iat": now.Unix(), "exp": now.Unix() + 600,
		}
		for name, value := range changes {
			claims[name] = value
		}
		return corp.Signed(claims, "JWT")
	}
	waitForKeys(t, g, token(nil))
	if status, body := p.app(appURL, token(nil)); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	subject := headerOf(g.app.last(), "X-Goog-Authenticated-User-Id")
	for name, c := range map[string]struct {
		changes map[string]any
		status  int
	}{
		"without the group":           {map[string]any{"groups": []string{"other"}}, http.StatusForbidden},
		"for another application":     {map[string]any{"aud": public.OAuthClientID}, http.StatusUnauthorized},
		"for the gate's own sign-in":  {map[string]any{"aud": corp.ClientID}, http.StatusUnauthorized},
		"with an unverified address":  {map[string]any{"email_verified": false}, http.StatusUnauthorized},
		"of a domain not its own":     {map[string]any{"email": "alice@example.com"}, http.StatusUnauthorized},
		"of a service account's name": {map[string]any{"email": "x@dev-project.iam.gserviceaccount.com"}, http.StatusUnauthorized},
	} {
		if status, body := p.app(appURL, token(c.changes)); status != c.status {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	// The person is the same, however they come.
	v := newVisitor(t, g)
	v.visit(appURL)
	if again := headerOf(g.app.last(), "X-Goog-Authenticated-User-Id"); len(subject) != 1 || len(again) != 1 || subject[0] != again[0] {
		t.Errorf("by token %q, by browser %q", subject, again)
	}
	corp.Rotate(oidctest.NewKey(t, "next"))
	if status, body := p.app(appURL, token(nil)); status != http.StatusUnauthorized || !strings.Contains(body, "signature is invalid") {
		t.Errorf("by a key that is not known yet: %d %s", status, body)
	}
}
