package storage

import (
	"context"
	"slices"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// The DB itself is a session.Store, each method a transaction of its own: the table of live sessions reads and
// touches without being part of anybody's transaction.

// OpenSession stores a new session; see session.Store.
func (db *DB) OpenSession(ctx context.Context, record session.Record) error {
	return db.write(ctx, func(t *tx) error { return sessionStore{t}.OpenSession(ctx, record) })
}

// Session returns a stored session; see session.Store.
func (db *DB) Session(ctx context.Context, id session.ID) (record session.Record, err error) {
	err = db.read(ctx, func(t *tx) error {
		record, err = sessionStore{t}.Session(ctx, id)
		return err
	})
	return record, err
}

// Sessions lists stored sessions; see session.Store.
func (db *DB) Sessions(ctx context.Context, filter session.Filter) (records []session.Record, err error) {
	err = db.read(ctx, func(t *tx) error {
		records, err = sessionStore{t}.Sessions(ctx, filter)
		return err
	})
	return records, err
}

// EndSessions removes sessions with their children; see session.Store.
func (db *DB) EndSessions(ctx context.Context, filter session.Filter) (ids []session.ID, err error) {
	err = db.write(ctx, func(t *tx) error {
		ids, err = sessionStore{t}.EndSessions(ctx, filter)
		return err
	})
	if err != nil {
		return nil, err // the ids are those of sessions that live on
	}
	return ids, nil
}

// touchBatch is how many sessions one transaction of DB.TouchSessions touches: some tens of milliseconds, which
// others wait for.
const touchBatch = 1000

// TouchSessions writes last-seen times; see session.Store. It lets other writers in between batches, and reaps
// only when all of them are written.
func (db *DB) TouchSessions(ctx context.Context, seen []session.Seen, now time.Time, lifetimes session.Lifetimes) error {
	for batch := range slices.Chunk(seen, touchBatch) {
		if err := db.write(ctx, func(t *tx) error { return sessionStore{t}.touch(ctx, batch, now) }); err != nil {
			return err
		}
	}
	return db.write(ctx, func(t *tx) error { return sessionStore{t}.reap(ctx, now, lifetimes) })
}
