package programmatic

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

func TestAMintedTokenOpensTheApplication(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	token := gate.IdentityToken(t, harness.Alice)
	for _, header := range []string{"Authorization", "Proxy-Authorization"} {
		answer := harness.Get(t, harness.Client(nil), gate.App+"/", header, "Bearer "+token)
		if answer.StatusCode != http.StatusOK || !strings.Contains(answer.Text, "Hello "+harness.Alice) {
			t.Errorf("%s: status %d, not 200 and Hello\n%s", header, answer.StatusCode, answer.Text)
		}
	}
}

func TestATokenOfSomebodyWithoutAccessIsRefusedWith403(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	for _, account := range []string{harness.Bob, harness.Admin} {
		answer := bearer(t, gate, gate.IdentityToken(t, account))
		if answer.StatusCode != http.StatusForbidden || answer.Header.Get("X-Goog-Iap-Generated-Response") != "true" {
			t.Errorf("%s gets %d (%v), not 403 from the gate", account, answer.StatusCode, answer.Header)
		}
	}
}

func TestTokensThatAreNotForUsOpenNothing(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t, "--upstream", harness.Echo(t).URL)
	good := gate.IdentityToken(t, harness.Alice)
	assertion := bearer(t, gate, good).Seen(t).Header.Get(harness.AssertionHeader)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ token, says string }{
		"the signature altered":              {alterSignature(t, good), "JWT signature is invalid"},
		"the claims altered":                 {alterClaims(t, good, map[string]any{"email": harness.Admin}), "JWT signature is invalid"},
		"signed by somebody else, our kid":   {resign(t, good, key, nil, nil), "JWT signature is invalid"},
		"signed by somebody else, other kid": {resign(t, good, key, map[string]any{"kid": "ffff"}, nil), ""},
		"no algorithm":                       {resign(t, good, nil, map[string]any{"alg": "none"}, nil), ""},
		"a key of its own in the header":     {resign(t, good, key, map[string]any{"jku": gate.Machine, "jwk": map[string]any{"kty": "RSA"}}, nil), ""},
		"for another application":            {gate.IdentityToken(t, harness.Alice, "--audiences=999-other.apps.googleusercontent.com"), "Invalid JWT audience"},
		"an assertion":                       {assertion, ""},
		"cut in half":                        {good[:len(good)/2], ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := bearer(t, gate, c.token)
			if answer.StatusCode != http.StatusUnauthorized && answer.StatusCode != http.StatusFound {
				t.Fatalf("status %d\n%s", answer.StatusCode, answer.Text)
			}
			if answer.StatusCode == http.StatusFound && strings.Count(c.token, ".") == 2 {
				t.Errorf("a JWT was answered with a redirect to sign in: bearer requests never are")
			}
			if answer.Header.Get("X-Goog-Iap-Generated-Response") != "true" || answer.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("the refusal does not look like one of the gate: %v", answer.Header)
			}
			if c.says != "" && !(strings.HasPrefix(answer.Text, "Invalid IAP credentials: ") && strings.Contains(answer.Text, c.says)) {
				t.Errorf("the refusal says %q, not IAP's %q", answer.Text, c.says)
			}
		})
	}
}

func TestADisabledAccountsTokenStopsWorking(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	token := gate.IdentityToken(t, harness.Alice)
	if answer := bearer(t, gate, token); answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d before", answer.StatusCode)
	}
	gate.CLI(t, "users", "disable", harness.Alice)
	if answer := bearer(t, gate, token); answer.StatusCode == http.StatusOK {
		t.Error("the token of a disabled account still opens the application")
	}
}

func TestAProgramWithoutATokenIsToldSoAndNotSentToSignIn(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	for name, headers := range map[string][]string{
		"a script of a page": {"X-Requested-With", "XMLHttpRequest", "Accept", "*/*"},
		"an API client":      {"Accept", "application/json"},
	} {
		answer := harness.Get(t, harness.Client(nil), gate.App+"/", headers...)
		if answer.StatusCode != http.StatusUnauthorized || answer.Text != "Invalid IAP credentials: empty token" {
			t.Errorf("%s gets %d %q", name, answer.StatusCode, answer.Text)
		}
	}
	if answer := harness.Get(t, harness.Client(nil), gate.App+"/", "Accept", "*/*"); answer.StatusCode != http.StatusFound {
		t.Errorf("curl's Accept gets %d, not 302", answer.StatusCode)
	}
}

