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

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
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

	robot, other, provider *rsa.PrivateKey
	robotKey, otherKey     directory.AccountKey
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
	if f.set, err = issuer.Compile(f.keys, f.sealer, nil); err != nil {
		return fixture{}, err
	}
	for _, pair := range []struct {
		private *(*rsa.PrivateKey)
		key     *directory.AccountKey
		account string
	}{{&f.robot, &f.robotKey, robot}, {&f.other, &f.otherKey, other}, {&f.provider, &directory.AccountKey{}, ""}} {
		if *pair.private, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return fixture{}, err
		}
		public, err := x509.MarshalPKIXPublicKey((*pair.private).Public())
		if err != nil {
			return fixture{}, err
		}
		*pair.key = directory.AccountKey{ID: directory.AccountKeyID(public), Account: pair.account, Public: public, Created: start.Add(-time.Hour)}
	}
	return f, nil
})

func newFixture(t testing.TB) fixture {
	t.Helper()
	f, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// view is what tokens are held against: the keys, one service account with its key, and one provider.
func (f fixture) view() View {
	return View{Keys: f.set, Directory: f.directory(), Providers: providers()}
}

func (f fixture) verifier(now func() time.Time) *Verifier {
	view := f.view()
	return f.verifierOf(now, func() View { return view })
}

func (f fixture) verifierOf(now func() time.Time, view func() View) *Verifier {
	return &Verifier{
		Issuer: authHost, Scheme: "https", ServiceAccounts: accountDomain, View: view, Now: now,
		ProviderKeys: &providerKeys{published: &identityprovider.PublishedKeys{
			Issuer: providerIssuer, Keys: []identityprovider.PublishedKey{{ID: providerKid, Key: f.provider.Public()}},
		}}, People: people{},
	}
}

// forApp is a request to the application's front page.
var forApp = Request{ClientID: clientID, Host: "app.example.com", Target: catalog.Target{Raw: "/", Normalized: "/", Decoded: "/"}}

// What the fixture's service accounts and provider are called.
const (
	accountDomain  = "p.iam.gserviceaccount.com"
	robot          = "robot@" + accountDomain
	other          = "other@" + accountDomain
	providerIssuer = "https://idp.example.net"
	providerKid    = "idp-1"
)

func providers() *identityprovider.View {
	oidc := func(issuer string) *identityprovider.OIDCConfig {
		return &identityprovider.OIDCConfig{Issuer: issuer, ClientID: "gatehouse"}
	}
	return identityprovider.NewView([]identityprovider.Provider{
		{Name: "local", Kind: identityprovider.Local, Domains: []string{"example.com"}},
		{Name: "corp", Kind: identityprovider.OIDC, Domains: []string{"corp.example"}, OIDC: oidc(providerIssuer), Groups: &identityprovider.GroupsClaim{}},
		{Name: "off", Kind: identityprovider.OIDC, Disabled: true, Domains: []string{"off.example"}, OIDC: oidc("https://off.example.net")},
	})
}

// directory has two service accounts, each with a key, and a user.
func (f fixture) directory() *directory.View {
	account := func(email, subject string, kind principal.Kind) *directory.Account {
		return &directory.Account{Kind: kind, Email: email, Subject: subject, HostedDomain: ""}
	}
	interner := (&principal.Interner{}).Edit()
	return directory.NewView().With(directory.Update{
		Accounts: map[string]*directory.Account{
			robot: account(robot, "120000000000000000001", principal.ServiceAccount),
			other: account(other, "120000000000000000002", principal.ServiceAccount),
		},
		Keys: map[string]*directory.AccountKey{
			f.robotKey.ID: &f.robotKey, f.otherKey.ID: &f.otherKey,
		},
	}, interner)
}

// providerKeys are what the provider is known to publish.
type providerKeys struct {
	published *identityprovider.PublishedKeys
	renewed   int
}

func (k *providerKeys) Current(name string) *identityprovider.PublishedKeys {
	if name != "corp" {
		return nil
	}
	return k.published
}

func (k *providerKeys) Renew(string) { k.renewed++ }

// people numbers everybody alike.
type people struct{ err error }

func (p people) Number(context.Context, identityprovider.Link) (string, error) {
	return "130000000000000000001", p.err
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
	return signBy(t, f.private, header, payload)
}

func signBy(t testing.TB, private *rsa.PrivateKey, header, payload string) string {
	t.Helper()
	input := encode(header) + "." + encode(payload)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
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
