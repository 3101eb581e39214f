// Package storage owns the SQL: it implements the small store interfaces that the rooms declare, bound to
// transactions, and the change feed that tells readers what happened. It knows no engine: opening, locking
// and pragmas are in sqlite. It judges nothing: whether a document makes sense is its room's business.
//
// Every change is one transaction. A store writes its change row itself; Do adds the audit entry; all of it is
// there after the commit, or none of it.
package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pressly/goose/v3"
)

// Engine is an opened database, as the engine's package hands it to Open.
type Engine struct {
	// Writer takes one transaction at a time and locks the database when one begins.
	Writer *sql.DB
	// Readers cannot write.
	Readers *sql.DB
	Dialect goose.Dialect
	// Release gives back what guards the database against a second server; called last.
	Release func() error
}

// DB is the store.
type DB struct {
	engine  Engine
	created bool
	// The statements of the busiest paths, by their text. Written by Open only.
	writing, reading map[string]*sql.Stmt
	// Observe hears of every transaction, "read" or "write", when it begins; what it returns hears of the end, and
	// whether it was the store that failed. Nil for nobody. Set it before the store is shared.
	Observe func(ctx context.Context, operation string) (done func(failed bool))

	mu     sync.Mutex
	wakers []func()
	close  sync.Once
}

// Open migrates the database and returns the store. On an error the engine is closed.
func Open(ctx context.Context, engine Engine) (*DB, error) {
	db := &DB{engine: engine}
	if err := db.open(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context) error {
	if err := migrate(ctx, db.engine.Dialect, db.engine.Writer); err != nil {
		return err
	}
	var err error
	if db.writing, err = prepare(ctx, db.engine.Writer, busyWrites()); err != nil {
		return err
	}
	if db.reading, err = prepare(ctx, db.engine.Readers, busyReads()); err != nil {
		return err
	}
	return db.read(ctx, func(t *tx) error {
		db.created, err = t.empty(ctx)
		return err
	})
}

func busyWrites() []string {
	return []string{
		countUp, insertChange, insertEntry, putOwner,
		selectParent, selectUsable, selectBarred, insertSession, touchSession,
		insertHandoff, crowdedOut, consumeHandoff, clearHandoffs,
	}
}

func busyReads() []string { return []string{selectSession} }

// prepare is done before the first transaction: preparing takes a connection, and a transaction on the only
// one would wait for itself.
func prepare(ctx context.Context, pool *sql.DB, queries []string) (map[string]*sql.Stmt, error) {
	prepared := make(map[string]*sql.Stmt, len(queries))
	for _, query := range queries {
		statement, err := pool.PrepareContext(ctx, query)
		if err != nil {
			return nil, fmt.Errorf("prepare %q: %w", query, err)
		}
		prepared[query] = statement
	}
	return prepared, nil
}

// Created reports whether the store was empty when it was opened: no change and no metadata. So it stays true
// for a store whose first start died before it wrote anything.
func (db *DB) Created() bool { return db.created }

// Notify registers a function that is called after every commit that added change rows. It must not block.
func (db *DB) Notify(f func()) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.wakers = append(db.wakers, f)
}

func (db *DB) wake() {
	db.mu.Lock()
	wakers := db.wakers[:len(db.wakers):len(db.wakers)]
	db.mu.Unlock()
	for _, f := range wakers {
		f()
	}
}

// closePatience is how long Close waits for a transaction that is under way.
const closePatience = 5 * time.Second

// Close ends the store's use of the database. A write that is under way is finished first.
func (db *DB) Close() error {
	var err error
	db.close.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closePatience)
		defer cancel()
		last, waited := db.engine.Writer.Conn(ctx)
		// Readers first: the last connection to go folds the write-ahead log into the database.
		err = errors.Join(db.engine.Readers.Close(), db.engine.Writer.Close())
		if waited != nil {
			// Something still writes: keep the lock, so that no second server starts beside it.
			err = errors.Join(err, fmt.Errorf("close the store: a transaction does not end: %w", waited))
			return
		}
		err = errors.Join(err, last.Close(), db.engine.Release())
	})
	return err
}
