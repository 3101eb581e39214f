package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/sealing"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/storage"
	"github.com/gatehouse-iap/gatehouse/internal/storage/sqlite/sqlitetest"
)

var (
	now  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	peer = audit.Actor{Kind: "uid", Name: "1000"}
	app  = catalog.Service{
		Service: resource.Service{Kind: resource.BackendService, ProjectID: "dev-project", ProjectNumber: 123456789012, ID: "1234567890123456789"},
		Name:    "app", Hosts: []string{"app.localhost"}, Upstream: "http://127.0.0.1:9", OAuthClientID: "123456789012-app.apps.googleusercontent.com",
	}
	appName = app.Service.Name()
)

// fixture is an Admin on a real store, with the service app and the user alice.
type fixture struct {
	*admin.Admin
	db      *storage.DB
	settled atomic.Int64 // the last position that somebody waited for
	log     bytes.Buffer
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := newEmptyFixture(t)
	ctx := t.Context()
	if err := f.PutService(ctx, admin.System("test"), app); err != nil {
		t.Fatal(err)
	}
	alice := directory.Account{Kind: principal.User, Email: "alice@example.com", HostedDomain: "example.com"}
	if _, err := f.CreateAccount(ctx, admin.System("test"), alice, "first password"); err != nil {
		t.Fatal(err)
	}
	return f
}

