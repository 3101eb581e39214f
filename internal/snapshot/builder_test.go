package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
	"github.com/gatehouse-iap/gatehouse/internal/storage"
	"github.com/gatehouse-iap/gatehouse/internal/storage/sqlite/sqlitetest"
)

var errUndo = errors.New("undo")

func openStore(t testing.TB) *storage.DB {
	t.Helper()
	return sqlitetest.Open(t)
}

func newBuilder(source snapshot.Source) *snapshot.Builder {
	b := snapshot.NewBuilder(source)
	b.Log = slog.New(slog.DiscardHandler)
	b.CompileKeys = func([]issuer.Key, *issuer.KeySet) (*issuer.KeySet, error) { return &issuer.KeySet{}, nil }
	return b
}

func do(t fataler, db *storage.DB, f func(admin.Tx) error) int64 {
	position, err := db.Do(context.Background(), &audit.Entry{
		Time: time.Now(), Actor: audit.Actor{Kind: "system", Name: "test"}, Action: "test", Target: "test",
	}, f)
	if err != nil && !errors.Is(err, errUndo) {
		t.Fatal(err)
	}
	return position
}

type fataler interface{ Fatal(...any) }

var (
	people   = []string{"a@x.test", "b@x.test", "c@x.test"}
	groups   = []string{"g@x.test", "h@x.test"}
	services = []string{"1", "2"}
	members  = []string{"user:a@x.test", "user:b@x.test", "group:g@x.test", "group:h@x.test", "domain:x.test", "allAuthenticatedUsers"}
)

// randomWrite changes one thing in the store.
func randomWrite(t *rapid.T, db *storage.DB) {
	ctx := context.Background()
	do(t, db, func(tx admin.Tx) error {
		switch rapid.IntRange(0, 6).Draw(t, "what") {
		case 0:
			id := rapid.SampledFrom(services).Draw(t, "service")
			s := serviceNamed(id)
			s.IAPDisabled = rapid.Bool().Draw(t, "disabled")
			s.PathPrefixes = rapid.SampledFrom([][]string{nil, {"/x"}}).Draw(t, "prefixes")
			return tx.Catalog().PutService(ctx, s)
		case 1:
			err := tx.Catalog().DeleteService(ctx, serviceNamed(rapid.SampledFrom(services).Draw(t, "service")).Service.Name())
			return ignore(err, catalog.ErrNotFound)
		case 2:
			name := serviceNamed(rapid.SampledFrom(services).Draw(t, "service")).Service.Name()
			if rapid.Bool().Draw(t, "above") {
				name = resource.Web(1)
			}
			binding := iam.Binding{Role: iam.RoleHTTPSResourceAccessor, Members: rapid.SliceOfDistinct(rapid.SampledFrom(members), rapid.ID).Draw(t, "members")}
			_, err := tx.Policies().PutPolicy(ctx, name, iam.Policy{Bindings: []iam.Binding{binding}}, "")
			return err
		case 3:
			email := rapid.SampledFrom(people).Draw(t, "account")
			account, err := tx.Directory().Account(ctx, email)
			if errors.Is(err, directory.ErrNotFound) {
				return tx.Directory().CreateAccount(ctx, directory.Account{
					Kind: principal.User, Email: email, Subject: subjectOf(email), HostedDomain: "x.test", Created: time.UnixMicro(1).UTC(),
				})
			}
			if rapid.Bool().Draw(t, "delete") {
				return tx.Directory().DeleteAccount(ctx, email)
			}
			account.Disabled = !account.Disabled
			return tx.Directory().UpdateAccount(ctx, account)
		case 4:
			return tx.Directory().PutGroup(ctx, directory.Group{
				Email:   rapid.SampledFrom(groups).Draw(t, "group"),
				Members: rapid.SliceOfDistinct(rapid.SampledFrom(people), rapid.ID).Draw(t, "holds"),
			})
		case 5:
			p := identityprovider.Provider{Name: rapid.SampledFrom([]string{"local", "corp"}).Draw(t, "provider")}
			p.Domains = rapid.SampledFrom([][]string{nil, {"x.test"}, {"*"}}).Draw(t, "domains")
			p.Disabled = rapid.Bool().Draw(t, "provider disabled")
			if rapid.Bool().Draw(t, "delete provider") {
				return ignore(tx.Providers().DeleteProvider(ctx, p.Name), identityprovider.ErrNotFound)
			}
			return tx.Providers().PutProvider(ctx, p)
		default:
			return ignore(tx.Directory().DeleteGroup(ctx, rapid.SampledFrom(groups).Draw(t, "group")), directory.ErrNotFound)
		}
	})
}

