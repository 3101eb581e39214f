package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/oauthserver"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

var _ oauthserver.Store = (*DB)(nil)

// oauthStore keeps codes and grants of programs. Requests to applications do not read them, so they add no change rows.
type oauthStore struct{ t *tx }

const (
	codeColumns  = `hash, session, client, redirect_uri, challenge, scope, nonce, offline, expires`
	grantColumns = `id, session, client, scope, code_hash, refresh_hash, created, expires`
)

// maxCodes and maxGrants are how many codes and grants a session has at most; the oldest make room.
const (
	maxCodes  = 16
	maxGrants = 32
)

// PutCode stores a code; see oauthserver.Store.
func (db *DB) PutCode(ctx context.Context, code oauthserver.Code) error {
	return db.write(ctx, func(t *tx) error { return oauthStore{t}.putCode(ctx, code) })
}

func (s oauthStore) putCode(ctx context.Context, c oauthserver.Code) error {
	if _, err := sessionStore(s).Session(ctx, c.Session); err != nil {
		return fmt.Errorf("code without a session: %w", err)
	}
	if err := s.crowdOut(ctx, "oauth_codes", "hash", "expires", c.Session, maxCodes); err != nil {
		return err
	}
	_, err := s.t.exec(ctx, `INSERT INTO oauth_codes (`+codeColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		c.Hash[:], c.Session[:], c.Client, c.RedirectURI, c.Challenge, c.Scope, c.Nonce, c.Offline, micros(c.Expires))
	return err
}

// crowdOut removes the oldest rows of a session where another one would be too many.
func (s oauthStore) crowdOut(ctx context.Context, table, key, age string, id session.ID, most int) error {
	_, err := s.t.exec(ctx, `DELETE FROM `+table+` WHERE session = $1 AND `+key+` NOT IN (
		SELECT `+key+` FROM `+table+` WHERE session = $1 ORDER BY `+age+` DESC, `+key+` LIMIT $2)`, id[:], most-1)
	return err
}

// RedeemCode uses a code up; see oauthserver.Store. What nobody knows is found out without a transaction that writes.
func (db *DB) RedeemCode(
	ctx context.Context, hash oauthserver.Hash, now time.Time, f func(oauthserver.Code, session.Record) (oauthserver.Grant, error),
) error {
	var known bool
	if err := db.read(ctx, func(t *tx) (err error) {
		known, err = t.exists(ctx, `SELECT 1 FROM oauth_codes WHERE hash = $1 UNION ALL SELECT 1 FROM oauth_grants WHERE code_hash = $1`, hash[:])
		return err
	}); err != nil {
		return err
	}
	if !known {
		return oauthserver.ErrGone
	}
	var refused error
	err := db.write(ctx, func(t *tx) (err error) {
		refused, err = oauthStore{t}.redeem(ctx, hash, now, f)
		return err
	})
	return errors.Join(err, refused)
}

// redeem returns why a code is refused apart from the store's own errors: the code is used up all the same.
func (s oauthStore) redeem(
	ctx context.Context, hash oauthserver.Hash, now time.Time, f func(oauthserver.Code, session.Record) (oauthserver.Grant, error),
) (refused, err error) {
	code, found, err := s.takeCode(ctx, hash)
	if err != nil {
		return nil, err
	}
	if !found { // it was used before: by two, of whom one has no right to it
		_, err := s.t.exec(ctx, `DELETE FROM oauth_grants WHERE code_hash = $1`, hash[:])
		return oauthserver.ErrGone, err
	}
	if !now.Before(code.Expires) {
		return oauthserver.ErrGone, nil
	}
	record, err := sessionStore(s).Session(ctx, code.Session)
	if err != nil {
		return nil, err
	}
	grant, refused := f(code, record)
	if refused != nil {
		return refused, nil
	}
	if err := s.crowdOut(ctx, "oauth_grants", "id", "created", grant.Session, maxGrants); err != nil {
		return nil, err
	}
	var refresh []byte
	if grant.Refresh != (oauthserver.Hash{}) {
		refresh = grant.Refresh[:]
	}
	_, err = s.t.exec(ctx, `INSERT INTO oauth_grants (`+grantColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		grant.ID[:], grant.Session[:], grant.Client, grant.Scope, grant.CodeHash[:], refresh, micros(grant.Created), micros(grant.Expires))
	return nil, err
}

func (s oauthStore) takeCode(ctx context.Context, hash oauthserver.Hash) (c oauthserver.Code, found bool, err error) {
	if err := s.t.writable(); err != nil {
		return c, false, err
	}
	found, err = s.t.row(ctx, func(scan scanner) error {
		var stored, id []byte
		var expires int64
		if err := scan(&stored, &id, &c.Client, &c.RedirectURI, &c.Challenge, &c.Scope, &c.Nonce, &c.Offline, &expires); err != nil {
			return err
		}
		c.Hash, c.Expires = hash, moment(expires)
		var err error
		c.Session, err = sessionID(id)
		return err
	}, `DELETE FROM oauth_codes WHERE hash = $1 RETURNING `+codeColumns, hash[:])
	return c, found, err
}

// Grant returns a grant with its session; see oauthserver.Store.
func (db *DB) Grant(ctx context.Context, id oauthserver.GrantID, refresh oauthserver.Hash) (g oauthserver.Grant, record session.Record, err error) {
	err = db.read(ctx, func(t *tx) error {
		where, key := `refresh_hash = $1`, refresh[:]
		if id != (oauthserver.GrantID{}) {
			where, key = `id = $1`, id[:]
		}
		found, err := t.row(ctx, func(scan scanner) (err error) {
			g, err = scanGrant(scan)
			return err
		}, `SELECT `+grantColumns+` FROM oauth_grants WHERE `+where, key)
		if err != nil {
			return err
		}
		if !found {
			return oauthserver.ErrGone
		}
		record, err = sessionStore{t}.Session(ctx, g.Session)
		return err
	})
	return g, record, err
}

func scanGrant(scan scanner) (oauthserver.Grant, error) {
	var g oauthserver.Grant
	var id, parent, code, refresh []byte
	var created, expires int64
	if err := scan(&id, &parent, &g.Client, &g.Scope, &code, &refresh, &created, &expires); err != nil {
		return g, err
	}
	copy(g.ID[:], id)
	copy(g.CodeHash[:], code)
	copy(g.Refresh[:], refresh)
	g.Created, g.Expires = moment(created), moment(expires)
	var err error
	g.Session, err = sessionID(parent)
	return g, err
}

// EndGrant removes a grant; see oauthserver.Store.
func (db *DB) EndGrant(ctx context.Context, id oauthserver.GrantID) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM oauth_grants WHERE id = $1`, id[:])
		return err
	})
}

// reap removes what has expired.
func (s oauthStore) reap(ctx context.Context, now time.Time) error {
	for _, table := range []string{"oauth_codes", "oauth_grants"} {
		if _, err := s.t.exec(ctx, `DELETE FROM `+table+` WHERE expires <= $1`, micros(now)); err != nil {
			return err
		}
	}
	return nil
}