func newEmptyFixture(t testing.TB) *fixture {
	t.Helper()
	db := sqlitetest.Open(t)
	ring, err := sealing.NewRing(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{db: db}
	f.Admin = &admin.Admin{
		Store: db, Entries: db, Keys: ring.Sealer("issuer"), Decisions: decisions{},
		Settle:       func(_ context.Context, position int64) error { f.settled.Store(position); return nil },
		HashPassword: func(_ context.Context, password string) (string, error) { return "hash of " + password, nil },
		ProjectID:    "dev-project", ProjectNumber: 123456789012,
		Now: func() time.Time { return now },
		Log: slog.New(slog.NewTextHandler(&f.log, nil)),
	}
	return f
}

// decisions finds one decision.
type decisions struct{ admin.DecisionReader }

var decisionID = audit.NewDecisionID(now, 1)

func (decisions) Find(_ context.Context, id audit.DecisionID) (audit.Decision, error) {
	if id != decisionID {
		return audit.Decision{}, audit.ErrNoDecision
	}
	return audit.Decision{
		ID: id, Time: now, Reason: "not_granted", Status: 403, Method: "GET", Host: "app.localhost", Path: "/", Resource: appName,
		Identity: principal.Identity{Kind: principal.User, Provider: "local", Subject: "1", Email: "bob@example.com"}, Position: 3,
		Tried: []audit.Tried{{Resource: appName}},
	}, nil
}

func (f *fixture) lastEntry(t *testing.T) audit.Entry {
	t.Helper()
	entries, err := f.AuditEntries(t.Context(), 1)
	if err != nil || len(entries) != 1 {
		t.Fatalf("reading the last audit entry: %v, %d entries", err, len(entries))
	}
	return entries[0]
}

// openSession stores a session of a user, who is created when there is none, and one of the application under it.
func (f *fixture) openSession(t *testing.T, email string, seen time.Time) session.ID {
	t.Helper()
	account, err := f.Account(t.Context(), principal.User, email)
	if errors.Is(err, directory.ErrNotFound) {
		account, err = f.CreateAccount(t.Context(), admin.System("test"), directory.Account{Kind: principal.User, Email: email}, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	identity := principal.Identity{Kind: principal.User, Provider: directory.LocalProvider, Subject: account.Subject, Email: email}
	parent := session.Record{ID: session.NewID(), Identity: identity, AuthTime: seen, Created: seen, Expires: seen.Add(16 * time.Hour), LastSeen: seen}
	child := parent
	child.ID, child.Parent, child.Resource = session.NewID(), parent.ID, appName
	for _, r := range []session.Record{parent, child} {
		if err := f.db.OpenSession(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	return parent.ID
}

func granting(members ...string) iam.Policy {
	return iam.Policy{Bindings: []iam.Binding{{Role: iam.RoleHTTPSResourceAccessor, Members: members}}}
}

// operations are every change that admin can make, in an order in which all succeed.
var operations = []struct {
	action, target string
	do             func(ctx context.Context, f *fixture) error
}{
	{"services.put", string(appName), func(ctx context.Context, f *fixture) error { return f.PutService(ctx, peer, app) }},
	{"iap.disable", string(appName), func(ctx context.Context, f *fixture) error {
		_, err := f.SetIAPEnabled(ctx, peer, appName, false)
		return err
	}},
	{"iap.enable", string(appName), func(ctx context.Context, f *fixture) error {
		_, err := f.SetIAPEnabled(ctx, peer, appName, true)
		return err
	}},
	{"iam.setIamPolicy", string(appName), func(ctx context.Context, f *fixture) error {
		_, err := f.SetIamPolicy(ctx, peer, appName, granting("user:alice@example.com"))
		return err
	}},
	{"users.create", "bob@example.com", func(ctx context.Context, f *fixture) error {
		_, err := f.CreateAccount(ctx, peer, directory.Account{Kind: principal.User, Email: "Bob@Example.com"}, "some password")
		return err
	}},
	{"users.setPassword", "bob@example.com", func(ctx context.Context, f *fixture) error {
		_, err := f.SetPassword(ctx, peer, "bob@example.com", "other password")
		return err
	}},
	{"users.disable", "bob@example.com", func(ctx context.Context, f *fixture) error {
		return f.SetDisabled(ctx, peer, principal.User, "bob@example.com", true)
	}},
	{"users.enable", "bob@example.com", func(ctx context.Context, f *fixture) error {
		return f.SetDisabled(ctx, peer, principal.User, "bob@example.com", false)
	}},
	{"groups.create", "team@example.com", func(ctx context.Context, f *fixture) error {
		_, err := f.CreateGroup(ctx, peer, directory.Group{Email: "team@example.com", Members: []string{"alice@example.com"}})
		return err
	}},
	{"groups.addMembers", "team@example.com", func(ctx context.Context, f *fixture) error {
		_, err := f.AddGroupMembers(ctx, peer, "team@example.com", []string{"bob@example.com"})
		return err
	}},
	{"groups.removeMembers", "team@example.com", func(ctx context.Context, f *fixture) error {
		_, err := f.RemoveGroupMembers(ctx, peer, "team@example.com", []string{"alice@example.com"})
		return err
	}},
	{"users.delete", "bob@example.com", func(ctx context.Context, f *fixture) error {
		_, err := f.DeleteAccount(ctx, peer, principal.User, "bob@example.com")
		return err
	}},
	{"groups.delete", "team@example.com", func(ctx context.Context, f *fixture) error {
		_, err := f.DeleteGroup(ctx, peer, "team@example.com")
		return err
	}},
	{"keys.ensure", "id-token", func(ctx context.Context, f *fixture) error { return f.EnsureKeys(ctx, peer, admin.Purposes()...) }},
	{"keys.rotate", "assertion", func(ctx context.Context, f *fixture) error {
		_, err := f.RotateKey(ctx, peer, issuer.Assertion, true)
		return err
	}},
	{"sessions.revoke", "all", func(ctx context.Context, f *fixture) error {
		_, err := f.EndSessions(ctx, peer, session.Filter{}, true)
		return err
	}},
}

func TestEveryChangeIsAuditedAndSettledAndTellsNoSecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, o := range operations {
		if err := o.do(t.Context(), f); err != nil {
			t.Fatalf("%s: %v", o.action, err)
		}
		entry := f.lastEntry(t)
		if entry.Action != o.action || entry.Target != o.target || entry.Actor != peer || !entry.Time.Equal(now) {
			t.Errorf("%s left the entry %s on %q by %v at %v", o.action, entry.Action, entry.Target, entry.Actor, entry.Time)
		}
		if len(entry.Before) == 0 && len(entry.After) == 0 {
			t.Errorf("%s: the entry says neither what was before nor what is after", o.action)
		}
		if f.settled.Load() != entry.Seq {
			t.Errorf("%s was answered at position %d, not at its own, %d", o.action, f.settled.Load(), entry.Seq)
		}
		for _, secret := range []string{"password\":\"", "hash of", "sealed", "PasswordHash", "passwordHash"} {
			if text := string(entry.Before) + string(entry.After); strings.Contains(text, secret) {
				t.Errorf("%s: the entry tells a secret (%s): %s", o.action, secret, text)
			}
		}
	}
	if text := f.log.String(); strings.Contains(text, "hash of") || strings.Contains(text, "other password") {
		t.Errorf("the log tells a password: %s", text)
	}
}

func TestAChangeWithoutAnAuthorIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := f.lastEntry(t)
	if _, err := f.SetIAPEnabled(t.Context(), audit.Actor{}, appName, false); err == nil {
		t.Error("a change by nobody was made")
	}
	if after := f.lastEntry(t); after.Seq != before.Seq {
		t.Errorf("a change by nobody left the entry %+v", after)
	}
}

func TestAChangeIsAnsweredOnlyOnceRequestsSeeIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	asked, seen := make(chan int64), make(chan struct{})
	f.Settle = func(_ context.Context, position int64) error {
		asked <- position
		<-seen
		return nil
	}
	answered := make(chan error, 1)
	go func() {
		_, err := f.SetIAPEnabled(t.Context(), peer, appName, false)
		answered <- err
	}()
	if position := <-asked; position != f.lastEntry(t).Seq {
		t.Errorf("the answer waits for position %d, the change is at %d", position, f.lastEntry(t).Seq)
	}
	select {
	case <-answered:
		t.Fatal("the change was answered before requests see it")
	default:
	}
	close(seen)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
}

func TestAStoredChangeThatRequestsDoNotSeeIsReportedAsThat(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Settle = func(context.Context, int64) error { return errors.New("the builder is stuck") }
	err := f.SetDisabled(t.Context(), peer, principal.User, "alice@example.com", true)
	if !errors.Is(err, admin.ErrNotSettled) {
		t.Fatalf("the answer is %v", err)
	}
	account, err := f.Account(t.Context(), principal.User, "alice@example.com")
	if err != nil || !account.Disabled {
		t.Errorf("the change is not stored: %+v, %v", account, err)
	}
}

func TestARefusedChangeLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := f.lastEntry(t)
	_, err := f.CreateGroup(t.Context(), peer, directory.Group{Email: "alice@example.com"})
	if !errors.Is(err, directory.ErrExists) {
		t.Errorf("a group with the address of a user: %v", err)
	}
	if _, err := f.RemoveGroupMembers(t.Context(), peer, "nobody@example.com", []string{"alice@example.com"}); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("members of a group that does not exist: %v", err)
	}
	if after := f.lastEntry(t); after.Seq != before.Seq {
		t.Errorf("a refused change left the entry %+v", after)
	}
}

