package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

var (
	_ admin.Transactor  = (*DB)(nil)
	_ signin.Transactor = (*DB)(nil)
	_ snapshot.Source   = (*DB)(nil)
	_ session.Store     = (*DB)(nil)
	_ audit.Store       = (*DB)(nil)
)

// Do runs an administrative transaction and writes its entry with it; see admin.Transactor. The entry's Seq is
// set once it is committed.
func (db *DB) Do(ctx context.Context, entry *audit.Entry, f func(admin.Tx) error) (int64, error) {
	if entry == nil {
		return 0, errors.New("an administrative change needs an audit entry")
	}
	var position int64
	err := db.write(ctx, func(t *tx) error {
		if err := f(adminTx{t}); err != nil {
			return err
		}
		var err error
		position, err = auditStore{t}.append(ctx, *entry)
		return err
	})
	if err != nil {
		return 0, err
	}
	entry.Seq = position
	return position, nil
}

// View runs an administrative reading; see admin.Transactor.
func (db *DB) View(ctx context.Context, f func(admin.Tx) error) error {
	return db.read(ctx, func(t *tx) error { return f(adminTx{t}) })
}

// Read runs a reading of the snapshot's builder; see snapshot.Source.
func (db *DB) Read(ctx context.Context, f func(snapshot.View) error) error {
	return db.read(ctx, func(t *tx) error { return f(view{t}) })
}

// SignIn runs a transaction of sign-in; see signin.Transactor.
func (db *DB) SignIn(ctx context.Context, f func(signin.Tx) error) error {
	return db.write(ctx, func(t *tx) error { return f(signinTx{t}) })
}

// write runs f in a transaction that is committed when f returns nil and nothing failed, else undone, a panic
// and the end of ctx included.
func (db *DB) write(ctx context.Context, f func(*tx) error) (err error) {
	var t *tx
	if db.Observe != nil {
		done := db.Observe(ctx, "write")
		defer func() { done(storeFailed(ctx, t, err)) }()
	}
	conn, err := db.engine.Writer.Conn(ctx) // waits here for its turn
	if err != nil {
		return fmt.Errorf("the store could not be reached: %w", err)
	}
	defer conn.Close()
	// ctx ends statements, not the transaction: database/sql would undo it behind f's back, and might end the
	// commit itself with its outcome unknown.
	began, err := conn.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return fmt.Errorf("the store could not begin to write: %w", err)
	}
	defer began.Rollback() // does nothing after Commit
	t = &tx{sql: began, prepared: db.writing}
	if err := f(t); err != nil {
		return err
	}
	if t.failed != nil {
		return t.failed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := began.Commit(); err != nil {
		t.failed = err
		return fmt.Errorf("the store could not commit: %w", err)
	}
	if t.position > 0 {
		db.wake()
	}
	return nil
}

// read runs f on one consistent reading.
func (db *DB) read(ctx context.Context, f func(*tx) error) (err error) {
	var t *tx
	if db.Observe != nil {
		done := db.Observe(ctx, "read")
		defer func() { done(storeFailed(ctx, t, err)) }()
	}
	began, err := db.engine.Readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("the store could not be read: %w", err)
	}
	defer began.Rollback()
	t = &tx{sql: began, prepared: db.reading, readOnly: true}
	if err := f(t); err != nil {
		return err
	}
	return t.failed
}

// storeFailed reports whether it was the store that failed: what was asked of it may have failed for a reason of its
// own, and whoever asked may have gone away.
func storeFailed(ctx context.Context, t *tx, err error) bool {
	return err != nil && ctx.Err() == nil && (t == nil || t.failed != nil)
}

// adminTx is what administration sees of a transaction.
type adminTx struct{ t *tx }

func (a adminTx) Catalog() catalog.Store                 { return catalogStore(a) }
func (a adminTx) Policies() iam.Store                    { return policyStore(a) }
func (a adminTx) Directory() directory.Store             { return directoryStore(a) }
func (a adminTx) AccountKeys() directory.AccountKeyStore { return accountKeyStore(a) }
func (a adminTx) Keys() issuer.Store                     { return keyStore(a) }
func (a adminTx) Sessions() session.Store                { return sessionStore(a) }
func (a adminTx) Providers() identityprovider.Store      { return providerStore(a) }
func (a adminTx) Links() identityprovider.LinkStore      { return linkStore(a) }
func (a adminTx) Owners() admin.OwnerStore               { return ownerStore(a) }
func (a adminTx) Settings() settings.Store               { return settingsStore(a) }

func (a adminTx) Record(ctx context.Context, entry audit.Entry) error {
	_, err := auditStore(a).append(ctx, entry)
	return err
}

func (a adminTx) ExpireEntries(ctx context.Context, before time.Time) (int64, error) {
	return auditStore(a).expire(ctx, before)
}

// signinTx is what sign-in sees of a transaction.
type signinTx struct{ t *tx }

func (s signinTx) Accounts() signin.AccountReader     { return directoryStore(s) }
func (s signinTx) Sessions() session.Store            { return sessionStore(s) }
func (s signinTx) Handoffs() signin.HandoffStore      { return handoffStore(s) }
func (s signinTx) Links() identityprovider.Linker     { return linkStore(s) }
func (s signinTx) Rechecks() signin.RecheckStore      { return recheckStore(s) }
func (s signinTx) Providers() identityprovider.Reader { return providerStore(s) }

// document reads a JSON column.
func document(text string, into any) error {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("stored document: %w", err)
	}
	return nil
}
