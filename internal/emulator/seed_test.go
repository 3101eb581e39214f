package emulator

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

func TestThePasswordHashIsOfThePassword(t *testing.T) {
	t.Parallel()
	var memory, passes uint32
	var threads uint8
	parts := strings.Split(passwordHash, "$")
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil || parts[1] != "argon2id" || parts[2] != "v=19" {
		t.Fatalf("%s: %v", passwordHash, err)
	}
	if memory != 19*1024 || passes != 2 || threads != 1 {
		t.Errorf("the costs are %d KiB, %d passes, %d threads", memory, passes, threads)
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	key, keyErr := base64.RawStdEncoding.DecodeString(parts[5])
	if err := errors.Join(saltErr, keyErr); err != nil {
		t.Fatal(err)
	}
	if subtle.ConstantTimeCompare(key, argon2.IDKey([]byte("gatehouse-dev"), salt, passes, memory, threads, uint32(len(key)))) != 1 {
		t.Error("the constant is not the hash of gatehouse-dev")
	}
}

func newSeeder(t *testing.T, m *memory, p Protected) seeder {
	t.Helper()
	r := &run{Options: Options{Protected: p, Listen: DefaultListen}}
	if err := r.check(); err != nil {
		t.Fatal(err)
	}
	return seeder{admin: &standIn{memory: m}, service: r.service}
}

func TestANewStoreIsSeeded(t *testing.T) {
	t.Parallel()
	m := newMemory()
	fresh, err := newSeeder(t, m, Protected{}).apply(t.Context())
	if err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	const service = "projects/123456789012/iap_web/compute/services/1234567890123456789"
	for name, want := range map[resource.Name]iam.Binding{
		service:                 {Role: "roles/iap.httpsResourceAccessor", Members: []string{"user:alice@example.com"}},
		"projects/123456789012": {Role: "roles/owner", Members: []string{"user:admin@example.com"}},
	} {
		if got := m.policies[name].Bindings; len(got) != 1 || got[0].Role != want.Role || !slices.Equal(got[0].Members, want.Members) {
			t.Errorf("the policy of %s is %v", name, got)
		}
	}
	if m.writes[len(m.writes)-1] != "policy "+service {
		t.Errorf("what says that seeding is complete was not written last: %v", m.writes)
	}
	var addresses []string
	for _, account := range m.accounts {
		if account.Kind == principal.ServiceAccount {
			if account.Email != "123456789012-compute@developer.gserviceaccount.com" || account.PasswordHash != "" {
				t.Errorf("the service account is %+v", account)
			}
			continue
		}
		addresses = append(addresses, account.Email)
		if !regexp.MustCompile(`^[1-9][0-9]{20}$`).MatchString(account.Subject) || account.HostedDomain != "example.com" || account.PasswordHash != passwordHash {
			t.Errorf("the account is %+v", account)
		}
	}
	if !slices.Equal(addresses, []string{"admin@example.com", "alice@example.com", "bob@example.com"}) {
		t.Errorf("the accounts are %v", addresses)
	}
}

func TestAKeptStoreKeepsWhatWasAdministered(t *testing.T) {
	t.Parallel()
	m, data := newMemory(), filepath.Join(t.TempDir(), "data")
	first := start(t, Options{NewGate: m.newGate, DataDir: data})
	first.ready()
	first.interrupt()
	first.ends(0)

	m.services[0].IAPDisabled = true
	name := m.services[0].Service.Name()
	m.policies[name] = iam.Policy{Etag: "mine"}
	m.accounts = m.accounts[:1]
	before := m.services[0].Upstream

	second := start(t, Options{NewGate: m.newGate, DataDir: data})
	info := second.ready()
	if service := m.services[0]; !service.IAPDisabled || service.Upstream == before || len(m.services) != 1 {
		t.Errorf("the service is %+v", service)
	}
	if m.policies[name].Etag != "mine" || len(m.accounts) != 1 {
		t.Errorf("policy %+v and accounts %+v were written again", m.policies[name], m.accounts)
	}
	if status, _ := get(t, info, "app.localhost", "/"); status != http.StatusOK {
		t.Errorf("the app answers %d", status)
	}
	if !strings.Contains(second.stderr.String(), "were left in "+data) || strings.Contains(second.stderr.String(), "may not") {
		t.Errorf("the banner promises what a kept store may not hold:\n%s", second.stderr)
	}
}

// failing writes so much and no more.
type failing struct {
	Administration
}

func (f *failing) SetIamPolicy(ctx context.Context, actor audit.Actor, name resource.Name, policy iam.Policy) (iam.Policy, error) {
	if _, nested := name.Parent(); nested {
		return iam.Policy{}, errors.New("interrupted")
	}
	return f.Administration.SetIamPolicy(ctx, actor, name, policy)
}

func TestASeedingThatWasInterruptedIsDoneAgain(t *testing.T) {
	t.Parallel()
	m := newMemory()
	s := newSeeder(t, m, Protected{})
	interrupted := s
	interrupted.admin = &failing{Administration: s.admin}
	if _, err := interrupted.apply(t.Context()); err == nil {
		t.Fatal("nothing failed")
	}
	if fresh, err := s.apply(t.Context()); err != nil || !fresh {
		t.Fatalf("%t, %v", fresh, err)
	}
	if len(m.policies) != 2 || len(m.accounts) != 4 {
		t.Errorf("policies %v, accounts %v", m.policies, m.accounts)
	}
}

func TestADataDirectoryOfAnotherServiceIsRefused(t *testing.T) {
	t.Parallel()
	m := newMemory()
	if _, err := newSeeder(t, m, Protected{AppEngine: true, Project: "my-project:42"}).apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := newSeeder(t, m, Protected{}).apply(t.Context())
	if err == nil || !strings.Contains(err.Error(), "--project my-project:42 --audience /projects/42/apps/my-project") {
		t.Errorf("the refusal does not name the flags that fit: %v", err)
	}
	if len(m.services) != 1 {
		t.Errorf("services %v", m.services)
	}
}