// ignore undoes the transaction instead of failing the test for an error that only says there is nothing to do.
func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return errUndo
	}
	return err
}

func serviceNamed(id string) catalog.Service {
	return catalog.Service{
		Service: resource.Service{Kind: resource.BackendService, ProjectID: "dev-project", ProjectNumber: 1, ID: id},
		Name:    "s" + id, Hosts: []string{"h" + id + ".test"}, Upstream: "http://127.0.0.1:1", OAuthClientID: "c" + id,
	}
}

func subjectOf(email string) string { return fmt.Sprintf("1%020d", email[0]) }

// answers is everything that requests can learn from a snapshot, in words.
func answers(s *snapshot.Snapshot) []string {
	out := []string{fmt.Sprint(s.Position)}
	for _, id := range services {
		for _, path := range []string{"/", "/x/y"} {
			target, _ := catalog.ParseTarget("GET", path)
			served, err := s.Route("h"+id+".test", target)
			if err != nil {
				out = append(out, err.Error())
				continue
			}
			out = append(out, fmt.Sprint(served.Resource, served.Service.IAPDisabled, served.Audience, served.Upstream.Address))
			for _, email := range people {
				who := principal.Identity{Kind: principal.User, Provider: "local", Subject: subjectOf(email), Email: email, HostedDomain: "x.test"}
				elsewhere := who
				elsewhere.Provider = "corp"
				reason := policy.Decide(s.AppendLevels(nil, served), true, s.AppendMemberIDs(nil, who, groups...))
				out = append(out, fmt.Sprint(email, s.Suspended(who), s.Suspended(elsewhere), reason))
			}
		}
	}
	return out
}

func TestASnapshotChangedStepByStepAnswersLikeOneRebuiltFromNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		db := openStore(t)
		defer db.Close()
		stepped := &snapshot.Holder{}
		builder := newBuilder(db)
		if err := builder.Start(context.Background(), stepped); err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			for range rapid.IntRange(1, 3).Draw(rt, "burst") {
				randomWrite(rt, db)
			}
			if err := builder.Start(context.Background(), stepped); err != nil {
				rt.Fatal(err)
			}
			fresh := &snapshot.Holder{}
			if err := newBuilder(db).Start(context.Background(), fresh); err != nil {
				rt.Fatal(err)
			}
			got, want := answers(stepped.Current()), answers(fresh.Current())
			if !slices.Equal(got, want) {
				rt.Fatalf("stepped:\n%v\nfrom nothing:\n%v", got, want)
			}
		}
	})
}

