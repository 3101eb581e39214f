package storagetest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/oauthserver"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

func accountKeySentences() []sentence {
	return []sentence{
		{"keys of service accounts come back as they were created, and the feed names them", accountKeysComeBack},
		{"an id names one key, and a key belongs to a service account that is there", accountKeyRefused},
		{"deleting an account deletes its keys, and says so of each", accountKeysGoWithAccount},
		{"switching a key off or deleting it needs one that is there", accountKeyChanged},
	}
}

func grantSentences() []sentence {
	return []sentence{
		{"a code is redeemed once, and its grant is found by id and by refresh token", codeRedeemed},
		{"a code that is used again ends what it was used for", codeReplayed},
		{"a code that is refused is used up, and one that is unknown changes nothing", codeRefused},
		{"a code that has expired is not redeemed", codeExpired},
		{"codes and grants go with their session", grantsGoWithSession},
		{"a program keeps an idle sign-in, until the grant ends", programKeepsSession},
		{"a session has a bounded number of codes and grants; the oldest make room", grantsBounded},
		{"a person of a provider is numbered once", numberedOnce},
	}
}

func robotKey(id string) directory.AccountKey {
	return directory.AccountKey{ID: id, Account: "robot@robots.example.com", Public: []byte("public " + id), Created: epoch}
}

func (s store) createRobot() {
	s.t.Helper()
	s.do(func(tx admin.Tx) error {
		return tx.Directory().CreateAccount(s.t.Context(), directory.Account{
			Kind: principal.ServiceAccount, Email: "robot@robots.example.com", Subject: "900000000000000000001", Created: epoch,
		})
	})
}

func (s store) createKey(k directory.AccountKey) {
	s.t.Helper()
	s.do(func(tx admin.Tx) error { return tx.AccountKeys().CreateAccountKey(s.t.Context(), k) })
}

func (s store) accountKeys() (keys []directory.AccountKey) {
	s.t.Helper()
	s.view(func(ctx context.Context, tx admin.Tx) (err error) {
		keys, err = tx.AccountKeys().AccountKeys(ctx)
		return err
	})
	return keys
}

func accountKeysComeBack(t *testing.T, s store) {
	s.createRobot()
	one, two := robotKey("b"), robotKey("a")
	two.Created, two.Expires, two.Uploaded, two.Disabled = epoch.Add(time.Hour), epoch.Add(2*time.Hour), true, true
	before := s.position()
	s.createKey(two)
	s.createKey(one)
	if got := s.accountKeys(); !reflect.DeepEqual(got, []directory.AccountKey{one, two}) {
		t.Errorf("%+v", got)
	}
	if got := s.changes(before); !slices.Contains(got, "accountKey a") || !slices.Contains(got, "accountKey b") {
		t.Errorf("the feed says %v", got)
	}
}

func accountKeyRefused(t *testing.T, s store) {
	s.createRobot()
	s.createAccounts("alice")
	s.createKey(robotKey("a"))
	s.refused(directory.ErrExists, func(tx admin.Tx) error { return tx.AccountKeys().CreateAccountKey(t.Context(), robotKey("a")) })
	for _, address := range []string{"gone@robots.example.com", "alice@example.com"} {
		k := robotKey("b")
		k.Account = address
		s.refused(directory.ErrNotFound, func(tx admin.Tx) error { return tx.AccountKeys().CreateAccountKey(t.Context(), k) })
	}
}

