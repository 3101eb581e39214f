package bearer

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// claimsJSON writes claims, with some replaced by raw JSON; an empty replacement removes one.
func claimsJSON(t testing.TB, claims, changes map[string]string) string {
	t.Helper()
	claims = maps.Clone(claims)
	maps.Copy(claims, changes)
	raw := map[string]json.RawMessage{}
	for name, value := range claims {
		if value != "" {
			raw[name] = json.RawMessage(value)
		}
	}
	b, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func selfSignedClaims(t testing.TB, changes map[string]string) string {
	t.Helper()
	return claimsJSON(t, map[string]string{
		"iss": `"` + robot + `"`, "sub": `"` + robot + `"`, "aud": `"https://app.example.com/*"`,
		"iat": fmt.Sprint(start.Unix()), "exp": fmt.Sprint(start.Unix() + 3600),
	}, changes)
}

func (f fixture) robotHeader() string {
	return `{"alg":"RS256","kid":"` + f.robotKey.ID + `","typ":"JWT"}`
}

// selfSigned is what a service account signs for the whole application.
func (f fixture) selfSigned(t testing.TB, changes map[string]string) string {
	t.Helper()
	return signBy(t, f.robot, f.robotHeader(), selfSignedClaims(t, changes))
}

func TestAServiceAccountsOwnTokenProvesTheAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 2 {
		verified, err := f.verifier(at(start)).Verify(t.Context(), f.selfSigned(t, nil), forApp)
		if err != nil {
			t.Fatal(err)
		}
		want := principal.Identity{Kind: principal.ServiceAccount, Provider: "local", Subject: "120000000000000000001", Email: robot}
		if verified.Identity != want {
			t.Errorf("it proves %+v", verified.Identity)
		}
	}
}

func TestAttacksOnTokensOfServiceAccounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	unix := func(d time.Duration) string { return fmt.Sprint(start.Add(d).Unix()) }
	good := selfSignedClaims(t, nil)
	changed := func(name, value string) string { return f.selfSigned(t, map[string]string{name: value}) }
	kid := func(id string) string { return `{"alg":"RS256","kid":"` + id + `","typ":"JWT"}` }
	for name, c := range map[string]struct{ token, text string }{
		"alg none":                                 {encode(`{"alg":"none","kid":"`+f.robotKey.ID+`"}`) + "." + encode(good) + ".", TextSignature},
		"alg HS256":                                {signBy(t, f.robot, `{"alg":"HS256","kid":"`+f.robotKey.ID+`"}`, good), TextSignature},
		"alg RS512":                                {signBy(t, f.robot, `{"alg":"RS512","kid":"`+f.robotKey.ID+`"}`, good), TextSignature},
		"an embedded jwk":                          {signBy(t, f.other, `{"alg":"RS256","kid":"`+f.robotKey.ID+`","jwk":{"kty":"RSA"}}`, good), TextSignature},
		"no kid":                                   {signBy(t, f.robot, `{"alg":"RS256"}`, good), TextSignature},
		"kid of a key that does not exist":         {signBy(t, f.robot, kid("0000000000000000000000000000000000000000"), good), TextSignature},
		"kid of our key for ID tokens":             {f.sign(t, f.header(), good), TextSignature},
		"kid and key of another service account":   {signBy(t, f.other, kid(f.otherKey.ID), good), TextSignature},
		"kid of the account, key of another":       {signBy(t, f.other, f.robotHeader(), good), TextSignature},
		"iss of another service account":           {changed("iss", `"`+other+`"`), TextSignature},
		"iss of an account that does not exist":    {changed("iss", `"gone@`+accountDomain+`"`), TextSignature},
		"iss in capitals":                          {changed("iss", `"ROBOT@`+accountDomain+`"`), TextSignature},
		"sub of another service account":           {changed("sub", `"`+other+`"`), TextUnparsable},
		"sub of a person":                          {changed("sub", `"alice@example.com"`), TextUnparsable},
		"no sub":                                   {changed("sub", ""), TextUnparsable},
		"no aud":                                   {changed("aud", ""), TextAudience},
		"aud in a list":                            {changed("aud", `["https://app.example.com/*"]`), TextAudience},
		"aud is the client id":                     {changed("aud", `"`+clientID+`"`), TextAudience},
		"aud is the token endpoint":                {changed("aud", `"`+authHost+`/token"`), TextAudience},
		"expired by 31 s":                          {f.selfSigned(t, map[string]string{"iat": unix(-time.Hour), "exp": unix(-31 * time.Second)}), TextExpired},
		"issued 31 s in the future":                {changed("iat", unix(31*time.Second)), TextUnparsable},
		"valid for more than an hour":              {changed("exp", unix(3601*time.Second)), TextUnparsable},
		"valid for no time":                        {changed("exp", unix(0)), TextUnparsable},
		"no exp":                                   {changed("exp", ""), TextUnparsable},
		"no iat":                                   {changed("iat", ""), TextUnparsable},
		"not valid yet":                            {changed("nbf", unix(31*time.Second)), TextUnparsable},
		"aud twice":                                {signBy(t, f.robot, f.robotHeader(), `{"aud":"https://evil.example/",`+good[1:]), TextUnparsable},
		"an assertion of ours in the place of one": {f.assertion(t), TextSignature},
	} {
		_, err := f.verifier(at(start)).Verify(t.Context(), c.token, forApp)
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Text != c.text {
			t.Errorf("%s: %v, want %q", name, err, c.text)
		}
	}
}

