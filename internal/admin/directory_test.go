package admin_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

func TestPasswordsThatCannotBeMeantAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, password := range map[string]string{
		"short": "seven77", "empty": "", "long": strings.Repeat("x", admin.MaxPassword+1), "not text": "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8",
	} {
		if _, err := f.SetPassword(t.Context(), peer, "alice@example.com", password); !errors.Is(err, admin.ErrInvalid) {
			t.Errorf("a password that is %s: %v", name, err)
		} else if strings.Contains(err.Error(), password) && password != "" {
			t.Errorf("the refusal repeats the password: %v", err)
		}
	}
}

func TestANewPasswordEndsTheSessionsOfItsUserOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.openSession(t, "alice@example.com", now)
	f.openSession(t, "bob@example.com", now)
	ended, err := f.SetPassword(t.Context(), peer, "Alice@example.com", "a new password")
	if err != nil || ended != 2 {
		t.Fatalf("%d sessions ended, %v", ended, err)
	}
	left, err := f.Sessions(t.Context(), session.Filter{})
	if err != nil || len(left) != 2 || left[0].Email != "bob@example.com" {
		t.Errorf("left are %+v, %v", left, err)
	}
}

func TestSuspendingAUserEndsTheirSessions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.openSession(t, "alice@example.com", now)
	if err := f.SetDisabled(t.Context(), peer, principal.User, "alice@example.com", true); err != nil {
		t.Fatal(err)
	}
	if left, err := f.Sessions(t.Context(), session.Filter{}); err != nil || len(left) != 0 {
		t.Errorf("left are %+v, %v", left, err)
	}
}

func TestUsersAndServiceAccountsAreManagedApart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	email, err := f.ServiceAccountEmail("nightly")
	if err != nil || email != "nightly@dev-project.iam.gserviceaccount.com" {
		t.Fatalf("%q, %v", email, err)
	}
	if _, err := f.CreateAccount(t.Context(), peer, directory.Account{Kind: principal.ServiceAccount, Email: email}, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := f.DeleteAccount(t.Context(), peer, principal.User, email); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("a service account was deleted as a user: %v", err)
	}
	if err := f.SetDisabled(t.Context(), peer, principal.ServiceAccount, "alice@example.com", true); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("a user was suspended as a service account: %v", err)
	}
	users, err := f.Accounts(t.Context(), principal.User)
	if err != nil || len(users) != 1 || users[0].Email != "alice@example.com" {
		t.Errorf("the users are %+v, %v", users, err)
	}
	for _, name := range []string{"", "short", "Upper-case", "has.dot1", "ends-in-", strings.Repeat("x", 31)} {
		if _, err := f.ServiceAccountEmail(name); !errors.Is(err, admin.ErrInvalid) {
			t.Errorf("service account name %q: %v", name, err)
		}
	}
}

func TestAnAddressIsOneThing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	create := func(email string) error {
		_, err := f.CreateAccount(t.Context(), peer, directory.Account{Kind: principal.User, Email: email}, "")
		return err
	}
	if err := create("ALICE@example.com"); !errors.Is(err, directory.ErrExists) {
		t.Errorf("a second account of the same address: %v", err)
	}
	if _, err := f.CreateGroup(t.Context(), peer, directory.Group{Email: "team@example.com"}); err != nil {
		t.Fatal(err)
	}
	if err := create("team@example.com"); !errors.Is(err, directory.ErrExists) {
		t.Errorf("an account with the address of a group: %v", err)
	}
	if _, err := f.CreateGroup(t.Context(), peer, directory.Group{Email: "team@example.com"}); !errors.Is(err, directory.ErrExists) {
		t.Errorf("a second group of the same address: %v", err)
	}
}

func TestTextThatATerminalWouldActOnIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	account := directory.Account{Kind: principal.User, Email: "eve@example.com", DisplayName: "Eve\x1b[2J"}
	if _, err := f.CreateAccount(t.Context(), peer, account, ""); !errors.Is(err, admin.ErrInvalid) {
		t.Errorf("a display name with an escape sequence: %v", err)
	}
	group := directory.Group{Email: "team@example.com", Description: "two\nlines"}
	if _, err := f.CreateGroup(t.Context(), peer, group); !errors.Is(err, admin.ErrInvalid) {
		t.Errorf("a description of two lines: %v", err)
	}
}

func TestDeletingSaysWhatStillNamesTheAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	if _, err := f.SetIamPolicy(ctx, peer, appName, granting("user:alice@example.com", "group:team@example.com")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.CreateGroup(ctx, peer, directory.Group{Email: "team@example.com", Members: []string{"alice@example.com"}}); err != nil {
		t.Fatal(err)
	}
	left, err := f.DeleteAccount(ctx, peer, principal.User, "alice@example.com")
	if err != nil || !slices.Equal(left.Policies, []resource.Name{appName}) || !slices.Equal(left.Groups, []string{"team@example.com"}) {
		t.Errorf("deleting alice leaves %+v, %v", left, err)
	}
	left, err = f.DeleteGroup(ctx, peer, "team@example.com")
	if err != nil || !slices.Equal(left.Policies, []resource.Name{appName}) || left.Groups != nil {
		t.Errorf("deleting the group leaves %+v, %v", left, err)
	}
}

func TestGroupMembersAreAddedOnceAndRemovedTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	created, err := f.CreateGroup(ctx, peer, directory.Group{Email: "team@example.com", Members: []string{"Alice@example.com", "alice@example.com", "ghost@example.com"}})
	if err != nil || created.Members != 2 || !slices.Equal(created.Unknown, []string{"ghost@example.com"}) {
		t.Fatalf("created %+v, %v", created, err)
	}
	added, err := f.AddGroupMembers(ctx, peer, "team@example.com", []string{"alice@example.com", "bob@example.com"})
	if err != nil || !slices.Equal(added.Added, []string{"bob@example.com"}) || added.Members != 3 {
		t.Errorf("added %+v, %v", added, err)
	}
	if _, err := f.RemoveGroupMembers(ctx, peer, "team@example.com", []string{"bob@example.com", "stranger@example.com"}); !errors.Is(err, admin.ErrNotFound) {
		t.Errorf("removing somebody who is no member: %v", err)
	}
	removed, err := f.RemoveGroupMembers(ctx, peer, "team@example.com", []string{"bob@example.com"})
	if err != nil || removed.Members != 2 {
		t.Errorf("removed %+v, %v", removed, err)
	}
	if _, err := f.AddGroupMembers(ctx, peer, "team@example.com", []string{"team@example.com"}); !errors.Is(err, directory.ErrInvalid) {
		t.Errorf("a group as its own member: %v", err)
	}
	if _, err := f.AddGroupMembers(ctx, peer, "team@example.com", nil); !errors.Is(err, admin.ErrInvalid) {
		t.Errorf("adding nobody: %v", err)
	}
}

func TestSessionsAreEndedOnlyByName(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	id := f.openSession(t, "alice@example.com", now)
	f.openSession(t, "alice@example.com", now.Add(-2*time.Hour)) // idle for too long
	f.openSession(t, "bob@example.com", now)

	if listed, err := f.Sessions(ctx, session.Filter{Email: "Alice@example.com"}); err != nil || len(listed) != 2 {
		t.Errorf("alice's live sessions are %+v, %v", listed, err)
	}
	for _, test := range []struct {
		filter session.Filter
		all    bool
	}{{session.Filter{}, false}, {session.Filter{ID: id}, true}, {session.Filter{Email: "alice@example.com"}, true}} {
		if _, err := f.EndSessions(ctx, peer, test.filter, test.all); !errors.Is(err, admin.ErrInvalid) {
			t.Errorf("ending %+v, all %v: %v", test.filter, test.all, err)
		}
	}
	if _, err := f.EndSessions(ctx, peer, session.Filter{ID: session.NewID()}, false); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("ending a session that does not exist: %v", err)
	}
	if ended, err := f.EndSessions(ctx, peer, session.Filter{ID: id}, false); err != nil || ended != 2 {
		t.Errorf("ending one with its child: %d, %v", ended, err)
	}
	if left, err := f.Sessions(ctx, session.Filter{}); err != nil || len(left) != 2 || left[0].Email != "bob@example.com" {
		t.Errorf("left are %+v, %v", left, err)
	}
}
