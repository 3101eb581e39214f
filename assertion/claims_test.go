package assertion_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/assertion/assertiontest"
)

const gcipObject = `{"auth_time":1700000000,"email":"eve@other.example","email_verified":true,"name":"Eve","picture":"https://p.example/e",
"sub":"u1","user_id":"u1","plan":"gold","firebase":{"identities":{"email":["eve@other.example"],"saml.corp":["e"]},
"sign_in_provider":"saml.corp","sign_in_attributes":{"groups":["a","b"]},"tenant":"t1"}}`

func TestAllClaimsAreRead(t *testing.T) {
	t.Parallel()
	signer := newRawSigner(t)
	quoted, err := json.Marshal(gcipObject)
	if err != nil {
		t.Fatal(err)
	}
	for form, gcip := range map[string]string{"object": gcipObject, "string": string(quoted)} {
		c, err := signer.verifier(t).Verify(context.Background(), signer.sign(goodHeader, payload(
			`,"sub":"securetoken.google.com/p/t1:u1","email":"securetoken.google.com/p/t1:eve@other.example","identity_source":"GCIP","gcip":`+gcip+
				`,"google":{"access_levels":["accessPolicies/1/accessLevels/a"],"device_id":"d1"}`+
				`,"additional_claims":{"team":["x","y"]}`+
				`,"workforce_identity":{"iam_principal":"principal://i","workforce_pool_name":"locations/global/workforcePools/w"},"own":{"n":1}`)))
		if err != nil {
			t.Fatalf("gcip as %s: %v", form, err)
		}
		if c.Email != "eve@other.example" || c.Subject != "securetoken.google.com/p/t1:u1" || c.Namespace() != "securetoken.google.com/p/t1" {
			t.Errorf("identity is %q %q", c.Subject, c.Email)
		}
		if !reflect.DeepEqual(c.AccessLevels, []string{"accessPolicies/1/accessLevels/a"}) || c.DeviceID != "d1" {
			t.Errorf("google: %v %q", c.AccessLevels, c.DeviceID)
		}
		if !reflect.DeepEqual(c.AdditionalClaims, map[string][]string{"team": {"x", "y"}}) {
			t.Errorf("additional claims: %v", c.AdditionalClaims)
		}
		if *c.Workforce != (assertion.Workforce{Principal: "principal://i", Pool: "locations/global/workforcePools/w"}) {
			t.Errorf("workforce: %v", c.Workforce)
		}
		g := c.GCIP
		if g.Email != "eve@other.example" || !g.EmailVerified || g.Subject != "u1" || g.UserID != "u1" || g.Name != "Eve" || g.Tenant != "t1" ||
			g.SignInProvider != "saml.corp" || g.AuthTime.Unix() != 1700000000 || len(g.Identities) != 2 || string(g.SignInAttributes["groups"]) != `["a","b"]` {
			t.Errorf("gcip as %s: %+v", form, g)
		}
		var own struct {
			Own  struct{ N int }
			Plan string
		}
		if err := errors.Join(c.Decode(&own), g.Decode(&own)); err != nil || own.Own.N != 1 || own.Plan != "gold" {
			t.Errorf("decoded %+v, %v", own, err)
		}
	}
}

func TestAnIdentityIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	signer := newRawSigner(t)
	verifier := signer.verifier(t)
	for claims, want := range map[string]string{
		alice: "alice@example.com",
		`,"sub":"accounts.google.com:1","email":"accounts.google.com:alice@example.com"`: "alice@example.com",
		`,"sub":"sts.google.com:opaque"`:                                                 "", // a workforce pool that maps no address
		// An address under another namespace than the subject's is nobody's address.
		`,"sub":"accounts.google.com:1","email":"securetoken.google.com/p:alice@example.com"`: "securetoken.google.com/p:alice@example.com",
		// Names match exactly: these are other claims.
		alice + `,"EMAIL":"admin@example.com","Email":"admin@example.com"`: "alice@example.com",
	} {
		c, err := verifier.Verify(context.Background(), signer.sign(goodHeader, payload(claims)))
		if err != nil || c.Email != want {
			t.Errorf("%s: got %+v, %v; want %q", claims, c, err, want)
		}
	}
}

