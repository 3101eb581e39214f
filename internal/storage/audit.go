package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// auditStore keeps administrative entries.
type auditStore struct{ t *tx }

const insertEntry = `INSERT INTO entries (seq, time, actor_kind, actor_name, action, target, before_json, after_json)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

// append writes an entry and returns its position: that of the last change so far, or that of a change of its own
// when nothing has changed since the entry before it.
func (s auditStore) append(ctx context.Context, entry audit.Entry) (int64, error) {
	if entry.Time.IsZero() || entry.Actor.Kind == "" || entry.Action == "" {
		return 0, errors.New("an audit entry needs a time, an actor and an action")
	}
	for _, part := range []json.RawMessage{entry.Before, entry.After} {
		if len(part) > 0 && !json.Valid(part) {
			return 0, errors.New("before and after of an audit entry must be JSON")
		}
	}
	if s.t.position == s.t.recorded {
		if _, err := s.t.change(ctx, snapshot.EntryOnly, entry.Target); err != nil {
			return 0, err
		}
	}
	_, err := s.t.exec(ctx, insertEntry, s.t.position, micros(entry.Time), entry.Actor.Kind, entry.Actor.Name,
		entry.Action, entry.Target, optionalJSON(entry.Before), optionalJSON(entry.After))
	s.t.recorded = s.t.position
	return s.t.position, err
}

func (s auditStore) entries(ctx context.Context, limit int) ([]audit.Entry, error) {
	return s.list(ctx, selectEntries+` ORDER BY seq DESC LIMIT $1`, max(limit, 0))
}

const (
	selectEntries = `SELECT seq, time, actor_kind, actor_name, action, target, before_json, after_json FROM entries`
	whichEntries  = ` WHERE ($1 = 0 OR seq = $1) AND seq > $2 AND seq < $3 AND time >= $4 AND time < $5
		AND ($6 = '' OR actor_kind = $6) AND ($7 = '' OR actor_name = $7) AND ($8 = '' OR action = $8 OR action LIKE $9 ESCAPE '!')
		AND ($10 = '' OR LOWER(target) LIKE $10 ESCAPE '!' OR LOWER(before_json) LIKE $10 ESCAPE '!' OR LOWER(after_json) LIKE $10 ESCAPE '!')`
	findNewest = selectEntries + whichEntries + ` ORDER BY seq DESC LIMIT $11`
	findOldest = selectEntries + whichEntries + ` ORDER BY seq LIMIT $11`
)

// like escapes text for LIKE, whose wildcards it must not hold.
var like = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

func (s auditStore) find(ctx context.Context, q audit.EntryQuery) ([]audit.Entry, error) {
	before, until := q.Before, int64(math.MaxInt64)
	if before == 0 {
		before = math.MaxInt64
	}
	if !q.Until.IsZero() {
		until = micros(q.Until)
	}
	since := int64(math.MinInt64)
	if !q.Since.IsZero() {
		since = micros(q.Since)
	}
	kind, name, both := strings.Cut(q.Actor, ":")
	if !both {
		kind, name = "", q.Actor
	}
	mentions := ""
	if q.Mentions != "" {
		mentions = "%" + like.Replace(strings.ToLower(q.Mentions)) + "%"
	}
	text := findNewest
	if q.OldestFirst {
		text = findOldest
	}
	return s.list(ctx, text, q.Seq, q.After, before, since, until, kind, name, q.Action, like.Replace(q.Action)+".%", mentions, max(q.Limit, 0))
}

func (s auditStore) list(ctx context.Context, text string, args ...any) ([]audit.Entry, error) {
	var entries []audit.Entry
	err := s.t.query(ctx, func(scan scanner) error {
		var e audit.Entry
		var at int64
		var before, after sql.NullString
		if err := scan(&e.Seq, &at, &e.Actor.Kind, &e.Actor.Name, &e.Action, &e.Target, &before, &after); err != nil {
			return err
		}
		e.Time, e.Before, e.After = moment(at), rawJSON(before), rawJSON(after)
		entries = append(entries, e)
		return nil
	}, text, args...)
	return entries, err
}

// expire deletes the entries from before a moment, and says how many.
func (s auditStore) expire(ctx context.Context, before time.Time) (int64, error) {
	return s.t.exec(ctx, `DELETE FROM entries WHERE time < $1`, micros(before))
}

func optionalJSON(text json.RawMessage) sql.NullString {
	return sql.NullString{String: string(text), Valid: len(text) > 0}
}

func rawJSON(text sql.NullString) json.RawMessage {
	if !text.Valid {
		return nil
	}
	return json.RawMessage(text.String)
}

// AppendEntry writes an entry in a transaction of its own. An entry that belongs to a change is written by Do.
func (db *DB) AppendEntry(ctx context.Context, entry audit.Entry) error {
	return db.write(ctx, func(t *tx) error {
		_, err := auditStore{t}.append(ctx, entry)
		return err
	})
}

// Entries lists the newest administrative entries first, at most limit.
func (db *DB) Entries(ctx context.Context, limit int) ([]audit.Entry, error) {
	var entries []audit.Entry
	err := db.read(ctx, func(t *tx) error {
		var err error
		entries, err = auditStore{t}.entries(ctx, limit)
		return err
	})
	return entries, err
}

// FindEntries lists the administrative entries that a query selects.
func (db *DB) FindEntries(ctx context.Context, q audit.EntryQuery) ([]audit.Entry, error) {
	var entries []audit.Entry
	err := db.read(ctx, func(t *tx) error {
		var err error
		entries, err = auditStore{t}.find(ctx, q)
		return err
	})
	return entries, err
}
