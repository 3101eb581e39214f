package assertion_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/assertion/assertiontest"
)

// document returns what an IAP publishes at a path.
func document(t testing.TB, iap *assertiontest.IAP, path string) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	iap.KeyHandler().ServeHTTP(recorder, httptest.NewRequest("GET", path, nil))
	return recorder.Body.String()
}

const jwkPath, pemPath = "/iap/verify/public_key-jwk", "/iap/verify/public_key"

func TestBothFormatsAreReadByContent(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	first := iap.KeyID()
	second := iap.Rotate()
	for _, path := range []string{jwkPath, pemPath} {
		keys, err := assertion.ParseKeys([]byte(document(t, iap, path)))
		if err != nil || len(keys) != 2 {
			t.Fatalf("%s: %v, %v", path, keys, err)
		}
		for _, keyID := range []string{first, second} {
			got, err := keys.Key(context.Background(), keyID)
			want, _ := iap.Key(context.Background(), keyID)
			if err != nil || !got.Equal(want) {
				t.Errorf("%s: key %s is %v, %v", path, keyID, got, err)
			}
		}
		if _, err := keys.Key(context.Background(), "other"); !errors.Is(err, assertion.ErrUnknownKey) {
			t.Errorf("%s: an unknown key gives %v", path, err)
		}
	}
}

