package admin_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

func oidcProvider(name string, domains ...string) identityprovider.Provider {
	return identityprovider.Provider{
		Name: name, Kind: identityprovider.OIDC, Domains: domains,
		OIDC: &identityprovider.OIDCConfig{Issuer: "https://" + name + ".test", ClientID: name + "-client", ClientSecret: &identityprovider.Secret{File: "/run/secret"}},
	}
}

// signedIn opens a session that a provider vouches for, and notes the person's number.
func (f *fixture) signedIn(t *testing.T, provider, subject, number, email string) session.ID {
	t.Helper()
	record := session.Record{
		ID: session.NewID(), Created: now, Expires: now.Add(time.Hour), LastSeen: now,
		Identity: principal.Identity{Kind: principal.User, Provider: provider, Subject: number, Email: email},
	}
	ctx := t.Context()
	if err := f.db.SignIn(ctx, func(tx signin.Tx) error {
		_, err := tx.Links().Link(ctx, identityprovider.Link{
			Issuer: "https://" + provider + ".test", Subject: subject, Number: number, Email: email, Created: now, LastSignIn: now,
		})
		return errors.Join(err, tx.Sessions().OpenSession(ctx, record))
	}); err != nil {
		t.Fatal(err)
	}
	return record.ID
}

func (f *fixture) alive(t *testing.T, id session.ID) bool {
	t.Helper()
	_, err := f.db.Session(t.Context(), id)
	if err != nil && !errors.Is(err, session.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func TestProvidersAreStoredWithTheirRecord(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	okta := oidcProvider("okta", "corp.example")
	if err := f.PutProvider(ctx, peer, okta); err != nil {
		t.Fatal(err)
	}
	if e := f.lastEntry(t); e.Action != "identityProviders.put" || e.Target != "okta" || e.Before != nil || !strings.Contains(string(e.After), `"corp.example"`) {
		t.Errorf("entry %+v", e)
	}
	okta.DisplayName = "Okta"
	if err := f.PutProvider(ctx, peer, okta); err != nil {
		t.Fatal(err)
	}
	if e := f.lastEntry(t); e.Before == nil || !strings.Contains(string(e.After), `"Okta"`) {
		t.Errorf("entry %+v", e)
	}
	if got, err := f.Providers(ctx); err != nil || len(got) != 1 || got[0].DisplayName != "Okta" {
		t.Errorf("%v, %v", got, err)
	}
	if err := f.DeleteProvider(ctx, peer, "okta"); err != nil {
		t.Fatal(err)
	}
	if e := f.lastEntry(t); e.Action != "identityProviders.delete" || e.Before == nil || e.After != nil {
		t.Errorf("entry %+v", e)
	}
	if err := f.DeleteProvider(ctx, peer, "okta"); !errors.Is(err, identityprovider.ErrNotFound) {
		t.Errorf("deleting it again: %v", err)
	}
}

func TestProvidersThatDoNotFitAreRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	if err := f.PutProvider(ctx, peer, oidcProvider("okta", "corp.example")); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]identityprovider.Provider{
		"invalid":    oidcProvider("entra"),
		"overlapped": oidcProvider("entra", "corp.example"),
	} {
		if err := f.PutProvider(ctx, peer, p); !errors.Is(err, identityprovider.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := f.Providers(ctx); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestSessionsEndThatNobodyMayVouchForAnyMore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	ours := f.openSession(t, "alice@example.com", now)
	okta := oidcProvider("okta", "corp.example", "b.example")
	if err := f.PutProvider(ctx, peer, okta); err != nil {
		t.Fatal(err)
	}
	if f.alive(t, ours) {
		t.Error("the first provider leaves a local account's session, though nobody made the local directory a provider")
	}
	kept, moved := f.signedIn(t, "okta", "a", "1", "a@corp.example"), f.signedIn(t, "okta", "b", "2", "b@b.example")
	okta.Domains = okta.Domains[:1]
	if err := f.PutProvider(ctx, peer, okta); err != nil {
		t.Fatal(err)
	}
	if !f.alive(t, kept) || f.alive(t, moved) {
		t.Errorf("alive: %v and %v, want the one whose domain was taken away to end", f.alive(t, kept), f.alive(t, moved))
	}
	okta.OIDC.Issuer = "https://other.test"
	if err := f.PutProvider(ctx, peer, okta); err != nil {
		t.Fatal(err)
	}
	if f.alive(t, kept) {
		t.Error("a session is alive for which another issuer has vouched")
	}
}

func TestRelinkMovesTheNumber(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		r       admin.Relinking
		prepare func(t *testing.T, f *fixture)
		want    identityprovider.Link
		err     error
	}{
		"to where the person has signed in": {
			r:       admin.Relinking{From: "okta", To: "entra"},
			prepare: func(t *testing.T, f *fixture) { f.signedIn(t, "entra", "new", "2", "a@corp.example") },
			want:    identityprovider.Link{Issuer: "https://entra.test", Subject: "new", Number: "1"},
		},
		"to a subject that is given": {
			r:    admin.Relinking{From: "okta", To: "entra", Subject: "given"},
			want: identityprovider.Link{Issuer: "https://entra.test", Subject: "given", Number: "1"},
		},
		"from an issuer that is gone": {
			r: admin.Relinking{From: "https://okta.test", To: "entra", Subject: "given"},
			prepare: func(t *testing.T, f *fixture) {
				if err := f.DeleteProvider(t.Context(), peer, "okta"); err != nil {
					t.Fatal(err)
				}
			},
			want: identityprovider.Link{Issuer: "https://entra.test", Subject: "given", Number: "1"},
		},
		"to a provider that is not there":         {r: admin.Relinking{From: "okta", To: "gone", Subject: "x"}, err: identityprovider.ErrNotFound},
		"to our own directory":                    {r: admin.Relinking{From: "okta", To: "local", Subject: "x"}, err: identityprovider.ErrNotFound},
		"from where the person never signed in":   {r: admin.Relinking{From: "entra", To: "okta"}, err: identityprovider.ErrNoLink},
		"to where the person has never signed in": {r: admin.Relinking{From: "okta", To: "entra"}, err: identityprovider.ErrNoLink},
		"to itself": {r: admin.Relinking{From: "okta", To: "okta"}, err: admin.ErrInvalid},
		"of an address that two people have had": {
			r:       admin.Relinking{From: "okta", To: "entra", Subject: "x"},
			prepare: func(t *testing.T, f *fixture) { f.signedIn(t, "okta", "another", "3", "a@corp.example") },
			err:     admin.ErrPrecondition,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			ctx := t.Context()
			for _, p := range []identityprovider.Provider{oidcProvider("okta", "corp.example"), oidcProvider("entra", "b.example")} {
				if err := f.PutProvider(ctx, peer, p); err != nil {
					t.Fatal(err)
				}
			}
			was := f.signedIn(t, "okta", "old", "1", "a@corp.example")
			if test.prepare != nil {
				test.prepare(t, f)
			}
			moved, err := f.Relink(ctx, peer, "A@corp.example", test.r)
			if test.err != nil {
				if !errors.Is(err, test.err) {
					t.Errorf("%v, want %v", err, test.err)
				}
				return
			}
			if err != nil || moved.Issuer != test.want.Issuer || moved.Subject != test.want.Subject || moved.Number != test.want.Number {
				t.Fatalf("%+v, %v", moved, err)
			}
			links := f.links(t)
			if len(links) != 1 || links[0] != moved {
				t.Errorf("links %+v", links)
			}
			if f.alive(t, was) {
				t.Error("the session under the old number is alive")
			}
			if e := f.lastEntry(t); e.Action != "users.relink" || e.Before == nil || e.After == nil {
				t.Errorf("entry %+v", e)
			}
		})
	}
}