func TestWhatTheAudienceOfASelfSignedTokenCovers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, c := range []struct {
		audience, host, target string
		want                   bool
	}{
		{"https://app.example.com/*", "app.example.com", "/", true},
		{"https://app.example.com/*", "app.example.com", "/any/where?q=1", true},
		{"https://APP.example.com/*", "app.example.com", "/", true},
		{"HTTPS://app.example.com/*", "app.example.com", "/", true},
		{"https://app.example.com:443/*", "app.example.com", "/", true},
		{"https://app.example.com./*", "app.example.com", "/", true},
		{"https://app.example.com", "app.example.com", "/", true},
		{"https://app.example.com/", "app.example.com", "/", true},
		{"https://app.example.com/", "app.example.com", "/?q=1", true},
		{"https://app.example.com/a", "app.example.com", "/a", true},
		{"https://app.example.com/a/*", "app.example.com", "/a/b", true},
		{"https://app.example.com/a/*", "app.example.com", "/a/b/../c", true},

		{"https://app.example.com/", "app.example.com", "/a", false},
		{"https://app.example.com/a", "app.example.com", "/a/", false},
		{"https://app.example.com/a", "app.example.com", "/A", false},
		{"https://app.example.com/a", "app.example.com", "/%61", false},
		{"https://app.example.com/a/*", "app.example.com", "/a", false},
		{"https://app.example.com/a/*", "app.example.com", "/ab", false},
		{"https://app.example.com/a/*", "app.example.com", "/a/../b", false},
		{"https://app.example.com/a/*", "app.example.com", "/a/..", false},
		{"https://app.example.com/a/*", "app.example.com", "/b/../a/c", false},
		{"https://app.example.com/a/*", "app.example.com", "/a//../b", false},
		{"https://app.example.com/a/*", "app.example.com", "//a/b", false},
		{"https://app.example.com/a/*", "app.example.com", "/a;x/b", false},
		{"https://app.example.com/a/*", "app.example.com", "/a/b%2fc", false},
		{"https://app.example.com/a/*", "app.example.com", "/a/b%5cc", false},
		{"https://app.example.com/a/../*", "app.example.com", "/b", false},
		{"https://app.example.com/%2e%2e/*", "app.example.com", "/b", false},
		{"https://app.example.com//*", "app.example.com", "/b", false},
		{"https://app.example.com/;/*", "app.example.com", "/b", false},
		{"https://app.example.com/*", "app.example.com.evil.example", "/", false},
		{"https://app.example.com.evil.example/*", "app.example.com", "/", false},
		{"https://app.example.com*", "app.example.com", "/", false},
		{"https://app.example.com/**", "app.example.com", "/a", false},
		{"https://*.example.com/*", "app.example.com", "/", false},
		{"https://*/*", "app.example.com", "/", false},
		{"*", "app.example.com", "/", false},
		{"/*", "app.example.com", "/", false},
		{"", "app.example.com", "/", false},
		{"https:///*", "app.example.com", "/", false},
		{"http://app.example.com/*", "app.example.com", "/", false},
		{"https://app.example.com:8443/*", "app.example.com", "/", false},
		{"https://app.example.com:0443/*", "app.example.com", "/", false},
		{"https://evil@app.example.com/*", "app.example.com", "/", false},
		{"https://evil.example/@app.example.com/*", "app.example.com", "/", false},
		{`https://evil.example\@app.example.com/*`, "app.example.com", "/", false},
		{"https://app.example.com?/*", "app.example.com", "/", false},
		{"https://app.example.com#/*", "app.example.com", "/", false},
		{"https://app.example.com/a?b", "app.example.com", "/a?b", false},
		{" https://app.example.com/*", "app.example.com", "/", false},
		{"https://app.example.com/* ", "app.example.com", "/", false},
		{"https://ａpp.example.com/*", "app.example.com", "/", false},
	} {
		target, err := catalog.ParseTarget("GET", c.target)
		if err != nil {
			if c.want {
				t.Errorf("%s: %v", c.target, err)
			}
			continue
		}
		quoted, _ := json.Marshal(c.audience)
		token := f.selfSigned(t, map[string]string{"aud": string(quoted)})
		_, err = f.verifier(at(start)).Verify(t.Context(), token, Request{ClientID: clientID, Host: c.host, Target: target})
		if (err == nil) != c.want {
			t.Errorf("%q at %s%s: %v", c.audience, c.host, c.target, err)
		}
	}
}

