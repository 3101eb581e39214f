package signin_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// Every claim and header of the ID token that a check hangs on.
func TestAttacksOnTheIDToken(t *testing.T) {
	t.Parallel()
	stranger := oidctest.NewKey(t, "first") // the name of the right key
	weak, strong := oidctest.NewRSAKey(t, "weak", 1024), oidctest.NewRSAKey(t, "strong", 2048)
	// as signs with the strong RSA key, published beside the other, under the name of an algorithm.
	as := func(algorithm, keyID string, sign func(header, claims map[string]any) string) oidctest.Bends {
		return oidctest.Bends{
			Keys: func(d map[string]any) { d["keys"] = append(d["keys"].([]any), strong.Public()) },
			Sign: func(h, c map[string]any) string {
				h["alg"], h["kid"] = algorithm, keyID
				return sign(h, c)
			},
		}
	}
	byStrong := func(h, c map[string]any) string { return oidctest.Sign(strong, h, c) }
	own := oidctest.NewKey(t, "first") // the right one
	// twice says something else before it says what is so; most readers take the last.
	twice := func(first string) oidctest.Bends {
		return oidctest.Bends{Sign: func(h, c map[string]any) string { return oidctest.SignText(own, h, payload(c, first+",", "")) }}
	}
	// spelt says something else, and last what is so under another spelling, which Go's decoder would take.
	spelt := func(name, other string, value any) oidctest.Bends {
		return oidctest.Bends{Sign: func(h, c map[string]any) string {
			last := fmt.Sprintf(",%q:%q", other, c[name])
			c[name] = value
			return oidctest.SignText(own, h, payload(c, "", last))
		}}
	}
	now := time.Now().Unix()
	for name, test := range map[string]struct {
		bend  oidctest.Bends
		cause string
	}{
		"of another issuer":                           {oidctest.Bends{Claims: set("iss", "https://evil.test")}, "different provider"},
		"of the issuer with a slash":                  {oidctest.Bends{Claims: func(c map[string]any) { c["iss"] = c["iss"].(string) + "/" }}, "different provider"},
		"of no issuer":                                {oidctest.Bends{Claims: remove("iss")}, "different provider"},
		"of Google's name without scheme":             {oidctest.Bends{Claims: set("iss", "accounts.google.com")}, "different provider"},
		"of another client":                           {oidctest.Bends{Claims: set("aud", "another-client")}, "audience"},
		"of no client":                                {oidctest.Bends{Claims: remove("aud")}, "audience"},
		"of several clients, party unsaid":            {oidctest.Bends{Claims: set("aud", []string{"0oa-corp", "another"})}, "azp"},
		"given to another client":                     {oidctest.Bends{Claims: set("azp", "another-client")}, "azp"},
		"for us among several, theirs":                {oidctest.Bends{Claims: func(c map[string]any) { c["aud"], c["azp"] = []string{"0oa-corp", "another"}, "another" }}, "azp"},
		"with a party that is no text":                {oidctest.Bends{Claims: set("azp", []string{"0oa-corp"})}, "azp"},
		"with the nonce of another attempt":           {oidctest.Bends{Claims: set("nonce", "another")}, "nonce"},
		"without nonce":                               {oidctest.Bends{Claims: remove("nonce")}, "nonce"},
		"with an empty nonce":                         {oidctest.Bends{Claims: set("nonce", "")}, "nonce"},
		"without end":                                 {oidctest.Bends{Claims: remove("exp")}, "exp"},
		"ended":                                       {oidctest.Bends{Claims: set("exp", now-600)}, "expired"},
		"with an end that is no time":                 {oidctest.Bends{Claims: set("exp", "tomorrow")}, ""},
		"with an end beyond all time":                 {oidctest.Bends{Claims: set("exp", 1e300)}, ""},
		"without beginning":                           {oidctest.Bends{Claims: remove("iat")}, "iat"},
		"from the future":                             {oidctest.Bends{Claims: set("iat", now+3600)}, "future"},
		"not valid yet":                               {oidctest.Bends{Claims: set("nbf", now+3600)}, "not valid for"},
		"without subject":                             {oidctest.Bends{Claims: remove("sub")}, "subject"},
		"with a subject that is no text":              {oidctest.Bends{Claims: set("sub", 7)}, ""},
		"with an endless subject":                     {oidctest.Bends{Claims: set("sub", strings.Repeat("a", 256))}, "subject"},
		"with a line break in the subject":            {oidctest.Bends{Claims: set("sub", "a\nb")}, "control"},
		"that goes with another access token":         {oidctest.Bends{Claims: set("at_hash", base64.RawURLEncoding.EncodeToString(make([]byte, 16)))}, "access token"},
		"that names its own key set":                  {oidctest.Bends{Header: set("jku", "https://evil.test/keys")}, "jku"},
		"that carries its key":                        {oidctest.Bends{Header: set("jwk", stranger.Public())}, "jwk"},
		"that carries its certificate":                {oidctest.Bends{Header: set("x5c", []string{"AAAA"})}, "x5c"},
		"that names its certificate":                  {oidctest.Bends{Header: set("x5u", "https://evil.test/cert")}, "x5u"},
		"with a critical header":                      {oidctest.Bends{Header: func(h map[string]any) { h["crit"], h["exp"] = []string{"exp"}, 1 }}, "crit"},
		"compressed":                                  {oidctest.Bends{Header: set("zip", "DEF")}, "zip"},
		"that is an access token":                     {oidctest.Bends{Header: set("typ", "at+jwt")}, "type"},
		"that is a logout token":                      {oidctest.Bends{Header: set("typ", "logout+jwt")}, "type"},
		"signed by a stranger's key of the same name": {oidctest.Bends{Sign: func(h, c map[string]any) string { return oidctest.Sign(stranger, h, c) }}, "signature"},
		"signed by an unknown key":                    {oidctest.Bends{Header: set("kid", "../../etc/passwd")}, "does not publish"},
		"signed with none": {oidctest.Bends{Sign: func(h, c map[string]any) string {
			h["alg"] = "none"
			return oidctest.Encode(h) + "." + oidctest.Encode(c) + "."
		}}, ""},
		"signed with None": {oidctest.Bends{Sign: func(h, c map[string]any) string {
			h["alg"] = "None"
			return oidctest.Encode(h) + "." + oidctest.Encode(c) + "."
		}}, ""},
		"without signature":                              {oidctest.Bends{Sign: func(h, c map[string]any) string { return oidctest.Encode(h) + "." + oidctest.Encode(c) + "." }}, ""},
		"signed with the client's secret":                {oidctest.Bends{Sign: hs256("secret of 0oa-corp")}, ""},
		"signed by an RSA key, by the name of the other": {as("RS256", "first", byStrong), "does not publish"},
		"signed by an RSA key, named ES256":              {as("ES256", "strong", byStrong), "does not publish"},
		"signed by an RSA key, named ES256, by no name":  {as("ES256", "", byStrong), "signature"},
		"signed with PSS, which is not pinned":           {as("PS256", "strong", pss(strong)), "unexpected signature algorithm"},
		"signed with PSS, named RS256":                   {as("RS256", "strong", pss(strong)), "signature"},
		"signed with the published key as a secret":      {as("HS256", "strong", hs256(publicPEM(t, strong))), "unexpected signature algorithm"},
		"signed by a key whose name is a number":         {oidctest.Bends{Header: set("kid", 7)}, ""},
		"that says twice who it is from":                 {twice(`"iss":"https://evil.test"`), "twice"},
		"that says twice whom it is about":               {twice(`"sub":"root"`), `\"sub\" twice`},
		"that says twice which address is meant":         {twice(`"email":"root@corp.example"`), `\"email\" twice`},
		"that says twice when it ends":                   {twice(`"exp":99999999999`), `\"exp\" twice`},
		"of another issuer, and of ours in capitals":     {spelt("iss", "ISS", "https://evil.test"), "not from the provider"},
		"for another client, and for us in capitals":     {spelt("aud", "AUD", "another-client"), "not for us"},
		"for us and for a number":                        {oidctest.Bends{Claims: set("aud", []any{"0oa-corp", 7})}, ""},
		"for a list of lists":                            {oidctest.Bends{Claims: set("aud", []any{[]string{"0oa-corp"}})}, ""},
		"for nobody in a list":                           {oidctest.Bends{Claims: set("aud", []any{})}, "audience"},
		"with an end of null":                            {oidctest.Bends{Claims: set("exp", nil)}, ""},
		"with an end in quotes":                          {oidctest.Bends{Claims: set("exp", fmt.Sprint(now+300))}, ""},
		"with an end before 1970":                        {oidctest.Bends{Claims: set("exp", -1)}, "exp"},
		"with a beginning of null":                       {oidctest.Bends{Claims: set("iat", nil)}, ""},
		"with a beginning before 1970":                   {oidctest.Bends{Claims: set("iat", -1)}, "iat"},
		"with a beginning in the year 30000":             {oidctest.Bends{Claims: set("iat", 884541340800)}, "iat"},
		"not valid before a time that is none":           {oidctest.Bends{Claims: set("nbf", "never")}, ""},
		"not valid before the end of time":               {oidctest.Bends{Claims: set("nbf", 1e30)}, "nbf"},
		"with an endless name of its session":            {oidctest.Bends{Claims: set("sid", strings.Repeat("a", 1025))}, "sid"},
		"by a private key that is published":             {oidctest.Bends{Keys: func(d map[string]any) { d["keys"] = []any{private(stranger)} }, Sign: func(h, c map[string]any) string { return oidctest.Sign(stranger, h, c) }}, "does not publish"},
		"in JSON":                                        {oidctest.Bends{Sign: func(h, c map[string]any) string { return inJSON(oidctest.Sign(stranger, h, c)) }}, "compact"},
		"that is too large":                              {oidctest.Bends{Claims: set("filler", strings.Repeat("a", 70_000))}, "larger"},
		"that is no token":                               {oidctest.Bends{Token: set("id_token", "opaque")}, "compact"},
		"that is missing":                                {oidctest.Bends{Token: remove("id_token")}, "no ID token"},
		"that is no text":                                {oidctest.Bends{Token: set("id_token", map[string]any{})}, "no ID token"},
		"by a key that is not for signatures":            {oidctest.Bends{Keys: func(d map[string]any) { d["keys"] = []any{bent(d, "use", "enc")} }}, "does not publish"},
		"by a key for another algorithm":                 {oidctest.Bends{Keys: func(d map[string]any) { d["keys"] = []any{bent(d, "alg", "ES384")} }}, "does not publish"},
		"by a key that is too weak": {oidctest.Bends{
			Keys: func(d map[string]any) { d["keys"] = []any{weak.Public()} },
			Sign: func(h, c map[string]any) string {
				h["alg"], h["kid"] = "RS256", "weak"
				return oidctest.Sign(weak, h, c)
			},
		}, "does not publish"},
		"by one of no keys":        {oidctest.Bends{Keys: set("keys", []any{})}, "does not publish"},
		"by keys that are no list": {oidctest.Bends{Keys: set("keys", "all")}, "keys"},
		"by one of too many keys":  {oidctest.Bends{Keys: set("keys", make([]any, 1000))}, "more than"},
		"by a shared secret published": {oidctest.Bends{
			Keys: func(d map[string]any) {
				d["keys"] = append(d["keys"].([]any), map[string]any{"kty": "oct", "kid": "s", "k": "c2VjcmV0"})
			},
			Sign: func(h, c map[string]any) string { h["kid"] = "s"; return hs256("secret")(h, c) },
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			f.corp.Rotate(own)
			f.corp.Bend(test.bend)
			f.nobody(t, newBrowser(t, f.world).get(appURL+"/"))
			f.logged(t, test.cause)
		})
	}
}

