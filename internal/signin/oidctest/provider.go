// Package oidctest owns an OpenID Connect provider for tests. By itself it is honest and strict: it holds its clients
// to PKCE, redirect URI and authentication. Every document and token that it gives can be bent, field by field, so
// that tests can be lied to in any way.
package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Bends change what the provider says. A nil one leaves it honest. They may change and delete members of the maps.
type Bends struct {
	Discovery func(document map[string]any)
	Keys      func(document map[string]any)
	Authorize func(answer url.Values)     // what goes back to the redirect URI
	Token     func(answer map[string]any) // of the token endpoint
	Header    func(header map[string]any) // of ID and logout tokens
	Claims    func(claims map[string]any) // of ID tokens
	Userinfo  func(claims map[string]any)
	Sign      func(header, claims map[string]any) string // makes the whole token
	// Serve answers a request in the provider's place when it returns true.
	Serve func(w http.ResponseWriter, r *http.Request) bool
}

// Person is who signs in at the provider, as soon as a browser comes. The claims are added to those of the protocol.
type Person struct {
	Subject string
	Claims  map[string]any
}

// Provider is one provider. Its fields may be changed between requests, under Change.
type Provider struct {
	Issuer       string
	ClientID     string
	ClientSecret string
	Now          func() time.Time

	mu      sync.Mutex
	person  Person
	whoAsks func(query url.Values) Person
	bends   Bends
	key     Key
	refresh bool // whether refresh tokens are given
	codes   map[string]*grant
	access  map[string]*grant // by access token
	refused map[string]bool   // refresh tokens that are not good any more
	calls   map[string]int    // requests by path
	asked   []url.Values      // what authorization requests asked
}

// grant is what a code or refresh token stands for.
type grant struct {
	query  url.Values
	person Person
	used   bool
}

// Key is a signing key that the provider publishes.
type Key struct {
	ID        string
	Algorithm jose.SignatureAlgorithm
	Private   crypto.Signer
}

// NewKey makes an ES256 key.
func NewKey(t testing.TB, id string) Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return Key{id, jose.ES256, private}
}

// NewRSAKey makes an RS256 key of some size.
func NewRSAKey(t testing.TB, id string, bits int) Key {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return Key{id, jose.RS256, private}
}

// New starts a provider on loopback. It ends with the test.
func New(t testing.TB, clientID string) *Provider {
	t.Helper()
	p := &Provider{
		ClientID: clientID, ClientSecret: "secret of " + clientID, Now: time.Now, key: NewKey(t, "first"),
		codes: map[string]*grant{}, access: map[string]*grant{}, refused: map[string]bool{}, calls: map[string]int{},
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.Issuer = server.URL
	return p
}

// Host is where the provider is reached.
func (p *Provider) Host() string { return strings.TrimPrefix(p.Issuer, "http://") }

// Bend makes the provider lie from now on.
func (p *Provider) Bend(b Bends) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bends = b
}

// SignedIn says who signs in from now on, with an address that the provider has verified.
func (p *Provider) SignedIn(subject, email string) {
	p.As(Person{subject, map[string]any{"email": email, "email_verified": true}})
}

// As says who signs in from now on.
func (p *Provider) As(person Person) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.person = person
}

// WhoAsks says who signs in by what the authorization request asks.
func (p *Provider) WhoAsks(f func(query url.Values) Person) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.whoAsks = f
}

// Rotate replaces the signing key.
func (p *Provider) Rotate(key Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key = key
}

// Refresh makes the provider give refresh tokens, or stop.
func (p *Provider) Refresh(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh = on
}

// Revoke makes all refresh tokens that were given so far invalid.
func (p *Provider) Revoke() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for token := range p.codes {
		p.refused[token] = true
	}
}

// Calls is how often a path was asked for.
func (p *Provider) Calls(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[path]
}

// Asked is what the last authorization request asked; nil before the first.
func (p *Provider) Asked() url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.asked) == 0 {
		return nil
	}
	return p.asked[len(p.asked)-1]
}

// AllAsked is what all authorization requests asked, in order.
func (p *Provider) AllAsked() []url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// ServeHTTP is the provider.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.calls[r.URL.Path]++
	serve := p.bends.Serve
	p.mu.Unlock()
	if serve != nil && serve(w, r) {
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		p.discovery(w)
	case "/keys":
		p.keys(w)
	case "/authorize":
		p.authorize(w, r)
	case "/token":
		p.redeem(w, r)
	case "/userinfo":
		p.userinfo(w, r)
	case "/logout":
		p.endSession(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *Provider) discovery(w http.ResponseWriter) {
	base := strings.TrimSuffix(p.Issuer, "/") // some issuers end with one
	document := map[string]any{
		"issuer": p.Issuer, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token",
		"jwks_uri": base + "/keys", "userinfo_endpoint": base + "/userinfo", "end_session_endpoint": base + "/logout",
		"id_token_signing_alg_values_supported":          []string{"RS256", "ES256"},
		"authorization_response_iss_parameter_supported": true,
	}
	if bend := p.current().Discovery; bend != nil {
		bend(document)
	}
	answer(w, http.StatusOK, document)
}

func (p *Provider) current() Bends {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bends
}

func (p *Provider) keys(w http.ResponseWriter) {
	p.mu.Lock()
	key := p.key
	p.mu.Unlock()
	document := map[string]any{"keys": []any{key.Public()}}
	if bend := p.current().Keys; bend != nil {
		bend(document)
	}
	answer(w, http.StatusOK, document)
}

// Public is the key as a JWK set has it.
func (k Key) Public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Private.Public(), KeyID: k.ID, Algorithm: string(k.Algorithm), Use: "sig"}
}

