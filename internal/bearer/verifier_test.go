package bearer

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// foreign stands in tables for a token that names nobody of ours.
const foreign = "not for the gate"

func TestATokenThatWeMintedVerifies(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for email, kind := range map[string]principal.Kind{
		"alice@example.com": principal.User, "robot@p.iam.gserviceaccount.com": principal.ServiceAccount,
	} {
		token := f.mint(t, email)
		verifier := f.verifier(at(start))
		if !verifier.Recognises(token) {
			t.Errorf("%s: our own token is not recognised", email)
		}
		for range 2 {
			got, err := verifier.Verify(t.Context(), token, forApp)
			if err != nil {
				t.Fatal(err)
			}
			want := Verified{
				Identity: principal.Identity{
					Kind: kind, Provider: "local", Subject: "110000000000000000001", Email: email, HostedDomain: "example.com",
				},
				Expires: time.Unix(start.Unix()+3600, 0), IssuedAt: time.Unix(start.Unix(), 0),
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("Verify = %+v, want %+v", got, want)
			}
		}
	}
}

func TestHandMadeTokenIsLikeAMintedOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, header := range []string{f.header(), `{"alg":"RS256","kid":"` + f.kid + `"}`} {
		if _, err := f.verifier(at(start)).Verify(t.Context(), f.sign(t, header, payload(t, nil)), forApp); err != nil {
			t.Errorf("the forgeries below prove nothing: %v", err)
		}
	}
}

func TestHeadersThatAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	kid := `"kid":"` + f.kid + `"`
	assertionKid := f.keys[0].ID
	signed := func(header string) string { return f.sign(t, header, payload(t, nil)) }
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	stranger := f
	stranger.private = other
	minted := f.mint(t, "alice@example.com")
	tests := []struct{ name, token, text string }{
		{"alg none without a signature", encode(`{"alg":"none",`+kid+`}`) + "." + encode(payload(t, nil)) + ".", TextSignature},
		{"alg none in capitals", encode(`{"alg":"NONE",`+kid+`}`) + "." + encode(payload(t, nil)) + ".", TextSignature},
		{"HS256 with the public key as secret", f.publicAsSecret(t), TextSignature},
		{"an assertion", f.assertion(t), TextSignature},
		{"a token signed by the assertion key", f.signedByAssertionKey(t), TextSignature},
		{"RS256 that names the assertion key", signed(`{"alg":"RS256","kid":"` + assertionKid + `"}`), TextSignature},
		{"RS512 by the right key", signed(`{"alg":"RS512",` + kid + `}`), TextSignature},
		{"PS256", signed(`{"alg":"PS256",` + kid + `}`), TextSignature},
		{"alg that is a list", signed(`{"alg":["RS256"],` + kid + `}`), TextSignature},
		{"no alg", signed(`{` + kid + `}`), TextSignature},
		{"no kid", signed(`{"alg":"RS256"}`), TextSignature},
		{"an empty kid", signed(`{"alg":"RS256","kid":""}`), TextSignature},
		{"a kid that is null", signed(`{"alg":"RS256","kid":null}`), TextSignature},
		{"a kid that climbs out of a directory", signed(`{"alg":"RS256","kid":"../../../../dev/null"}`), TextSignature},
		{"a kid that is SQL", signed(`{"alg":"RS256","kid":"' OR 1=1 --"}`), TextSignature},
		{"a kid of another case", signed(`{"alg":"RS256","kid":"` + strings.ToUpper(f.kid) + `"}`), TextSignature},
		{"another key under our kid", stranger.sign(t, f.header(), payload(t, nil)), TextSignature},
		{"jku", signed(`{"alg":"RS256",` + kid + `,"jku":"https://evil.example/jwks"}`), TextSignature},
		{"jwk", signed(`{"alg":"RS256",` + kid + `,"jwk":{"kty":"RSA"}}`), TextSignature},
		{"x5u", signed(`{"alg":"RS256",` + kid + `,"x5u":"https://evil.example/c"}`), TextSignature},
		{"x5c", signed(`{"alg":"RS256",` + kid + `,"x5c":["MII"]}`), TextSignature},
		{"x5t", signed(`{"alg":"RS256",` + kid + `,"x5t":"a"}`), TextSignature},
		{"x5t#S256", signed(`{"alg":"RS256",` + kid + `,"x5t#S256":"a"}`), TextSignature},
		{"crit", signed(`{"alg":"RS256",` + kid + `,"crit":["exp"]}`), TextSignature},
		{"b64", signed(`{"alg":"RS256",` + kid + `,"b64":false,"crit":["b64"]}`), TextSignature},
		{"zip", signed(`{"alg":"RS256",` + kid + `,"zip":"DEF"}`), TextSignature},
		{"cty of a nested token", signed(`{"alg":"RS256",` + kid + `,"cty":"JWT"}`), TextSignature},
		{"a typ of access tokens", signed(`{"alg":"RS256",` + kid + `,"typ":"at+jwt"}`), TextSignature},
		{"a typ that is no string", signed(`{"alg":"RS256",` + kid + `,"typ":1}`), TextSignature},
		{"alg twice", signed(`{"alg":"RS256","alg":"RS256",` + kid + `}`), TextUnparsable},
		{"alg twice, once in capitals", signed(`{"alg":"RS256","ALG":"none",` + kid + `}`), TextSignature},
		{"kid twice", signed(`{"alg":"RS256",` + kid + `,` + kid + `}`), TextUnparsable},
		{"a header that is a list", signed(`["RS256"]`), TextUnparsable},
		{"something after the header", signed(f.header() + "{}"), TextUnparsable},
		{"a header that is not UTF-8", signed("{\"alg\":\"RS256\",\"kid\":\"\xff\"}"), TextUnparsable},
		{"a signature that was cut off", minted[:len(minted)-2], TextSignature},
		{"a signature that is missing", minted[:strings.LastIndexByte(minted, '.')+1], TextSignature},
		{"a signature spelled with other trailing bits", minted[:len(minted)-1] + string(minted[len(minted)-1]+1), TextUnparsable},
		{"a line break inside", minted[:len(minted)-4] + "\n" + minted[len(minted)-4:], TextUnparsable},
		{"a fourth part", minted + ".e30", TextUnparsable},
		{"five parts, as of an encrypted token", "e30.a.b.c.d", foreign},
		{"two parts", minted[:strings.LastIndexByte(minted, '.')], foreign},
		{"nothing", "", foreign},
		{"dots", "..", foreign},
		{"an access token of Google", "ya29.a0AfH6SMB", foreign},
		{"base64 with padding", encode(f.header()) + "=" + minted[len(encode(f.header())):], TextUnparsable},
		{"JSON serialisation", `{"payload":"e30","protected":"e30","signature":"e30"}`, foreign},
	}
	for _, test := range tests {
		_, err := f.verifier(at(start)).Verify(t.Context(), test.token, forApp)
		var refusal *Refusal
		if errors.Is(err, ErrForeign) && test.text == foreign {
			continue // the application's business
		}
		if !errors.As(err, &refusal) {
			t.Errorf("%s: %v", test.name, err)
		} else if refusal.Text != test.text {
			t.Errorf("%s: %q, want %q", test.name, refusal, test.text)
		}
	}
}

func TestClaimsThatAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	plain := payload(t, nil)
	changed := func(changes ...string) string {
		replacements := make(map[string]string)
		for i := 0; i < len(changes); i += 2 {
			replacements[changes[i]] = changes[i+1]
		}
		return payload(t, replacements)
	}
	unix := func(d time.Duration) string { return fmt.Sprint(start.Add(d).Unix()) }
	tests := []struct{ name, payload, text string }{
		{"another audience", changed("aud", `"2-other.apps.googleusercontent.com"`), TextAudience},
		{"an audience that differs in case", changed("aud", `"1-APP.apps.googleusercontent.com"`), TextAudience},
		{"a list with the right audience", changed("aud", `["`+clientID+`"]`), TextAudience},
		{"a list with the right audience and another", changed("aud", `["`+clientID+`","other"]`), TextAudience},
		{"no audience", changed("aud", ""), TextAudience},
		{"an empty audience", changed("aud", `""`), TextAudience},
		{"an audience that is null", changed("aud", "null"), TextAudience},
		{"another issuer", changed("iss", `"https://accounts.google.com"`), foreign},
		{"the issuer with a slash", changed("iss", `"`+authHost+`/"`), foreign},
		{"the issuer of assertions", changed("iss", `"https://cloud.google.com/iap"`), TextSignature},
		{"a list of issuers", changed("iss", `["`+authHost+`"]`), TextUnparsable},
		{"no issuer", changed("iss", ""), foreign},
		{"expired by 31 s", changed("iat", unix(-3600*time.Second), "exp", unix(-31*time.Second)), TextExpired},
		{"issued 31 s in the future", changed("iat", unix(31*time.Second)), TextUnparsable},
		{"valid for longer than an hour", changed("exp", unix(3601*time.Second)), TextUnparsable},
		{"valid for no time", changed("exp", unix(0)), TextUnparsable},
		{"no exp", changed("exp", ""), TextUnparsable},
		{"no iat", changed("iat", ""), TextUnparsable},
		{"an exp that is a string", changed("exp", `"`+unix(time.Hour)+`"`), TextUnparsable},
		{"an exp with an exponent", changed("exp", "1e12"), TextUnparsable},
		{"an exp with a fraction", changed("exp", unix(time.Hour)+".5"), TextUnparsable},
		{"an exp beyond all numbers", changed("exp", "99999999999999999999"), TextUnparsable},
		{"an exp that wraps around when multiplied", changed("exp", "9223372036854775807"), TextUnparsable},
		{"a negative iat", changed("iat", "-1"), TextUnparsable},
		{"an nbf", changed("nbf", unix(0)), TextUnparsable},
		{"no address", changed("email", ""), TextEmail},
		{"an address that is a list", changed("email", `["alice@example.com"]`), TextEmail},
		{"an address that is null", changed("email", "null"), TextEmail},
		{"an empty address", changed("email", `""`), TextEmail},
		{"an address in capitals", changed("email", `"Alice@example.com"`), TextEmail},
		{"an address with a namespace", changed("email", `"accounts.google.com:alice@example.com"`), TextEmail},
		{"an address with two @", changed("email", `"alice@example.com@evil.example"`), TextEmail},
		{"an address with a NUL", changed("email", `"alice@example.com\u0000"`), TextEmail},
		{"an unverified address", changed("email_verified", "false"), TextEmail},
		{"an address verified by a string", changed("email_verified", `"true"`), TextEmail},
		{"an address verified by a number", changed("email_verified", "1"), TextEmail},
		{"an address about which nothing is said", changed("email_verified", ""), TextEmail},
		{"no subject", changed("sub", ""), TextUnparsable},
		{"an empty subject", changed("sub", `""`), TextUnparsable},
		{"a subject that is a number", changed("sub", "110000000000000000001"), TextUnparsable},
		{"an organisation that is a list", changed("hd", `["example.com"]`), TextUnparsable},
		{"aud twice", `{"aud":"other",` + plain[1:], TextUnparsable},
		{"email twice", plain[:len(plain)-1] + `,"email":"root@example.com"}`, TextUnparsable},
		{"email twice, once escaped", plain[:len(plain)-1] + `,"\u0065mail":"root@example.com"}`, TextUnparsable},
		{"exp twice", plain[:len(plain)-1] + `,"exp":99999999999}`, TextUnparsable},
		{"an audience under a name in capitals", changed("aud", "", "AUD", `"`+clientID+`"`), TextAudience},
		{"something after the claims", plain + `{"aud":"x"}`, TextUnparsable},
		{"claims that are a list", "[" + plain + "]", foreign},
		{"claims that are cut off", plain[:len(plain)-1], TextUnparsable},
		{"claims that are not UTF-8", plain[:len(plain)-1] + ",\"x\":\"\xff\"}", TextUnparsable},
		{"a token in a token", f.mint(t, "alice@example.com"), foreign},
	}
	for _, test := range tests {
		_, err := f.verifier(at(start)).Verify(t.Context(), f.sign(t, f.header(), test.payload), forApp)
		var refusal *Refusal
		if errors.Is(err, ErrForeign) && test.text == foreign {
			continue // the application's business
		}
		if !errors.As(err, &refusal) {
			t.Errorf("%s: %v", test.name, err)
		} else if refusal.Text != test.text {
			t.Errorf("%s: %q, want %q", test.name, refusal, test.text)
		}
	}
	if _, err := f.verifier(at(start)).Verify(t.Context(), f.sign(t, f.header(), changed("aud", `""`)), Request{Clients: []string{""}}); err == nil {
		t.Error("a service without a client id accepts a token without an audience")
	}
}