func TestNoClientHeaderPassesForOurs(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t, "--upstream", harness.Echo(t).URL)
	token := gate.IdentityToken(t, harness.Alice)
	const forged = "forged"
	headers := []string{"Authorization", "Bearer " + token, "Connection", "X-Goog-Iap-Jwt-Assertion, X-Goog-Authenticated-User-Email, close"}
	for _, name := range []string{
		"X-Goog-Iap-Jwt-Assertion", "x-goog-authenticated-user-email", "X-Goog-Authenticated-User-Id", "X-Goog-Iap-Attr-Groups",
		"X_Goog_Iap_Jwt_Assertion", "X.Goog.Iap.Jwt.Assertion", "X-Goog_Iap.Jwt-Assertion", "x_goog_authenticated_user_email",
	} {
		headers = append(headers, name, forged, name, forged)
	}
	seen := harness.Get(t, harness.Client(nil), gate.App+"/", headers...).Seen(t)
	for name, values := range seen.Header {
		for _, value := range values {
			if strings.Contains(value, forged) || strings.Contains(value, token) {
				t.Errorf("the application was sent %s: %s", name, value)
			}
		}
	}
	for _, name := range []string{harness.AssertionHeader, "X-Goog-Authenticated-User-Email", "X-Goog-Authenticated-User-Id"} {
		if len(seen.Header[name]) != 1 {
			t.Errorf("the application was sent %d values of %s, not one", len(seen.Header[name]), name)
		}
	}
	if got := seen.Header.Get("X-Goog-Authenticated-User-Email"); got != "accounts.google.com:"+harness.Alice {
		t.Errorf("X-Goog-Authenticated-User-Email is %q", got)
	}
}

func bearer(t *testing.T, gate *harness.Gate, token string) harness.Answer {
	t.Helper()
	return harness.Get(t, harness.Client(nil), gate.App+"/", "Authorization", "Bearer "+token)
}

var encoding = base64.RawURLEncoding

func parts(t *testing.T, token string) (header, claims map[string]any, signature []byte) {
	t.Helper()
	pieces := strings.Split(token, ".")
	if len(pieces) != 3 {
		t.Fatalf("not a JWT: %s", token)
	}
	for i, target := range []*map[string]any{&header, &claims} {
		text, err := encoding.DecodeString(pieces[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, target); err != nil {
			t.Fatal(err)
		}
	}
	signature, err := encoding.DecodeString(pieces[2])
	if err != nil {
		t.Fatal(err)
	}
	return header, claims, signature
}

func join(t *testing.T, header, claims map[string]any) string {
	t.Helper()
	h, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return encoding.EncodeToString(h) + "." + encoding.EncodeToString(c)
}

func alterSignature(t *testing.T, token string) string {
	_, _, signature := parts(t, token)
	signature[len(signature)/2] ^= 1
	return token[:strings.LastIndex(token, ".")+1] + encoding.EncodeToString(signature)
}

func alterClaims(t *testing.T, token string, changes map[string]any) string {
	header, claims, signature := parts(t, token)
	for name, value := range changes {
		claims[name] = value
	}
	return join(t, header, claims) + "." + encoding.EncodeToString(signature)
}

// resign signs the token's claims with another key, or with none.
func resign(t *testing.T, token string, key *rsa.PrivateKey, headerChanges, claimChanges map[string]any) string {
	header, claims, _ := parts(t, token)
	for name, value := range headerChanges {
		header[name] = value
	}
	for name, value := range claimChanges {
		claims[name] = value
	}
	input := join(t, header, claims)
	if key == nil {
		return input + "."
	}
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + encoding.EncodeToString(signature)
}
