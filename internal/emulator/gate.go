package emulator

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// Gate is the real server, as far as the emulator needs it.
type Gate interface {
	Minter
	Tester
	// SetLocal sets what answers on exact canonical hosts that belong to no service, and, under AUTH_HOST/PATH, at
	// exact paths of the auth host. Called before Serve.
	SetLocal(handlers map[string]http.Handler)
	// Serve serves the listener until ctx ends, then drains and lets the data directory go.
	Serve(ctx context.Context) error
	// Ready returns nil once requests are decided on what administration has written.
	Ready(ctx context.Context) error
	// AssertionKeys serves /iap/verify/….
	AssertionKeys() http.Handler
	// TokenEndpoint serves /token: programs that do not resolve *.localhost find it on the machine itself.
	TokenEndpoint() http.Handler
}

// Minter makes ID tokens.
type Minter interface {
	// MintIDToken returns a bearer token, or directory.ErrNotFound where no such account may sign in.
	MintIDToken(ctx context.Context, email, audience string) (string, error)
	// MintInstanceToken returns one that also describes the machine that a service account is on; nil for none.
	MintInstanceToken(ctx context.Context, email, audience string, machine *issuer.ComputeEngine) (string, error)
}

// Tester does for tests what the real server does for nobody.
type Tester interface {
	// SignAssertion signs claims, given as JSON, with the key of assertions, under the usual header with these members
	// changed; nil takes one out.
	SignAssertion(header map[string]any, claims []byte) (string, error)
	// SignIn signs a browser in at the auth host and sends it on to an address that is served; an error has answered nothing.
	SignIn(w http.ResponseWriter, r *http.Request, email, next string) error
	// Account returns the account with a canonical address, as requests see it.
	Account(email string) (directory.Account, bool)
}

// Administration is what the emulator writes to the store through. Once the gate serves, its methods return when
// requests see the change.
type Administration interface {
	Control
	Services(ctx context.Context) ([]catalog.Service, error)
	PutService(ctx context.Context, actor audit.Actor, service catalog.Service) error
	// CreateAccount stores the account with the password hash that it carries; directory.ErrExists.
	CreateAccount(ctx context.Context, actor audit.Actor, account directory.Account) error
	IamPolicy(ctx context.Context, name resource.Name) (iam.Policy, error)
	SetIamPolicy(ctx context.Context, actor audit.Actor, name resource.Name, policy iam.Policy) (iam.Policy, error)
}

// Control is what /emulator/v1/ changes.
type Control interface {
	SetIAP(ctx context.Context, actor audit.Actor, name resource.Name, on bool) error
	// PutGroup makes or replaces a group.
	PutGroup(ctx context.Context, actor audit.Actor, group directory.Group) error
	// RotateAssertionKey makes a key that signs from now on; revoke withdraws those that it replaces.
	RotateAssertionKey(ctx context.Context, actor audit.Actor, revoke bool) (kid string, replaced []string, err error)
	// Remember returns what brings back how everything is now.
	Remember(ctx context.Context) (restore func(ctx context.Context, actor audit.Actor) error, err error)
}

// GateOptions are the inputs that make the real server the emulator's.
type GateOptions struct {
	DataDir  string
	Listener net.Listener
	// TLS is where browsers come in over https, with Certificate; nil when they come in at Listener.
	TLS         net.Listener
	Certificate tls.Certificate
	// Port is what URLs for browsers carry; their scheme is https where there is TLS.
	Port     int
	AuthHost string
	// TokenURL is where programs reach TokenEndpoint.
	TokenURL string
	// QuickAccounts may sign in with one click; Account is signed in without one, unless it is empty.
	QuickAccounts []string
	Account       string
	// WrapKeys stands before the publication of assertion keys, and Decision hears of every decision.
	WrapKeys      func(http.Handler) http.Handler
	Decision      func(*audit.Decision)
	ProjectID     string
	ProjectNumber int64
	// Drain is how long exchanges under way may go on once the gate is asked to end.
	Drain time.Duration
	// Bootstrap writes what must be there before the first request.
	Bootstrap func(ctx context.Context, admin Administration) error
	Log       *slog.Logger
}
