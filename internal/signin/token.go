package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// token is what redirect_token_v2 holds: 256 random bits, after the id of the attempt that it completes. Whoever has
// only the token has nothing. Behind it may stand the attempt itself, sealed, after a full stop: a token that is too
// old then still tells where its person was going.
type token struct {
	attempt attemptID
	secret  [32]byte
	state   string
}

// maxTokenState is how long the sealed attempt may be; see maxTarget. Without it people come back to the path alone.
const maxTokenState = 2 << 10

// String returns the parameter.
func (t token) String() string {
	text := encoding.EncodeToString(append(t.attempt[:], t.secret[:]...))
	if t.state != "" && len(t.state) <= maxTokenState {
		text += "." + t.state
	}
	return text
}

// hash is by what the store knows the token.
func (t token) hash() [32]byte { return sha256.Sum256(append(t.attempt[:], t.secret[:]...)) }

// readToken reads the token of a request. A parameter that is given twice counts as none. Of one that is no token the
// attempt may be told all the same.
func readToken(r *http.Request) (t token, ok bool) {
	values := r.URL.Query()[specialurl.TokenParameter]
	if len(values) != 1 {
		return token{}, false
	}
	text, state, _ := strings.Cut(values[0], ".")
	t.state = state
	b, err := encoding.DecodeString(text)
	if err != nil || len(b) != len(t.attempt)+len(t.secret) {
		return t, false
	}
	copy(t.attempt[:], b)
	copy(t.secret[:], b[len(t.attempt):])
	return t, true
}

// putHandoff stores a redirect token for an attempt, vouched for by an auth-host session, and returns it.
func (s *SignIn) putHandoff(ctx context.Context, store HandoffStore, a attempt, parent session.ID) (token, error) {
	t := token{attempt: a.ID}
	var err error
	if t.state, err = s.seal(a); err != nil {
		return token{}, err
	}
	rand.Read(t.secret[:]) // never fails (crypto/rand)
	return t, store.PutHandoff(ctx, Handoff{
		TokenHash: t.hash(), BrowserHash: [32]byte(a.Browser), Host: s.External.authority(a.Host), Resource: a.Resource,
		Parent: parent, OriginURL: s.origin(a.Host, a.Target), Expires: s.Now().Add(handoffLifetime),
	})
}
