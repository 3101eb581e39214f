package bearer

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

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
			got, err := verifier.Verify(token, clientID)
			if err != nil {
				t.Fatal(err)
			}
			want := Verified{
				Identity: principal.Identity{
					Kind: kind, Provider: "local", Subject: "110000000000000000001", Email: email, HostedDomain: "example.com",
				},
				Expires: time.Unix(start.Unix()+3600, 0), IssuedAt: time.Unix(start.Unix(), 0),
			}
			if got != want {
				t.Errorf("Verify = %+v, want %+v", got, want)
			}
		}
	}
}

func TestHandMadeTokenIsLikeAMintedOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, header := range []string{f.header(), `{"alg":"RS256","kid":"` + f.kid + `"}`} {
		if _, err := f.verifier(at(start)).Verify(f.sign(t, header, payload(t, nil)), clientID); err != nil {
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
		{"five parts, as of an encrypted token", "e30.a.b.c.d", TextUnparsable},
		{"two parts", minted[:strings.LastIndexByte(minted, '.')], TextUnparsable},
		{"nothing", "", TextUnparsable},
		{"dots", "..", TextUnparsable},
		{"an access token of Google", "ya29.a0AfH6SMB", TextUnparsable},
		{"base64 with padding", encode(f.header()) + "=" + minted[len(encode(f.header())):], TextUnparsable},
		{"JSON serialisation", `{"payload":"e30","protected":"e30","signature":"e30"}`, TextUnparsable},
		{"more than 8 KiB", signed(`{"alg":"RS256",` + kid + `,"typ":"` + strings.Repeat("J", 8<<10) + `"}`), TextUnparsable},
	}
	for _, test := range tests {
		_, err := f.verifier(at(start)).Verify(test.token, clientID)
		var refusal *Refusal
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
		{"another issuer", changed("iss", `"https://accounts.google.com"`), TextSignature},
		{"the issuer with a slash", changed("iss", `"`+authHost+`/"`), TextSignature},
		{"the issuer of assertions", changed("iss", `"https://cloud.google.com/iap"`), TextSignature},
		{"a list of issuers", changed("iss", `["`+authHost+`"]`), TextUnparsable},
		{"no issuer", changed("iss", ""), TextUnparsable},
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
		{"claims that are a list", "[" + plain + "]", TextUnparsable},
		{"claims that are cut off", plain[:len(plain)-1], TextUnparsable},
		{"claims that are not UTF-8", plain[:len(plain)-1] + ",\"x\":\"\xff\"}", TextUnparsable},
		{"a token in a token", f.mint(t, "alice@example.com"), TextUnparsable},
	}
	for _, test := range tests {
		_, err := f.verifier(at(start)).Verify(f.sign(t, f.header(), test.payload), clientID)
		var refusal *Refusal
		if !errors.As(err, &refusal) {
			t.Errorf("%s: %v", test.name, err)
		} else if refusal.Text != test.text {
			t.Errorf("%s: %q, want %q", test.name, refusal, test.text)
		}
	}
	if _, err := f.verifier(at(start)).Verify(f.sign(t, f.header(), changed("aud", `""`)), ""); err == nil {
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
		if _, err := f.verifier(at(test.at)).Verify(token, clientID); (err == nil) != test.ok {
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
		{"more than 8 KiB", body(plain) + strings.Repeat("x", 8<<10), false},
	}
	for _, test := range tests {
		if got := verifier.Recognises(test.token); got != test.want {
			t.Errorf("%s: Recognises = %v", test.name, got)
		}
		if _, err := verifier.Verify(test.token, clientID); (err == nil) != (test.name == "our ID token") {
			t.Errorf("%s: Verify: %v", test.name, err)
		}
	}
}

func TestWhatWasVerifiedIsKeptOnlyAsLongAsItHolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	store := &memoryStore{keys: f.keys}
	var keys atomic.Pointer[issuer.KeySet]
	keys.Store(f.set)
	now := start
	verifier := &Verifier{Issuer: authHost, Keys: keys.Load, Now: func() time.Time { return now }}
	token := f.mint(t, "alice@example.com")
	kept := func() bool {
		_, found := verifier.cache.generation(keys.Load()).get(digestOf(token), clientID, now)
		return found
	}
	verify := func() error { _, err := verifier.Verify(token, clientID); return err }

	if err := verify(); err != nil || !kept() {
		t.Fatalf("Verify: %v; kept: %v", err, kept())
	}
	if _, err := verifier.Verify(token, "2-other.apps.googleusercontent.com"); err == nil {
		t.Error("what was verified for one audience counts for another")
	}
	now = start.Add(reuse)
	if kept() {
		t.Error("kept for five minutes")
	}
	now = start.Add(time.Hour - time.Second)
	if err := verify(); err != nil || !kept() {
		t.Fatalf("Verify: %v; kept: %v", err, kept())
	}
	now = start.Add(time.Hour)
	if kept() {
		t.Error("kept after it expired")
	}
	now = start.Add(-time.Minute)
	if kept() {
		t.Error("kept for a clock that was set back before it was issued")
	}
	now = start.Add(time.Minute)
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	if _, err := issuer.Revoke(t.Context(), store, f.sealer, f.kid, now); err != nil {
		t.Fatal(err)
	}
	set, err := issuer.Compile(store.keys, f.sealer, keys.Load())
	if err != nil {
		t.Fatal(err)
	}
	keys.Store(set)
	if err := verify(); err == nil {
		t.Error("the token of a withdrawn key is accepted")
	}
}

func TestAKeyThatIsNoLongerPublishedVerifiesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	end := start.Add(time.Minute)
	retired := f.keys[1]
	retired.SignUntil, retired.PublishUntil = start.Add(time.Second), end
	set, err := issuer.Compile([]issuer.Key{retired}, f.sealer, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.set = set
	token, now := f.mint(t, "alice@example.com"), start
	verifier := f.verifier(func() time.Time { return now })
	if _, err := verifier.Verify(token, clientID); err != nil {
		t.Fatal(err)
	}
	now = end
	if _, err := verifier.Verify(token, clientID); err == nil {
		t.Error("what was verified outlives the publication of its key")
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	generation := (&cache{capacity: 2 * shards}).generation(f.set)
	verified := Verified{Expires: start.Add(time.Hour), IssuedAt: start}
	for i := range 1000 {
		generation.put(digestOf(fmt.Sprint(i)), entry{verified: verified, audience: clientID, kid: f.kid}, start)
	}
	total := 0
	for i := range generation.shards {
		total += len(generation.shards[i].young) + len(generation.shards[i].old)
	}
	if total > 2*shards {
		t.Errorf("%d entries kept", total)
	}
	if _, found := generation.get(digestOf("999"), clientID, start); !found {
		t.Error("the newest entry was not kept")
	}
	if _, found := generation.get(digestOf("999"), "other", start); found {
		t.Error("kept for another audience")
	}
}
