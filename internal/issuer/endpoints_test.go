package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func newEndpoints(set *KeySet) *Endpoints {
	return &Endpoints{
		Keys: func() *KeySet { return set }, Now: func() time.Time { return start }, IssuerURL: "http://auth.localhost:8080",
	}
}

func fetch(handler http.Handler, method, path string, header http.Header) *http.Response {
	request := httptest.NewRequest(method, path, nil)
	for name, values := range header {
		request.Header[name] = values
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Result()
}

func body(t testing.TB, response *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAssertionKeysInGooglesTwoFormats(t *testing.T) {
	t.Parallel()
	set := newStore(t).compile(t, nil)
	kid := mustSigner(t, set, Assertion, start)
	public, _ := set.Verifiable(Assertion, kid, start)
	handler := newEndpoints(set).Assertion()

	jwk := body(t, fetch(handler, "GET", PathPublicKeyJWK, nil))
	form := `^\{"keys":\[\{"alg":"ES256","crv":"P-256","kid":"` + kid + `","kty":"EC","use":"sig","x":"[\w-]{43}","y":"[\w-]{43}"\}\]\}$`
	if !regexp.MustCompile(form).MatchString(jwk) {
		t.Errorf("JWK set %s", jwk)
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(jwk), &keys); err != nil || !keys.Keys[0].Key.(*ecdsa.PublicKey).Equal(public) {
		t.Errorf("the JWK is not the key: %v", err)
	}

	var pems map[string]string
	if err := json.Unmarshal([]byte(body(t, fetch(handler, "GET", PathPublicKey, nil))), &pems); err != nil || len(pems) != 1 {
		t.Fatalf("PEM map %v: %v", pems, err)
	}
	block, rest := pem.Decode([]byte(pems[kid]))
	if block == nil || block.Type != "PUBLIC KEY" || len(rest) != 0 {
		t.Fatalf("PEM %q", pems[kid])
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil || !parsed.(*ecdsa.PublicKey).Equal(public) {
		t.Errorf("the PEM is not the key: %v", err)
	}
}

func TestCoordinatesArePaddedToThirtyTwoBytes(t *testing.T) {
	t.Parallel()
	// The multiples of the generator are fixed; some have coordinates with leading zeros.
	padded := false
	for i := int64(1); i < 2000 && !padded; i++ {
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), big.NewInt(i).FillBytes(make([]byte, 32)))
		if err != nil {
			t.Fatal(err)
		}
		member, ok := newJWK("k", private.Public())
		if !ok || len(member.X) != 43 || len(member.Y) != 43 {
			t.Fatalf("%d: %+v", i, member)
		}
		padded = strings.HasPrefix(member.X, "AA") || strings.HasPrefix(member.X, "AB")
		if x, err := base64.RawURLEncoding.DecodeString(member.X); err != nil || len(x) != 32 {
			t.Fatalf("%d: x is %d bytes: %v", i, len(x), err)
		}
	}
	if !padded {
		t.Error("no coordinate with a leading zero was tried")
	}
	if _, ok := newJWK("k", crypto.PublicKey("no key")); ok {
		t.Error("what is no key became a JWK")
	}
}

func TestDiscoveryLeadsToTheKeysOfIDTokens(t *testing.T) {
	t.Parallel()
	set := newStore(t).compile(t, nil)
	handler := newEndpoints(set).Discovery()
	var document struct {
		Issuer string   `json:"issuer"`
		JWKS   string   `json:"jwks_uri"`
		Algs   []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := json.Unmarshal([]byte(body(t, fetch(handler, "GET", PathDiscovery, nil))), &document); err != nil {
		t.Fatal(err)
	}
	if document.Issuer != "http://auth.localhost:8080" || len(document.Algs) != 1 || document.Algs[0] != "RS256" {
		t.Errorf("%+v", document)
	}
	text := body(t, fetch(handler, "GET", strings.TrimPrefix(document.JWKS, document.Issuer), nil))
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(text), &keys); err != nil || len(keys.Keys) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	if key := keys.Keys[0]; !key.IsPublic() || key.Algorithm != "RS256" || key.Use != "sig" || key.KeyID != mustSigner(t, set, IDToken, start) {
		t.Errorf("%s", text)
	}
	if strings.Contains(text, "EC") && strings.Contains(text, "P-256") {
		t.Error("assertion keys stand among those of ID tokens")
	}
}

func TestKeyEndpointsAreCacheable(t *testing.T) {
	t.Parallel()
	endpoints := newEndpoints(newStore(t).compile(t, nil))
	for path, handler := range map[string]http.Handler{
		PathPublicKey: endpoints.Assertion(), PathPublicKeyJWK: endpoints.Assertion(),
		PathDiscovery: endpoints.Discovery(), PathCerts: endpoints.Discovery(),
	} {
		response := fetch(handler, "GET", path, nil)
		text, etag := body(t, response), response.Header.Get("ETag")
		if response.StatusCode != 200 || response.Header.Get("Cache-Control") != "public, max-age=3600" ||
			!strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") || len(etag) < 10 {
			t.Errorf("GET %s: %d %v", path, response.StatusCode, response.Header)
		}
		head := fetch(handler, "HEAD", path, nil)
		if head.StatusCode != 200 || head.ContentLength != int64(len(text)) || body(t, head) != "" || head.Header.Get("ETag") != etag {
			t.Errorf("HEAD %s: %d %v", path, head.StatusCode, head.Header)
		}
		for field, status := range map[string]int{
			etag: 304, "W/" + etag: 304, `"other", ` + etag: 304, "*": 304, `"other"`: 200, etag[1 : len(etag)-1]: 200, "": 200,
		} {
			conditional := fetch(handler, "GET", path, http.Header{"If-None-Match": {field}})
			if conditional.StatusCode != status || status == 304 && (body(t, conditional) != "" || conditional.Header.Get("ETag") != etag) {
				t.Errorf("If-None-Match %s on %s: %d", field, path, conditional.StatusCode)
			}
		}
		for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "get"} {
			if refused := fetch(handler, method, path, nil); refused.StatusCode != 405 || refused.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d", method, path, refused.StatusCode)
			}
		}
		for _, other := range []string{"/", path + "/", path + "x", strings.ToUpper(path)} {
			if missing := fetch(handler, "GET", other, nil); missing.StatusCode != 404 || missing.Header.Get("ETag") != "" {
				t.Errorf("GET %s: %d", other, missing.StatusCode)
			}
		}
	}
}

