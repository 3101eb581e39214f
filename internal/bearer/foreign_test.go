package bearer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

func (f fixture) providerHeader() string {
	return `{"alg":"RS256","kid":"` + providerKid + `","typ":"JWT"}`
}

func providedClaims(t testing.TB, changes map[string]string) string {
	t.Helper()
	return claimsJSON(t, map[string]string{
		"iss": `"` + providerIssuer + `"`, "sub": `"person-1"`, "aud": `"` + clientID + `"`, "azp": `"some-desktop-client"`,
		"email": `"Carol@corp.example"`, "email_verified": "true", "groups": `["staff@corp.example", 7, "no address"]`,
		"iat": fmt.Sprint(start.Unix()), "exp": fmt.Sprint(start.Unix() + 3600),
	}, changes)
}

// provided is an ID token of the identity provider.
func (f fixture) provided(t testing.TB, changes map[string]string) string {
	t.Helper()
	return signBy(t, f.provider, f.providerHeader(), providedClaims(t, changes))
}

func TestAProvidersTokenProvesThePersonItVouchesFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	verified, err := f.verifier(at(start)).Verify(t.Context(), f.provided(t, nil), forApp)
	if err != nil {
		t.Fatal(err)
	}
	want := Verified{
		Identity: principal.Identity{
			Kind: principal.User, Provider: "corp", Subject: "130000000000000000001", Email: "carol@corp.example", HostedDomain: "corp.example",
		},
		Groups: []string{"staff@corp.example"}, IssuedAt: time.Unix(start.Unix(), 0), Expires: time.Unix(start.Unix()+3600, 0),
	}
	if !reflect.DeepEqual(verified, want) {
		t.Errorf("%+v\nwant %+v", verified, want)
	}
}