func pemOf(t *testing.T, curve elliptic.Curve) string {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// shift writes the same point with its last byte of x at the front of y.
func shift(t *testing.T, x, y string) map[string]any {
	t.Helper()
	encoding := base64.RawURLEncoding
	point, err := encoding.DecodeString(x)
	if err != nil {
		t.Fatal(err)
	}
	second, err := encoding.DecodeString(y)
	if err != nil {
		t.Fatal(err)
	}
	point = append(point, second...)
	return map[string]any{"x": encoding.EncodeToString(point[:31]), "y": encoding.EncodeToString(point[31:])}
}

func TestKeysThatCannotHaveSignedAreLeftOut(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal([]byte(document(t, iap, jwkPath)), &set); err != nil {
		t.Fatal(err)
	}
	x, y := set.Keys[0]["x"].(string), set.Keys[0]["y"].(string)
	for name, change := range map[string]map[string]any{
		"no kid":              {"kid": ""},
		"a number as kid":     {"kid": 7},
		"another type":        {"kty": "RSA"},
		"another curve":       {"crv": "P-384"},
		"another algorithm":   {"alg": "RS256"},
		"for encryption":      {"use": "enc"},
		"for signing only":    {"key_ops": []string{"sign"}},
		"a private key":       {"d": x},
		"off the curve":       {"x": y, "y": x},
		"a coordinate short":  {"x": x[:40]},
		"no coordinate":       {"y": nil},
		"shifted coordinates": shift(t, x, y),
		"padded coordinate":   {"x": x + "="},
	} {
		broken := map[string]any{}
		for k, v := range set.Keys[0] {
			broken[k] = v
		}
		broken["kid"] = "broken"
		for k, v := range change {
			broken[k] = v
		}
		data, err := json.Marshal(map[string]any{"keys": []any{broken, set.Keys[0]}})
		if err != nil {
			t.Fatal(err)
		}
		keys, err := assertion.ParseKeys(data)
		if err != nil || len(keys) != 1 || keys[iap.KeyID()] == nil {
			t.Errorf("%s: got %v, %v", name, keys, err)
		}
		data, err = json.Marshal(map[string]any{"keys": []any{broken}})
		if err != nil {
			t.Fatal(err)
		}
		if keys, err := assertion.ParseKeys(data); err == nil {
			t.Errorf("%s, alone: got %v", name, keys)
		}
	}
	good := pemOf(t, elliptic.P256())
	data, err := json.Marshal(map[string]string{
		"good": good, "p384": pemOf(t, elliptic.P384()), "none": "", "": good, "text": "hello", "two": good + good,
		"type": strings.ReplaceAll(good, "PUBLIC KEY", "CERTIFICATE"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := assertion.ParseKeys(data); err != nil || len(keys) != 1 || keys["good"] == nil {
		t.Errorf("PEM map: got %v, %v", keys, err)
	}
}

func TestDocumentsThatAreNoKeysAreErrors(t *testing.T) {
	t.Parallel()
	iap := newIAP()
	jwk := strings.TrimSuffix(strings.TrimPrefix(document(t, iap, jwkPath), `{"keys":[`), `]}`)
	many := strings.Repeat(`{},`, 100) + jwk
	for _, data := range []string{
		``, `null`, `[]`, `{}`, `"keys"`, `<html>sign in to the Wi-Fi</html>`, `{"keys":{}}`, `{"keys":[7]}`, `{"keys":[null]}`, `{"keys":[{}]}`,
		`{"error":"not found"}`, `{"a":null}`, `{"a":{"b":"c"}}`, `{"keys":[` + many + `]}`,
		`{"keys":[` + jwk + `],"keys":[]}`,
		`{"keys":[` + jwk + `,` + jwk + `]}`,
		`{"keys":[` + jwk + `]} {}`,
	} {
		if keys, err := assertion.ParseKeys([]byte(data)); err == nil {
			t.Errorf("%.80s: got %v", data, keys)
		}
	}
	if keys, err := assertion.ParseKeys([]byte(`{"keys":[]}`)); err != nil || len(keys) != 0 {
		t.Errorf("a set that says it is empty: got %v, %v", keys, err)
	}
}

func TestAudiences(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"/projects/123456789012/global/backendServices/1234567890123456789": assertion.BackendServiceAudience(123456789012, 1234567890123456789),
		"/projects/1/global/backendServices/18446744073709551615":           assertion.BackendServiceAudience(1, 18446744073709551615),
		"/projects/123456789012/apps/dev-project":                           assertion.AppEngineAudience(123456789012, "dev-project"),
		"/projects/1/apps/example.com:dev-project":                          assertion.AppEngineAudience(1, "example.com:dev-project"),
		"/projects/721899303052/locations/us-east4/services/iap-test-2":     assertion.CloudRunAudience(721899303052, "us-east4", "iap-test-2"),
		"/projects/1/europe-west1/backendServices/7":                        assertion.Audience{ProjectNumber: 1, Region: "europe-west1", BackendServiceID: 7}.String(),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if parsed, err := assertion.ParseAudience(want); err != nil || parsed.String() != want {
			t.Errorf("%q is read as %+v, %v", want, parsed, err)
		}
	}
	for _, incomplete := range []string{
		assertion.BackendServiceAudience(0, 1), assertion.BackendServiceAudience(1, 0), assertion.AppEngineAudience(-1, "p"), assertion.AppEngineAudience(1, ""),
		assertion.AppEngineAudience(1, "a/b"), assertion.CloudRunAudience(1, "", "s"), assertion.CloudRunAudience(1, "r", ""), assertion.CloudRunAudience(1, "r", "s/../t"),
		assertion.Audience{ProjectNumber: 1, AppEngineApp: "p", CloudRunService: "s", Region: "r"}.String(),
		assertion.Audience{ProjectNumber: 1, BackendServiceID: 1, Region: "global"}.String(),
	} {
		if incomplete != "" {
			t.Errorf("an audience of impossible parts is %q", incomplete)
		}
	}
	for _, s := range []string{
		"", "/", "/projects/1", "projects/1/apps/p", "/projects/01/apps/p", "/projects/0/apps/p", "/projects/-1/apps/p", "/projects/x/apps/p", "/projects/1/apps/",
		"/projects/1/apps/p/", "/projects/1/apps/P", "/projects/1/global/backendServices/x", "/projects/1/global/backendServices/99999999999999999999",
		"/projects/99999999999999999999/apps/p", "/projects/1/global/backendServices/07", "/projects/1/locations/r/services/", "/projects/1/locations/r/jobs/s", "/projects/1/apps/p\n",
	} {
		if a, err := assertion.ParseAudience(s); err == nil {
			t.Errorf("%q is read as %+v", s, a)
		}
	}
}

func FuzzParseAudience(f *testing.F) {
	f.Add("/projects/1/apps/p")
	f.Add("/projects/1/global/backendServices/1")
	f.Add("/projects/1/locations/r/services/s")
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := assertion.ParseAudience(s); err == nil && a.String() != s {
			t.Errorf("%q is read as %+v, which is %q", s, a, a.String())
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	iap := newIAP()
	for _, path := range []string{jwkPath, pemPath} {
		f.Add([]byte(document(f, iap, path)))
	}
	f.Add([]byte(`{"keys":[]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"","y":""}]}`))
	f.Add([]byte(fmt.Sprintf(`{"a":%q}`, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := assertion.ParseKeys(data)
		if err != nil && keys != nil {
			t.Error("keys and an error")
		}
		for keyID, key := range keys {
			if keyID == "" || key == nil || key.Curve != elliptic.P256() {
				t.Errorf("key %q is %v", keyID, key)
			}
			if _, err := key.ECDH(); err != nil {
				t.Errorf("key %q is not on its curve: %v", keyID, err)
			}
		}
	})
}
