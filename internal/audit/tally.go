package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// By is what decisions are counted by.
type By string

// What decisions can be counted by.
const (
	ByReason   By = "reason"
	ByPerson   By = "person"
	ByResource By = "resource"
	ByHost     By = "host"
	ByDay      By = "day" // in UTC
	ByHour     By = "hour"
)

// AllBy lists what decisions can be counted by.
func AllBy() []By { return []By{ByReason, ByPerson, ByResource, ByHost, ByDay, ByHour} }

// Count is one line of a tally.
type Count struct {
	Key     string    `json:"key"` // empty for decisions that have none: nobody was recognised, nothing was routed to
	Passed  int       `json:"passed"`
	Refused int       `json:"refused"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
}

// maxKeys bounds a tally: hosts and hours of hostile requests would fill the memory otherwise.
const maxKeys = 100_000

// otherKey is counted under what came after maxKeys.
const otherKey = "(others)"

// Tally counts decisions.
type Tally struct {
	By     By
	counts map[string]*Count
}

// Check refuses what cannot be counted by.
func (t *Tally) Check() error {
	if slices.Contains(AllBy(), t.By) {
		return nil
	}
	return fmt.Errorf("decisions cannot be counted by %q: use one of %v", t.By, AllBy())
}

// Add counts a decision.
func (t *Tally) Add(d *Decision) {
	if t.counts == nil {
		t.counts = map[string]*Count{}
	}
	key := t.key(d)
	c := t.counts[key]
	if c == nil && len(t.counts) >= maxKeys {
		key = otherKey
		c = t.counts[key]
	}
	if c == nil {
		c = &Count{Key: key, First: d.Time, Last: d.Time}
		t.counts[key] = c
	}
	if OutcomeOf(d) == Passed {
		c.Passed++
	} else {
		c.Refused++
	}
	if d.Time.Before(c.First) {
		c.First = d.Time
	}
	if d.Time.After(c.Last) {
		c.Last = d.Time
	}
}

func (t *Tally) key(d *Decision) string {
	switch t.By {
	case ByReason:
		return string(d.Reason)
	case ByPerson:
		return cmp.Or(d.Identity.Email, d.Identity.Subject)
	case ByResource:
		return string(d.Resource)
	case ByHost:
		return d.Host
	case ByHour:
		return d.Time.UTC().Format("2006-01-02T15:00Z")
	default:
		return d.Time.UTC().Format(time.DateOnly)
	}
}

// Counts lists the lines: days and hours in their order, all else by how many decisions there were.
func (t *Tally) Counts() []Count {
	counts := make([]Count, 0, len(t.counts))
	for _, c := range t.counts {
		counts = append(counts, *c)
	}
	slices.SortFunc(counts, func(a, b Count) int {
		if t.By != ByDay && t.By != ByHour {
			if n := cmp.Compare(b.Passed+b.Refused, a.Passed+a.Refused); n != 0 {
				return n
			}
		}
		return strings.Compare(a.Key, b.Key)
	})
	return counts
}
