package oidctest

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// accessToken gives an access token for a grant.
func (p *Provider) accessToken(g *grant) string {
	token := "access " + rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.access[token] = g
	return token
}

// bearer returns whom the access token of a request stands for.
func (p *Provider) bearer(r *http.Request) (Person, bool) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.access[token]
	if g == nil {
		return Person{}, false
	}
	return g.person, true
}

// userinfo says who the person behind an access token is.
func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	person, known := p.bearer(r)
	if !known {
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		return
	}
	claims := map[string]any{"sub": person.Subject}
	maps.Copy(claims, person.Claims)
	if bend := p.current().Userinfo; bend != nil {
		bend(claims)
	}
	answer(w, http.StatusOK, claims)
}

// Graph answers as Microsoft Graph does when it is asked for somebody's groups: at a host of its own, by the access
// tokens of its provider.
type Graph struct {
	URL string // of getMemberObjects

	of     *Provider
	mu     sync.Mutex
	groups []string
	serve  func(w http.ResponseWriter, r *http.Request) bool
	calls  int
}

// NewGraph starts one. It ends with the test.
func NewGraph(t testing.TB, of *Provider) *Graph {
	t.Helper()
	g := &Graph{of: of}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	g.URL = server.URL + "/v1.0/me/getMemberObjects"
	return g
}

// Groups says which groups everybody is in from now on.
func (g *Graph) Groups(ids ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.groups = ids
}

// Serve makes f answer in its place when it returns true; nil leaves it honest.
func (g *Graph) Serve(f func(w http.ResponseWriter, r *http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.serve = f
}

// Calls is how often it was asked.
func (g *Graph) Calls() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls
}

// ServeHTTP is the interface.
func (g *Graph) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.calls++
	groups, serve := g.groups, g.serve
	g.mu.Unlock()
	if serve != nil && serve(w, r) {
		return
	}
	var asked struct{ SecurityEnabledOnly *bool }
	_, known := g.of.bearer(r)
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/v1.0/me/getMemberObjects":
		http.NotFound(w, r)
	case !known:
		answer(w, http.StatusUnauthorized, map[string]any{"error": map[string]string{"code": "InvalidAuthenticationToken"}})
	case json.NewDecoder(r.Body).Decode(&asked) != nil || asked.SecurityEnabledOnly == nil:
		answer(w, http.StatusBadRequest, map[string]any{"error": map[string]string{"code": "Request_BadRequest"}})
	default:
		answer(w, http.StatusOK, map[string]any{"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#Collection(Edm.String)", "value": groups})
	}
}