func (f *fixture) links(t *testing.T) (links []identityprovider.Link) {
	t.Helper()
	if err := f.db.View(t.Context(), func(tx admin.Tx) (err error) {
		links, err = tx.Links().Links(t.Context(), "")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return links
}

func TestRelinkFromTheLocalDirectoryTakesTheAccountAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	before, err := f.Account(ctx, principal.User, "alice@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.PutProvider(ctx, peer, oidcProvider("okta", "example.com")); err != nil {
		t.Fatal(err)
	}
	moved, err := f.Relink(ctx, peer, "alice@example.com", admin.Relinking{From: "local", To: "okta", Subject: "alice-at-okta"})
	if err != nil || moved.Number != before.Subject || moved.Subject != "alice-at-okta" {
		t.Fatalf("%+v, %v", moved, err)
	}
	if _, err := f.Account(ctx, principal.User, "alice@example.com"); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("the account: %v", err)
	}
}

func TestProvidersOverTheSocket(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	body := `{"name":"okta","kind":"oidc","domains":["corp.example"],"oidc":{"issuer":"https://okta.test","clientId":"c","clientSecret":{"env":"S"}}}`
	for _, step := range []struct {
		method, path, body string
		code               int
		says               string
	}{
		{"PUT", "/gatehouse/v1/identityProviders/okta", body, 200, `"issuer":"https://okta.test"`},
		{"PUT", "/gatehouse/v1/identityProviders/other", body, 400, "in the path"},
		{"PUT", "/gatehouse/v1/identityProviders/okta", strings.Replace(body, "https", "http", 1), 400, "must be https"},
		{"PUT", "/gatehouse/v1/identityProviders/okta", strings.Replace(body, `"env":"S"`, `"value":"secret"`, 1), 400, "unknown field"},
		{"GET", "/gatehouse/v1/identityProviders", "", 200, `"name":"okta"`},
		{"POST", "/gatehouse/v1/users/a@corp.example:relink", `{"from":"okta","to":"okta"}`, 404, "nobody of that provider"},
		{"DELETE", "/gatehouse/v1/identityProviders/okta", "", 200, "{}"},
		{"DELETE", "/gatehouse/v1/identityProviders/okta", "", 404, "no such identity provider"},
	} {
		if w := f.ask(t, step.method, step.path, step.body); w.Code != step.code || !strings.Contains(w.Body.String(), step.says) {
			t.Errorf("%s %s: %d %s", step.method, step.path, w.Code, w.Body)
		}
	}
}
