package conformance_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/assertion"
)

// wrong has one application for each probe: right in everything but one thing.
var wrong = map[string]func(a *app){
	"no-assertion":     func(a *app) { a.known = without(assertion.Header, "nobody in particular") },
	"empty-assertion":  func(a *app) { a.known = anonymousWhenUnreadable },
	"plain-email":      func(a *app) { a.known = plain("X-Goog-Authenticated-User-Email") },
	"plain-id":         func(a *app) { a.known = plain("X-Goog-Authenticated-User-Id") },
	"plain-headers":    func(a *app) { a.known = both },
	"plain-aliases":    func(a *app) { a.known = underscored("X-Goog-Authenticated-User-Email") },
	"plain-duplicates": func(a *app) { a.known = second("X-Goog-Authenticated-User-Email") },
	"uid-cookie":       func(a *app) { a.known = cookie("GCP_IAP_UID") },
	"other-proxies":    func(a *app) { a.known = plain("Remote-User") },

	"forged-unknown-key": func(a *app) {
		a.trustIf(func(p *parsed) bool { return text(p, "kid") != "" && p.header["kid"] != a.w.keyID })
	},
	"forged-known-key": func(a *app) { a.trustIf(func(p *parsed) bool { return p.header["kid"] == a.w.keyID }) },
	"forged-no-kid":    func(a *app) { a.trustIf(func(p *parsed) bool { return text(p, "kid") == "" }) },
	"alg-none":         func(a *app) { a.algorithm("none", func(*parsed) bool { return true }) },
	"alg-hs256-empty":  func(a *app) { a.algorithm("HS256", secret("")) },
	"alg-hs256-pem":    func(a *app) { a.algorithm("HS256", secret(string(a.w.pem))) },
	"alg-hs256-jwk":    func(a *app) { a.algorithm("HS256", secret(string(a.w.jwk))) },
	"alg-rs256":        func(a *app) { a.algorithm("RS256", func(*parsed) bool { return true }) },
	"alg-es384":        func(a *app) { a.algorithm("ES384", func(p *parsed) bool { return len(p.signature) == 96 }) },

	"signature-missing": func(a *app) { a.trustIf(func(p *parsed) bool { return len(p.signature) == 0 }) },
	"signature-zero": func(a *app) {
		a.trustIf(func(p *parsed) bool { return len(p.signature) == 64 && allZero(p.signature) })
	},
	"payload-swapped":     func(a *app) { a.remember(64) },
	"signature-truncated": func(a *app) { a.remember(32) },

	"header-jwk": func(a *app) { a.embedded("jwk", keyOfJWK) },
	"header-x5c": func(a *app) { a.embedded("x5c", keyOfCertificate) },
	"header-jku": func(a *app) { a.embedded("jku", keyOfURL) },

	"assertion-aliases": func(a *app) { a.known = unread(underscored(assertion.Header)) },
	"old-header":        func(a *app) { a.known = unread(plain("X-Goog-Authenticated-User-JWT")) },
	"two-forged":        func(a *app) { a.known = unread(second(assertion.Header)) },
	"forged-in-query":   func(a *app) { a.known = unread(func(r *http.Request) string { return r.URL.Query().Get("jwt") }) },
	"forged-in-cookie":  func(a *app) { a.known = unread(cookie("jwt")) },
	"forged-as-bearer":  func(a *app) { a.known = unread(bearerOf) },

	"signature-der":      func(a *app) { a.signed = a.eitherForm },
	"signature-trailing": func(a *app) { a.signed = a.firstBytes },
	"encoding":           func(a *app) { a.split = a.careless("=", "") },
	"whitespace":         func(a *app) { a.split = a.careless(" ", "") },
	"genuine-and-forged": func(a *app) {
		a.token = func(r *http.Request) (string, bool) { return r.Header.Get(assertion.Header), true }
	},
	"genuine-in-query":  func(a *app) { a.token = or(func(r *http.Request) string { return r.URL.Query().Get("token") }) },
	"genuine-in-cookie": func(a *app) { a.token = or(cookie("assertion")) },
	"genuine-elsewhere": func(a *app) { a.token = or(bearerOf) },

	"wrong-audience": func(a *app) {
		a.except(1, func(c map[string]any) bool { return strings.HasPrefix(audience, claim(c, "aud")) && c["aud"] != "" })
	},
	"audience-array": func(a *app) { a.except(1, listed) },
	"no-audience":    func(a *app) { a.except(1, func(c map[string]any) bool { return c["aud"] == nil }) },
	"wrong-issuer":   func(a *app) { a.except(0, func(c map[string]any) bool { return claim(c, "iss") != "" }) },
	"no-issuer":      func(a *app) { a.except(0, func(c map[string]any) bool { return claim(c, "iss") == "" }) },
	"expired":        func(a *app) { a.except(2, notEarly) },
	"future-iat":     func(a *app) { a.except(2, notExpired) },
	"exp-missing":    func(a *app) { a.except(2, func(c map[string]any) bool { return c["exp"] == nil }) },
	"exp-string":     func(a *app) { a.except(2, func(c map[string]any) bool { return claim(c, "exp") != "" }) },
	"exp-huge":       func(a *app) { a.except(2, unbounded) },
	"long-lifetime":  func(a *app) { a.except(2, unbounded) },
	"iat-missing":    func(a *app) { a.except(2, func(c map[string]any) bool { return c["iat"] == nil && notExpired(c) }) },

	"kid-missing": func(a *app) {
		a.signed = func(p *parsed) bool { return verifies(&a.w.key.PublicKey, p.content, p.signature) }
	},
	"header-crit":     func(a *app) { a.header = func(h map[string]any) bool { delete(h, "crit"); return rightHeader(h) } },
	"header-typ":      func(a *app) { a.header = func(h map[string]any) bool { h["typ"] = "JWT"; return rightHeader(h) } },
	"alg-mislabelled": func(a *app) { a.header = func(h map[string]any) bool { h["alg"] = "ES256"; return rightHeader(h) } },

	"gate-future-issue":    func(a *app) { a.except(2, notExpired) },
	"gate-past-expiration": func(a *app) { a.except(2, notEarly) },
	"gate-issuer":          func(a *app) { a.except(0, func(map[string]any) bool { return true }) },
	"gate-audience":        func(a *app) { a.except(1, func(map[string]any) bool { return true }) },
	"gate-signature":       func(a *app) { a.trustIf(func(p *parsed) bool { return p.header["kid"] == a.w.keyID }) },
}

