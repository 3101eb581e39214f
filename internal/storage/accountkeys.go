package storage

import (
	"context"
	"database/sql"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// accountKeyStore keeps the public keys of service accounts.
type accountKeyStore struct{ t *tx }

const accountKeyColumns = `id, account, public, created, expires, uploaded, disabled`

func scanAccountKey(scan scanner) (directory.AccountKey, error) {
	var k directory.AccountKey
	var created int64
	var expires sql.NullInt64
	err := scan(&k.ID, &k.Account, &k.Public, &created, &expires, &k.Uploaded, &k.Disabled)
	k.Created, k.Expires = moment(created), optionalMoment(expires)
	return k, err
}

func (s accountKeyStore) AccountKeys(ctx context.Context) ([]directory.AccountKey, error) {
	var keys []directory.AccountKey
	err := s.t.query(ctx, func(scan scanner) error {
		key, err := scanAccountKey(scan)
		keys = append(keys, key)
		return err
	}, `SELECT `+accountKeyColumns+` FROM account_keys ORDER BY account, created, id`)
	return keys, err
}

func (s accountKeyStore) AccountKey(ctx context.Context, id string) (directory.AccountKey, error) {
	var key directory.AccountKey
	found, err := s.t.row(ctx, func(scan scanner) (err error) {
		key, err = scanAccountKey(scan)
		return err
	}, `SELECT `+accountKeyColumns+` FROM account_keys WHERE id = $1`, id)
	if err == nil && !found {
		err = directory.ErrNotFound
	}
	return key, err
}

func (s accountKeyStore) CreateAccountKey(ctx context.Context, k directory.AccountKey) error {
	found, err := s.t.exists(ctx, `SELECT 1 FROM accounts WHERE email = $1 AND kind = $2`, k.Account, string(principal.ServiceAccount))
	if err != nil {
		return err
	}
	if !found {
		return directory.ErrNotFound
	}
	created, err := s.t.exec(ctx, `INSERT INTO account_keys (`+accountKeyColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		k.ID, k.Account, k.Public, micros(k.Created), optional(k.Expires), k.Uploaded, k.Disabled)
	if err != nil {
		return err
	}
	if created == 0 {
		return directory.ErrExists
	}
	return s.changed(ctx, k.ID)
}

func (s accountKeyStore) SetAccountKeyDisabled(ctx context.Context, id string, disabled bool) error {
	updated, err := s.t.exec(ctx, `UPDATE account_keys SET disabled = $1 WHERE id = $2`, disabled, id)
	if err != nil {
		return err
	}
	if updated == 0 {
		return directory.ErrNotFound
	}
	return s.changed(ctx, id)
}

func (s accountKeyStore) DeleteAccountKey(ctx context.Context, id string) error {
	deleted, err := s.t.exec(ctx, `DELETE FROM account_keys WHERE id = $1`, id)
	if err != nil {
		return err
	}
	if deleted == 0 {
		return directory.ErrNotFound
	}
	return s.changed(ctx, id)
}

// deleteAll deletes the keys of an account.
func (s accountKeyStore) deleteAll(ctx context.Context, account string) error {
	if err := s.t.writable(); err != nil {
		return err
	}
	var ids []string
	if err := s.t.query(ctx, func(scan scanner) error {
		var id string
		err := scan(&id)
		ids = append(ids, id)
		return err
	}, `DELETE FROM account_keys WHERE account = $1 RETURNING id`, account); err != nil {
		return err
	}
	return s.t.changeAll(ctx, snapshot.AccountKeyChanged, ids)
}

func (s accountKeyStore) changed(ctx context.Context, id string) error {
	_, err := s.t.change(ctx, snapshot.AccountKeyChanged, id)
	return err
}
