package server

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/bearer"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/enforcement/reverseproxy"
	"github.com/gatehouse-iap/gatehouse/internal/exchange"
	"github.com/gatehouse-iap/gatehouse/internal/expression"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/sealing"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/signin/ldapbind"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidcrp"
	"github.com/gatehouse-iap/gatehouse/internal/signin/password"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// assemble fills in every part's fields.
func assemble(ctx context.Context, o Options, state *state) (*Server, error) {
	authHost, err := catalog.CanonicalHost(o.AuthHost)
	if err != nil {
		return nil, fmt.Errorf("auth host %q: %w", o.AuthHost, err)
	}
	s := &Server{options: o, store: state.store, holder: &snapshot.Holder{}, ready: make(chan struct{}), ended: make(chan struct{})}
	s.observeStore()
	if err = s.openRecords(ctx, filepath.Join(o.DataDir, audit.LogDir)); err != nil {
		return nil, err
	}
	keySealer := state.ring.Sealer(issuer.SealingPurpose)
	passwords := password.NewChecker(o.Now)
	s.admin = &admin.Admin{
		Store: state.store, Keys: keySealer, HashPassword: passwords.Hash, CheckHash: password.CheckHash, Decisions: s.decisions, Entries: state.store,
		ValidateExpression: expression.Check, UpstreamStates: s.upstreamStates, Changed: s.records.next,
		ProjectID: o.ProjectID, ProjectNumber: o.ProjectNumber, AuthURL: o.External.URL(authHost), TokenURL: o.TokenURL, Lifetimes: session.DefaultLifetimes(), Now: o.Now, Log: o.Log,
	}
	s.sessions = &session.Table{
		Store: state.store, Codec: session.Codec{Sealer: state.ring.Sealer("session cookie")},
		Now: o.Now, Lifetimes: session.DefaultLifetimes(), Log: o.Log,
	}
	s.exchanges = exchange.New(s.holder.Replaced, o.Now)
	s.sessions.Changed = s.exchanges.Wake
	if err := s.startView(ctx, keySealer); err != nil {
		_ = s.closeRecords()
		return nil, err
	}
	renderer, err := pages.New()
	if err != nil {
		return nil, err
	}
	renderer.Log = o.Log
	s.published = &issuer.Endpoints{Keys: s.keys, Now: o.Now, IssuerURL: o.External.URL(authHost)}
	relyingParty := &oidcrp.RelyingParty{Now: o.Now, Log: o.Log, Wrap: o.Tracer.Outbound}
	s.keyring = &oidcrp.Keyring{RelyingParty: relyingParty, Providers: s.providers}
	s.bearers = s.verifier()
	signIn := &signin.SignIn{
		External: o.External, AuthHost: authHost, Transactor: state.store, Sessions: s.sessions,
		Sealer: state.ring.Sealer("sign-in state"), Pages: renderer,
		Accounts: func() signin.AccountLookup { return s.holder.Current().Directory },
		Serves:   func(host string, name resource.Name) bool { return s.holder.Current().Serves(host, name) },
		Quick:    o.QuickAccounts, Always: o.Development.Account, HasHost: func(host string) bool { return s.holder.Current().Routes.HasHost(host) },
		Providers: s.providers, Redirecting: relyingParty,
		PasswordSources: map[identityprovider.Kind]signin.PasswordSource{identityprovider.LDAP: &ldapbind.Binder{Log: o.Log, Span: o.Tracer.Directory}},
		Passwords:       passwords, Now: o.Now, Log: o.Log, Lifetimes: session.DefaultLifetimes(),
		ClientAddr: clientAddr(o.TrustedProxies), Record: s.recordSignIn(), Replica: state.replica,
	}
	if m := s.metrics(); m != nil {
		signIn.Meter, relyingParty.Fetched = m, m.ProviderFetch
	}
	s.signIn = signIn
	s.programs = s.authorizationServer(state, renderer)
	s.handler = &hosts{
		auth: authHost, authHandler: s.authMux(signIn, renderer), proxies: o.TrustedProxies,
		newID: func() audit.DecisionID { return audit.NewDecisionID(o.Now(), state.replica) },
		apps: &reverseproxy.Handler{
			Point: s.point(state.replica), SignIn: appSignIn{signIn}, Pages: renderer, Log: o.Log, Scheme: o.External.Scheme,
			Metrics: s.metrics(), Tracer: o.Tracer, Exchanges: s.exchanges,
		},
	}
	return s, nil
}

