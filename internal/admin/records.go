package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// RecordKind says which record is meant.
type RecordKind string

// The records.
const (
	DecisionRecords RecordKind = "decisions" // also when none is named
	ChangeRecords   RecordKind = "changes"   // the administrative record
	AllRecords      RecordKind = "all"
)

// RecordQuery selects records: the body of records/-:search, -:tail and -:count. Empty fields select all. Reasons, hosts,
// paths, peers, sessions and outcomes are of decisions only, actors and actions of changes only.
type RecordQuery struct {
	Kind   RecordKind `json:"kind,omitempty"`
	ID     string     `json:"id,omitempty"` // of a decision, or the number of a change
	Person string     `json:"person,omitempty"`
	// Resource is a resource name, which stands for all below it, or the name of a service.
	Resource    string          `json:"resource,omitempty"`
	Reasons     []policy.Reason `json:"reasons,omitempty"`
	Host        string          `json:"host,omitempty"`
	Path        string          `json:"path,omitempty"`
	Peer        string          `json:"peer,omitempty"`
	Session     string          `json:"session,omitempty"`
	RequestID   string          `json:"requestId,omitempty"` // by a trusted proxy, or of a decision
	Outcome     audit.Outcome   `json:"outcome,omitempty"`
	Actor       string          `json:"actor,omitempty"`
	Action      string          `json:"action,omitempty"`
	Since       time.Time       `json:"since,omitzero"`
	Until       time.Time       `json:"until,omitzero"`
	OldestFirst bool            `json:"oldestFirst,omitempty"`
	Limit       int             `json:"limit,omitempty"` // 0 for no limit; of -:tail, how many are shown first
	By          audit.By        `json:"by,omitempty"`    // of -:count
}

// RecordLine is one line of the answer; one field is set. The last line has End or Error.
type RecordLine struct {
	Decision json.RawMessage `json:"decision,omitempty"` // as the log has it
	Change   *audit.Entry    `json:"change,omitempty"`
	Counts   *[]audit.Count  `json:"counts,omitempty"`
	Damage   *audit.Damage   `json:"damage,omitempty"`
	Missed   uint64          `json:"missed,omitempty"` // so many lines were not shown, because the reader was too slow
	Progress *BytesRead      `json:"progress,omitempty"`
	End      *RecordsEnd     `json:"end,omitempty"`
	Error    *Problem        `json:"error,omitempty"`
}

// BytesRead says how far a search has got.
type BytesRead struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

// RecordsEnd says that all was read.
type RecordsEnd struct {
	Found int `json:"found"`
}

// errEnough ends a search that has found as much as it may.
var errEnough = errors.New("enough")

// records is a query under way.
type records struct {
	*Admin
	asked     RecordQuery
	query     audit.Query
	entries   audit.EntryQuery
	decisions bool // are asked for
	changes   bool

	page  []audit.Entry // of entries, read and not yet said
	ended bool          // there are no further pages
	found int
	say   func(RecordLine) error
}

// entryPage is how many administrative entries are read at once.
const entryPage = 200

// prepare reads a query.
func (a *Admin) prepare(ctx context.Context, q RecordQuery, say func(RecordLine) error) (*records, error) {
	r := &records{Admin: a, asked: q, say: say}
	switch q.Kind {
	case DecisionRecords, "":
		r.decisions = true
	case ChangeRecords:
		r.changes = true
	case AllRecords:
		r.decisions, r.changes = true, true
	default:
		return nil, fmt.Errorf("%w: there is no record %q: use %s, %s or %s", ErrInvalid, q.Kind, DecisionRecords, ChangeRecords, AllRecords)
	}
	if q.Limit < 0 || !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return nil, fmt.Errorf("%w: the limit is negative, or the time that is searched ends before it begins", ErrInvalid)
	}
	if err := r.narrow(); err != nil {
		return nil, err
	}
	name, err := a.recordedResource(ctx, q.Resource)
	if err != nil {
		return nil, err
	}
	r.query = audit.Query{
		Since: q.Since, Until: q.Until, Person: q.Person, Resource: name, Reasons: q.Reasons, Host: q.Host, Path: q.Path, Session: q.Session,
		RequestID: q.RequestID, Outcome: q.Outcome,
	}
	r.entries = audit.EntryQuery{
		Since: q.Since, Until: q.Until, Actor: q.Actor, Action: q.Action, Mentions: q.Person, OldestFirst: q.OldestFirst, Limit: entryPage,
	}
	return r, r.check()
}

