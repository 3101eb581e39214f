package conformance

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
)

// Minter signs with the gate's own key whatever it is asked to: an emulator does, a gate that protects something
// never would.
type Minter interface {
	// Mint returns an assertion with exactly these claims. The header is the usual one, changed in these members. What
	// is nil is left out. Errors that wrap ErrCannotMint mean that this Minter cannot make such a one.
	Mint(ctx context.Context, header, claims map[string]any) (string, error)
}

// kit is what probes are made with.
type kit struct {
	now      func() time.Time
	forger   *forger
	audience string
	person   person // in whose name forgeries are made
	other    person // somebody else, for requests that name two

	// What may be missing.
	missing       map[Need]string // why
	keys          *published
	genuine       compact
	genuineClaims object
	minter        Minter
	callback      *callback
}

// cannotError says why a probe cannot be made.
type cannotError string

func (e cannotError) Error() string { return string(e) }

func cannot(reason string) error { return cannotError(reason) }

// lacks returns the first of the needs that is missing, and why.
func (k *kit) lacks(needs []Need) (string, bool) {
	for _, need := range needs {
		if reason, missing := k.missing[need]; missing {
			return reason, true
		}
	}
	return "", false
}

// header is IAP's, with that kid.
func (k *kit) header(kid string) object { return object{"alg": "ES256", "typ": "JWT", "kid": kid} }

// knownKey is a kid that the application knows, as far as it is known here.
func (k *kit) knownKey() string {
	if k.keys == nil {
		return k.forger.keyID
	}
	return k.keys.keyID()
}

// claims are right in everything, for the person that forgeries speak for.
func (k *kit) claims() object { return k.claimsOf(k.person) }

func (k *kit) claimsOf(p person) object {
	issued := k.now().Add(-assertion.Skew) // some verifiers tolerate no difference of clocks
	claims := object{
		"iss": assertion.Issuer, "aud": k.audience, "azp": k.audience, "sub": p.subject, "email": p.email,
		"iat": issued.Unix(), "exp": issued.Add(assertion.MaxLifetime).Unix(), "identity_source": assertion.SourceGoogle,
	}
	if _, domain, found := strings.Cut(p.email, "@"); found {
		claims["hd"] = domain
	}
	return claims
}

// stranger is a person whom nobody knows, with a subject as Google gives them.
func stranger(email string) person {
	digest := sha256.Sum256([]byte(email))
	digits := new(big.Int).SetBytes(digest[:]).String()
	return person{email: email, subject: fmt.Sprintf("%s1%020s", googleAccounts, digits[:20])}
}

// namespaced completes the subject of a Google account.
func namespaced(subject string) string {
	if strings.Contains(subject, ":") {
		return subject
	}
	return googleAccounts + subject
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func quoted(s string) string { return strconv.Quote(s) }