func TestPublicationFollowsKeysAndTime(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	now := newClock(start)
	var keys atomic.Pointer[KeySet]
	keys.Store(store.compile(t, nil))
	handler := (&Endpoints{Keys: keys.Load, Now: now.now}).Assertion()
	get := func() (string, string) {
		response := fetch(handler, "GET", PathPublicKeyJWK, nil)
		return body(t, response), response.Header.Get("ETag")
	}
	first, firstTag := get()
	rotation, err := Rotate(t.Context(), store, testSealer(), Assertion, start, false)
	if err != nil {
		t.Fatal(err)
	}
	keys.Store(store.compile(t, keys.Load()))
	both, bothTag := get()
	if strings.Count(both, `"kid"`) != 2 || !strings.Contains(both, rotation.Key.ID) || firstTag == bothTag {
		t.Fatalf("after a rotation: %s", both)
	}
	now.set(start.Add(2*Overlap - 1))
	if same, tag := get(); same != both || tag != bothTag {
		t.Error("the answer changed before its time")
	}
	now.set(start.Add(2 * Overlap))
	if last, _ := get(); strings.Count(last, `"kid"`) != 1 || strings.Contains(last, rotation.Replaced[0]) || last == first {
		t.Errorf("after the overlap: %s", last)
	}
}

func TestKeysThatAreNotReadyAreNotCached(t *testing.T) {
	t.Parallel()
	empty, err := Compile(nil, testSealer(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response := fetch(newEndpoints(empty).Discovery(), "GET", PathCerts, nil)
	if response.StatusCode != 503 || response.Header.Get("Cache-Control") != "no-store" || response.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
}

func BenchmarkEndpoint(b *testing.B) {
	handler := newEndpoints(newStore(b).compile(b, nil)).Assertion()
	request := httptest.NewRequest("GET", PathPublicKeyJWK, nil)
	recorder := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		recorder.Body.Reset()
		handler.ServeHTTP(recorder, request)
	}
}