// narrow leaves out the record in which a field has no meaning: nothing of it is selected.
func (r *records) narrow() error {
	q := r.asked
	if len(q.Reasons) > 0 || q.Host != "" || q.Path != "" || q.Peer != "" || q.Session != "" || q.RequestID != "" || q.Outcome != audit.Either {
		r.changes = false
	}
	if q.Actor != "" || q.Action != "" {
		r.decisions = false
	}
	if !r.decisions && !r.changes {
		return fmt.Errorf("%w: reason, host, path, peer, session, request id and outcome are of decisions, actor and action of administrative changes: ask for the one record or the other", ErrInvalid)
	}
	return nil
}

// check reads what has a form.
func (r *records) check() error {
	q := r.asked
	for _, reason := range q.Reasons {
		if !slices.Contains(policy.Reasons(), reason) {
			return fmt.Errorf("%w: there is no reason %q; docs/reasons.md lists them", ErrInvalid, reason)
		}
	}
	if o := q.Outcome; o != audit.Either && o != audit.Passed && o != audit.Refused {
		return fmt.Errorf("%w: there is no outcome %q: use %s or %s", ErrInvalid, o, audit.Passed, audit.Refused)
	}
	if q.Host != "" {
		if host, err := catalog.CanonicalHost(q.Host); err == nil {
			r.query.Host = host // else it is searched as it is: there are records of malformed hosts
		}
	}
	if q.Peer != "" {
		peer, err := netip.ParseAddr(q.Peer)
		if err != nil {
			return fmt.Errorf("%w: %q is not an IP address", ErrInvalid, q.Peer)
		}
		r.query.Peer = peer.String()
	}
	return r.checkID()
}

// checkID reads the id, which also says which record is meant.
func (r *records) checkID() error {
	if r.asked.ID == "" {
		return nil
	}
	if id, err := audit.ParseDecisionID(r.asked.ID); err == nil {
		r.query.ID, r.changes = id, false
		return nil
	}
	if _, err := fmt.Sscanf(r.asked.ID, "%d", &r.entries.Seq); err != nil || r.entries.Seq <= 0 || fmt.Sprint(r.entries.Seq) != r.asked.ID {
		return fmt.Errorf("%w: %q is neither the id of a decision, 26 letters and digits, nor the number of a change", ErrInvalid, r.asked.ID)
	}
	r.decisions = false
	return nil
}

// recordedResource finds the resource that a name stands for.
func (a *Admin) recordedResource(ctx context.Context, name string) (resource.Name, error) {
	if name == "" || strings.Contains(name, "/") {
		return resource.Name(name), nil
	}
	services, err := a.Services(ctx)
	if err != nil {
		return "", err
	}
	for _, s := range services {
		if s.Name == name {
			return s.Service.Name(), nil
		}
	}
	return "", fmt.Errorf("service %s: %w; name a deleted one by its resource, such as projects/123/iap_web/compute/services/456", name, ErrNotFound)
}

// SearchRecords says what a query selects, newest first unless it asks otherwise.
func (a *Admin) SearchRecords(ctx context.Context, q RecordQuery, say func(RecordLine) error) error {
	r, err := a.prepare(ctx, q, say)
	if err != nil {
		return err
	}
	if err := r.search(ctx); err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return say(RecordLine{End: &RecordsEnd{Found: r.found}})
}

