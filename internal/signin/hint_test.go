package signin_test

import (
	"net/url"
	"strings"
	"testing"
)

// departed follows a browser from the application to where the auth host sends it; nil where that asks something.
func departed(t *testing.T, b *browser) *url.URL {
	t.Helper()
	release := b.step()
	defer release()
	start := b.get(appURL + "/").Header.Get("Location")
	location := b.get(start).Header.Get("Location")
	if location == "" {
		return nil
	}
	to, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func TestTheLoginHintLeadsToTheProviderOfItsPeopleWithoutAsking(t *testing.T) {
	t.Parallel()
	for hint, want := range map[string]struct {
		partner, asks bool
		address       string
	}{
		"":                        {asks: true},
		"partner.example":         {partner: true},
		"PARTNER.example":         {partner: true},
		"corp.example":            {},
		"pat@partner.example":     {partner: true, address: "pat@partner.example"},
		"nowhere.example":         {asks: true},
		"not a domain":            {asks: true},
		"partner.example&prompt=": {asks: true},
		"https://partner.example": {asks: true},
	} {
		f := withPartner(t)
		f.hint = hint
		b := newBrowser(t, f.world)
		to := departed(t, b)
		switch {
		case want.asks:
			if to != nil {
				t.Errorf("%q leads to %s", hint, to)
			}
		case to == nil:
			t.Errorf("%q is asked", hint)
		case (to.Host == f.partner.Host()) != want.partner || to.Query().Get("login_hint") != want.address:
			t.Errorf("%q leads to %s", hint, to)
		}
	}
}

func TestTheLoginHintLetsNobodyInOrOut(t *testing.T) {
	t.Parallel()
	f := withPartner(t)
	f.hint = "corp.example"
	b := newBrowser(t, f.world)
	if p := b.get(appURL + "/"); !strings.Contains(p.body, "Hello alice@corp.example") {
		t.Fatalf("%s: %s", p.Status, p.body)
	}
	// Whoever signs out is asked again, and may be somebody of another provider.
	b.get(authURL + "/")
	release := b.step()
	again := b.get(appURL + "/?gcp-iap-mode=CLEAR_LOGIN_COOKIE").Header.Get("Location")
	release()
	page := b.get(again)
	if page.field("state") == "" {
		t.Errorf("after signing out: %s %s", page.Status, page.body)
	}
}
