package emulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// standIn takes the gate's place: it forwards to the service's upstream and judges nothing. Its store outlives
// it when a test hands the same one to two runs.
type standIn struct {
	*memory
	options GateOptions
	local   map[string]http.Handler
}

// memory is a store.
type memory struct {
	mu       sync.Mutex
	services []catalog.Service
	accounts []directory.Account
	policies map[resource.Name]iam.Policy
	writes   []string
}

func newMemory() *memory { return &memory{policies: make(map[resource.Name]iam.Policy)} }

// newGate is Options.NewGate.
func (m *memory) newGate(ctx context.Context, o GateOptions) (Gate, Administration, error) {
	gate := &standIn{memory: m, options: o}
	return gate, gate, o.Bootstrap(ctx, gate)
}

func (s *standIn) SetLocal(handlers map[string]http.Handler) { s.local = handlers }

func (s *standIn) Serve(ctx context.Context) error {
	server := &http.Server{Handler: s}
	done := make(chan error, 1)
	go func() { done <- server.Serve(s.options.Listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		server.Close()
		<-done
		return ctx.Err()
	}
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, err := catalog.CanonicalHost(r.Host)
	if local := s.local[host]; err == nil && local != nil {
		local.ServeHTTP(w, r)
		return
	}
	services, _ := s.Services(r.Context())
	for _, service := range services {
		if slices.Contains(service.Hosts, host) {
			upstream, _ := url.Parse(service.Upstream)
			httputil.NewSingleHostReverseProxy(upstream).ServeHTTP(w, r)
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

func (s *standIn) Ready(context.Context) error { return nil }

func (s *standIn) TokenEndpoint() http.Handler { return http.NotFoundHandler() }

func (s *standIn) AssertionKeys() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "keys at "+r.URL.Path) })
}

func (s *standIn) MintIDToken(_ context.Context, email, audience string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if email == "broken@example.com" {
		return "", errors.New("internal: secret detail")
	}
	if !slices.ContainsFunc(s.accounts, func(a directory.Account) bool { return a.Email == email }) {
		return "", fmt.Errorf("%s: %w", email, directory.ErrNotFound)
	}
	return "token." + email + "." + audience, nil
}

func (s *standIn) MintInstanceToken(ctx context.Context, email, audience string, machine *issuer.ComputeEngine) (string, error) {
	token, err := s.MintIDToken(ctx, email, audience)
	if machine != nil {
		token += " on " + machine.InstanceName + " in " + machine.Zone
	}
	return token, err
}

func (s *standIn) SignAssertion(header map[string]any, claims []byte) (string, error) {
	if len(header) > 0 {
		return fmt.Sprint("signed under ", header, " ", string(claims)), nil
	}
	return "signed " + string(claims), nil
}

func (s *standIn) SignIn(w http.ResponseWriter, _ *http.Request, email, next string) error {
	if !strings.HasPrefix(next, "http://app.localhost") {
		return errors.New("elsewhere")
	}
	w.Header().Set("Location", next)
	w.Header().Set("X-Signed-In", email)
	w.WriteHeader(http.StatusFound)
	return nil
}

func (s *standIn) Account(email string) (directory.Account, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, account := range s.accounts {
		if account.Email == email {
			return account, true
		}
	}
	return directory.Account{}, false
}

func (m *memory) SetIAP(_ context.Context, _ audit.Actor, name resource.Name, on bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.services {
		if m.services[i].Service.Name() == name {
			m.services[i].IAPDisabled = !on
		}
	}
	return nil
}

func (m *memory) PutGroup(_ context.Context, _ audit.Actor, group directory.Group) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wrote("group " + group.Email)
	return group.Validate()
}

func (m *memory) RotateAssertionKey(_ context.Context, _ audit.Actor, revoke bool) (string, []string, error) {
	return fmt.Sprint("next ", revoke), []string{"before"}, nil
}

// Remember brings accounts and services back.
func (m *memory) Remember(context.Context) (func(context.Context, audit.Actor) error, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	services, accounts := slices.Clone(m.services), slices.Clone(m.accounts)
	return func(context.Context, audit.Actor) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.services, m.accounts = slices.Clone(services), slices.Clone(accounts)
		return nil
	}, nil
}

func (m *memory) wrote(what string) { m.writes = append(m.writes, what) }

func (m *memory) Services(context.Context) ([]catalog.Service, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.services), nil
}

func (m *memory) PutService(_ context.Context, _ audit.Actor, service catalog.Service) error {
	if err := service.Validate(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wrote("service " + service.Upstream)
	m.services = slices.DeleteFunc(m.services, func(s catalog.Service) bool { return s.Service == service.Service })
	m.services = append(m.services, service)
	return nil
}

func (m *memory) CreateAccount(_ context.Context, _ audit.Actor, account directory.Account) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.ContainsFunc(m.accounts, func(a directory.Account) bool { return a.Email == account.Email }) {
		return directory.ErrExists
	}
	m.wrote("account " + account.Email)
	m.accounts = append(m.accounts, account)
	slices.SortFunc(m.accounts, func(a, b directory.Account) int { return cmp.Compare(a.Email, b.Email) })
	return nil
}

func (m *memory) IamPolicy(_ context.Context, name resource.Name) (iam.Policy, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if policy, found := m.policies[name]; found {
		return policy, nil
	}
	return iam.Policy{Etag: iam.EmptyEtag}, nil
}

// SetIamPolicy refuses services that do not exist yet, as the real one does.
func (m *memory) SetIamPolicy(_ context.Context, _ audit.Actor, name resource.Name, policy iam.Policy) (iam.Policy, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	project, _ := name.Parent()
	if project != "" && !slices.ContainsFunc(m.services, func(s catalog.Service) bool { return s.Service.Name() == name }) {
		return iam.Policy{}, catalog.ErrNotFound
	}
	m.wrote("policy " + string(name))
	policy.Etag = fmt.Sprintf("etag%d", len(m.writes))
	m.policies[name] = policy
	return policy, nil
}

// output is a writer whose reader can wait for what it expects.
type output struct {
	mu      sync.Mutex
	text    []byte
	changed chan struct{}
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	close(o.changed)
	o.changed = make(chan struct{})
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

func (o *output) state() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text), o.changed
}

var _ io.Writer = (*output)(nil)

func listenLoopback(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}
