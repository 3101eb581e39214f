package audit

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// line is a decision as its line in the log has it: the names are a promise to those who read the files. The id
// comes first, so that a line can be recognised without parsing it.
type line struct {
	ID         string        `json:"id"`
	Time       time.Time     `json:"time"`
	Reason     policy.Reason `json:"reason"`
	Status     int           `json:"status"` // 0: forwarded
	Method     string        `json:"method,omitempty"`
	Host       string        `json:"host,omitempty"`
	Path       string        `json:"path,omitempty"`
	Special    string        `json:"special_url,omitempty"`
	Peer       string        `json:"peer,omitempty"`
	Resource   resource.Name `json:"resource,omitempty"`
	Principal  *who          `json:"principal,omitempty"`
	Groups     []string      `json:"groups,omitempty"`
	Credential Credential    `json:"credential,omitempty"`
	SessionID  string        `json:"session_id,omitempty"`
	KeyID      string        `json:"key_id,omitempty"`
	RequestID  string        `json:"request_id,omitempty"`
	Position   int64         `json:"position"`
	Ends       string        `json:"ends,omitempty"`
	Tried      []Tried       `json:"tried,omitempty"`
}

type who struct {
	Kind         principal.Kind `json:"kind"`
	Provider     string         `json:"provider"`
	Subject      string         `json:"subject"`
	Email        string         `json:"email"`
	HostedDomain string         `json:"hosted_domain,omitempty"`
}

// Bounds of what a client chooses freely.
const (
	maxPath  = 8 << 10
	maxOther = 512
)

// appendLine appends a decision and a line break. It is written out because every request pays for it: the
// general encoder takes three times as long.
func appendLine(b []byte, d *Decision) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, d.ID.String()...)
	b = append(b, `","time":"`...)
	b = d.Time.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	b = appendText(b, "reason", string(d.Reason))
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(d.Status), 10)
	b = appendOptional(b, "method", clip(d.Method, maxOther))
	b = appendOptional(b, "host", clip(d.Host, maxOther))
	b = appendOptional(b, "path", clip(d.Path, maxPath))
	b = appendOptional(b, "special_url", d.Special)
	if d.Peer.IsValid() {
		b = append(b, `,"peer":"`...)
		b = d.Peer.AppendTo(b)
		b = append(b, '"')
	}
	b = appendOptional(b, "resource", string(d.Resource))
	if who := &d.Identity; *who != (principal.Identity{}) {
		b = append(b, `,"principal":{"kind":`...)
		b = appendQuoted(b, string(who.Kind))
		b = appendText(b, "provider", who.Provider)
		b = appendText(b, "subject", who.Subject)
		b = appendText(b, "email", who.Email)
		b = appendOptional(b, "hosted_domain", who.HostedDomain)
		b = append(b, '}')
	}
	for i, group := range d.Groups {
		if i == 0 {
			b = append(b, `,"groups":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendQuoted(b, group)
		if i == len(d.Groups)-1 {
			b = append(b, ']')
		}
	}
	b = appendOptional(b, "credential", string(d.Credential))
	b = appendOptional(b, "session_id", d.SessionID)
	b = appendOptional(b, "key_id", d.KeyID)
	b = appendOptional(b, "request_id", d.RequestID)
	b = append(b, `,"position":`...)
	b = strconv.AppendInt(b, d.Position, 10)
	if !d.Ends.IsZero() {
		b = appendText(b, "ends", d.Ends.String())
	}
	if len(d.Tried) > 0 {
		if tried, err := json.Marshal(d.Tried); err == nil { // plain strings and numbers: cannot fail
			b = append(b, `,"tried":`...)
			b = append(b, tried...)
		}
	}
	return append(b, '}', '\n')
}

func appendOptional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendText(b, name, value)
}

func appendText(b []byte, name, value string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return appendQuoted(b, value)
}

// plain are the bytes that JSON has in a string as they are.
var plain = func() (set [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		set[c] = c != '"' && c != '\\'
	}
	return set
}()

func appendQuoted(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if !plain[s[i]] {
			quoted, _ := json.Marshal(s) // cannot fail on a string
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// clip bounds a value; what was cut off shows as an ellipsis.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}

// ParseLine reads a line of the log. One that a crash has torn is an error.
func ParseLine(b []byte) (Decision, error) {
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		return Decision{}, err
	}
	id, err := ParseDecisionID(l.ID)
	if err != nil {
		return Decision{}, err
	}
	d := Decision{
		ID: id, Time: l.Time, Reason: l.Reason, Status: l.Status, Method: l.Method, Host: l.Host, Path: l.Path, Special: l.Special,
		Resource: l.Resource, Groups: l.Groups, Credential: l.Credential, SessionID: l.SessionID, KeyID: l.KeyID, RequestID: l.RequestID, Position: l.Position, Tried: l.Tried,
	}
	if l.Ends != "" {
		if d.Ends, err = ParseDecisionID(l.Ends); err != nil {
			return Decision{}, err
		}
	}
	if l.Peer != "" {
		if d.Peer, err = netip.ParseAddr(l.Peer); err != nil {
			return Decision{}, err
		}
	}
	if l.Principal != nil {
		d.Identity = principal.Identity(*l.Principal)
	}
	return d, nil
}
