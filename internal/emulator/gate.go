package emulator

import (
	"context"
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
	// SetLocal sets what answers on exact canonical hosts that belong to no service. Called before Serve.
	SetLocal(handlers map[string]http.Handler)
	// Serve serves the listener until ctx ends, then drains and lets the data directory go.
	Serve(ctx context.Context) error
	// Ready returns nil once requests are decided on what administration has written.
	Ready(ctx context.Context) error
	// AssertionKeys serves /iap/verify/….
	AssertionKeys() http.Handler
	// MintIDToken returns a bearer token, or directory.ErrNotFound where no such account may sign in.
	MintIDToken(ctx context.Context, email, audience string) (string, error)
	// MintInstanceToken returns one that also describes the machine that a service account is on; nil for none.
	MintInstanceToken(ctx context.Context, email, audience string, machine *issuer.ComputeEngine) (string, error)
}

// Administration is what the emulator writes to the store through. Once the gate serves, its methods return when
// requests see the change.
type Administration interface {
	Services(ctx context.Context) ([]catalog.Service, error)
	PutService(ctx context.Context, actor audit.Actor, service catalog.Service) error
	// CreateAccount stores the account with the password hash that it carries; directory.ErrExists.
	CreateAccount(ctx context.Context, actor audit.Actor, account directory.Account) error
	IamPolicy(ctx context.Context, name resource.Name) (iam.Policy, error)
	SetIamPolicy(ctx context.Context, actor audit.Actor, name resource.Name, policy iam.Policy) (iam.Policy, error)
}

// GateOptions are the inputs that make the real server the emulator's.
type GateOptions struct {
	DataDir  string
	Listener net.Listener
	// Port is what URLs for browsers carry; their scheme is http.
	Port     int
	AuthHost string
	// QuickAccounts may sign in with one click.
	QuickAccounts []string
	ProjectID     string
	ProjectNumber int64
	// Drain is how long exchanges under way may go on once the gate is asked to end.
	Drain time.Duration
	// Bootstrap writes what must be there before the first request.
	Bootstrap func(ctx context.Context, admin Administration) error
	Log       *slog.Logger
}
