package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// recheckStore keeps which sessions their identity provider has to confirm, and which logout tokens were used.
type recheckStore struct{ t *tx }

// ClaimRechecks takes sessions in the order in which they are due, and makes them due again at until: whoever asks
// meanwhile, here or on another replica, does not get them.
func (s recheckStore) ClaimRechecks(ctx context.Context, now, until time.Time, limit int) ([]session.Record, error) {
	var due []session.Record
	if err := s.t.query(ctx, func(scan scanner) error {
		record, err := scanSession(scan)
		due = append(due, record)
		return err
	}, `SELECT `+sessionView+` FROM sessions
		WHERE ask_after <= $1 AND NOT silent AND parent IS NULL AND expires > $1 ORDER BY ask_after, id LIMIT $2`, micros(now), limit); err != nil {
		return nil, err
	}
	for i := range due {
		claimed, err := s.t.exec(ctx, `UPDATE sessions SET ask_after = $1 WHERE id = $2`, micros(until), due[i].ID[:])
		if err != nil {
			return nil, err
		}
		if claimed == 1 {
			due[i].AskAfter = until
		}
	}
	return due, nil
}

// ConfirmSession notes an answer on a session and its children.
func (s recheckStore) ConfirmSession(ctx context.Context, id session.ID, used []byte, c signin.Confirmation) ([]session.ID, error) {
	stored, err := sessionStore(s).Session(ctx, id)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(stored.AtProvider.Tokens, used) {
		return nil, signin.ErrNewer
	}
	groups, err := json.Marshal(c.Groups)
	if err != nil {
		return nil, err
	}
	attributes, err := json.Marshal(c.Attributes)
	if err != nil {
		return nil, err
	}
	if _, err := s.t.exec(ctx, `UPDATE sessions SET provider_tokens = $1 WHERE id = $2`, c.Tokens, id[:]); err != nil {
		return nil, err
	}
	return s.family(ctx, id, `claim_groups = $2, checked = $3, ask_after = $4, silent = $5, attributes = $6`,
		string(groups), optional(c.Checked), optional(c.AskAfter), c.Silent, string(attributes))
}

// family changes a session and its children and returns their ids.
func (s recheckStore) family(ctx context.Context, id session.ID, set string, args ...any) ([]session.ID, error) {
	if err := s.t.writable(); err != nil {
		return nil, err
	}
	var ids []session.ID
	err := s.t.query(ctx, func(scan scanner) error {
		var stored []byte
		if err := scan(&stored); err != nil {
			return err
		}
		one, err := sessionID(stored)
		ids = append(ids, one)
		return err
	}, `UPDATE sessions SET `+set+` WHERE id = $1 OR parent = $1 RETURNING id`, append([]any{id[:]}, args...)...)
	return ids, err
}

func (s recheckStore) PostponeRecheck(ctx context.Context, id session.ID, until time.Time) ([]session.ID, error) {
	return s.family(ctx, id, `ask_after = $2`, micros(until))
}

// UseLogoutToken notes that a logout token was used, and forgets those that would be refused for their age.
func (s recheckStore) UseLogoutToken(ctx context.Context, id string, expires, now time.Time) error {
	if _, err := s.t.exec(ctx, `DELETE FROM logout_tokens WHERE expires <= $1`, micros(now)); err != nil {
		return err
	}
	added, err := s.t.exec(ctx, `INSERT INTO logout_tokens (id, expires) VALUES ($1, $2) ON CONFLICT DO NOTHING`, id, micros(expires))
	if err == nil && added == 0 {
		err = signin.ErrReplayed
	}
	return err
}
