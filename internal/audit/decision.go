package audit

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// DecisionID names one decision: 48 bits of milliseconds, 16 bits of replica, 64 random bits. It sorts by time
// and leads to the replica whose log holds the record.
type DecisionID [16]byte

// crockford has no letters that are read wrongly aloud.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// NewDecisionID draws an id.
func NewDecisionID(now time.Time, replica uint16) DecisionID {
	var id DecisionID
	ms := uint64(now.UnixMilli())
	binary.BigEndian.PutUint64(id[:8], ms<<16|uint64(replica))
	rand.Read(id[8:]) // never fails (crypto/rand)
	return id
}

// IsZero reports whether the id names no decision.
func (id DecisionID) IsZero() bool { return id == DecisionID{} }

// String returns the 26 characters that pages and commands show.
func (id DecisionID) String() string {
	var text [26]byte
	crockford.Encode(text[:], id[:])
	return string(text[:])
}

// Time returns when the decision was taken, to the millisecond.
func (id DecisionID) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16))
}

// ParseDecisionID reads what String wrote, in either case, with I and L read as 1 and O as 0.
func ParseDecisionID(s string) (DecisionID, error) {
	var id DecisionID
	folded := strings.NewReplacer("I", "1", "L", "1", "O", "0").Replace(strings.ToUpper(strings.TrimSpace(s)))
	b, err := crockford.DecodeString(folded)
	if err != nil || len(b) != len(id) {
		return DecisionID{}, fmt.Errorf("%q is not a decision id: 26 letters and digits, as the refusal page shows it", s)
	}
	copy(id[:], b)
	if id.String() != folded { // 26 characters hold two bits more than an id has
		return DecisionID{}, fmt.Errorf("%q is not a decision id: its last character is wrong", s)
	}
	return id, nil
}

// Credential says what a request was authenticated by.
type Credential string

// The credentials of a request.
const (
	NoCredential  Credential = ""
	SessionCookie Credential = "session"
	BearerToken   Credential = "bearer"
)

// Decision is everything that one decision read, and its outcome. It never holds a query string, a credential
// or a header value other than an identity.
type Decision struct {
	ID     DecisionID
	Time   time.Time
	Reason policy.Reason
	Status int // of the answer we gave; 0 when the request was forwarded
	Method string
	Host   string // as routed, canonical
	Path   string // as received, without query
	// Special is what a special URL asked for, such as "SECURE_TOKEN_TEST/SIGNATURE"; empty for other requests.
	Special  string
	Peer     netip.Addr
	Resource resource.Name // empty when nothing was routed to
	// Identity is who asked; zero when nobody was recognised.
	Identity principal.Identity
	// Groups are those of the identity that its provider's claims name, as far as they count here.
	Groups     []string
	Credential Credential
	SessionID  string // hexadecimal; empty without a session
	KeyID      string // the key that signed the assertion
	RequestID  string // what else the request is called: by a trusted proxy, or by the decision before this one; mostly empty
	Position   int64  // change-feed position of the snapshot that decided
	// Ends is the decision that let an exchange in which this one has ended; zero for a decision on a request.
	Ends DecisionID
	// Tried are the policies and bindings that were looked at, walking up; set on refusals only.
	Tried []Tried
}

// Tried is one level of the hierarchy that a refusal looked at.
type Tried struct {
	Resource resource.Name  `json:"resource"`
	Etag     string         `json:"etag,omitempty"` // empty where no policy is set
	Bindings []TriedBinding `json:"bindings,omitempty"`
}

// TriedBinding is one binding that did not grant, and why.
type TriedBinding struct {
	Role    string `json:"role"`
	Members int    `json:"members"`
	// Why is "role gives no web access" or "names other members".
	Why string `json:"why"`
}