func TestAChangeIsSeenOnceSettleReturns(t *testing.T) {
	t.Parallel()
	db := openStore(t)
	holder := &snapshot.Holder{}
	builder := newBuilder(db)
	db.Notify(builder.Wake)
	if err := builder.Start(t.Context(), holder); err != nil {
		t.Fatal(err)
	}
	go builder.Run(t.Context(), holder)
	for i := range 20 {
		position := do(t, db, func(tx admin.Tx) error {
			s := serviceNamed("1")
			s.IAPDisabled = i%2 == 0
			return tx.Catalog().PutService(t.Context(), s)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if err := holder.Settle(ctx, position); err != nil {
			t.Fatalf("the change was not seen within a second: %v", err)
		}
		cancel()
		served, found := holder.Current().Served(serviceNamed("1").Service.Name())
		if !found || served.Service.IAPDisabled != (i%2 == 0) {
			t.Fatalf("change %d is not in the snapshot", i)
		}
	}
}

// openSessions opens sessions of one account.
func openSessions(t *testing.T, db *storage.DB, count int) []session.ID {
	t.Helper()
	do(t, db, func(tx admin.Tx) error {
		return tx.Directory().CreateAccount(t.Context(), directory.Account{
			Kind: principal.User, Email: "a@x.test", Subject: subjectOf("a"), Created: time.UnixMicro(1).UTC(),
		})
	})
	record := session.Record{
		Identity: principal.Identity{Kind: principal.User, Provider: "local", Subject: subjectOf("a"), Email: "a@x.test"},
		AuthTime: time.Now(), Created: time.Now(), Expires: time.Now().Add(time.Hour), LastSeen: time.Now(),
	}
	var opened []session.ID
	for range count {
		record.ID = session.NewID()
		if err := db.OpenSession(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		opened = append(opened, record.ID)
	}
	return opened
}

func TestSessionsThatEndTogetherAreToldTogether(t *testing.T) {
	t.Parallel()
	db := openStore(t)
	holder := &snapshot.Holder{}
	builder := newBuilder(db)
	var told []session.ID
	times := 0
	builder.SessionsEnded = func(ids ...session.ID) { told, times = append(told, ids...), times+1 }
	if err := builder.Start(t.Context(), holder); err != nil {
		t.Fatal(err)
	}
	opened := openSessions(t, db, 3)
	do(t, db, func(tx admin.Tx) error {
		_, err := tx.Sessions().EndSessions(t.Context(), session.Filter{})
		return err
	})
	if err := builder.Start(t.Context(), holder); err != nil {
		t.Fatal(err)
	}
	for _, id := range opened {
		if !slices.Contains(told, id) {
			t.Errorf("%s has ended; told of %v", id, told)
		}
	}
	if times != 1 {
		t.Errorf("told %d times of sessions that ended together: the last waits for all others", times)
	}
}

// broken is a store that does not answer.
type broken struct{}

func (broken) Read(context.Context, func(snapshot.View) error) error { return errors.New("down") }

func TestAnEndedSessionIsToldAlsoWhenTheRestCannotBeServed(t *testing.T) {
	t.Parallel()
	db := openStore(t)
	holder := &snapshot.Holder{}
	builder := newBuilder(db)
	var told []session.ID
	builder.SessionsEnded = func(ids ...session.ID) { told = append(told, ids...) }
	if err := builder.Start(t.Context(), holder); err != nil {
		t.Fatal(err)
	}
	opened := openSessions(t, db, 1)
	do(t, db, func(tx admin.Tx) error {
		if _, err := tx.Sessions().EndSessions(t.Context(), session.Filter{ID: opened[0]}); err != nil {
			return err
		}
		_, err := tx.Policies().PutPolicy(t.Context(), resource.Web(1), iam.Policy{Bindings: []iam.Binding{{Role: "roles/unknown", Members: []string{"allUsers"}}}}, "")
		return err
	})
	if err := builder.Start(t.Context(), holder); err == nil {
		t.Error("a policy that is not understood is served")
	}
	if !slices.Equal(told, opened) {
		t.Errorf("told of %v", told)
	}
}

func TestAStoreThatIsDownConfirmsNothingAndLeavesTheSnapshot(t *testing.T) {
	t.Parallel()
	db := openStore(t)
	holder := &snapshot.Holder{}
	if err := newBuilder(db).Start(t.Context(), holder); err != nil {
		t.Fatal(err)
	}
	before, confirmed := holder.Current(), holder.Confirmed()
	if err := newBuilder(broken{}).Start(t.Context(), holder); err == nil {
		t.Error("no error")
	}
	if holder.Current() != before || !holder.Confirmed().Equal(confirmed) {
		t.Error("the snapshot or its confirmation has changed")
	}
}

func TestAStoredPolicyThatIsNotUnderstoodIsNotServed(t *testing.T) {
	t.Parallel()
	db := openStore(t)
	do(t, db, func(tx admin.Tx) error {
		_, err := tx.Policies().PutPolicy(t.Context(), resource.Web(1), iam.Policy{Bindings: []iam.Binding{{Role: "roles/unknown", Members: []string{"allUsers"}}}}, "")
		return err
	})
	if err := newBuilder(db).Start(t.Context(), &snapshot.Holder{}); !errors.Is(err, iam.ErrInvalid) {
		t.Errorf("started: %v", err)
	}
}