// payload is claims as text, with some put first and last.
func payload(claims map[string]any, first, last string) string {
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return "{" + first + strings.TrimSuffix(strings.TrimPrefix(string(text), "{"), "}") + last + "}"
}

// pss signs by RSA with PSS, whatever the header says.
func pss(key oidctest.Key) func(header, claims map[string]any) string {
	return func(header, claims map[string]any) string {
		signed := oidctest.Encode(header) + "." + oidctest.Encode(claims)
		digest := sha256.Sum256([]byte(signed))
		signature, err := key.Private.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
		if err != nil {
			panic(err)
		}
		return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
}

// publicPEM is the text that an attacker has of a key.
func publicPEM(t testing.TB, key oidctest.Key) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// private is a key as no JWK set should have it.
func private(key oidctest.Key) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key.Private, KeyID: key.ID, Algorithm: string(key.Algorithm), Use: "sig"}
}

// hs256 signs with a shared secret.
func hs256(secret string) func(header, claims map[string]any) string {
	return func(header, claims map[string]any) string {
		header["alg"] = "HS256"
		signed := oidctest.Encode(header) + "." + oidctest.Encode(claims)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(signed))
		return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
}

// inJSON writes a token in JWS's JSON form.
func inJSON(token string) string {
	parts := strings.Split(token, ".")
	text, err := json.Marshal(map[string]string{"protected": parts[0], "payload": parts[1], "signature": parts[2]})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// bent is the published key with one member changed.
func bent(document map[string]any, name string, value any) map[string]any {
	text, err := json.Marshal(document["keys"].([]any)[0])
	if err != nil {
		panic(err)
	}
	var key map[string]any
	if err := json.Unmarshal(text, &key); err != nil {
		panic(err)
	}
	key[name] = value
	return key
}