func TestATokenForAProgrammaticClientIsTakenWhereItIsListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.provided(t, map[string]string{"aud": `"desktop"`})
	for name, c := range map[string]struct {
		clients []string
		want    bool
	}{
		"listed": {[]string{"other", "desktop"}, true}, "not listed": {[]string{"other"}, false}, "none": {nil, false},
	} {
		request := forApp
		request.Clients = c.clients
		if _, err := f.verifier(at(start)).Verify(t.Context(), token, request); (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAttacksOnTokensOfProviders(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	good := providedClaims(t, nil)
	changed := func(name, value string) string { return f.provided(t, map[string]string{name: value}) }
	unix := func(d time.Duration) string { return fmt.Sprint(start.Add(d).Unix()) }
	for name, c := range map[string]struct{ token, text string }{
		"another resource's client id":             {changed("aud", `"2-other.apps.googleusercontent.com"`), TextAudience},
		"the gate's own client id at the provider": {changed("aud", `"gatehouse"`), TextAudience},
		"aud in a list":                            {changed("aud", `["`+clientID+`"]`), TextAudience},
		"a token of another tenant of the issuer":  {changed("iss", `"`+providerIssuer+`/other"`), foreign},
		"a provider that is switched off":          {changed("iss", `"https://off.example.net"`), foreign},
		"alg none":                                 {encode(`{"alg":"none","kid":"`+providerKid+`"}`) + "." + encode(good) + ".", TextSignature},
		"alg HS256":                                {signBy(t, f.provider, `{"alg":"HS256","kid":"`+providerKid+`"}`, good), TextSignature},
		"alg that the provider is not pinned to":   {signBy(t, f.provider, `{"alg":"PS256","kid":"`+providerKid+`"}`, good), TextSignature},
		"ES256 over an RSA key":                    {signBy(t, f.provider, `{"alg":"ES256","kid":"`+providerKid+`"}`, good), TextSignature},
		"an embedded jwk":                          {signBy(t, f.other, `{"alg":"RS256","kid":"`+providerKid+`","jwk":{"kty":"RSA"}}`, good), TextSignature},
		"a certificate in the header":              {signBy(t, f.other, `{"alg":"RS256","kid":"`+providerKid+`","x5c":["MII"]}`, good), TextSignature},
		"a key that the provider does not publish": {signBy(t, f.provider, `{"alg":"RS256","kid":"idp-2"}`, good), TextSignature},
		"no kid":                              {signBy(t, f.provider, `{"alg":"RS256"}`, good), TextSignature},
		"our key in the provider's name":      {f.sign(t, f.header(), good), TextSignature},
		"a service account's key in its name": {signBy(t, f.robot, f.robotHeader(), good), TextSignature},
		"an address of another domain":        {changed("email", `"alice@example.com"`), TextEmail},
		"an address of a service account":     {changed("email", `"`+robot+`"`), TextEmail},
		"an address that is not verified":     {changed("email_verified", "false"), TextEmail},
		"an address verified by a string":     {changed("email_verified", `"true"`), TextEmail},
		"an address of which nothing is said": {changed("email_verified", ""), TextEmail},
		"no address":                          {changed("email", ""), TextEmail},
		"an organisation that is not its own": {changed("hd", `"example.com"`), TextEmail},
		"no subject":                          {changed("sub", ""), TextUnparsable},
		"an empty subject":                    {changed("sub", `""`), TextEmail},
		"expired by 31 s":                     {f.provided(t, map[string]string{"iat": unix(-time.Hour), "exp": unix(-31 * time.Second)}), TextExpired},
		"issued 31 s in the future":           {changed("iat", unix(31*time.Second)), TextUnparsable},
		"valid for more than a day":           {changed("exp", unix(24*time.Hour+time.Second)), TextUnparsable},
		"not valid yet":                       {changed("nbf", unix(time.Minute)), TextUnparsable},
		"a logout token":                      {changed("events", `{"http://schemas.openid.net/event/backchannel-logout":{}}`), TextUnparsable},
		"an access token of Keycloak":         {changed("typ", `"Bearer"`), TextUnparsable},
		"a JWT access token":                  {signBy(t, f.provider, `{"alg":"RS256","kid":"`+providerKid+`","typ":"at+jwt"}`, good), TextSignature},
		"email twice":                         {signBy(t, f.provider, f.providerHeader(), `{"email":"root@corp.example",`+good[1:]), TextUnparsable},
	} {
		_, err := f.verifier(at(start)).Verify(t.Context(), c.token, forApp)
		var refusal *Refusal
		switch {
		case c.text == foreign:
			if !errors.Is(err, ErrForeign) {
				t.Errorf("%s: %v", name, err)
			}
		case !errors.As(err, &refusal) || refusal.Text != c.text:
			t.Errorf("%s: %v, want %q", name, err, c.text)
		}
	}
}

// The request that names an unknown key is refused at once; the key is looked for behind its back.
func TestAnUnknownKeyIsAskedForAndNotWaitedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	verifier := f.verifier(at(start))
	keys := verifier.ProviderKeys.(*providerKeys)
	next, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	token := signBy(t, f.robot, `{"alg":"RS256","kid":"idp-2"}`, providedClaims(t, nil))
	if _, err := verifier.Verify(t.Context(), token, forApp); err == nil || keys.renewed != 1 {
		t.Fatalf("%v; asked for %d times", err, keys.renewed)
	}
	keys.published = &identityprovider.PublishedKeys{Issuer: providerIssuer, Keys: []identityprovider.PublishedKey{
		{ID: "idp-2", Key: f.robot.Public()}, {ID: "idp-3", Key: next.Public()},
	}}
	if _, err := verifier.Verify(t.Context(), token, forApp); err != nil {
		t.Errorf("once the key is there: %v", err)
	}
	keys.published = &identityprovider.PublishedKeys{Issuer: "https://other.example.net", Keys: keys.published.Keys}
	if _, err := verifier.Verify(t.Context(), token, forApp); err == nil {
		t.Error("keys of another issuer verify the provider's tokens")
	}
}
