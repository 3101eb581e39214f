package emulator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// Password is the password of every seeded account. It is public: only loopback reaches the emulator.
const Password = "gatehouse-dev"

// passwordHash is Password under argon2id. It is a constant because the password is public anyway, and
// hashing it at each start would cost more time than the rest of the start.
const passwordHash = "$argon2id$v=19$m=19456,t=2,p=1$g0+Q6QDbY92/epnOWxlv+g$wE+N2ogcGET6tVzDLBH2FmZZHeq6SxiaPnqEzg0Hz6A"

// hostedDomainOf is the organisation of an address; personal addresses have none.
func hostedDomainOf(email string) string {
	domain := principal.Domain(email)
	if domain == "gmail.com" || domain == "googlemail.com" {
		return ""
	}
	return domain
}

// seeded is one account of a new store.
type seeded struct {
	email, subject, displayName string
	access                      string // for people
}

// seededAccounts returns the accounts of a new store. Subjects are fixed, so that an app's fixtures may
// name them.
func seededAccounts() []seeded {
	return []seeded{
		{"alice@example.com", "100000000000000000001", "Alice", "may use the app"},
		{"bob@example.com", "100000000000000000002", "Bob", "may not: is refused, with the reason"},
		{"admin@example.com", "100000000000000000003", "Admin", "project owner: administers, has no web access (as in IAM)"},
	}
}

// seeder brings the store to where the command line wants it.
type seeder struct {
	admin   Administration
	service catalog.Service
}

func (s seeder) actor() audit.Actor { return audit.Actor{Kind: "system", Name: "emulator"} }

// apply seeds a new store and says so. In a kept one it updates only where the app is reached, so that what
// was administered there survives.
func (s seeder) apply(ctx context.Context) (created bool, err error) {
	kept, found, err := s.kept(ctx)
	if err != nil {
		return false, err
	}
	if !found {
		return true, s.seed(ctx)
	}
	s.service = withReach(kept, s.service)
	return false, s.put(ctx)
}

func (s seeder) put(ctx context.Context) error {
	if err := s.admin.PutService(ctx, s.actor(), s.service); err != nil {
		return fmt.Errorf("cannot write the service: %w", err)
	}
	return nil
}

// withReach returns service as it is reached by way of other.
func withReach(service, other catalog.Service) catalog.Service {
	service.Hosts, service.Upstream, service.Upstreams = other.Hosts, other.Upstream, other.Upstreams
	return service
}

// kept returns the service that an earlier run left in the store. The policy of the service is written last:
// without one, seeding was interrupted, and is done again.
func (s seeder) kept(ctx context.Context) (catalog.Service, bool, error) {
	services, err := s.admin.Services(ctx)
	if err != nil {
		return catalog.Service{}, false, fmt.Errorf("cannot read the services: %w", err)
	}
	if len(services) == 0 {
		return catalog.Service{}, false, nil
	}
	i := slices.IndexFunc(services, func(kept catalog.Service) bool { return kept.Service == s.service.Service })
	if i < 0 {
		was := services[0]
		return catalog.Service{}, false, fmt.Errorf("the data directory was made for %s: run again with --project %s:%d --audience %s, or give --data another directory",
			describe(was), was.ProjectID, was.ProjectNumber, was.Audience())
	}
	policy, err := s.admin.IamPolicy(ctx, s.service.Service.Name())
	if err != nil {
		return catalog.Service{}, false, fmt.Errorf("cannot read the policy of the service: %w", err)
	}
	return services[i], policy.Etag != iam.EmptyEtag, nil
}

func (s seeder) seed(ctx context.Context) error {
	for _, account := range seededAccounts() {
		if err := s.create(ctx, account); err != nil {
			return err
		}
	}
	if err := s.createServiceAccount(ctx); err != nil {
		return err
	}
	if err := s.put(ctx); err != nil {
		return err
	}
	project := resource.Project(s.service.ProjectNumber)
	if err := s.grant(ctx, project, iam.RoleOwner, "user:admin@example.com"); err != nil {
		return err
	}
	return s.grant(ctx, s.service.Service.Name(), iam.RoleHTTPSResourceAccessor, "user:alice@example.com")
}

// ensure creates an account that is not there.
func (s seeder) ensure(ctx context.Context, email string) error {
	return s.create(ctx, seeded{email: email, subject: directory.NewSubject()})
}

func (s seeder) create(ctx context.Context, account seeded) error {
	err := s.admin.CreateAccount(ctx, s.actor(), directory.Account{
		Kind: principal.User, Email: account.email, Subject: account.subject, HostedDomain: hostedDomainOf(account.email),
		DisplayName: account.displayName, PasswordHash: passwordHash,
	})
	if err != nil && !errors.Is(err, directory.ErrExists) {
		return fmt.Errorf("cannot create the account %s: %w", account.email, err)
	}
	return nil
}

// createServiceAccount makes the account that the app's machine runs as. It has no access but what policies give it.
func (s seeder) createServiceAccount(ctx context.Context) error {
	email := serviceAccount(s.service.Service)
	err := s.admin.CreateAccount(ctx, s.actor(), directory.Account{
		Kind: principal.ServiceAccount, Email: email, Subject: "100000000000000000004", DisplayName: "Default service account",
	})
	if err != nil && !errors.Is(err, directory.ErrExists) {
		return fmt.Errorf("cannot create the service account %s: %w", email, err)
	}
	return nil
}

func (s seeder) grant(ctx context.Context, name resource.Name, role, member string) error {
	policy := iam.Policy{Bindings: []iam.Binding{{Role: role, Members: []string{member}}}}
	if _, err := s.admin.SetIamPolicy(ctx, s.actor(), name, policy); err != nil {
		return fmt.Errorf("cannot set the policy of %s: %w", name, err)
	}
	return nil
}
