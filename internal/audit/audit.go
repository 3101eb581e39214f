// Package audit owns two records: the decision log, one entry for each request that was decided, and the
// administrative record, one entry for each change. It decides nothing.
package audit

import (
	"context"
	"encoding/json"
	"time"
)

// Actor is who made an administrative change.
type Actor struct {
	// Kind is "uid" for a peer of the local socket and "system" for the server itself.
	Kind string `json:"kind"`
	// Name is the decimal uid, or what part of the system it was, such as "bootstrap".
	Name string `json:"name"`
}

// Entry is one administrative change, written in the transaction that made it.
type Entry struct {
	Seq    int64     `json:"seq"` // position in the change feed after the change
	Time   time.Time `json:"time"`
	Actor  Actor     `json:"actor"`
	Action string    `json:"action"` // such as "iam.setIamPolicy", "users.create"
	Target string    `json:"target"` // resource name, address, key or session id
	// Before and After are the public forms of what changed; null where there is none. Never a secret.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// EntryQuery selects administrative entries. A zero field selects all.
type EntryQuery struct {
	Seq           int64 // this one
	After, Before int64 // positions, themselves left out
	Since, Until  time.Time
	Actor         string // a name, such as the uid; "uid:1000" and "system:manifests" say the kind too
	Action        string // whole, or as far as a dot: "iam" finds "iam.setIamPolicy"
	// Mentions is text that target, before or after contains, in any case.
	Mentions    string
	OldestFirst bool
	Limit       int // at most so many; 0 for none at all
}

// Store keeps administrative entries.
type Store interface {
	AppendEntry(ctx context.Context, entry Entry) error
	// Entries lists the newest entries first, at most limit.
	Entries(ctx context.Context, limit int) ([]Entry, error)
	// FindEntries lists what a query selects, in its order.
	FindEntries(ctx context.Context, q EntryQuery) ([]Entry, error)
}
