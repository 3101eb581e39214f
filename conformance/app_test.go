package conformance_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
)

// app is an application that verifies by hand, rightly: each wrong one changes one step of it.
type app struct {
	w *world
	// known says who asks, when the application knows that without an assertion; "" when it does not.
	known func(r *http.Request) string
	// token takes the assertion from a request.
	token  func(r *http.Request) (string, bool)
	split  func(token string) (*parsed, bool)
	header func(header map[string]any) bool
	signed func(p *parsed) bool
	claims []func(claims map[string]any) bool
}

// parsed is a token taken apart.
type parsed struct {
	content        string
	header, claims map[string]any
	signature      []byte
}

func (w *world) rightApp() *app {
	a := &app{w: w, token: oneHeader, split: strictSplit, header: rightHeader}
	a.known = func(*http.Request) string { return "" }
	a.signed = a.signedByGate
	a.claims = []func(map[string]any) bool{rightIssuer, rightAudience, rightTimes}
	return a
}

func (a *app) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if email := a.known(r); email != "" {
		fmt.Fprintf(rw, "Hello %s", email)
		return
	}
	token, found := a.token(r)
	if !found {
		http.Error(rw, "no assertion", http.StatusUnauthorized)
		return
	}
	p, ok := a.split(token)
	if !ok || !a.header(p.header) || !a.signed(p) {
		http.Error(rw, "no good assertion", http.StatusUnauthorized)
		return
	}
	for _, check := range a.claims {
		if !check(p.claims) {
			http.Error(rw, "an assertion for others", http.StatusUnauthorized)
			return
		}
	}
	fmt.Fprintf(rw, "Hello %s", p.claims["email"])
}

func oneHeader(r *http.Request) (string, bool) {
	values := r.Header.Values(assertion.Header)
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}

func strictSplit(token string) (*parsed, bool) {
	return splitWith(token, base64.RawURLEncoding.Strict())
}

func splitWith(token string, encoding *base64.Encoding) (*parsed, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	p := &parsed{content: parts[0] + "." + parts[1]}
	header, err := encoding.DecodeString(parts[0])
	if err != nil || json.Unmarshal(header, &p.header) != nil {
		return nil, false
	}
	payload, err := encoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &p.claims) != nil {
		return nil, false
	}
	p.signature, err = encoding.DecodeString(parts[2])
	return p, err == nil
}

func rightHeader(h map[string]any) bool {
	for _, name := range []string{"jwk", "jku", "x5c", "x5u", "crit"} {
		if h[name] != nil {
			return false
		}
	}
	return h["alg"] == "ES256" && h["typ"] == "JWT"
}

func (a *app) signedByGate(p *parsed) bool {
	return p.header["kid"] == a.w.keyID && verifies(&a.w.key.PublicKey, p.content, p.signature)
}

func verifies(key *ecdsa.PublicKey, content string, signature []byte) bool {
	if len(signature) != 64 {
		return false
	}
	digest := sha256.Sum256([]byte(content))
	return ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}

func rightIssuer(c map[string]any) bool   { return c["iss"] == assertion.Issuer }
func rightAudience(c map[string]any) bool { return c["aud"] == audience }

func rightTimes(c map[string]any) bool {
	iat, hasIat := c["iat"].(float64)
	exp, hasExp := c["exp"].(float64)
	return hasIat && hasExp && notExpired(c) && notEarly(c) && exp-iat <= 660 && exp > iat
}

func notExpired(c map[string]any) bool {
	exp, _ := c["exp"].(float64)
	return exp > float64(time.Now().Add(-assertion.Skew).Unix())
}

func notEarly(c map[string]any) bool {
	iat, _ := c["iat"].(float64)
	return iat < float64(time.Now().Add(assertion.Skew).Unix())
}
