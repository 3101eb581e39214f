package storage

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// directoryStore keeps local accounts and groups.
type directoryStore struct{ t *tx }

const accountColumns = `kind, email, subject, hosted_domain, display_name, password_hash, disabled, created, attributes`

func scanAccount(scan scanner) (directory.Account, error) {
	var a directory.Account
	var created int64
	var attributes string
	if err := scan(&a.Kind, &a.Email, &a.Subject, &a.HostedDomain, &a.DisplayName, &a.PasswordHash, &a.Disabled, &created, &attributes); err != nil {
		return a, err
	}
	a.Created = moment(created)
	return a, document(attributes, &a.Attributes)
}

func (s directoryStore) Accounts(ctx context.Context) ([]directory.Account, error) {
	var accounts []directory.Account
	err := s.t.query(ctx, func(scan scanner) error {
		account, err := scanAccount(scan)
		accounts = append(accounts, account)
		return err
	}, `SELECT `+accountColumns+` FROM accounts ORDER BY email`)
	return accounts, err
}

func (s directoryStore) Account(ctx context.Context, email string) (directory.Account, error) {
	var account directory.Account
	found, err := s.t.row(ctx, func(scan scanner) (err error) {
		account, err = scanAccount(scan)
		return err
	}, `SELECT `+accountColumns+` FROM accounts WHERE email = $1`, email)
	if err == nil && !found {
		err = directory.ErrNotFound
	}
	return account, err
}

// CreateAccount refuses an address that a group has: members of groups are addresses without a kind.
func (s directoryStore) CreateAccount(ctx context.Context, a directory.Account) error {
	taken, err := s.t.exists(ctx, `SELECT 1 FROM groups WHERE email = $1`, a.Email)
	if err != nil {
		return err
	}
	if taken {
		return fmt.Errorf("%w: %s is a group", directory.ErrExists, a.Email)
	}
	if taken, err = s.t.exists(ctx, `SELECT 1 FROM federated_subjects WHERE number = $1`, a.Subject); err != nil {
		return err
	}
	if taken {
		return fmt.Errorf("%w: the subject %s names somebody of an identity provider", directory.ErrExists, a.Subject)
	}
	attributes, err := json.Marshal(a.Attributes)
	if err != nil {
		return err
	}
	created, err := s.t.exec(ctx, `INSERT INTO accounts (`+accountColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
		string(a.Kind), a.Email, a.Subject, a.HostedDomain, a.DisplayName, a.PasswordHash, a.Disabled, micros(a.Created), string(attributes))
	if err != nil {
		return err
	}
	if created == 0 {
		return directory.ErrExists // the address, or the subject
	}
	_, err = s.t.change(ctx, snapshot.AccountChanged, a.Email)
	return err
}

// UpdateAccount keeps kind, subject and creation time. It ends the account's sessions when it disables the
// account, and when the identity that they carry is no longer the account's.
func (s directoryStore) UpdateAccount(ctx context.Context, a directory.Account) error {
	stored, err := s.Account(ctx, a.Email)
	if err != nil {
		return err
	}
	if stored.Kind != a.Kind || stored.Subject != a.Subject {
		return fmt.Errorf("%w: kind and subject of %s cannot change", directory.ErrInvalid, a.Email)
	}
	attributes, err := json.Marshal(a.Attributes)
	if err != nil {
		return err
	}
	if _, err := s.t.exec(ctx, `UPDATE accounts
		SET hosted_domain = $1, display_name = $2, password_hash = $3, disabled = $4, attributes = $5 WHERE email = $6`,
		a.HostedDomain, a.DisplayName, a.PasswordHash, a.Disabled, string(attributes), a.Email); err != nil {
		return err
	}
	if _, err := s.t.change(ctx, snapshot.AccountChanged, a.Email); err != nil {
		return err
	}
	if a.Disabled || stored.Identity() != a.Identity() {
		return s.endSessionsOf(ctx, a.Email)
	}
	return nil
}

// DeleteAccount takes the account's keys along: whoever gets the address next must not be proved by them.
func (s directoryStore) DeleteAccount(ctx context.Context, email string) error {
	if err := accountKeyStore(s).deleteAll(ctx, email); err != nil {
		return err
	}
	deleted, err := s.t.exec(ctx, `DELETE FROM accounts WHERE email = $1`, email)
	if err != nil {
		return err
	}
	if deleted == 0 {
		return directory.ErrNotFound
	}
	if _, err := s.t.change(ctx, snapshot.AccountChanged, email); err != nil {
		return err
	}
	return s.endSessionsOf(ctx, email)
}

// endSessionsOf ends the sessions of a local account, and not those that another provider vouches for under
// the same address.
func (s directoryStore) endSessionsOf(ctx context.Context, email string) error {
	_, err := sessionStore(s).end(ctx, `email = $1 AND provider = $2`, email, directory.LocalProvider)
	return err
}
