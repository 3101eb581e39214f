// Package storagetest owns the conformance suite of storage: what every engine must do, in sentences. It does
// not test opening, locking or surviving a crash, which each engine's own tests do.
package storagetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
	"github.com/gatehouse-iap/gatehouse/internal/storage"
)

// Run runs the suite. open returns a new, empty store and closes it when the test ends.
func Run(t *testing.T, open func(t *testing.T) *storage.DB) {
	for room, sentences := range map[string][]sentence{
		"transactions": transactionSentences(),
		"cancellation": cancellationSentences(),
		"feed":         feedSentences(),
		"audit":        auditSentences(),
		"catalog":      catalogSentences(),
		"policies":     policySentences(),
		"settings":     settingsSentences(),
		"accounts":     accountSentences(),
		"groups":       groupSentences(),
		"keys":         keySentences(),
		"sessions":     sessionSentences(),
		"lifetimes":    lifetimeSentences(),
		"handoffs":     handoffSentences(),
		"owners":       ownerSentences(),
		"meta":         metaSentences(),
		"providers":    providerSentences(),
		"links":        linkSentences(),
		"rechecks":     recheckSentences(),
		"accountKeys":  accountKeySentences(),
		"programs":     grantSentences(),
	} {
		for _, s := range sentences {
			t.Run(room+"/"+s.says, func(t *testing.T) {
				t.Parallel()
				s.holds(t, store{t: t, DB: open(t)})
			})
		}
	}
}

// sentence is one thing that every store does.
type sentence struct {
	says  string
	holds func(t *testing.T, s store)
}

// store is the store under test, with shorter ways to use it. Its methods end the test on unexpected errors.
type store struct {
	t *testing.T
	*storage.DB
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

func entry(action string) *audit.Entry {
	return &audit.Entry{Time: epoch, Actor: audit.Actor{Kind: "uid", Name: "1000"}, Action: action, Target: "target"}
}

// do commits what f does and returns the position.
func (s store) do(f func(admin.Tx) error) int64 {
	s.t.Helper()
	position, err := s.Do(s.t.Context(), entry("test"), f)
	must(s.t, err)
	return position
}

// refused checks that f's transaction fails with an error.
func (s store) refused(want error, f func(admin.Tx) error) {
	s.t.Helper()
	before := s.position()
	if _, err := s.Do(s.t.Context(), entry("test"), f); !errors.Is(err, want) {
		s.t.Errorf("error %v, want %v", err, want)
	}
	if after := s.position(); after != before {
		s.t.Errorf("the refused change moved the feed from %d to %d", before, after)
	}
}

func (s store) view(f func(ctx context.Context, tx admin.Tx) error) {
	s.t.Helper()
	ctx := s.t.Context()
	must(s.t, s.View(ctx, func(tx admin.Tx) error { return f(ctx, tx) }))
}

func (s store) position() (position int64) {
	s.t.Helper()
	ctx := s.t.Context()
	must(s.t, s.Read(ctx, func(v snapshot.View) (err error) {
		position, err = v.Position(ctx)
		return err
	}))
	return position
}

// changes lists the feed after a position as "kind key".
func (s store) changes(after int64) (changes []string) {
	s.t.Helper()
	ctx := s.t.Context()
	must(s.t, s.Read(ctx, func(v snapshot.View) error {
		list, err := v.Changes(ctx, after)
		for _, c := range list {
			changes = append(changes, string(c.Kind)+" "+c.Key)
		}
		return err
	}))
	return changes
}

func (s store) signIn(f func(ctx context.Context, tx signin.Tx) error) {
	s.t.Helper()
	ctx := s.t.Context()
	must(s.t, s.SignIn(ctx, func(tx signin.Tx) error { return f(ctx, tx) }))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The things that the sentences store.

const project = 123456789012

func service(name, id string) catalog.Service {
	return catalog.Service{
		Service: resource.Service{
			Kind: resource.BackendService, ProjectID: "dev-project", ProjectNumber: project, ID: id,
		},
		Name: name, Hosts: []string{name + ".localhost"}, PathPrefixes: []string{"/a"},
		Upstream: "http://127.0.0.1:9000", OAuthClientID: name + "-client",
	}
}

func policy(members ...string) iam.Policy {
	return iam.Policy{Version: 1, Bindings: []iam.Binding{{Role: iam.RoleHTTPSResourceAccessor, Members: members}}}
}

func account(name string) directory.Account {
	digits := strings.Repeat("0", 21)
	for i, c := range []byte(name) {
		digits = digits[:i] + string('0'+c%10) + digits[i+1:]
	}
	return directory.Account{
		Kind: principal.User, Email: name + "@example.com", Subject: digits, HostedDomain: "example.com",
		DisplayName: name, PasswordHash: "$argon2id$" + name, Created: epoch,
		Attributes: []principal.Attribute{{Name: "department", Values: []string{name}}},
	}
}

func (s store) createAccounts(names ...string) {
	s.t.Helper()
	ctx := s.t.Context()
	s.do(func(tx admin.Tx) error {
		for _, name := range names {
			if err := tx.Directory().CreateAccount(ctx, account(name)); err != nil {
				return err
			}
		}
		return nil
	})
}

// record is a session of the auth host, with an identity that no local account has to be there for.
func record(name string) session.Record {
	return session.Record{
		ID:       session.NewID(),
		Identity: principal.Identity{Kind: principal.User, Provider: "elsewhere", Subject: "1", Email: name + "@example.com"},
		AMR:      []string{"pwd", "otp"}, ACR: "phr", AuthTime: epoch, Created: epoch,
		Expires: epoch.Add(16 * time.Hour), LastSeen: epoch,
		Attributes: []principal.Attribute{{Name: "department", Values: []string{"Research", "Sales"}}},
		Groups:     []string{"team@example.com"}, Checked: epoch, AskAfter: epoch.Add(time.Minute), Silent: true,
		AtProvider: session.AtProvider{Subject: "subject of " + name, Session: "sid of " + name, Tokens: []byte{0, 1, 2}},
	}
}

// child is a session of an application under another.
func child(parent session.Record) session.Record {
	r := parent
	r.ID, r.Parent, r.Resource = session.NewID(), parent.ID, appName
	return r
}

var appName = service("app", "1").Service.Name()

func (s store) open(records ...session.Record) {
	s.t.Helper()
	for _, r := range records {
		must(s.t, s.OpenSession(s.t.Context(), r))
	}
}

// alive lists which of the records are still stored.
func (s store) alive(records ...session.Record) []bool {
	s.t.Helper()
	alive := make([]bool, len(records))
	for i, r := range records {
		_, err := s.Session(s.t.Context(), r.ID)
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			s.t.Fatal(err)
		}
		alive[i] = err == nil
	}
	return alive
}