func TestClaimsThatAreNotWhatTheyShouldBeAreRefused(t *testing.T) {
	t.Parallel()
	signer := newRawSigner(t)
	verifier := signer.verifier(t)
	for _, claims := range []string{
		`,"email":"alice@example.com"`,
		`,"sub":"","email":"alice@example.com"`,
		`,"sub":""`,
		`,"sub":null,"email":"alice@example.com"`,
		`,"sub":7`,
		`,"sub":["accounts.google.com:1"]`,
		`,"sub":"accounts.google.com:1","email":""`,
		`,"sub":"accounts.google.com:1","email":"accounts.google.com:"`,
		`,"sub":"accounts.google.com:1","email":{"a":1}`,
		alice + `,"sub":"accounts.google.com:2"`,
		alice + `,"iat":1`,
		alice + `,"\u0061ud":"/projects/1/apps/x"`,
		alice + `,"hd":["example.com"]`,
		alice + `,"google":[]`,
		alice + `,"google":{"access_levels":"a"}`,
		alice + `,"google":{"access_levels":[null]}`,
		alice + `,"google":{"access_levels":[],"access_levels":["a"]}`,
		alice + `,"additional_claims":{"a":"b"}`,
		alice + `,"additional_claims":{"a":[null]}`,
		alice + `,"workforce_identity":"w"`,
		alice + `,"gcip":7`,
		alice + `,"gcip":"not JSON"`,
		alice + `,"gcip":"{\"email\":\"a\",\"email\":\"b\"}"`,
		alice + `,"gcip":{"email_verified":"true"}`,
		alice + `,"gcip":{"firebase":{"tenant":7}}`,
		alice + `,"nbf":"soon"`,
		alice + `,"deep":` + strings.Repeat("[", 100) + strings.Repeat("]", 100),
		alice + `} {"a":1`,
	} {
		if c, err := verifier.Verify(context.Background(), signer.sign(goodHeader, payload(claims))); !errors.Is(err, assertion.ErrMalformed) {
			t.Errorf("%s: got %+v, %v", claims, c, err)
		}
	}
}

func TestTimesThatAreNotWholeSecondsAreRefused(t *testing.T) {
	t.Parallel()
	signer := newRawSigner(t)
	verifier := signer.verifier(t)
	for _, exp := range []string{`"1772366700"`, `1772366700.5`, `1.7723667e9`, `-1`, `9223372036854775807`, `1e400`, `null`, `true`} {
		text := `{"iss":"` + assertion.Issuer + `","aud":"` + assertiontest.Audience + `","iat":1772366400,"exp":` + exp + alice + `}`
		if c, err := verifier.Verify(context.Background(), signer.sign(goodHeader, text)); !errors.Is(err, assertion.ErrMalformed) {
			t.Errorf("exp %s: got %+v, %v", exp, c, err)
		}
	}
	late := signer.sign(goodHeader, payload(alice+`,"nbf":1772367000`))
	if c, err := verifier.Verify(context.Background(), late); !errors.Is(err, assertion.ErrIssuedInFuture) {
		t.Errorf("nbf in ten minutes: got %+v, %v", c, err)
	}
}

func TestAnAssertionOfNobodyIsPublic(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	c, err := iap.Verifier().Verify(context.Background(), iap.MintPublic())
	if err != nil || !c.Public() || c.Email != "" || c.Namespace() != "" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestWorkforceAndExternalIdentitiesCanBeMinted(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	verifier := iap.Verifier()
	c, err := verifier.Verify(context.Background(), iap.Mint("w@corp.example", assertiontest.Workforce("pool", "subj"), assertiontest.Without("email")))
	if err != nil || c.Subject != "sts.google.com:subj" || c.Email != "" || c.IdentitySource != assertion.SourceWorkforce ||
		c.Workforce.Pool != "locations/global/workforcePools/pool" {
		t.Errorf("workforce: %+v, %v", c, err)
	}
	c, err = verifier.Verify(context.Background(), iap.Mint("eve@other.example", assertiontest.ExternalIdentity("p", "t1", "u1"),
		assertiontest.AccessLevels("accessPolicies/1/accessLevels/a")))
	if err != nil || c.Subject != "securetoken.google.com/p/t1:u1" || c.Email != "eve@other.example" || c.GCIP.Tenant != "t1" || len(c.AccessLevels) != 1 {
		t.Errorf("external: %+v, %v", c, err)
	}
}

func TestClaimsWrittenByHandHaveNothingToDecode(t *testing.T) {
	t.Parallel()
	if err := (&assertion.Claims{Email: "alice@example.com"}).Decode(new(any)); err == nil {
		t.Error("decoded")
	}
}
