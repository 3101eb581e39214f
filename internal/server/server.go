// Package server constructs the gate from its rooms and mounts them on a listener. It holds no template, no SQL
// and no decision.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/bearer"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/exchange"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/oauthserver"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidcrp"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
	"github.com/gatehouse-iap/gatehouse/internal/storage"
	"github.com/gatehouse-iap/gatehouse/internal/tracing"
)

// Options are the inputs of a server.
type Options struct {
	// DataDir holds store, root key, decision log and administration socket. It is made when it does not exist.
	DataDir string
	// RootKey says where the root key is; the zero value is the file root.key in the data directory.
	RootKey RootKey
	// Listener is where clients come in, and Endpoints are where they do besides. The server closes them.
	Listener  net.Listener
	Endpoints []Endpoint
	// Health is for load balancers and monitoring; nil for none.
	Health *Health
	// Tracer traces requests; nil for none. The server leaves it open.
	Tracer *tracing.Tracer
	// GoogleEndpoints answer in the place of hosts of Google's; nil for none. The server closes their listeners.
	GoogleEndpoints *GoogleEndpoints
	// TrustedProxies say whom requests come from; nil trusts nobody.
	TrustedProxies *listener.TrustedProxies
	// External is how clients write our URLs: scheme and port.
	External signin.External
	// AuthHost is the host, without port, at which people sign in for all applications.
	AuthHost string
	// TokenURL is where programs find the token endpoint, where that is not at the auth host: key files name it.
	TokenURL string
	// QuickAccounts may sign in with one click, without a password. For development only.
	QuickAccounts []string
	ProjectID     string
	ProjectNumber int64
	// Bootstrap writes what must be there before the first request. It runs before anything is served, at
	// every start.
	Bootstrap func(ctx context.Context, a *admin.Admin) error
	// Records say what becomes of decisions and administrative entries.
	Records Records
	// Drain is how long exchanges under way may go on once Serve is asked to end; zero is listener.DrainTimeout.
	Drain time.Duration
	// Dev marks the data directory as made by the emulator; a server of the other sort refuses it.
	Dev bool
	// Development is what the emulator may besides; zero in production.
	Development Development
	Log         *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Endpoint is one of several places at which clients come in.
type Endpoint struct {
	Listener net.Listener
	// ToHTTPS sends plain requests to the external URL while it is true; nil never does.
	ToHTTPS *atomic.Bool
	// HealthPath is answered for load balancers, on every host and before anything else; empty for none.
	HealthPath string
}

// RootKey says where root keys are. A file that does not exist is made together with an empty store; keys that
// are given are never made, and missing ones stop the start.
type RootKey struct {
	File string
	Keys [][]byte // newest first; they come before File
}

// Server is the gate, put together. Its parts are fields, so that this file reads as a list of them.
type Server struct {
	options   Options
	store     *storage.DB
	admin     *admin.Admin
	holder    *snapshot.Holder
	builder   *snapshot.Builder
	sessions  *session.Table
	signIn    *signin.SignIn
	bearers   *bearer.Verifier
	keyring   *oidcrp.Keyring
	programs  *oauthserver.Server
	exchanges *exchange.Registry
	decisions *audit.Log
	asserter  *issuer.Asserter
	records   records
	published *issuer.Endpoints
	handler   *hosts
	routes    []route

	// makingKey lets one caller make the key for ID tokens; the others wait until requests see it.
	makingKey sync.Mutex
	ready     chan struct{}
	ended     chan struct{} // closed when Serve returns
	stopping  atomic.Bool
}

// New opens the store, makes what a new one lacks, and builds the first view. The server decides from then on,
// and answers once Serve runs. An error leaves nothing open except the listeners.
func New(ctx context.Context, o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Drain == 0 {
		o.Drain = listener.DrainTimeout
	}
	state, err := openState(ctx, o)
	if err != nil {
		return nil, err
	}
	s, err := assemble(ctx, o, state)
	if err != nil {
		state.close()
		return nil, err
	}
	return s, nil
}

// Admin returns the policy administration point.
func (s *Server) Admin() *admin.Admin { return s.admin }

// Exchanges says how many exchanges last, and how many the gate has ended.
func (s *Server) Exchanges() []exchange.Count { return s.exchanges.Counts() }

// SetLocal sets what answers on exact canonical hosts that belong to no service and not to the gate itself, and, under
// AUTH_HOST/PATH, at exact paths of the auth host. Call it before Serve.
func (s *Server) SetLocal(handlers map[string]http.Handler) { s.handler.local = handlers }

// TokenEndpoint serves the token endpoint, for where it is not at the auth host.
func (s *Server) TokenEndpoint() http.Handler { return http.HandlerFunc(s.programs.Token) }

// AssertionKeys serves the public keys of assertions, under /iap/verify/.
func (s *Server) AssertionKeys() http.Handler {
	if wrap := s.options.Development.WrapKeys; wrap != nil {
		return wrap(s.published.Assertion())
	}
	return s.published.Assertion()
}

// MintIDToken returns a bearer token for an account, or directory.ErrNotFound where there is none that may use one.
func (s *Server) MintIDToken(ctx context.Context, email, audience string) (string, error) {
	return s.MintInstanceToken(ctx, email, audience, nil)
}

// MintInstanceToken returns a bearer token that also describes the machine that the account asked from; nil for none.
func (s *Server) MintInstanceToken(ctx context.Context, email, audience string, machine *issuer.ComputeEngine) (string, error) {
	account, found := s.holder.Current().Directory.Account(email)
	if !found || account.Disabled {
		return "", fmt.Errorf("account %s: %w", email, directory.ErrNotFound)
	}
	return s.mint(ctx, issuer.IDTokenClaims{
		Issuer: s.published.IssuerURL, Audience: audience,
		Subject: account.Subject, Email: account.Email, HostedDomain: account.HostedDomain, ComputeEngine: machine,
	})
}

// ensureIDTokenKey makes the key that signs ID tokens when there is none yet.
func (s *Server) ensureIDTokenKey(ctx context.Context) error {
	s.makingKey.Lock()
	defer s.makingKey.Unlock()
	if _, err := s.holder.Current().Keys.Signer(issuer.IDToken, s.options.Now()); err == nil {
		return nil
	}
	return s.admin.EnsureKeys(ctx, admin.System("bootstrap"), issuer.IDToken)
}

// UpstreamFiles lists the files that upstreams name; when one changes, call ReloadFiles.
func (s *Server) UpstreamFiles() []string { return s.holder.Current().UpstreamFiles() }

// ReloadFiles makes the files that upstreams name be read again, soon. The log says what came of it.
func (s *Server) ReloadFiles() { s.builder.ReloadFiles() }

// UpstreamFaults says which upstreams cannot be used, or not as their files are now.
func (s *Server) UpstreamFaults() []string { return s.holder.Current().UpstreamFaults() }

// Ready waits until the server answers and its administration socket is there.
func (s *Server) Ready(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	case <-s.ended:
		return errors.New("the server has ended: Serve says why")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Serve answers until the context ends, then drains and closes everything that New opened. A drained end is nil.
func (s *Server) Serve(ctx context.Context) error {
	defer close(s.ended)
	socket, err := admin.Listen(s.options.DataDir)
	if err != nil {
		return errors.Join(err, s.closeListeners(), s.close())
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, failed := errgroup.WithContext(background)
	group.Go(func() error { s.builder.Run(failed, s.holder); return nil })
	group.Go(func() error { return s.sessions.Run(failed) })
	group.Go(func() error { return s.signIn.Run(failed) })
	group.Go(func() error { s.exchanges.Run(failed); return nil })
	group.Go(func() error { s.keyring.Run(failed); return nil })
	group.Go(func() error { return s.admin.ServeListener(failed, socket) })
	group.Go(func() error { s.expireEntries(failed); return nil })
	group.Go(func() error {
		// An RSA key takes its time, and nobody needs it to get in: it is made while people are served already.
		if err := s.ensureIDTokenKey(failed); err != nil && failed.Err() == nil {
			s.options.Log.Error("the key for ID tokens could not be made", "error", err)
		}
		return nil
	})
	if h := s.options.Health; h != nil { // it outlives the others, and says that the server drains
		group.Go(func() error { return listener.Serve(failed, h.Listener, s.healthMux(), s.options.Log, time.Second) })
	}

	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { <-failed.Done(); cancel() }() // a part that fails takes the server down
	close(s.ready)                            // the listeners take connections since before New
	err = s.serveClients(serving)
	stop()
	if partErr := group.Wait(); partErr != nil && err == nil {
		err = partErr
	}
	if closeErr := s.close(); err == nil {
		err = closeErr
	}
	return err
}

// serveClients answers on every listener for clients. One that fails ends the others.
func (s *Server) serveClients(ctx context.Context) error {
	group, ending := errgroup.WithContext(ctx)
	for _, e := range s.endpoints() {
		group.Go(func() error { return listener.Serve(ending, e.Listener, s.entry(e), s.options.Log, s.options.Drain) })
	}
	for _, e := range s.googleEndpoints(ending) {
		group.Go(func() error { return listener.Serve(ending, e.listener, e.handler, s.options.Log, s.options.Drain) })
	}
	group.Go(func() error {
		<-ending.Done()
		s.stopping.Store(true)
		drain, cancel := context.WithTimeout(context.WithoutCancel(ending), s.options.Drain)
		defer cancel()
		s.exchanges.Drain(drain, s.options.Drain/2)
		return nil
	})
	return group.Wait()
}

// endpoints lists every place at which clients come in.
func (s *Server) endpoints() []Endpoint {
	if s.options.Listener == nil {
		return s.options.Endpoints
	}
	return append([]Endpoint{{Listener: s.options.Listener}}, s.options.Endpoints...)
}

// UsePages makes the pages look as an installation wants them; nil stands for the built-in look.
func (s *Server) UsePages(c *pages.Custom) { s.handler.apps.Pages.Use(c) }

// entry is what answers at an endpoint.
func (s *Server) entry(e Endpoint) http.Handler {
	handler := s.withLimits(s.guarded(e))
	if e.HealthPath != "" {
		return s.withHealth(e.HealthPath, handler)
	}
	return handler
}

// guarded is what answers people at an endpoint.
func (s *Server) guarded(e Endpoint) http.Handler {
	if e.ToHTTPS == nil {
		return s.handler
	}
	redirect := s.Redirect()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.ToHTTPS.Load() && !s.handler.isLocal(r) {
			redirect.ServeHTTP(w, r)
			return
		}
		s.handler.ServeHTTP(w, r)
	})
}

func (s *Server) closeListeners() error {
	var errs []error
	for _, e := range s.endpoints() {
		errs = append(errs, e.Listener.Close())
	}
	if g := s.options.GoogleEndpoints; g != nil {
		for _, l := range []net.Listener{g.GStatic, g.Metadata} {
			if l != nil {
				errs = append(errs, l.Close())
			}
		}
	}
	if h := s.options.Health; h != nil {
		errs = append(errs, h.Listener.Close())
	}
	return errors.Join(errs...)
}

func (s *Server) close() error {
	return errors.Join(s.closeRecords(), s.store.Close())
}