func accountKeysGoWithAccount(t *testing.T, s store) {
	s.createRobot()
	s.createKey(robotKey("a"))
	s.createKey(robotKey("b"))
	before := s.position()
	s.do(func(tx admin.Tx) error { return tx.Directory().DeleteAccount(t.Context(), "robot@robots.example.com") })
	if got := s.accountKeys(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := s.changes(before); !slices.Contains(got, "accountKey a") || !slices.Contains(got, "accountKey b") {
		t.Errorf("the feed says %v", got)
	}
}

func accountKeyChanged(t *testing.T, s store) {
	s.createRobot()
	s.createKey(robotKey("a"))
	s.do(func(tx admin.Tx) error { return tx.AccountKeys().SetAccountKeyDisabled(t.Context(), "a", true) })
	if got := s.accountKeys(); !got[0].Disabled {
		t.Errorf("%+v", got)
	}
	s.do(func(tx admin.Tx) error { return tx.AccountKeys().DeleteAccountKey(t.Context(), "a") })
	s.refused(directory.ErrNotFound, func(tx admin.Tx) error { return tx.AccountKeys().SetAccountKeyDisabled(t.Context(), "a", false) })
	s.refused(directory.ErrNotFound, func(tx admin.Tx) error { return tx.AccountKeys().DeleteAccountKey(t.Context(), "a") })
}

func hash(n byte) oauthserver.Hash { return oauthserver.Hash{31: n, 0: 1} }

func code(n byte, of session.Record) oauthserver.Code {
	return oauthserver.Code{
		Hash: hash(n), Session: of.ID, Client: "client", RedirectURI: "http://127.0.0.1:1/", Challenge: "challenge", Scope: "openid",
		Nonce: "nonce", Offline: true, Expires: epoch.Add(time.Minute),
	}
}

func grant(n byte, of session.Record) oauthserver.Grant {
	return oauthserver.Grant{
		ID: oauthserver.GrantID{n, 1}, Session: of.ID, Client: "client", Scope: "openid", CodeHash: hash(n), Refresh: hash(n + 100),
		Created: epoch.Add(time.Duration(n) * time.Second), Expires: epoch.Add(10 * time.Hour),
	}
}

// redeem uses up a code for a grant.
func (s store) redeem(n byte, g oauthserver.Grant) error {
	s.t.Helper()
	return s.RedeemCode(s.t.Context(), hash(n), epoch, func(oauthserver.Code, session.Record) (oauthserver.Grant, error) { return g, nil })
}

func (s store) granted(n byte, of session.Record) {
	s.t.Helper()
	must(s.t, s.PutCode(s.t.Context(), code(n, of)))
	must(s.t, s.redeem(n, grant(n, of)))
}

func (s store) wantGrant(n byte, want bool) {
	s.t.Helper()
	_, _, err := s.Grant(s.t.Context(), oauthserver.GrantID{n, 1}, oauthserver.Hash{})
	if want && err != nil || !want && !errors.Is(err, oauthserver.ErrGone) {
		s.t.Errorf("grant %d: %v", n, err)
	}
}

func codeRedeemed(t *testing.T, s store) {
	alice := record("alice")
	s.open(alice)
	put := code(1, alice)
	must(t, s.PutCode(t.Context(), put))
	want := grant(1, alice)
	err := s.RedeemCode(t.Context(), hash(1), epoch, func(got oauthserver.Code, of session.Record) (oauthserver.Grant, error) {
		if !reflect.DeepEqual(got, put) || of.ID != alice.ID {
			t.Errorf("%+v of %v", got, of.ID)
		}
		return want, nil
	})
	must(t, err)
	for _, by := range []struct {
		id      oauthserver.GrantID
		refresh oauthserver.Hash
	}{{want.ID, oauthserver.Hash{}}, {oauthserver.GrantID{}, want.Refresh}} {
		got, of, err := s.Grant(t.Context(), by.id, by.refresh)
		if err != nil || !reflect.DeepEqual(got, want) || of.ID != alice.ID || of.Programs != 1 {
			t.Errorf("%+v of %+v, %v", got, of, err)
		}
	}
	must(t, s.EndGrant(t.Context(), want.ID))
	must(t, s.EndGrant(t.Context(), want.ID))
	s.wantGrant(1, false)
}

func codeReplayed(t *testing.T, s store) {
	alice := record("alice")
	s.open(alice)
	s.granted(1, alice)
	s.granted(2, alice)
	if err := s.redeem(1, grant(3, alice)); !errors.Is(err, oauthserver.ErrGone) {
		t.Errorf("the second use: %v", err)
	}
	s.wantGrant(1, false)
	s.wantGrant(2, true)
	s.wantGrant(3, false)
}

func codeRefused(t *testing.T, s store) {
	alice := record("alice")
	s.open(alice)
	must(t, s.PutCode(t.Context(), code(1, alice)))
	no := errors.New("no")
	if err := s.RedeemCode(t.Context(), hash(1), epoch, func(oauthserver.Code, session.Record) (oauthserver.Grant, error) {
		return oauthserver.Grant{}, no
	}); !errors.Is(err, no) {
		t.Errorf("refused: %v", err)
	}
	for n := range byte(3) {
		if err := s.redeem(n, grant(n, alice)); !errors.Is(err, oauthserver.ErrGone) {
			t.Errorf("code %d: %v", n, err)
		}
		s.wantGrant(n, false)
	}
}

func codeExpired(t *testing.T, s store) {
	alice := record("alice")
	s.open(alice)
	c := code(1, alice)
	c.Expires = epoch
	must(t, s.PutCode(t.Context(), c))
	if err := s.redeem(1, grant(1, alice)); !errors.Is(err, oauthserver.ErrGone) {
		t.Errorf("%v", err)
	}
}

func grantsGoWithSession(t *testing.T, s store) {
	alice := record("alice")
	s.open(alice)
	s.granted(1, alice)
	must(t, s.PutCode(t.Context(), code(2, alice)))
	s.end(session.Filter{ID: alice.ID})
	s.wantGrant(1, false)
	if err := s.redeem(2, grant(2, alice)); !errors.Is(err, oauthserver.ErrGone) {
		t.Errorf("its code: %v", err)
	}
	if err := s.PutCode(t.Context(), code(3, alice)); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("another code: %v", err)
	}
}

