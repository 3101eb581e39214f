package signin_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// Mix-up (RFC 9207, RFC 9700 4.4): a hostile provider makes the browser carry an honest one's answer to where ours
// takes it for the hostile one's, or the other way round.
func TestMixUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		attack func(t *testing.T, f *federation, b *browser) page
		cause  string
	}{
		"the honest provider's answer, with the hostile one's state, at the hostile one's redirect URI": {
			func(t *testing.T, f *federation, b *browser) page {
				// The hostile partner sends the browser on to corp, with its own state.
				at := f.toPartner(t, b)
				query := at.Query()
				query.Set("client_id", f.corp.ClientID)
				honest, err := url.Parse(f.corp.Issuer + "/authorize?" + query.Encode())
				if err != nil {
					t.Fatal(err)
				}
				return b.get(f.answer(t, b, honest).String())
			}, "it says that it comes from"},
		"the same without iss, which the hostile provider advertises": {
			func(t *testing.T, f *federation, b *browser) page {
				at := f.toPartner(t, b)
				query := at.Query()
				query.Set("client_id", f.corp.ClientID)
				honest, err := url.Parse(f.corp.Issuer + "/authorize?" + query.Encode())
				if err != nil {
					t.Fatal(err)
				}
				return b.get(with(f.answer(t, b, honest), "iss", ""))
			}, "lacks the parameter iss"},
		"the honest provider's answer at the hostile one's redirect URI, with the honest one's state": {
			func(t *testing.T, f *federation, b *browser) page {
				back := f.answer(t, b, f.toCorp(t, b))
				back.Path = strings.Replace(back.Path, f.corp.ClientID, f.partner.ClientID, 1)
				return b.get(back.String())
			}, "another one's redirect URI"},
		"the hostile provider's answer with the honest one's state": {
			func(t *testing.T, f *federation, b *browser) page {
				honest := f.toCorp(t, b)
				back := f.answer(t, b, f.toPartner(t, b))
				return b.get(with(back, "state", honest.Query().Get("state")))
			}, "another one's redirect URI"},
		"the hostile provider's code at the honest one's redirect URI": {
			func(t *testing.T, f *federation, b *browser) page {
				back := f.answer(t, b, f.toPartner(t, b))
				honest := f.answer(t, b, f.toCorp(t, b))
				return b.get(with(honest, "code", back.Query().Get("code")))
			}, "invalid_grant"},
		"the hostile provider's error with the honest one's name": {
			func(t *testing.T, f *federation, b *browser) page {
				f.partner.Bend(oidctest.Bends{Authorize: func(a url.Values) { a.Set("iss", f.corp.Issuer); a.Set("error", "server_error") }})
				return b.get(f.toPartner(t, b).String())
			}, "it says that it comes from"},
		"the hostile provider's discovery names the honest one's endpoints and keys": {
			func(t *testing.T, f *federation, b *browser) page {
				f.partner.Bend(oidctest.Bends{Discovery: func(d map[string]any) {
					d["token_endpoint"], d["jwks_uri"] = f.corp.Issuer+"/token", f.corp.Issuer+"/keys"
					d["authorization_response_iss_parameter_supported"] = false
				}})
				at := f.toPartner(t, b)
				query := at.Query()
				query.Set("client_id", f.corp.ClientID)
				honest, err := url.Parse(f.corp.Issuer + "/authorize?" + query.Encode())
				if err != nil {
					t.Fatal(err)
				}
				return b.get(with(f.answer(t, b, honest), "iss", ""))
			}, "invalid_client"}, // not even the client is the same; the token's issuer would be next
		"an ID token of the honest provider, passed on by the hostile one": {
			func(t *testing.T, f *federation, b *browser) page {
				f.partner.Bend(oidctest.Bends{Sign: func(_, claims map[string]any) string {
					return f.corp.IDToken(oidctest.Person{Subject: "alice-at-corp", Claims: map[string]any{
						"email": "alice@corp.example", "email_verified": true,
					}}, claims["nonce"].(string))
				}})
				return b.get(f.toPartner(t, b).String())
			}, "signed by a key that the provider does not publish"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := withPartner(t)
			f.corp.Rotate(oidctest.NewKey(t, "corp"))
			f.partner.Rotate(oidctest.NewKey(t, "partner"))
			f.nobody(t, test.attack(t, f, newBrowser(t, f.world)))
			f.logged(t, test.cause)
		})
	}
}

// toPartner and toCorp leave by address and stop at the provider's door.
func (f *federation) toPartner(t *testing.T, b *browser) *url.URL {
	return f.to(t, b, "pat@partner.example")
}

func (f *federation) toCorp(t *testing.T, b *browser) *url.URL {
	return f.to(t, b, "alice@corp.example")
}

func (f *federation) to(t *testing.T, b *browser, email string) *url.URL {
	t.Helper()
	asked := b.get(appURL + "/x")
	release := b.step()
	defer release()
	departed := b.post("/signin/address", map[string]string{"state": asked.field("state"), "email": email})
	at, err := url.Parse(departed.Header.Get("Location"))
	if err != nil || !strings.HasSuffix(at.Path, "/authorize") {
		t.Fatalf("%s: it does not lead to a provider: %s %s", email, departed.Status, departed.body)
	}
	return at
}
