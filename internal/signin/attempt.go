package signin

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// attemptLifetime is how long a person has from leaving the application to having signed in.
const attemptLifetime = 10 * time.Minute

// encoding is how ids, secrets, tokens and sealed values are written. It is strict: one spelling for each.
var encoding = base64.RawURLEncoding.Strict()

// attemptID names one attempt to sign in. It is no secret.
type attemptID [16]byte

func newAttemptID() (id attemptID) {
	rand.Read(id[:]) // never fails (crypto/rand)
	return id
}

// attempt is what the state parameter carries, sealed, from the application host to the auth host: nothing is
// stored for people who have not signed in. It holds no host of the address that the person wanted: that is
// always Host, the one that was routed.
type attempt struct {
	ID       attemptID     `json:"i"`
	Browser  []byte        `json:"b"` // hash of the secret in the browser's cookie at the application host
	Host     string        `json:"h"`
	Resource resource.Name `json:"r"`
	App      string        `json:"n"`
	ClientID string        `json:"c"`
	Target   string        `json:"o"` // path and query that the person wanted
	Issued   int64         `json:"t"` // seconds since 1970
	Choose   bool          `json:"s,omitempty"`
	// MaxAge, in seconds, and Factor are what the application demands to be proved.
	MaxAge int64          `json:"m,omitempty"`
	Factor session.Factor `json:"f,omitempty"`
	// Tries counts the attempts before this one that came to nothing and were begun anew without a question.
	Tries int `json:"k,omitempty"`
	// Again is set in a restart that the auth host asks for: nothing has been begun at the application's host.
	Again bool   `json:"g,omitempty"`
	Hint  string `json:"l,omitempty"` // the domain or address that the application expects
	Here  bool   `json:"w,omitempty"` // it leads to a page of the auth host itself, and to no application
}

// Why a state is refused.
var (
	errState        = errors.New("state is missing, damaged or not ours")
	errStateExpired = errors.New("state is older than 10 minutes")
	// errStateAhead is a kind of errStateExpired: no clock that agrees with ours made it.
	errStateAhead = fmt.Errorf("%w, or made by a server whose clock is ahead", errStateExpired)
)

// What is sealed says what it is for, beside the purpose of the key.
var (
	stateUse   = []byte("state")
	restartUse = []byte("restart")
	deviceUse  = []byte("device")
)

// maxState bounds what is decoded at all.
const maxState = 8 << 10

// seal returns the state parameter of an attempt.
func (s *SignIn) seal(a attempt) (string, error) { return s.sealFor(stateUse, a) }

func (s *SignIn) sealFor(use []byte, a attempt) (string, error) {
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false) // & in a query would become six characters
	if err := encoder.Encode(a); err != nil {
		return "", fmt.Errorf("write state: %w", err)
	}
	return encoding.EncodeToString(s.Sealer.Seal(plain.Bytes(), use)), nil
}

// open reads a state parameter. With errStateExpired comes the attempt that it was.
func (s *SignIn) open(state string) (attempt, error) { return s.openFor(stateUse, state) }

func (s *SignIn) openFor(use []byte, state string) (attempt, error) {
	if state == "" || len(state) > maxState {
		return attempt{}, errState
	}
	sealed, err := encoding.DecodeString(state)
	if err != nil {
		return attempt{}, errState
	}
	plain, err := s.Sealer.Open(sealed, use)
	if err != nil {
		return attempt{}, errState
	}
	var a attempt
	if err := json.Unmarshal(plain, &a); err != nil || len(a.Browser) != sha256.Size {
		return attempt{}, errState
	}
	return a, s.checkAge(a.Issued)
}

// checkAge tells attempts that are under way from others.
func (s *SignIn) checkAge(issued int64) error {
	switch age := s.Now().Sub(time.Unix(issued, 0)); {
	case age >= attemptLifetime:
		return errStateExpired
	case age < -time.Minute:
		return errStateAhead
	}
	return nil
}

// newSecret draws 256 bits in 43 characters, which is also the form of a PKCE verifier.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return encoding.EncodeToString(b[:])
}