// Where the gate is reached under another scheme or port, audiences name those.
func TestAudiencesNameTheExternalSchemeAndPort(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for audience, want := range map[string]bool{
		"http://app.example.com:8080/*": true, "http://app.example.com/*": false, "https://app.example.com:8080/*": false,
		"http://app.example.com:80/*": false, "http://app.example.com:/*": false,
	} {
		verifier := f.verifier(at(start))
		verifier.Scheme, verifier.Port = "http", 8080
		_, err := verifier.Verify(t.Context(), f.selfSigned(t, map[string]string{"aud": `"` + audience + `"`}), forApp)
		if (err == nil) != want {
			t.Errorf("%s: %v", audience, err)
		}
	}
}

func TestAttacksOnAssertionsForTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const endpoint = authHost + "/token"
	assertion := func(changes map[string]string) string {
		claims := map[string]string{"aud": `"` + endpoint + `"`, "sub": "", "target_audience": `"` + clientID + `"`}
		maps.Copy(claims, changes)
		return f.selfSigned(t, claims)
	}
	grant, err := f.verifier(at(start)).VerifyAssertion(assertion(nil), endpoint, "https://oauth2.googleapis.com/token")
	if err != nil || grant.Identity.Email != robot || grant.TargetAudience != clientID || grant.KeyID != f.robotKey.ID {
		t.Fatalf("%+v, %v", grant, err)
	}
	target := selfSignedClaims(t, map[string]string{"aud": `"` + endpoint + `"`})
	if _, err := f.verifier(at(start)).VerifyAssertion(signBy(t, f.robot, `{"alg":"RS256"}`, target), endpoint); err != nil {
		t.Errorf("signed without naming the key, as Google's library for Node does it: %v", err)
	}
	for name, token := range map[string]string{
		"without a kid, by another's key":     signBy(t, f.other, `{"alg":"RS256"}`, target),
		"without a kid, alg none":             encode(`{"alg":"none"}`) + "." + encode(target) + ".",
		"an empty kid":                        signBy(t, f.robot, `{"alg":"RS256","kid":""}`, target),
		"a bearer token for an application":   f.selfSigned(t, nil),
		"aud of another token endpoint":       assertion(map[string]string{"aud": `"https://evil.example/token"`}),
		"aud in a list":                       assertion(map[string]string{"aud": `["` + endpoint + `"]`}),
		"aud with another ending":             assertion(map[string]string{"aud": `"` + endpoint + `/"`}),
		"aud that ends in a star":             assertion(map[string]string{"aud": `"` + authHost + `/*"`}),
		"sub of a person (delegation)":        assertion(map[string]string{"sub": `"alice@example.com"`}),
		"iss of another account":              assertion(map[string]string{"iss": `"` + other + `"`}),
		"iss of a person":                     assertion(map[string]string{"iss": `"alice@example.com"`}),
		"valid for more than an hour":         assertion(map[string]string{"exp": fmt.Sprint(start.Unix() + 3601)}),
		"target_audience in a list":           assertion(map[string]string{"target_audience": `["x"]`}),
		"our ID token":                        f.mint(t, robot),
		"our assertion":                       f.assertion(t),
		"an access token":                     AccessTokenPrefix + "AAAA",
		"nothing":                             "",
		"a key of the provider":               signBy(t, f.provider, f.robotHeader(), selfSignedClaims(t, map[string]string{"aud": `"` + endpoint + `"`})),
		"an assertion signed by another's":    signBy(t, f.other, `{"alg":"RS256","kid":"`+f.otherKey.ID+`"}`, selfSignedClaims(t, map[string]string{"aud": `"` + endpoint + `"`})),
		"alg none":                            encode(`{"alg":"none","kid":"`+f.robotKey.ID+`"}`) + "." + encode(selfSignedClaims(t, map[string]string{"aud": `"` + endpoint + `"`})) + ".",
		"something after the third part":      assertion(nil) + ".e30",
		"a claim given twice":                 signBy(t, f.robot, f.robotHeader(), `{"aud":"`+endpoint+`",`+selfSignedClaims(t, map[string]string{"aud": `"` + endpoint + `"`})[1:]),
		"an assertion with a key in its head": signBy(t, f.robot, `{"alg":"RS256","kid":"`+f.robotKey.ID+`","x5u":"https://evil.example"}`, selfSignedClaims(t, map[string]string{"aud": `"` + endpoint + `"`})),
	} {
		if _, err := f.verifier(at(start)).VerifyAssertion(token, endpoint); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