func programKeepsSession(t *testing.T, s store) {
	alice, bob := record("alice"), record("bob")
	app := child(alice)
	s.open(alice, bob, app)
	s.granted(1, alice)
	s.touch(epoch.Add(2 * time.Hour)) // idle for longer than the hour that they may be
	if got := s.alive(alice, bob, app); !slices.Equal(got, []bool{true, false, false}) {
		t.Errorf("alive: %v", got)
	}
	s.wantGrant(1, true)
	s.touch(epoch.Add(11 * time.Hour)) // past the end of the grant
	if got := s.alive(alice); got[0] {
		t.Error("the session outlives the program")
	}
}

func grantsBounded(t *testing.T, s store) {
	alice := record("alice")
	s.open(alice)
	for n := range byte(40) {
		s.granted(n, alice)
	}
	s.wantGrant(0, false)
	s.wantGrant(39, true)
	for n := range byte(30) {
		c := code(100+n, alice)
		c.Expires = epoch.Add(time.Duration(n+1) * time.Second)
		must(t, s.PutCode(t.Context(), c))
	}
	if err := s.redeem(100, grant(100, alice)); !errors.Is(err, oauthserver.ErrGone) {
		t.Errorf("the oldest code: %v", err)
	}
	must(t, s.redeem(129, grant(129, alice)))
}

func numberedOnce(t *testing.T, s store) {
	link := identityprovider.Link{Issuer: "https://idp.example", Subject: "carol", Number: "1", Email: "carol@corp.example", Created: epoch, LastSignIn: epoch}
	for _, number := range []string{"1", "2"} {
		link.Number = number
		if got, err := s.Number(t.Context(), link); err != nil || got != "1" {
			t.Errorf("%q, %v", got, err)
		}
	}
	link.Subject, link.Number = "dave", "1"
	if _, err := s.Number(t.Context(), link); !errors.Is(err, identityprovider.ErrNumberTaken) {
		t.Errorf("a number that is somebody else's: %v", err)
	}
}
