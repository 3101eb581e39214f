package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// token is what redirect_token_v2 holds: 256 random bits, after the id of the attempt whose cookie goes with
// it. Whoever has only the token has nothing.
type token struct {
	attempt attemptID
	secret  [32]byte
}

// String returns the 64 characters of the parameter.
func (t token) String() string { return encoding.EncodeToString(append(t.attempt[:], t.secret[:]...)) }

// hash is by what the store knows the token.
func (t token) hash() [32]byte { return sha256.Sum256(append(t.attempt[:], t.secret[:]...)) }

// readToken reads the token of a request. A parameter that is given twice counts as none.
func readToken(r *http.Request) (t token, ok bool) {
	values := r.URL.Query()[specialurl.TokenParameter]
	if len(values) != 1 {
		return token{}, false
	}
	b, err := encoding.DecodeString(values[0])
	if err != nil || len(b) != len(t.attempt)+len(t.secret) {
		return token{}, false
	}
	copy(t.attempt[:], b)
	copy(t.secret[:], b[len(t.attempt):])
	return t, true
}

// putHandoff stores a redirect token for an attempt, vouched for by an auth-host session, and returns it.
func (s *SignIn) putHandoff(ctx context.Context, store HandoffStore, a attempt, parent session.ID) (token, error) {
	t := token{attempt: a.ID}
	rand.Read(t.secret[:]) // never fails (crypto/rand)
	return t, store.PutHandoff(ctx, Handoff{
		TokenHash: t.hash(), BrowserHash: [32]byte(a.Browser), Host: s.External.authority(a.Host), Resource: a.Resource,
		Parent: parent, OriginURL: s.origin(a.Host, a.Target), Expires: s.Now().Add(handoffLifetime),
	})
}
