package audit

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// Query selects decisions. A zero field selects all.
type Query struct {
	ID           DecisionID
	Since, Until time.Time // from Since on, before Until
	// Person is an address, a subject, or either as a member of a policy has it, such as "user:bob@example.com".
	Person   string
	Resource resource.Name // and all below it
	Reasons  []policy.Reason
	Host     string
	Path     string // a prefix
	Peer     string // as String of an address writes it
	Session  string
	// RequestID is what the request is called in headers, logs and pages: by a trusted proxy, or as its decision.
	RequestID string
	Outcome   Outcome
}

// Outcome is what became of a request.
type Outcome string

// The outcomes.
const (
	Either  Outcome = ""
	Passed  Outcome = "passed"  // it reached the application
	Refused Outcome = "refused" // the gate answered: a refusal, a way to sign in, or one of its own addresses
)

// OutcomeOf returns Passed or Refused.
func OutcomeOf(d *Decision) Outcome {
	if classOf(d).passed() {
		return Passed
	}
	return Refused
}

// Matches reports whether the query selects a decision.
func (q *Query) Matches(d *Decision) bool {
	return (q.ID == (DecisionID{}) || d.ID == q.ID) &&
		(q.Since.IsZero() || !d.Time.Before(q.Since)) && (q.Until.IsZero() || d.Time.Before(q.Until)) &&
		(q.Person == "" || q.person(d)) &&
		(q.Resource == "" || d.Resource == q.Resource || strings.HasPrefix(string(d.Resource), string(q.Resource)+"/")) &&
		(len(q.Reasons) == 0 || slices.Contains(q.Reasons, d.Reason)) &&
		(q.Host == "" || d.Host == q.Host) && strings.HasPrefix(d.Path, q.Path) &&
		(q.Peer == "" || d.Peer.IsValid() && d.Peer.String() == q.Peer) &&
		(q.Session == "" || d.SessionID == q.Session) &&
		(q.RequestID == "" || q.request(d)) &&
		(q.Outcome == Either || OutcomeOf(d) == q.Outcome)
}

// bare is the person without the kind of member.
func (q *Query) bare() string {
	if _, after, found := strings.Cut(q.Person, ":"); found {
		return after
	}
	return q.Person
}

func (q *Query) person(d *Decision) bool {
	who := d.Identity
	if who.Subject == "" && who.Email == "" {
		return false
	}
	bare := q.bare()
	return (bare == q.Person || who.Member().String() == q.Person) && (strings.EqualFold(who.Email, bare) || who.Subject == bare)
}

// request reports whether a decision is about the request: the one on it, that on a step of its sign-in, or the one that
// ended what it had begun. An id of ours is taken in either case, as people write it; another one as it is.
func (q *Query) request(d *Decision) bool {
	if d.RequestID == q.RequestID {
		return true
	}
	id, err := ParseDecisionID(q.RequestID)
	return err == nil && (d.ID == id || d.Ends == id || d.RequestID == id.String())
}

// finder is a query made ready for many lines: most lines are passed over without being taken apart.
type finder struct {
	Query
	since, until [10]byte // of ids, in characters; what all lines of a millisecond share
	needles      [][]byte // each line that is selected has them all
}

func newFinder(q Query) *finder {
	f := &finder{Query: q}
	text := func(t time.Time) (first [10]byte) {
		id := idAt(t)
		copy(first[:], id.String())
		return first
	}
	if !q.Since.IsZero() {
		f.since = text(q.Since)
	}
	if !q.Until.IsZero() {
		f.until = text(q.Until.Add(time.Second)) // the id has the millisecond; Matches looks closer
	}
	need := func(name, value string) {
		if value != "" {
			f.needles = append(f.needles, appendText(nil, name, value)[1:])
		}
	}
	if q.ID != (DecisionID{}) {
		f.needles = append(f.needles, []byte(q.ID.String()))
	}
	if q.Person != "" {
		bare := q.bare()
		if address, err := principal.ParseAddress(bare); err == nil {
			bare = address // as identities have it
		}
		f.needles = append(f.needles, appendQuoted(nil, bare))
	}
	need("host", q.Host)
	need("peer", q.Peer)
	need("session_id", q.Session)
	if id, err := ParseDecisionID(q.RequestID); q.RequestID != "" && (err != nil || id.String() == q.RequestID) {
		f.needles = append(f.needles, appendQuoted(nil, q.RequestID)) // as id, request_id or ends
	}
	if len(q.Reasons) == 1 {
		need("reason", string(q.Reasons[0]))
	}
	if q.Resource != "" {
		f.needles = append(f.needles, bytes.TrimSuffix(appendQuoted(nil, string(q.Resource)), []byte{'"'}))
	}
	return f
}

// idEnd is where the id ends in a line.
const idEnd = len(`{"id":"`) + 26

var lineStart = []byte(`{"id":"`)

// match reads a line, which begins and ends as one does. A decision that is not selected is nil; an error says that
// the line is damaged.
func (f *finder) match(line []byte) (*Decision, error) {
	id := line[len(lineStart):idEnd]
	if f.since != ([10]byte{}) && bytes.Compare(id[:9], f.since[:9]) < 0 || f.until != ([10]byte{}) && bytes.Compare(id[:9], f.until[:9]) > 0 {
		return nil, nil
	}
	for _, needle := range f.needles {
		if !bytes.Contains(line, needle) {
			return nil, nil
		}
	}
	d, err := ParseLine(line)
	if err != nil {
		return nil, err
	}
	if !f.Matches(&d) {
		return nil, nil
	}
	return &d, nil
}

// whole reports whether a line begins and ends as those of decisions do.
func whole(line []byte) bool {
	return len(line) > idEnd+1 && bytes.HasPrefix(line, lineStart) && line[idEnd] == '"' && line[len(line)-1] == '}'
}
