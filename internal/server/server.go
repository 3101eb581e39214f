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
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
	"github.com/gatehouse-iap/gatehouse/internal/storage"
)

// Options are the inputs of a server.
type Options struct {
	// DataDir holds store, root key, decision log and administration socket. It is made when it does not exist.
	DataDir string
	// Listener is where clients come in. The server closes it.
	Listener net.Listener
	// External is how clients write our URLs: scheme and port.
	External signin.External
	// AuthHost is the host, without port, at which people sign in for all applications.
	AuthHost string
	// QuickAccounts may sign in with one click, without a password. For development only.
	QuickAccounts []string
	ProjectID     string
	ProjectNumber int64
	// Bootstrap writes what must be there before the first request. It runs before anything is served, at
	// every start.
	Bootstrap func(ctx context.Context, a *admin.Admin) error
	// Drain is how long exchanges under way may go on once Serve is asked to end; zero is listener.DrainTimeout.
	Drain time.Duration
	// Dev marks the data directory as made by the emulator; a server of the other sort refuses it.
	Dev bool
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
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
	decisions *audit.Log
	endpoints *issuer.Endpoints
	handler   *hosts
	routes    []route

	// makingKey lets one caller make the key for ID tokens; the others wait until requests see it.
	makingKey sync.Mutex
	ready     chan struct{}
}

// New opens the store, makes what a new one lacks, and builds the first view. The server decides from then on,
// and answers once Serve runs. An error leaves nothing open except the listener.
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

// SetLocal sets what answers on exact canonical hosts that belong to no service and not to the gate itself.
// Call it before Serve.
func (s *Server) SetLocal(handlers map[string]http.Handler) { s.handler.local = handlers }

// AssertionKeys serves the public keys of assertions, under /iap/verify/.
func (s *Server) AssertionKeys() http.Handler { return s.endpoints.Assertion() }

// MintIDToken returns a bearer token for an account, or directory.ErrNotFound where there is none that may use one.
func (s *Server) MintIDToken(ctx context.Context, email, audience string) (string, error) {
	account, found := s.holder.Current().Directory.Account(email)
	if !found || account.Disabled {
		return "", fmt.Errorf("account %s: %w", email, directory.ErrNotFound)
	}
	if err := s.ensureIDTokenKey(ctx); err != nil {
		return "", err
	}
	return s.holder.Current().Keys.MintIDToken(issuer.IDTokenClaims{
		Issuer: s.endpoints.IssuerURL, Audience: audience,
		Subject: account.Subject, Email: account.Email, HostedDomain: account.HostedDomain,
	}, s.options.Now())
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

// Ready waits until the server answers and its administration socket is there.
func (s *Server) Ready(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Serve answers until the context ends, then drains and closes everything that New opened. A drained end is nil.
func (s *Server) Serve(ctx context.Context) error {
	socket, err := admin.Listen(s.options.DataDir)
	if err != nil {
		return errors.Join(err, s.options.Listener.Close(), s.close())
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, failed := errgroup.WithContext(background)
	group.Go(func() error { s.builder.Run(failed, s.holder); return nil })
	group.Go(func() error { return s.sessions.Run(failed) })
	group.Go(func() error { return s.signIn.Run(failed) })
	group.Go(func() error { return s.admin.ServeListener(failed, socket) })
	group.Go(func() error {
		// An RSA key takes its time, and nobody needs it to get in: it is made while people are served already.
		if err := s.ensureIDTokenKey(failed); err != nil && failed.Err() == nil {
			s.options.Log.Error("the key for ID tokens could not be made", "error", err)
		}
		return nil
	})

	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { <-failed.Done(); cancel() }() // a part that fails takes the server down
	close(s.ready)                            // the listener takes connections since before New
	err = listener.Serve(serving, s.options.Listener, s.handler, s.options.Log, s.options.Drain)
	stop()
	if partErr := group.Wait(); partErr != nil && err == nil {
		err = partErr
	}
	if closeErr := s.close(); err == nil {
		err = closeErr
	}
	return err
}

func (s *Server) close() error {
	return errors.Join(s.decisions.Close(), s.store.Close())
}