// startView writes what a store must hold, and builds the first view of it.
func (s *Server) startView(ctx context.Context, keySealer *sealing.Sealer) error {
	if err := s.admin.EnsureKeys(ctx, admin.System("bootstrap"), issuer.Assertion); err != nil {
		return err
	}
	if s.options.Bootstrap != nil {
		if err := s.options.Bootstrap(ctx, s.admin); err != nil {
			return err
		}
	}
	s.builder = snapshot.NewBuilder(s.store)
	s.builder.CompileKeys = func(keys []issuer.Key, previous *issuer.KeySet) (*issuer.KeySet, error) {
		return issuer.Compile(keys, keySealer, previous)
	}
	s.builder.SessionsEnded = s.sessions.End
	s.builder.Now, s.builder.Log = s.options.Now, s.options.Log
	if m := s.metrics(); m != nil {
		s.builder.Refreshed = m.Refreshed
	}
	s.store.Notify(s.builder.Wake)
	if err := s.builder.Start(ctx, s.holder); err != nil {
		return err
	}
	s.admin.Settle = s.holder.Settle
	return nil
}

func (s *Server) keys() *issuer.KeySet { return s.holder.Current().Keys }

func (s *Server) providers() *identityprovider.View { return s.holder.Current().Providers }

// verifier returns what verifies bearer tokens.
func (s *Server) verifier() *bearer.Verifier {
	o := s.options
	return &bearer.Verifier{
		Issuer: s.published.IssuerURL, Scheme: o.External.Scheme, Port: o.External.Port,
		ServiceAccounts: o.ProjectID + ".iam.gserviceaccount.com", ProviderKeys: s.keyring, People: s.store, Now: o.Now,
		View: func() bearer.View {
			current := s.holder.Current()
			return bearer.View{Keys: current.Keys, Directory: current.Directory, Providers: current.Providers}
		},
	}
}

func (s *Server) point(replica uint16) *enforcement.Point {
	s.asserter = &issuer.Asserter{Keys: s.keys, Now: s.options.Now}
	return &enforcement.Point{
		View: s.holder.Current, Confirmed: s.holder.Confirmed, Sessions: s.sessions,
		Bearers:  s.bearers,
		Asserter: s.asserter,
		Origin:   s.options.External.URL,
		Log:      s.options.Log, Record: s.record(), Now: s.options.Now, Replica: replica,
		MaxStaleness: enforcement.DefaultMaxStaleness, Misdirected: s.options.Dev,
	}
}

// record returns what hears of every decision. What was not recorded has not been decided yet, and is not counted.
func (s *Server) record() func(*audit.Decision) bool {
	var heard func(*audit.Decision)
	switch {
	case s.options.Development.Decision != nil:
		heard = s.options.Development.Decision
	case s.options.Health != nil:
		heard = s.options.Health.Metrics.Decision
	default:
		return s.decisions.Record
	}
	return func(d *audit.Decision) bool {
		if !s.decisions.Record(d) {
			return false
		}
		heard(d)
		return true
	}
}

// recordSignIn is record for refusals of sign-in, which looks at no view of its own.
func (s *Server) recordSignIn() func(*audit.Decision) {
	record := s.record()
	return func(d *audit.Decision) {
		d.Position = s.holder.Current().Position
		record(d) // of refusals, which are never stopped
	}
}

// appSignIn says in sign-in's words which application a request was for.
type appSignIn struct{ signIn *signin.SignIn }

func appOf(served *snapshot.Served, host string) signin.App {
	return signin.App{
		Name: served.Service.Name, Resource: served.Resource, Host: host, ClientID: served.Service.OAuthClientID,
		CookieDomain: served.Cookie(host).Domain, LoginHint: served.Settings.LoginHint, Demand: served.Demand,
	}
}

func (a appSignIn) Begin(w http.ResponseWriter, r *http.Request, served *snapshot.Served, host string, reason policy.Reason) {
	a.signIn.Begin(w, r, appOf(served, host), reason)
}

func (a appSignIn) Complete(w http.ResponseWriter, r *http.Request, served *snapshot.Served, host string) {
	a.signIn.Complete(w, r, appOf(served, host))
}

func (a appSignIn) Clear(w http.ResponseWriter, r *http.Request, served *snapshot.Served, host string) {
	a.signIn.Clear(w, r, appOf(served, host))
}

func (a appSignIn) GoOn(w http.ResponseWriter, r *http.Request, served *snapshot.Served, host string) {
	a.signIn.GoOn(w, r, appOf(served, host))
}

func (a appSignIn) SignOut(w http.ResponseWriter, r *http.Request, served *snapshot.Served, host string) {
	a.signIn.SignOut(w, r, appOf(served, host))
}

func (a appSignIn) SignedIn(w http.ResponseWriter, r *http.Request, served *snapshot.Served, returnTo string) {
	a.signIn.SignedIn(w, r, served.Service.Name, returnTo)
}
