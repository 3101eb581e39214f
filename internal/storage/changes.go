package storage

import (
	"context"
	"errors"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

const (
	countUp      = `UPDATE feed SET seq = seq + $1 WHERE one = 1 RETURNING seq`
	insertChange = `INSERT INTO changes (seq, kind, key) VALUES ($1, $2, $3)`
)

// change appends a row to the feed and returns its position.
func (t *tx) change(ctx context.Context, kind snapshot.ChangeKind, key string) (int64, error) {
	position, err := t.advance(ctx, 1)
	if err != nil {
		return 0, err
	}
	if _, err := t.exec(ctx, insertChange, position, string(kind), key); err != nil {
		return 0, err
	}
	return position, nil
}

// changeAll appends one row for each key.
func (t *tx) changeAll(ctx context.Context, kind snapshot.ChangeKind, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	last, err := t.advance(ctx, len(keys))
	if err != nil {
		return err
	}
	first := last - int64(len(keys)) + 1
	return t.insert(ctx, `INSERT INTO changes (seq, kind, key)`, 3, len(keys), func(i int, args []any) []any {
		return append(args, first+int64(i), string(kind), keys[i])
	})
}

// advance takes the next positions of the feed and returns the last of them.
func (t *tx) advance(ctx context.Context, by int) (int64, error) {
	if err := t.writable(); err != nil {
		return 0, err
	}
	var position int64
	found, err := t.row(ctx, func(scan scanner) error { return scan(&position) }, countUp, by)
	if err != nil {
		return 0, err
	}
	if !found {
		return 0, t.fail(errors.New("the change feed has no position"))
	}
	t.position = position
	return position, nil
}

// view is what the snapshot's builder sees of a reading.
type view struct{ t *tx }

func (v view) Catalog() catalog.Reader                 { return catalogStore(v) }
func (v view) Policies() iam.Reader                    { return policyStore(v) }
func (v view) Directory() directory.Reader             { return directoryStore(v) }
func (v view) AccountKeys() directory.AccountKeyReader { return accountKeyStore(v) }
func (v view) Keys() issuer.Reader                     { return keyStore(v) }
func (v view) Providers() identityprovider.Reader      { return providerStore(v) }
func (v view) Settings() settings.Reader               { return settingsStore(v) }

func (v view) Position(ctx context.Context) (int64, error) {
	var position int64
	found, err := v.t.row(ctx, func(scan scanner) error { return scan(&position) }, `SELECT seq FROM feed WHERE one = 1`)
	if err == nil && !found {
		err = v.t.fail(errors.New("the change feed has no position"))
	}
	return position, err
}

func (v view) Changes(ctx context.Context, after int64) ([]snapshot.Change, error) {
	var changes []snapshot.Change
	err := v.t.query(ctx, func(scan scanner) error {
		var c snapshot.Change
		if err := scan(&c.Seq, &c.Kind, &c.Key); err != nil {
			return err
		}
		changes = append(changes, c)
		return nil
	}, `SELECT seq, kind, key FROM changes WHERE seq > $1 ORDER BY seq`, after)
	return changes, err
}

// empty reports whether nothing was ever stored.
func (t *tx) empty(ctx context.Context) (bool, error) {
	used, err := t.exists(ctx, `SELECT 1 FROM feed WHERE seq > 0 UNION ALL SELECT 1 FROM meta`)
	return !used, err
}