// Who asks, by other means than the assertion.

func plain(name string) func(*http.Request) string {
	return func(r *http.Request) string { return r.Header.Get(name) }
}

func without(name, who string) func(*http.Request) string {
	return func(r *http.Request) string {
		if len(r.Header.Values(name)) == 0 {
			return who
		}
		return ""
	}
}

func anonymousWhenUnreadable(r *http.Request) string {
	if token, found := oneHeader(r); found && len(token) < 20 {
		return "nobody in particular"
	}
	return ""
}

func both(r *http.Request) string {
	if r.Header.Get("X-Goog-Authenticated-User-Id") == "" {
		return ""
	}
	return r.Header.Get("X-Goog-Authenticated-User-Email")
}

// underscored reads headers as CGI does, which sees "_" and "-" alike; the right spelling is deleted before.
func underscored(name string) func(*http.Request) string {
	return func(r *http.Request) string {
		for key, values := range r.Header {
			if strings.Contains(key, "_") && strings.EqualFold(strings.ReplaceAll(key, "_", "-"), name) {
				return values[0]
			}
		}
		return ""
	}
}

func second(name string) func(*http.Request) string {
	return func(r *http.Request) string {
		if values := r.Header.Values(name); len(values) > 1 {
			return values[1]
		}
		return ""
	}
}

func cookie(name string) func(*http.Request) string {
	return func(r *http.Request) string {
		if c, err := r.Cookie(name); err == nil {
			return c.Value
		}
		return ""
	}
}

func bearerOf(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}

// unread believes what a token says without verifying it.
func unread(token func(*http.Request) string) func(*http.Request) string {
	return func(r *http.Request) string {
		p, ok := strictSplit(token(r))
		if !ok {
			return ""
		}
		return claim(p.claims, "email")
	}
}

// or takes the token from elsewhere when the header is not there. It is verified.
func or(elsewhere func(*http.Request) string) func(*http.Request) (string, bool) {
	return func(r *http.Request) (string, bool) {
		if token, found := oneHeader(r); found {
			return token, true
		}
		return elsewhere(r), elsewhere(r) != ""
	}
}

