package signin

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
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

// attemptID names one attempt to sign in. It stands in cookie names, so that attempts of several tabs do not
// disturb each other. It begins with the time of its making, which tells old cookies from new ones; it is no secret.
type attemptID [16]byte

func newAttemptID(now time.Time) attemptID {
	var id attemptID
	binary.BigEndian.PutUint32(id[:], uint32(now.Unix()))
	rand.Read(id[4:]) // never fails (crypto/rand)
	return id
}

// String returns the 22 characters that IAP's nonce cookies have in their names.
func (id attemptID) String() string { return encoding.EncodeToString(id[:]) }

// time is when the attempt began, to the second.
func (id attemptID) time() time.Time { return time.Unix(int64(binary.BigEndian.Uint32(id[:])), 0) }

func parseAttemptID(s string) (id attemptID, ok bool) {
	b, err := encoding.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return attemptID{}, false
	}
	return attemptID(b), true
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
	Hint   string         `json:"l,omitempty"` // the domain or address that the application expects
}

// Why a state is refused.
var (
	errState        = errors.New("state is missing, damaged or not ours")
	errStateExpired = errors.New("state is older than 10 minutes")
)

// What is sealed says what it is for, beside the purpose of the key.
var (
	stateUse  = []byte("state")
	deviceUse = []byte("device")
)

// maxState bounds what is decoded at all.
const maxState = 8 << 10

// seal returns the state parameter of an attempt.
func (s *SignIn) seal(a attempt) (string, error) {
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false) // & in a query would become six characters
	if err := encoder.Encode(a); err != nil {
		return "", fmt.Errorf("write state: %w", err)
	}
	return encoding.EncodeToString(s.Sealer.Seal(plain.Bytes(), stateUse)), nil
}

// open reads a state parameter. With errStateExpired comes the attempt that it was.
func (s *SignIn) open(state string) (attempt, error) {
	if state == "" || len(state) > maxState {
		return attempt{}, errState
	}
	sealed, err := encoding.DecodeString(state)
	if err != nil {
		return attempt{}, errState
	}
	plain, err := s.Sealer.Open(sealed, stateUse)
	if err != nil {
		return attempt{}, errState
	}
	var a attempt
	if err := json.Unmarshal(plain, &a); err != nil || len(a.Browser) != sha256.Size {
		return attempt{}, errState
	}
	if age := s.Now().Sub(time.Unix(a.Issued, 0)); age >= attemptLifetime || age < -time.Minute {
		return a, errStateExpired
	}
	return a, nil
}

// newSecret draws 256 bits in 43 characters, which is also the form of a PKCE verifier.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return encoding.EncodeToString(b[:])
}
