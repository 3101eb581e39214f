package bearer

import (
	"context"
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
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/sealing"
)

const (
	authHost = "http://auth.localhost:8080"
	clientID = "1-app.apps.googleusercontent.com"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fixture holds one key of each purpose, and the private half of the one for ID tokens, for forgeries.
type fixture struct {
	sealer  *sealing.Sealer
	keys    []issuer.Key
	set     *issuer.KeySet
	private *rsa.PrivateKey
	kid     string
}

// shared is made once: finding an RSA key takes long.
var shared = sync.OnceValues(func() (fixture, error) {
	ring, err := sealing.NewRing([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		return fixture{}, err
	}
	f := fixture{sealer: ring.Sealer(issuer.SealingPurpose)}
	for _, p := range issuer.Purposes() {
		key, err := issuer.NewKey(p, f.sealer, start.Add(-time.Hour), start.Add(-time.Hour))
		if err != nil {
			return fixture{}, err
		}
		f.keys = append(f.keys, key)
		if p != issuer.IDToken {
			continue
		}
		plain, err := f.sealer.Open(key.Sealed, []byte("id-token\x00"+key.ID))
		if err != nil {
			return fixture{}, err
		}
		private, err := x509.ParsePKCS8PrivateKey(plain)
		if err != nil {
			return fixture{}, err
		}
		f.private, f.kid = private.(*rsa.PrivateKey), key.ID
	}
	f.set, err = issuer.Compile(f.keys, f.sealer, nil)
	return f, err
})

func newFixture(t testing.TB) fixture {
	t.Helper()
	f, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f fixture) verifier(now func() time.Time) *Verifier {
	return &Verifier{Issuer: authHost, Keys: func() *issuer.KeySet { return f.set }, Now: now}
}

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func (f fixture) mint(t testing.TB, email string) string {
	t.Helper()
	token, err := f.set.MintIDToken(issuer.IDTokenClaims{
		Issuer: authHost, Audience: clientID, Subject: "110000000000000000001", Email: email, HostedDomain: "example.com",
	}, start)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (f fixture) assertion(t testing.TB) string {
	t.Helper()
	asserter := &issuer.Asserter{Keys: func() *issuer.KeySet { return f.set }, Now: at(start)}
	prepared, err := asserter.Assert(issuer.Claims{Audience: clientID, Subject: "1", Email: "alice@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return prepared.Assertion[0]
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// sign makes a token of any header and payload with the real RSA key.
func (f fixture) sign(t testing.TB, header, payload string) string {
	t.Helper()
	input := encode(header) + "." + encode(payload)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, f.private, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (f fixture) header() string { return `{"alg":"RS256","kid":"` + f.kid + `","typ":"JWT"}` }

// payload is what MintIDToken signs, with claims replaced by raw JSON; an empty replacement removes the claim.
func payload(t testing.TB, changes map[string]string) string {
	t.Helper()
	claims := map[string]string{
		"aud": `"` + clientID + `"`, "azp": `"` + clientID + `"`, "email": `"alice@example.com"`, "email_verified": "true",
		"exp": fmt.Sprint(start.Unix() + 3600), "iat": fmt.Sprint(start.Unix()), "iss": `"` + authHost + `"`, "sub": `"110000000000000000001"`,
	}
	maps.Copy(claims, changes)
	raw := make(map[string]json.RawMessage, len(claims))
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

// publicAsSecret signs with HMAC under the public key, which a verifier that trusts `alg` would accept.
func (f fixture) publicAsSecret(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(f.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	input := encode(`{"alg":"HS256","kid":"`+f.kid+`","typ":"JWT"}`) + "." + encode(payload(t, nil))
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// signedByAssertionKey is an ID token under the key of assertions, as itself and in the guise of RS256.
func (f fixture) signedByAssertionKey(t testing.TB) string {
	t.Helper()
	signer, err := f.set.Signer(issuer.Assertion, start)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign([]byte(payload(t, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

type memoryStore struct{ keys []issuer.Key }

func (s *memoryStore) Keys(context.Context) ([]issuer.Key, error) { return slices.Clone(s.keys), nil }

func (s *memoryStore) PutKey(_ context.Context, key issuer.Key) error {
	s.keys = append(slices.DeleteFunc(slices.Clone(s.keys), func(k issuer.Key) bool { return k.ID == key.ID }), key)
	return nil
}