// authorize signs the person in at once and sends the browser back.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	p.mu.Lock()
	p.asked = append(p.asked, query)
	person, whoAsks := p.person, p.whoAsks
	p.mu.Unlock()
	if whoAsks != nil {
		person = whoAsks(query)
	}
	if query.Get("client_id") != p.ClientID || query.Get("response_type") != "code" || query.Get("code_challenge_method") != "S256" {
		http.Error(w, "not a request of our client", http.StatusBadRequest)
		return
	}
	back := url.Values{"state": {query.Get("state")}, "iss": {p.Issuer}}
	if person.Subject == "" {
		back.Set("error", "access_denied")
		if query.Get("prompt") == "none" {
			back.Set("error", "login_required")
		}
	} else {
		back.Set("code", p.grant(&grant{query: query, person: person}))
	}
	if bend := p.current().Authorize; bend != nil {
		bend(back)
	}
	http.Redirect(w, r, query.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *Provider) grant(g *grant) string {
	var b [16]byte
	rand.Read(b[:])
	code := fmt.Sprintf("%x", b)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes[code] = g
	return code
}

// redeem takes codes and refresh tokens, once each.
func (p *Provider) redeem(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil || !p.authenticated(r) {
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	code := r.PostForm.Get("code")
	if r.PostForm.Get("grant_type") == "refresh_token" {
		code = r.PostForm.Get("refresh_token")
	}
	p.mu.Lock()
	g, refresh, refused := p.codes[code], p.refresh, p.refused[code]
	good := g != nil && !g.used && !refused
	if good {
		g.used = true
	}
	p.mu.Unlock()
	challenge := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if good && r.PostForm.Get("grant_type") == "authorization_code" {
		good = g.query.Get("redirect_uri") == r.PostForm.Get("redirect_uri") &&
			g.query.Get("code_challenge") == base64.RawURLEncoding.EncodeToString(challenge[:])
	}
	if !good {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "used, unknown or not yours"})
		return
	}
	document := map[string]any{"access_token": p.accessToken(g), "token_type": "Bearer", "expires_in": 300}
	if refresh {
		document["refresh_token"] = p.grant(&grant{query: g.query, person: g.person})
	}
	document["id_token"] = p.IDToken(g.person, g.query.Get("nonce"))
	if bend := p.current().Token; bend != nil {
		bend(document)
	}
	answer(w, http.StatusOK, document)
}

func (p *Provider) authenticated(r *http.Request) bool {
	id, secret, basic := r.BasicAuth()
	if basic {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if r.PostForm.Get("client_assertion") != "" {
		return id == p.ClientID // whether it is good is for the test to say
	}
	return id == p.ClientID && secret == p.ClientSecret
}

// endSession signs out and goes back.
func (p *Provider) endSession(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.person = Person{}
	p.mu.Unlock()
	if back := r.URL.Query().Get("post_logout_redirect_uri"); back != "" {
		http.Redirect(w, r, back+"?state="+url.QueryEscape(r.URL.Query().Get("state")), http.StatusFound)
	}
}

// IDToken makes an ID token.
func (p *Provider) IDToken(person Person, nonce string) string {
	now := p.Now()
	claims := map[string]any{
		"iss": p.Issuer, "aud": p.ClientID, "sub": person.Subject, "nonce": nonce, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	maps.Copy(claims, person.Claims)
	if bend := p.current().Claims; bend != nil {
		bend(claims)
	}
	return p.Signed(claims, "JWT")
}

// LogoutToken makes a logout token; bend may be nil.
func (p *Provider) LogoutToken(subject, session string, bend func(claims map[string]any)) string {
	now := p.Now()
	claims := map[string]any{
		"iss": p.Issuer, "aud": p.ClientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": rand.Text(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	if subject != "" {
		claims["sub"] = subject
	}
	if session != "" {
		claims["sid"] = session
	}
	if bend != nil {
		bend(claims)
	}
	return p.Signed(claims, "logout+jwt")
}

// Signed signs claims with the provider's key, unless it is bent.
func (p *Provider) Signed(claims map[string]any, typ string) string {
	p.mu.Lock()
	key, bends := p.key, p.bends
	p.mu.Unlock()
	header := map[string]any{"typ": typ, "kid": key.ID, "alg": string(key.Algorithm)}
	if bends.Header != nil {
		bends.Header(header)
	}
	if bends.Sign != nil {
		return bends.Sign(header, claims)
	}
	return Sign(key, header, claims)
}

// Sign makes a token with whatever header and claims, signed as the key's algorithm has it.
func Sign(key Key, header, claims map[string]any) string {
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return SignText(key, header, string(text))
}

// SignText is Sign for a payload that no map can hold.
func SignText(key Key, header map[string]any, payload string) string {
	signed := Encode(header) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	digest := sha256.Sum256([]byte(signed))
	var signature []byte
	switch private := key.Private.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			panic(err)
		}
		signature = make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
	case *rsa.PrivateKey:
		var err error
		if signature, err = rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:]); err != nil {
			panic(err)
		}
	default:
		panic("a key that this provider cannot sign with")
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// Encode is one part of a token.
func Encode(part any) string {
	text, err := json.Marshal(part)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func answer(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document)
}
