package admin_test

import (
	"encoding/json"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

func TestEverythingIsBroughtBackAndSessionsEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.apply(t, admin.ApplyOptions{}, everything()...)
	before, err := f.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	restore, err := f.Remember(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	f.openSession(t, "alice@example.com", now)
	on := true
	if _, err := f.UpdateIapSettings(t.Context(), peer, appName, settings.Document{
		IapSettings: settings.IapSettings{AccessSettings: &settings.AccessSettings{CORSSettings: &settings.CORSSettings{AllowHTTPOptions: &on}}},
	}, nil); err != nil {
		t.Fatal(err)
	}
	changed := everything()
	changed[0].Service.Hosts = []string{"elsewhere.example.com"}
	changed[1] = policyOf("wiki", "user:alice@example.com")
	f.apply(t, admin.ApplyOptions{}, append(changed, backend("new"), policyOf("new", "allUsers"), group("new@example.com"), provider("other", "other.example"))...)
	if _, err := f.DeleteAccount(t.Context(), peer, principal.User, "alice@example.com"); err != nil {
		t.Fatal(err)
	}
	// Somebody else under the same address, who is not to be taken for the first.
	if _, err := f.CreateAccount(t.Context(), peer, directory.Account{Kind: principal.User, Email: "alice@example.com"}, ""); err != nil {
		t.Fatal(err)
	}

	for range 2 { // the second time it is all there already
		if err := restore(t.Context(), peer); err != nil {
			t.Fatal(err)
		}
		after, err := f.Export(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if written(t, after) != written(t, before) {
			t.Errorf("it is now\n%s\nand was\n%s", written(t, after), written(t, before))
		}
	}
	if sessions, err := f.Sessions(t.Context(), session.Filter{}); err != nil || len(sessions) != 0 {
		t.Errorf("sessions go on: %v %v", sessions, err)
	}
	if entry := f.lastEntry(t); entry.Action != "everything.restore" {
		t.Errorf("the record says %s", entry.Action)
	}
}

// written is documents as text, without the etags that a policy never gets twice.
func written(t *testing.T, documents []admin.Document) string {
	t.Helper()
	for _, d := range documents {
		if d.Policy != nil {
			d.Policy.Policy.Etag = ""
		}
	}
	text, err := json.MarshalIndent(documents, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestNothingIsBroughtBackWithoutAnAuthor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	restore, err := f.Remember(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := restore(t.Context(), audit.Actor{}); err == nil {
		t.Error("it was")
	}
}
