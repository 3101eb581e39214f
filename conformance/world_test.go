package conformance_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/conformance"
	"github.com/gatehouse-iap/gatehouse/emulator"
)

const (
	audience = "/projects/123456789012/global/backendServices/1234567890123456789"
	alice    = "alice@example.com"
	aliceSub = "accounts.google.com:100000000000000000001"
	bearer   = "a-bearer-token"
)

// world is a gate with its emulator's interface, and the keys that applications behind it trust.
type world struct {
	keyID    string
	key      *ecdsa.PrivateKey
	pem, jwk []byte
	emulator *httptest.Server
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{keyID: "AbCd-1", key: newKey(t)}
	der, err := x509.MarshalPKIXPublicKey(&w.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	w.pem = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	point := der[len(der)-64:]
	w.jwk = encodeJSON(map[string]any{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": w.keyID,
		"x": base64.RawURLEncoding.EncodeToString(point[:32]), "y": base64.RawURLEncoding.EncodeToString(point[32:]),
	})
	w.emulator = httptest.NewServer(w.emulatorHandler())
	t.Cleanup(w.emulator.Close)
	return w
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (w *world) emulatorHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /iap/verify/public_key", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Write(encodeJSON(map[string]string{w.keyID: string(w.pem)}))
	})
	mux.HandleFunc("GET /iap/verify/public_key-jwk", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Write([]byte(`{"keys":[` + string(w.jwk) + `]}`))
	})
	mux.HandleFunc("GET /emulator/v1/info", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Write(encodeJSON(map[string]any{
			"audience": audience, "client_id": "client", "accounts": []any{map[string]string{"email": alice, "subject": aliceSub}},
			"urls": map[string]string{"app": "http://app.localhost", "keys": w.emulator.URL + "/iap/verify/public_key-jwk"},
		}))
	})
	mux.HandleFunc("POST /emulator/v1/accounts/{verb}", func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Gatehouse-Emulator") != "1" || r.PathValue("verb") != alice+":generateIdToken" {
			http.Error(rw, `{"detail":"there is no such account"}`, http.StatusNotFound)
			return
		}
		rw.Write(encodeJSON(map[string]string{"token": bearer}))
	})
	mux.HandleFunc("POST /emulator/v1/assertions", func(rw http.ResponseWriter, r *http.Request) {
		var request struct{ Header, Claims map[string]any }
		if json.NewDecoder(r.Body).Decode(&request) != nil {
			http.Error(rw, `{"detail":"no JSON"}`, http.StatusBadRequest)
			return
		}
		maps.DeleteFunc(request.Claims, func(_ string, value any) bool { return value == nil })
		rw.Write(encodeJSON(map[string]string{"assertion": w.sign(request.Header, request.Claims)}))
	})
	return mux
}

// sign is what the gate's own key signs.
func (w *world) sign(header, claims map[string]any) string {
	return signWith(w.key, w.keyID, header, claims)
}

func signWith(key *ecdsa.PrivateKey, keyID string, change, claims map[string]any) string {
	header := map[string]any{"alg": "ES256", "typ": "JWT", "kid": keyID}
	for name, value := range change {
		if header[name] = value; value == nil {
			delete(header, name)
		}
	}
	signed := base64.RawURLEncoding.EncodeToString(encodeJSON(header)) + "." + base64.RawURLEncoding.EncodeToString(encodeJSON(claims))
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	raw := make([]byte, 64)
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(raw)
}

func goodClaims() map[string]any {
	issued := time.Now().Add(-30 * time.Second).Unix()
	return map[string]any{
		"iss": assertion.Issuer, "aud": audience, "azp": audience, "email": alice, "sub": aliceSub, "iat": issued, "exp": issued + 600,
	}
}

// gate stands in front of an application as far as a check needs it.
func (w *world) gate(t testing.TB, app http.Handler) *httptest.Server {
	t.Helper()
	foreign := newKey(t)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+bearer {
			rw.Header().Set("X-Goog-IAP-Generated-Response", "true")
			http.Error(rw, "Invalid IAP credentials: empty token", http.StatusUnauthorized)
			return
		}
		claims, key := goodClaims(), w.key
		if r.URL.Query().Get("gcp-iap-mode") == "SECURE_TOKEN_TEST" {
			switch r.URL.Query().Get("iap-secure-token-test-type") {
			case "FUTURE_ISSUE":
				claims["iat"], claims["exp"] = time.Now().Add(time.Hour).Unix(), time.Now().Add(time.Hour+10*time.Minute).Unix()
			case "PAST_EXPIRATION":
				claims["iat"], claims["exp"] = time.Now().Add(-time.Hour).Unix(), time.Now().Add(-50*time.Minute).Unix()
			case "ISSUER":
				claims["iss"] = "https://issuer.invalid"
			case "AUDIENCE":
				claims["aud"] = "/projects/1/global/backendServices/0"
			case "SIGNATURE":
				key = foreign
			}
		}
		r.Header.Del("Authorization")
		r.Header.Set(assertion.Header, signWith(key, w.keyID, nil, claims))
		app.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	return server
}

// everything is a check of an application with all that helps at hand.
func (w *world) everything(t testing.TB, app http.Handler) conformance.Check {
	t.Helper()
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	return conformance.Check{
		URL: server.URL, CallbackPatience: time.Millisecond, Email: alice, Subject: aliceSub, KeysURL: w.emulator.URL + "/iap/verify/public_key-jwk",
		Minter: conformance.Emulator{Client: &emulator.Client{Endpoint: w.emulator.URL}}, Audience: audience,
		Gate: &conformance.Gate{URL: w.gate(t, app).URL, Header: http.Header{"Authorization": {"Bearer " + bearer}}},
	}
}

func encodeJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}