// Signatures.

func (a *app) trustIf(trust func(p *parsed) bool) {
	a.header = func(h map[string]any) bool { return rightHeader(h) }
	a.signed = func(p *parsed) bool { return trust(p) || a.signedByGate(p) }
}

func (a *app) algorithm(name string, verify func(p *parsed) bool) {
	own := func(h map[string]any) bool { alg, _ := h["alg"].(string); return strings.EqualFold(alg, name) }
	a.header = func(h map[string]any) bool { return own(h) || rightHeader(h) }
	a.signed = func(p *parsed) bool { return own(p.header) && verify(p) || a.signedByGate(p) }
}

func secret(key string) func(*parsed) bool {
	return func(p *parsed) bool {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(p.content))
		return hmac.Equal(mac.Sum(nil), p.signature)
	}
}

// remember skips the work for signatures that it has seen to be good, and forgets what they were over.
func (a *app) remember(bytes int) {
	seen := map[string]bool{}
	a.signed = func(p *parsed) bool {
		if len(p.signature) < bytes {
			return false
		}
		if a.signedByGate(p) {
			seen[string(p.signature[:bytes])] = true
		}
		return seen[string(p.signature[:bytes])]
	}
}

func (a *app) embedded(name string, key func(any) *ecdsa.PublicKey) {
	a.header = func(h map[string]any) bool { return h["alg"] == "ES256" }
	a.signed = func(p *parsed) bool {
		if own := key(p.header[name]); own != nil {
			return verifies(own, p.content, p.signature)
		}
		return a.signedByGate(p)
	}
}

func keyOfJWK(v any) *ecdsa.PublicKey {
	jwk, _ := v.(map[string]any)
	x, errX := base64.RawURLEncoding.DecodeString(claim(jwk, "x"))
	y, errY := base64.RawURLEncoding.DecodeString(claim(jwk, "y"))
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if errors.Join(errX, errY, err) != nil {
		return nil
	}
	return key
}

func keyOfCertificate(v any) *ecdsa.PublicKey {
	chain, _ := v.([]any)
	if len(chain) == 0 {
		return nil
	}
	der, err := base64.StdEncoding.DecodeString(chain[0].(string))
	if err != nil {
		return nil
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return certificate.PublicKey.(*ecdsa.PublicKey)
}

func keyOfURL(v any) *ecdsa.PublicKey {
	address, _ := v.(string)
	if address == "" {
		return nil
	}
	response, err := http.Get(address)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	var set struct{ Keys []any }
	if json.NewDecoder(response.Body).Decode(&set) != nil || len(set.Keys) == 0 {
		return nil
	}
	return keyOfJWK(set.Keys[0])
}

func (a *app) eitherForm(p *parsed) bool {
	digest := sha256.Sum256([]byte(p.content))
	return a.signedByGate(p) || ecdsa.VerifyASN1(&a.w.key.PublicKey, digest[:], p.signature)
}

func (a *app) firstBytes(p *parsed) bool {
	p.signature = p.signature[:min(64, len(p.signature))]
	return a.signedByGate(p)
}

// careless cleans a token up before it reads it.
func (a *app) careless(old, replacement string) func(string) (*parsed, bool) {
	return func(token string) (*parsed, bool) {
		return splitWith(strings.ReplaceAll(token, old, replacement), base64.RawURLEncoding)
	}
}

// Claims.

// except replaces one check of the claims: by one that lets more through.
func (a *app) except(index int, also func(map[string]any) bool) {
	right := a.claims[index]
	a.claims[index] = func(c map[string]any) bool { return right(c) || also(c) }
}

func listed(c map[string]any) bool {
	list, _ := c["aud"].([]any)
	return slices.Contains(list, any(audience))
}

func unbounded(c map[string]any) bool { return notExpired(c) && notEarly(c) }

func claim(c map[string]any, name string) string {
	value, _ := c[name].(string)
	return value
}

func text(p *parsed, name string) string { return claim(p.header, name) }

func allZero(data []byte) bool {
	return !slices.ContainsFunc(data, func(b byte) bool { return b != 0 })
}
