package server

import (
	"context"
	"net/http"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/oauthserver"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// authorizationServer puts together what gives tokens to programs.
func (s *Server) authorizationServer(state *state, renderer *pages.Renderer) *oauthserver.Server {
	return &oauthserver.Server{
		URL: s.published.IssuerURL, TokenURL: s.options.TokenURL, Store: s.store, SignIn: programSignIn{s.signIn, s.signIn.Handler()}, Assertions: s.bearers,
		Directory:   func() oauthserver.Directory { return programDirectory{s.holder.Current()} },
		MintIDToken: s.mint, Sealer: state.ring.Sealer("oauth tokens"), Pages: renderer,
		ClientAddr: s.signIn.ClientAddr, Now: s.options.Now, Log: s.options.Log,
	}
}

// oauthRoutes are those of the auth host that are for programs.
func (s *Server) oauthRoutes(o *oauthserver.Server) []route {
	return []route{
		{oauthserver.PathAuthorize, "programs: known client, loopback redirect URI, PKCE, a page that asks; else sign-in, below", http.HandlerFunc(o.Authorize)},
		{oauthserver.PathConsent, "consent: sealed request of this session, cross-origin check; POST", o.Consent()},
		{oauthserver.PathToken, "signed assertion, code with PKCE or refresh token; rate limit; no cookies; POST", http.HandlerFunc(o.Token)},
		{oauthserver.PathRevoke, "the token itself; rate limit; no cookies; POST", http.HandlerFunc(o.Revoke)},
		{oauthserver.PathUserinfo, "access token; rate limit; no cookies; GET and POST", http.HandlerFunc(o.Userinfo)},
		{oauthserver.PathAccountKeys, "public keys of service accounts; GET and HEAD", http.HandlerFunc(o.AccountKeys)},
	}
}

// mint signs an ID token, and makes the key for that where there is none yet.
func (s *Server) mint(ctx context.Context, claims issuer.IDTokenClaims) (string, error) {
	if err := s.ensureIDTokenKey(ctx); err != nil {
		return "", err
	}
	return s.holder.Current().Keys.MintIDToken(claims, s.options.Now())
}

// programSignIn is sign-in in the words of the authorization server.
type programSignIn struct {
	signIn  *signin.SignIn
	handler http.Handler
}

func (p programSignIn) Present(r *http.Request) (session.Record, bool, error) {
	return p.signIn.Present(r)
}

func (p programSignIn) SignInHere(w http.ResponseWriter, r *http.Request, target, app, email string, choose, login bool) {
	p.signIn.SignInHere(w, r, signin.Here{Target: target, App: app, Email: email, Choose: choose, Login: login})
}

func (p programSignIn) Unavailable(w http.ResponseWriter, r *http.Request, cause error) {
	p.signIn.Unavailable(w, r, cause)
}

func (p programSignIn) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// programDirectory is the view of requests in the words of the authorization server.
type programDirectory struct{ *snapshot.Snapshot }

func (d programDirectory) Audience(id string) bool { return d.TakesAudience(id) }

func (d programDirectory) Client(id string) (string, bool) {
	if id == catalog.CommandLineClientID {
		return "Gatehouse command line", true
	}
	return id, d.IsProgrammaticClient(id)
}

func (d programDirectory) AccountKey(id string, now time.Time) bool {
	key, found := d.Directory.Key(id)
	return found && key.Usable(now)
}

func (d programDirectory) AccountKeys(email string, now time.Time) ([]*directory.VerificationKey, bool) {
	account, found := d.Directory.Account(email)
	if !found || account.Kind != principal.ServiceAccount {
		return nil, false
	}
	return d.Directory.KeysOf(email, now), true
}