func TestSkewOfThirtySeconds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.mint(t, "alice@example.com")
	for _, test := range []struct {
		name string
		at   time.Time
		ok   bool
	}{
		{"issued 30 s in the future", start.Add(-30 * time.Second), true},
		{"issued 31 s in the future", start.Add(-31 * time.Second), false},
		{"expired by 30 s", start.Add(3630 * time.Second), true},
		{"expired by 31 s", start.Add(3631 * time.Second), false},
	} {
		if _, err := f.verifier(at(test.at)).Verify(t.Context(), token, forApp); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestWhichTokensAreForUs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	verifier := f.verifier(at(start))
	plain := payload(t, nil)
	body := func(payload string) string { return "x." + encode(payload) + ".x" }
	tests := []struct {
		name, token string
		want        bool
	}{
		{"our ID token", f.mint(t, "alice@example.com"), true},
		{"our ID token under alg none", encode(`{"alg":"none"}`) + "." + encode(plain) + ".", true},
		{"our assertion", f.assertion(t), true},
		{"one that names us and another", body(`{"iss":"https://other.example",` + plain[1:]), true},
		{"one that names us in a list", body(`{"iss":["https://other.example","` + authHost + `"]}`), true},
		{"one that names us in capitals", body(`{"ISS":"` + authHost + `"}`), true},
		{"one that names us and then breaks off", body(`{"iss":"` + authHost + `","aud":`), true},
		{"one that names us with escapes", body(`{"\u0069ss":"` + strings.ReplaceAll(authHost, "/", `\/`) + `"}`), true},
		{"one that names us, with padding", "x." + base64.URLEncoding.EncodeToString([]byte(plain+" ")) + ".x", true},
		{"one that names us beside bytes that are not UTF-8", body("{\"x\":\"\xff\",\"iss\":\"" + authHost + "\"}"), true},
		{"an ID token of another issuer", body(payload(t, map[string]string{"iss": `"https://accounts.google.com"`})), false},
		{"one whose issuer merely starts like ours", body(payload(t, map[string]string{"iss": `"` + authHost + `.evil.example"`})), false},
		{"one that names us in another claim", body(`{"aud":"` + authHost + `","iss":"https://other.example"}`), false},
		{"one that names us deeper inside", body(`{"act":{"iss":"` + authHost + `"}}`), false},
		{"an opaque token", "ghp_0123456789", false},
		{"an access token of Google", "ya29.a0AfH6SMB", false},
		{"an encrypted token", "e30.a.b.c.d", false},
		{"nothing", "", false},
		{"dots", "..", false},
		{"more than 16 KiB", body(plain) + strings.Repeat("x", 16<<10), false},
		{"an access token of ours", AccessTokenPrefix + "AAAA", true},
		{"a token of a service account", body(`{"iss":"` + robot + `"}`), true},
		{"a token of a service account that is gone", body(`{"iss":"gone@` + accountDomain + `"}`), true},
		{"a token of a service account, in capitals", body(`{"iss":"ROBOT@` + accountDomain + `"}`), true},
		{"a token of another project's service account", body(`{"iss":"robot@other.iam.gserviceaccount.com"}`), false},
		{"an ID token of the provider", body(`{"iss":"` + providerIssuer + `"}`), true},
		{"an ID token of a provider that is switched off", body(`{"iss":"https://off.example.net"}`), false},
	}
	for _, test := range tests {
		if got := verifier.Recognises(test.token); got != test.want {
			t.Errorf("%s: Recognises = %v", test.name, got)
		}
		if _, err := verifier.Verify(t.Context(), test.token, forApp); (err == nil) != (test.name == "our ID token") {
			t.Errorf("%s: Verify: %v", test.name, err)
		}
	}
}