func TestServicesMustBeOfThisProjectAndFitTheOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	foreign := app
	foreign.ProjectNumber = 99
	if err := f.PutService(t.Context(), peer, foreign); !errors.Is(err, admin.ErrInvalid) {
		t.Errorf("a service of another project: %v", err)
	}
	rival := app
	rival.ID, rival.Name = "2", "rival"
	if err := f.PutService(t.Context(), peer, rival); !errors.Is(err, catalog.ErrInvalid) {
		t.Errorf("a second service on the same host: %v", err)
	}
	rival.Name, rival.Hosts = "app", []string{"other.localhost"}
	if err := f.PutService(t.Context(), peer, rival); !errors.Is(err, admin.ErrInvalid) {
		t.Errorf("a second service of the same name: %v", err)
	}
}

func TestExplainNamesTheServiceAndTheReason(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	e, err := f.Explain(t.Context(), strings.ToLower(decisionID.String()))
	if err != nil {
		t.Fatal(err)
	}
	if e.Service != "app" || e.Passed || e.Title == "" || e.Text == "" || e.Principal.Email != "bob@example.com" || len(e.Tried) != 1 {
		t.Errorf("the explanation is %+v", e)
	}
	if _, err := f.Explain(t.Context(), audit.NewDecisionID(now, 2).String()); !errors.Is(err, audit.ErrNoDecision) {
		t.Errorf("an unknown decision: %v", err)
	}
	if _, err := f.Explain(t.Context(), "nonsense"); !errors.Is(err, admin.ErrInvalid) {
		t.Errorf("a malformed id: %v", err)
	}
}

func decode[T any](t *testing.T, b []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}
