package server_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/server"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// visitor is a browser at a gate and a provider: it keeps cookies by host, and finds *.test at the gate.
type visitor struct {
	t       *testing.T
	gate    *gate
	cookies map[string]map[string]string // by host, and by domain with a dot before it
	http    *http.Client
}

func newVisitor(t *testing.T, g *gate) *visitor {
	v := &visitor{t: t, gate: g, cookies: map[string]map[string]string{}}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, _, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, ".test") {
			address = g.address
		}
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
	v.http = &http.Client{
		Transport:     &http.Transport{DialContext: dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return v
}

// ask sends one request and keeps the cookies of the answer.
func (v *visitor) ask(method, address string, lines ...string) (*http.Response, string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, address, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	for kept, cookies := range v.cookies {
		if kept == r.URL.Host || kept[0] == '.' && strings.HasSuffix("."+r.URL.Host, kept) {
			for name, value := range cookies {
				r.AddCookie(&http.Cookie{Name: name, Value: value})
			}
		}
	}
	response, err := v.http.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range response.Cookies() {
		keep := r.URL.Host
		if c.Domain != "" {
			keep = "." + c.Domain
		}
		if v.cookies[keep] == nil {
			v.cookies[keep] = map[string]string{}
		}
		if c.MaxAge < 0 {
			delete(v.cookies[keep], c.Name)
		} else {
			v.cookies[keep][c.Name] = c.Value
		}
	}
	return response, string(body)
}

// visit opens an address and follows where it leads.
func (v *visitor) visit(address string) (*http.Response, string) {
	v.t.Helper()
	for range 12 {
		response, body := v.ask(http.MethodGet, address)
		to := response.Header.Get("Location")
		if to == "" {
			return response, body
		}
		next, err := response.Request.URL.Parse(to)
		if err != nil {
			v.t.Fatal(err)
		}
		address = next.String()
	}
	v.t.Fatal("it goes round in circles")
	return nil, ""
}

// federated is a gate whose private application is for one group of the provider corp.
func federated(t *testing.T, edits ...func(*server.Options)) (*gate, *oidctest.Provider, identityprovider.Provider) {
	t.Helper()
	g := startGate(t, edits...)
	corp := oidctest.New(t, "corp-client")
	corp.Now = g.clock.now
	corp.As(oidctest.Person{Subject: "alice-at-corp", Claims: map[string]any{
		"email": "alice@corp.example", "email_verified": true, "groups": []string{"admins", "other"},
	}})
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(corp.ClientSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	p := identityprovider.Provider{
		Name: "corp", Kind: identityprovider.OIDC, Domains: []string{"corp.example"}, Groups: &identityprovider.GroupsClaim{Template: "{value}@corp.example"},
		OIDC: &identityprovider.OIDCConfig{Issuer: corp.Issuer, ClientID: corp.ClientID, ClientSecret: &identityprovider.Secret{File: secret}},
	}
	g.put(p)
	policy := iam.Policy{Bindings: []iam.Binding{{Role: iam.RoleHTTPSResourceAccessor, Members: []string{"group:admins@corp.example"}}}}
	if _, err := g.server.Admin().SetIamPolicy(t.Context(), admin.System("test"), private.Service.Name(), policy); err != nil {
		t.Fatal(err)
	}
	return g, corp, p
}

func (g *gate) put(p identityprovider.Provider) {
	g.t.Helper()
	if err := g.server.Admin().PutProvider(g.t.Context(), admin.System("test"), p); err != nil {
		g.t.Fatal(err)
	}
}

const appURL = "http://app.test/"

func TestAPersonOfAProviderComesInByTheGroupThatItNames(t *testing.T) {
	t.Parallel()
	g, corp, p := federated(t)
	v := newVisitor(t, g)
	if response, body := v.visit(appURL + "deep"); response.StatusCode != http.StatusOK || body != "ok" {
		t.Fatalf("%s: %s", response.Status, body)
	}
	received := g.app.last()
	if email := headerOf(received, "X-Goog-Authenticated-User-Email"); len(email) != 1 || email[0] != "accounts.google.com:alice@corp.example" {
		t.Errorf("the application is told %q", email)
	}
	if len(headerOf(received, "X-Goog-Iap-Jwt-Assertion")) != 1 {
		t.Error("the application gets no assertion")
	}

	corp.SignedIn("bob-at-corp", "bob@corp.example")
	other := newVisitor(t, g)
	if response, _ := other.visit(appURL); response.StatusCode != http.StatusForbidden {
		t.Errorf("somebody without the group: %s", response.Status)
	}

	// The provider loses its domain: what it says about people and groups of it counts for nothing, at once.
	p.Domains = []string{"elsewhere.example"}
	p.Groups = nil
	g.put(p)
	if response, _ := v.ask(http.MethodGet, appURL); response.StatusCode == http.StatusOK {
		t.Errorf("after the provider has lost the domain: %s", response.Status)
	}
}

func TestGroupsOfAnotherProvidersDomainCountForNothing(t *testing.T) {
	t.Parallel()
	g, _, _ := federated(t)
	partner := oidctest.New(t, "partner-client")
	partner.Now = g.clock.now
	partner.As(oidctest.Person{Subject: "pat", Claims: map[string]any{
		"email": "pat@partner.example", "email_verified": true, "groups": []string{"admins@corp.example"},
	}})
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(partner.ClientSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.server.Admin().DeleteProvider(t.Context(), admin.System("test"), "corp"); err != nil {
		t.Fatal(err)
	}
	local := identityprovider.Provider{Name: "local", Kind: identityprovider.Local, Domains: []string{"corp.example"}, Disabled: true}
	g.put(local)
	g.put(identityprovider.Provider{
		Name: "partner", Kind: identityprovider.OIDC, Domains: []string{"partner.example"}, Groups: &identityprovider.GroupsClaim{},
		OIDC: &identityprovider.OIDCConfig{Issuer: partner.Issuer, ClientID: partner.ClientID, ClientSecret: &identityprovider.Secret{File: secret}},
	})
	if response, _ := newVisitor(t, g).visit(appURL); response.StatusCode != http.StatusForbidden {
		t.Errorf("%s", response.Status)
	}
}

func TestALogoutAtTheProviderIsOutWithinASecond(t *testing.T) {
	t.Parallel()
	g, corp, _ := federated(t)
	v := newVisitor(t, g)
	v.visit(appURL)
	form := url.Values{"logout_token": {corp.LogoutToken("alice-at-corp", "", nil)}}.Encode()
	response, body := g.raw("POST /v1/oauth/clientIds/corp-client:backchannelLogout HTTP/1.1\r\nHost: auth.test\r\nConnection: close\r\n" +
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: " + strconv.Itoa(len(form)) + "\r\n\r\n" + form)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", response.Status, body)
	}
	if response, _ := v.ask(http.MethodPost, appURL); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("right after the answer: %s", response.Status)
	}
}

func TestANavigationIsTakenByTheProviderWhenTheSessionIsToBeConfirmed(t *testing.T) {
	t.Parallel()
	g, corp, _ := federated(t)
	v := newVisitor(t, g)
	v.visit(appURL)
	g.clock.advance(10 * time.Minute)
	g.confirm()
	if response, body := v.ask(http.MethodPost, appURL); response.StatusCode != http.StatusOK {
		t.Errorf("a request that cannot be sent away: %s %s", response.Status, body)
	}
	if response, body := v.visit(appURL + "again"); response.StatusCode != http.StatusOK || body != "ok" {
		t.Errorf("%s: %s", response.Status, body)
	}
	if prompt := corp.Asked().Get("prompt"); prompt != "none" {
		t.Errorf("prompt=%q", prompt)
	}
	if response, _ := v.ask(http.MethodGet, appURL); response.StatusCode != http.StatusOK {
		t.Errorf("the next navigation: %s", response.Status)
	}
	g.clock.advance(70 * time.Minute)
	g.confirm()
	if response, _ := v.ask(http.MethodPost, appURL); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("70 minutes after the provider was last heard: %s", response.Status)
	}
}

func TestADeletedOrDisabledProviderLetsNobodyThrough(t *testing.T) {
	t.Parallel()
	g, _, p := federated(t)
	v := newVisitor(t, g)
	v.visit(appURL)
	p.Disabled = true
	g.put(p)
	if response, _ := v.ask(http.MethodPost, appURL); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("disabled: %s", response.Status)
	}
	p.Disabled = false
	g.put(p)
	if response, _ := v.ask(http.MethodPost, appURL); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("enabled again, the old session: %s", response.Status)
	}
	v.visit(appURL)
	if err := g.server.Admin().DeleteProvider(t.Context(), admin.System("test"), "corp"); err != nil {
		t.Fatal(err)
	}
	if response, _ := v.ask(http.MethodPost, appURL); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("deleted: %s", response.Status)
	}
}
