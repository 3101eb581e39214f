package signin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// nobody fails unless a page lets nobody in, and no session was opened.
func (f *federation) nobody(t *testing.T, p page) {
	t.Helper()
	if p.StatusCode < 400 || strings.HasPrefix(p.body, "Hello") {
		t.Errorf("it got in: %s: %.300s", p.Status, p.body)
	}
	if p.Header.Get("X-Goog-IAP-Generated-Response") != "true" {
		t.Error("the answer is not marked as ours")
	}
	if n := len(f.sessions(t)); n != 0 {
		t.Errorf("%d sessions were opened", n)
	}
}

// logged fails unless the log says why.
func (f *federation) logged(t *testing.T, cause string) {
	t.Helper()
	if !strings.Contains(f.log.String(), cause) {
		t.Errorf("the log does not say %q:\n%s", cause, f.log)
	}
}

func TestAttacksOnTheAddress(t *testing.T) {
	t.Parallel()
	address := func(email any) map[string]any { return map[string]any{"email": email, "email_verified": true} }
	for name, test := range map[string]struct {
		claims map[string]any
		cause  string
	}{
		"an address of a domain that the provider is not configured for": {address("alice@other.example"), "not of a domain"},
		"an address of a subdomain":                                      {address("alice@sub.corp.example"), "not of a domain"},
		"an address of a parent domain":                                  {address("alice@example"), "not of a domain"},
		"two @, ours last":                                               {address("alice@evil.test@corp.example"), "exactly one @"},
		"two @, ours first":                                              {address("alice@corp.example@evil.test"), "exactly one @"},
		"a quoted local part":                                            {address(`"alice@evil.test"@corp.example`), "exactly one @"},
		"an address escaped in another":                                  {address("ceo%40corp.example@corp.example"), "may not have"},
		"a percent route":                                                {address("alice%evil.test@corp.example"), "may not have"},
		"a comment":                                                      {address("alice(x)@corp.example"), "may not have"},
		"a display name":                                                 {address("Alice <alice@corp.example>"), "address"},
		"a list":                                                         {address("alice@corp.example,eve@evil.test"), "address"},
		"a line break":                                                   {address("alice@corp.example\r\nX: y"), "address"},
		"a null byte":                                                    {address("alice@corp.example\x00.evil.test"), "address"},
		"a dot at the end":                                               {address("alice@corp.example."), "empty"},
		"two dots":                                                       {address("alice@corp..example"), "empty"},
		"a Cyrillic look-alike in the domain":                            {address("alice@cоrp.example"), "other than letters"},
		"a Cyrillic look-alike before the @":                             {address("аlice@corp.example"), "may not have"},
		"a letter that folds to ASCII in Unicode only":                   {address("alice@corp.example\u212a"), "other than letters"},
		"a dotless i":                                                    {address("al\u0131ce@corp.example"), "may not have"},
		"a full-width @":                                                 {address("alice＠corp.example"), "exactly one @"},
		"a soft hyphen":                                                  {address("al\u00adice@corp.example"), "may not have"},
		"none":                                                           {map[string]any{"email_verified": true}, "it sent none"},
		"null":                                                           {address(nil), "it sent none"},
		"a list of one":                                                  {address([]string{"alice@corp.example"}), "it sent none"},
		"an object":                                                      {address(map[string]any{"value": "alice@corp.example"}), "it sent none"},
		"only under another spelling":                                    {map[string]any{"Email": "alice@corp.example", "email_verified": true}, "it sent none"},
		"not verified":                                                   {map[string]any{"email": "alice@corp.example", "email_verified": false}, "email_verified is not true"},
		"nothing said of verification":                                   {map[string]any{"email": "alice@corp.example"}, "email_verified is not true"},
		`verified "true"`:                                                {map[string]any{"email": "alice@corp.example", "email_verified": "true"}, "email_verified is not true"},
		"verified 1":                                                     {map[string]any{"email": "alice@corp.example", "email_verified": 1}, "email_verified is not true"},
		"verified null":                                                  {map[string]any{"email": "alice@corp.example", "email_verified": nil}, "email_verified is not true"},
		"verified [true]":                                                {map[string]any{"email": "alice@corp.example", "email_verified": []bool{true}}, "email_verified is not true"},
		"verified under another spelling":                                {map[string]any{"email": "alice@corp.example", "Email_Verified": true}, "email_verified is not true"},
		"hd of somebody else":                                            {map[string]any{"email": "alice@corp.example", "email_verified": true, "hd": "evil.test"}, "hd is evil.test"},
		"hd that is no text":                                             {map[string]any{"email": "alice@corp.example", "email_verified": true, "hd": []string{"corp.example"}}, "hd"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			f.corp.As(oidctest.Person{Subject: "mallory", Claims: test.claims})
			p := newBrowser(t, f.world).get(appURL + "/")
			f.nobody(t, p)
			f.logged(t, test.cause)
			if p.StatusCode != http.StatusForbidden || !strings.Contains(p.body, "address_refused") {
				t.Errorf("%s: %s", p.Status, p.body)
			}
		})
	}
}

func TestAnAddressIsFoldedInASCIIOnly(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	f.corp.SignedIn("alice-at-corp", "ALICE@Corp.EXAMPLE")
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
}

func TestASecondProviderAssertsAnAddressOfTheFirsts(t *testing.T) {
	t.Parallel()
	for name, domains := range map[string][]string{"its own domains": {"partner.example"}, "every domain that nobody lists": {"*"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withPartner(t)
			f.use(t, f.corpProvider(), f.describe("partner", f.partner, domains...))
			f.partner.As(oidctest.Person{Subject: "mallory", Claims: map[string]any{
				"email": "alice@corp.example", "email_verified": true, "hd": "corp.example",
			}})
			b := newBrowser(t, f.world)
			asked := b.get(appURL + "/")
			f.nobody(t, b.post("/signin/address", map[string]string{"state": asked.field("state"), "email": "pat@partner.example"}))
			f.logged(t, "not of a domain")
		})
	}
}

func TestASecondProviderNamesTheFirstsOrganisationAndGroups(t *testing.T) {
	t.Parallel()
	f := withPartner(t)
	partner := f.partnerProvider()
	partner.Groups = &identityprovider.GroupsClaim{}
	f.use(t, f.corpProvider(), partner)
	f.partner.As(oidctest.Person{Subject: "pat", Claims: map[string]any{
		"email": "pat@partner.example", "email_verified": true, "hd": "corp.example",
	}})
	b := newBrowser(t, f.world)
	asked := b.get(appURL + "/")
	f.nobody(t, b.post("/signin/address", map[string]string{"state": asked.field("state"), "email": "pat@partner.example"}))
	f.logged(t, "hd is corp.example")
}

func TestAnAccountThatIsSwitchedOffHereDoesNotComeInByAProvider(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	f.create(t, "alice@corp.example", "unused")
	b := newBrowser(t, f.world)
	b.get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	f.disable(t, "alice@corp.example")
	for _, r := range f.sessions(t) {
		f.Sessions.End(r.ID)
		if _, err := f.db.EndSessions(t.Context(), session.Filter{ID: r.ID}); err != nil {
			t.Fatal(err)
		}
	}
	f.nobody(t, newBrowser(t, f.world).get(appURL+"/"))
	f.logged(t, "switched off here")
}