func (r *records) search(ctx context.Context) error {
	if r.decisions {
		err := r.Decisions.Search(ctx, r.searchOf(func(f audit.Found) error {
			if err := r.sayEntries(ctx, f.Time); err != nil {
				return err
			}
			return r.sayOne(RecordLine{Decision: f.Line})
		}))
		if err != nil {
			return err
		}
	}
	return r.sayEntries(ctx, time.Time{})
}

// searchOf is a search of the decision log that tells what it comes across.
func (r *records) searchOf(found func(audit.Found) error) audit.Search {
	return audit.Search{
		Query: r.query, OldestFirst: r.asked.OldestFirst, Found: found,
		Damaged:  func(d audit.Damage) { _ = r.say(RecordLine{Damage: &d}) }, // a reader that is gone is noticed with the next record
		Progress: func(done, total int64) { _ = r.say(RecordLine{Progress: &BytesRead{done, total}}) },
	}
}

// sayOne says one record, and ends the search after the last that is wanted.
func (r *records) sayOne(line RecordLine) error {
	if err := r.say(line); err != nil {
		return err
	}
	if r.found++; r.found == r.asked.Limit {
		return errEnough
	}
	return nil
}

// sayEntries says the entries that come before a moment in the order that is asked for; all of them for the zero time.
func (r *records) sayEntries(ctx context.Context, moment time.Time) error {
	for r.changes {
		if len(r.page) == 0 {
			if err := r.turn(ctx); err != nil || len(r.page) == 0 {
				return err
			}
		}
		entry := r.page[0]
		if !moment.IsZero() && entry.Time.Before(moment) != r.asked.OldestFirst {
			return nil
		}
		r.page = r.page[1:]
		if !r.about(entry) {
			continue
		}
		if err := r.sayOne(RecordLine{Change: &entry}); err != nil {
			return err
		}
	}
	return nil
}

// turn reads the next page of entries.
func (r *records) turn(ctx context.Context) (err error) {
	if r.ended {
		return nil
	}
	if r.page, err = r.Entries.FindEntries(ctx, r.entries); err != nil {
		return err
	}
	r.ended = len(r.page) < r.entries.Limit
	if len(r.page) > 0 {
		last := r.page[len(r.page)-1].Seq
		if r.asked.OldestFirst {
			r.entries.After = last
		} else {
			r.entries.Before = last
		}
	}
	return nil
}

// about reports whether an entry is about the resource that is asked for.
func (r *records) about(entry audit.Entry) bool {
	name := string(r.query.Resource)
	return name == "" || entry.Target == name || strings.HasPrefix(entry.Target, name+"/")
}

// CountRecords counts the decisions that a query selects.
func (a *Admin) CountRecords(ctx context.Context, q RecordQuery, say func(RecordLine) error) error {
	tally := audit.Tally{By: q.By}
	if err := tally.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	q.Kind = DecisionRecords
	r, err := a.prepare(ctx, q, say)
	if err != nil {
		return err
	}
	if err := r.Decisions.Search(ctx, r.searchOf(func(f audit.Found) error { tally.Add(f.Decision); r.found++; return nil })); err != nil {
		return err
	}
	counts := tally.Counts()
	if err := say(RecordLine{Counts: &counts}); err != nil {
		return err
	}
	return say(RecordLine{End: &RecordsEnd{Found: r.found}})
}

// ExpireEntries deletes the administrative entries from before a moment, and says how many. That is a change of its own,
// which is recorded, unless there are none.
func (a *Admin) ExpireEntries(ctx context.Context, actor audit.Actor, before time.Time) (int64, error) {
	old, err := a.Entries.FindEntries(ctx, audit.EntryQuery{Until: before, Limit: 1})
	if err != nil || len(old) == 0 {
		return 0, err
	}
	var n int64
	err = a.change(ctx, actor, "audit.expire", "-", func(tx Tx, entry *audit.Entry) (err error) {
		if n, err = tx.ExpireEntries(ctx, before); err != nil {
			return err
		}
		return recordChange(entry, map[string]any{"entries": n, "until": before.UTC()}, nil)
	})
	return n, err
}
