package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// sessionStore keeps sessions. A child refers to its parent, so the database holds the two together as well.
type sessionStore struct{ t *tx }

const (
	sessionColumns = `id, parent, resource, kind, provider, subject, email, hosted_domain, amr, auth_time, created, expires, last_seen,
		claim_groups, provider_subject, provider_session, provider_tokens, checked, silent, ask_after, attributes, acr`
	// sessionView is what scanSession reads.
	sessionView   = sessionColumns + `, (SELECT COUNT(*) FROM oauth_grants WHERE session = sessions.id AND refresh_hash IS NOT NULL)`
	selectSession = `SELECT ` + sessionView + ` FROM sessions WHERE id = $1`
	insertSession = `INSERT INTO sessions (` + sessionColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)`
	selectParent = `SELECT 1 FROM sessions WHERE id = $1 AND expires > $2`
	selectUsable = `SELECT 1 FROM accounts WHERE email = $1 AND subject = $2 AND NOT disabled`
	selectBarred = `SELECT 1 FROM identity_providers WHERE name = $1 AND disabled
		UNION ALL SELECT 1 FROM accounts WHERE email = $2 AND disabled`
	touchSession = `UPDATE sessions SET last_seen = $1 WHERE last_seen < $1
		AND (id = $2 OR id = (SELECT parent FROM sessions WHERE id = $2))`
)

// OpenSession refuses, besides a child whose parent is gone, a session of an account or provider that is disabled,
// and of a local account that is gone: sign-in may have read it just before that happened, and whoever ended its
// sessions then must not be outrun.
func (s sessionStore) OpenSession(ctx context.Context, r session.Record) error {
	if r.ID.IsZero() {
		return errors.New("a session needs an id")
	}
	if !r.Parent.IsZero() {
		found, err := s.t.exists(ctx, selectParent, r.Parent[:], micros(r.Created))
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("%w: the session it belongs to has ended", session.ErrNotFound)
		}
	}
	if r.Identity.Provider == directory.LocalProvider {
		usable, err := s.t.exists(ctx, selectUsable, r.Identity.Email, r.Identity.Subject)
		if err != nil {
			return err
		}
		if !usable {
			return fmt.Errorf("%w: the account %s is disabled or gone", session.ErrNotFound, r.Identity.Email)
		}
	}
	barred, err := s.t.exists(ctx, selectBarred, r.Identity.Provider, r.Identity.Email)
	if err != nil {
		return err
	}
	if barred {
		return fmt.Errorf("%w: %s or the provider %s is switched off", session.ErrNotFound, r.Identity.Email, r.Identity.Provider)
	}
	amr, err := json.Marshal(r.AMR)
	if err != nil {
		return err
	}
	groups, err := json.Marshal(r.Groups)
	if err != nil {
		return err
	}
	attributes, err := json.Marshal(r.Attributes)
	if err != nil {
		return err
	}
	_, err = s.t.exec(ctx, insertSession, r.ID[:], optionalID(r.Parent), string(r.Resource),
		string(r.Identity.Kind), r.Identity.Provider, r.Identity.Subject, r.Identity.Email, r.Identity.HostedDomain,
		string(amr), micros(r.AuthTime), micros(r.Created), micros(r.Expires), micros(r.LastSeen),
		string(groups), r.AtProvider.Subject, r.AtProvider.Session, r.AtProvider.Tokens, optional(r.Checked), r.Silent, optional(r.AskAfter), string(attributes), r.ACR)
	return err
}

// optionalID is NULL for no session.
func optionalID(id session.ID) []byte {
	if id.IsZero() {
		return nil
	}
	return id[:]
}

func sessionID(stored []byte) (session.ID, error) {
	if len(stored) != len(session.ID{}) {
		return session.ID{}, fmt.Errorf("stored session id of %d bytes", len(stored))
	}
	return session.ID(stored), nil
}

func scanSession(scan scanner) (session.Record, error) {
	var r session.Record
	var id, parent []byte
	var amr, groups, attributes string
	var authTime, created, expires, lastSeen int64
	var checked, askAfter sql.NullInt64
	err := scan(&id, &parent, &r.Resource, &r.Identity.Kind, &r.Identity.Provider, &r.Identity.Subject,
		&r.Identity.Email, &r.Identity.HostedDomain, &amr, &authTime, &created, &expires, &lastSeen,
		&groups, &r.AtProvider.Subject, &r.AtProvider.Session, &r.AtProvider.Tokens, &checked, &r.Silent, &askAfter, &attributes, &r.ACR, &r.Programs)
	if err != nil {
		return r, err
	}
	if r.ID, err = sessionID(id); err != nil {
		return r, err
	}
	if parent != nil {
		if r.Parent, err = sessionID(parent); err != nil {
			return r, err
		}
	}
	r.AuthTime, r.Created, r.Expires, r.LastSeen = moment(authTime), moment(created), moment(expires), moment(lastSeen)
	r.Checked, r.AskAfter = optionalMoment(checked), optionalMoment(askAfter)
	return r, errors.Join(document(amr, &r.AMR), document(groups, &r.Groups), document(attributes, &r.Attributes))
}

func (s sessionStore) Session(ctx context.Context, id session.ID) (session.Record, error) {
	var record session.Record
	found, err := s.t.row(ctx, func(scan scanner) (err error) {
		record, err = scanSession(scan)
		return err
	}, selectSession, id[:])
	if err == nil && !found {
		err = session.ErrNotFound
	}
	return record, err
}

// family is a WITH clause that names the sessions of a condition and all their descendants.
func family(where string) string {
	return `WITH RECURSIVE family (id) AS (
		SELECT id FROM sessions WHERE ` + where + `
		UNION SELECT child.id FROM sessions child JOIN family ON child.parent = family.id) `
}

// selection turns a filter into a condition.
func selection(f session.Filter) (where string, args []any) {
	where = `1 = 1`
	if !f.ID.IsZero() {
		args = append(args, f.ID[:])
		where += ` AND id = ` + parameters(len(args), 1)
	}
	for _, by := range []struct{ column, value string }{
		{"email", f.Email}, {"provider", f.Provider}, {"provider_subject", f.ProviderSubject}, {"provider_session", f.ProviderSession},
	} {
		if by.value != "" {
			args = append(args, by.value)
			where += ` AND ` + by.column + ` = ` + parameters(len(args), 1)
		}
	}
	return where, args
}

// Sessions lists exactly what EndSessions would remove.
func (s sessionStore) Sessions(ctx context.Context, filter session.Filter) ([]session.Record, error) {
	var records []session.Record
	where, args := selection(filter)
	err := s.t.query(ctx, func(scan scanner) error {
		record, err := scanSession(scan)
		records = append(records, record)
		return err
	}, family(where)+`SELECT `+sessionView+` FROM sessions WHERE id IN (SELECT id FROM family)
		ORDER BY created DESC, id`, args...)
	return records, err
}

func (s sessionStore) EndSessions(ctx context.Context, filter session.Filter) ([]session.ID, error) {
	where, args := selection(filter)
	return s.end(ctx, where, args...)
}

// end removes the sessions of a condition with their children, and says so in the feed.
func (s sessionStore) end(ctx context.Context, where string, args ...any) ([]session.ID, error) {
	ids, err := s.remove(ctx, where, args...)
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = id.String()
	}
	return ids, s.t.changeAll(ctx, snapshot.SessionEnded, keys)
}

func (s sessionStore) remove(ctx context.Context, where string, args ...any) ([]session.ID, error) {
	if err := s.t.writable(); err != nil {
		return nil, err
	}
	var ids []session.ID
	err := s.t.query(ctx, func(scan scanner) error {
		var stored []byte
		if err := scan(&stored); err != nil {
			return err
		}
		id, err := sessionID(stored)
		ids = append(ids, id)
		return err
	}, family(where)+`DELETE FROM sessions WHERE id IN (SELECT id FROM family) RETURNING id`, args...)
	return ids, err
}

// TouchSessions moves last-seen times forward only, those of parents with their children's, so that using an
// application keeps the sign-in alive. It adds no change rows: who ended by time is known without being told.
func (s sessionStore) TouchSessions(ctx context.Context, seen []session.Seen, now time.Time, lifetimes session.Lifetimes) error {
	if err := s.touch(ctx, seen, now); err != nil {
		return err
	}
	return s.reap(ctx, now, lifetimes)
}

func (s sessionStore) touch(ctx context.Context, seen []session.Seen, now time.Time) error {
	for _, one := range seen {
		at := min(micros(one.Time), micros(now))
		if _, err := s.t.exec(ctx, touchSession, at, one.ID[:]); err != nil {
			return err
		}
	}
	return nil
}

// reap removes what has ended by time. A sign-in by which a program holds a refresh token does not end because the
// browser is idle: the browser has to sign in again then, the program has not.
func (s sessionStore) reap(ctx context.Context, now time.Time, lifetimes session.Lifetimes) error {
	if err := oauthStore(s).reap(ctx, now); err != nil {
		return err
	}
	_, err := s.remove(ctx, `expires <= $1 OR (last_seen <= $2 AND id NOT IN
		(SELECT session FROM oauth_grants WHERE refresh_hash IS NOT NULL))`, micros(now), micros(now.Add(-lifetimes.Idle)))
	return err
}
