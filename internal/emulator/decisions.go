package emulator

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

// maxDecisions is how many are kept: the newest.
const maxDecisions = 1000

// decisions keeps what the gate has decided lately, all of it, in the order of the requests' ends.
type decisions struct {
	mu   sync.Mutex
	ring []decision
	next int // where the next one goes once the ring is full
}

// decision is what is said of one.
type decision struct {
	ID         string    `json:"id"`
	Time       time.Time `json:"time"`
	Passed     bool      `json:"passed"`
	Reason     string    `json:"reason"`
	Status     int       `json:"status,omitempty"` // of our own answer; none when the request was forwarded
	Method     string    `json:"method"`
	Host       string    `json:"host"`
	Path       string    `json:"path"`
	Resource   string    `json:"resource,omitempty"`
	Account    string    `json:"account,omitempty"`
	Subject    string    `json:"subject,omitempty"`
	Credential string    `json:"credential,omitempty"`
	KeyID      string    `json:"key_id,omitempty"`
}

// hear takes a decision on the request path. It copies what it keeps.
func (d *decisions) hear(made *audit.Decision) {
	kept := decision{
		ID: made.ID.String(), Time: made.Time, Passed: made.Status == 0, Reason: string(made.Reason), Status: made.Status,
		Method: strings.Clone(made.Method), Host: strings.Clone(made.Host), Path: strings.Clone(made.Path), Resource: string(made.Resource),
		Account: made.Identity.Email, Subject: made.Identity.Subject, Credential: string(made.Credential), KeyID: made.KeyID,
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.ring) < maxDecisions {
		d.ring = append(d.ring, kept)
		return
	}
	d.ring[d.next] = kept
	d.next = (d.next + 1) % maxDecisions
}

// all returns what is kept, oldest first.
func (d *decisions) all() []decision {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append(slices.Clone(d.ring[d.next:]), d.ring[:d.next]...)
}

func (d *decisions) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ring, d.next = nil, 0
}

// matches reports whether a parameter selects the decision, and whether there is such a parameter.
func (d decision) matches(name, value string) (selected, known bool) {
	switch name {
	case "account":
		return strings.EqualFold(d.Account, value), true
	case "reason":
		return d.Reason == value, true
	case "passed":
		return strconv.FormatBool(d.Passed) == value, true
	case "status":
		return strconv.Itoa(d.Status) == value, true
	case "method":
		return d.Method == value, true
	case "host":
		return d.Host == value, true
	case "path":
		return d.Path == value, true
	}
	return false, false
}

// listDecisions answers with what the parameters select, oldest first; limit keeps the newest, and after leaves out
// everything up to a decision that is known already.
func (c *control) listDecisions(_ http.ResponseWriter, r *http.Request) (any, error) {
	found := c.heard.all()
	query, limit := r.URL.Query(), maxDecisions
	for name := range query {
		value, err := singleParameter(query, name)
		if err != nil {
			return nil, err
		}
		switch _, known := (decision{}).matches(name, ""); {
		case known:
			found = slices.DeleteFunc(found, func(d decision) bool { selected, _ := d.matches(name, value); return !selected })
		case name == "limit":
			if limit, err = strconv.Atoi(value); err != nil || limit < 0 {
				return nil, errors.New("limit must be a number")
			}
		case name != "after":
			return nil, refuse(http.StatusBadRequest, "there is no filter %q: use account, reason, passed, status, method, host, path, after and limit", name)
		}
	}
	if after := query.Get("after"); after != "" {
		known := c.heard.all()
		if i := slices.IndexFunc(known, func(d decision) bool { return d.ID == after }); i >= 0 {
			newer := make(map[string]bool)
			for _, d := range known[i+1:] {
				newer[d.ID] = true
			}
			found = slices.DeleteFunc(found, func(d decision) bool { return !newer[d.ID] })
		}
	}
	return struct {
		Decisions []decision `json:"decisions"`
	}{append([]decision{}, found[max(0, len(found)-limit):]...)}, nil
}

func (c *control) forgetDecisions(http.ResponseWriter, *http.Request) (any, error) {
	c.heard.forget()
	return struct{}{}, nil
}
