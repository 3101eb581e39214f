package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

// maxSource is as long as a path may be.
const maxSource = 4096

// ApplyOptions say how documents are applied.
type ApplyOptions struct {
	// DryRun finds out what would change, and changes nothing.
	DryRun bool `json:"dryRun,omitempty"`
	// Prune removes what the documents' sources own and no document declares.
	Prune bool `json:"prune,omitempty"`
	// TakeOver takes what is changed from the manifests that own it now.
	TakeOver bool `json:"takeOver,omitempty"`
	// Source replaces that of each document.
	Source string `json:"source,omitempty"`
	// Progress hears how many changes are written. It is called within the transaction, so it must not wait.
	Progress func(done, total int) `json:"-"`
}

// Action is what happens to one thing.
type Action string

// The actions.
const (
	Created Action = "created"
	Updated Action = "updated"
	Deleted Action = "deleted"
)

// Change is what happens to one thing. Before and After are without secrets; nil where there is nothing.
type Change struct {
	Action Action    `json:"action"`
	Kind   Kind      `json:"kind"`
	Name   string    `json:"name"`
	Before *Document `json:"before,omitempty"`
	After  *Document `json:"after,omitempty"`

	write func(ctx context.Context, tx Tx) (audit.Entry, error)
}

// Plan is what applying documents changes, or has changed.
type Plan struct {
	Changes   []Change `json:"changes"`
	Unchanged int      `json:"unchanged"`
	// Adopted counts what stays as it is and belongs to the documents' source from now on.
	Adopted int      `json:"adopted,omitempty"`
	Notes   []string `json:"notes,omitempty"`

	put       []Owner
	release   []ownerKey
	providers bool // some identity provider changes
}

// empty reports whether there is nothing to write.
func (p *Plan) empty() bool { return len(p.Changes)+len(p.put)+len(p.release) == 0 }

var errNothingToKeep = fmt.Errorf("%w: there are no documents, and pruning would remove all that their source owns; "+
	"if that is meant, keep one document, such as the Project", ErrPrecondition)

// Apply brings what the documents declare about, all of it in one transaction with its audit, or nothing. What is
// as declared already is not written, so applying twice changes nothing the second time. It returns Faults when
// something is wrong with the documents, and once requests see the result otherwise.
func (a *Admin) Apply(ctx context.Context, actor audit.Actor, documents []Document, o ApplyOptions) (Plan, error) {
	if o.Prune && len(documents) == 0 {
		return Plan{}, errNothingToKeep
	}
	documents = slices.Clone(documents)
	for i := range documents {
		if o.Source != "" {
			documents[i].Source = o.Source
		}
	}
	sources := sourcesOf(documents)
	for _, source := range sources {
		if len(source) > maxSource || harmless(source) != source {
			return Plan{}, fmt.Errorf("%w: the source %q must be at most %d bytes that print", ErrInvalid, source, maxSource)
		}
	}
	hashes, err := a.readHashes(documents)
	if err != nil {
		return Plan{}, err
	}
	p := planner{Admin: a, options: o, documents: documents, hashes: hashes, sources: sources}
	var plan *Plan
	// Without a lock first: most runs of a pipeline change nothing, and leave neither an entry nor a wait behind.
	err = a.Store.View(ctx, func(tx Tx) (err error) {
		plan, err = p.plan(ctx, tx)
		return err
	})
	if err != nil || o.DryRun || plan.empty() {
		return result(plan), err
	}
	err = a.change(ctx, actor, "manifests.apply", cmp.Or(strings.Join(p.sources, ", "), "-"), func(tx Tx, entry *audit.Entry) error {
		if plan, err = p.plan(ctx, tx); err != nil { // what was read has not been locked until now
			return err
		}
		if err := write(ctx, tx, plan, *entry, o.Progress); err != nil {
			return err
		}
		return recordChange(entry, nil, summarize(plan))
	})
	if err != nil && !errors.Is(err, ErrNotSettled) {
		return Plan{}, err
	}
	return result(plan), err
}

func result(plan *Plan) Plan {
	if plan == nil {
		return Plan{}
	}
	if plan.Changes == nil {
		plan.Changes = []Change{}
	}
	return *plan
}

// sourcesOf lists the sources of documents, each once.
func sourcesOf(documents []Document) []string {
	var sources []string
	for _, d := range documents {
		if d.Source != "" && !slices.Contains(sources, d.Source) {
			sources = append(sources, d.Source)
		}
	}
	return sources
}

// Summary is the administrative record of an application of documents. Each change has an entry of its own too.
type Summary struct {
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Deleted   int `json:"deleted"`
	Unchanged int `json:"unchanged"`
	Adopted   int `json:"adopted,omitempty"`
}

func summarize(plan *Plan) Summary {
	s := Summary{Unchanged: plan.Unchanged, Adopted: plan.Adopted}
	for _, c := range plan.Changes {
		switch c.Action {
		case Created:
			s.Created++
		case Updated:
			s.Updated++
		case Deleted:
			s.Deleted++
		}
	}
	return s
}

// write carries a plan out. Each change has its own administrative entry, so that whoever asks for what happened
// to one thing finds it, however it was changed.
func write(ctx context.Context, tx Tx, plan *Plan, by audit.Entry, progress func(done, total int)) error {
	for i, c := range plan.Changes {
		entry, err := c.write(ctx, tx)
		if err != nil {
			return fmt.Errorf("%s %s: %w", c.Kind, c.Name, err)
		}
		entry.Time, entry.Actor = by.Time, by.Actor
		if err := tx.Record(ctx, entry); err != nil {
			return err
		}
		if progress != nil {
			progress(i+1, len(plan.Changes))
		}
	}
	if plan.providers {
		if err := settleProviders(ctx, tx); err != nil {
			return err
		}
	}
	for _, owner := range plan.put {
		if err := tx.Owners().PutOwner(ctx, owner); err != nil {
			return err
		}
	}
	for _, key := range plan.release {
		if err := tx.Owners().DeleteOwner(ctx, key.kind, key.key); err != nil {
			return err
		}
	}
	return nil
}
