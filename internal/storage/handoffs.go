package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// handoffStore keeps redirect tokens. They go with the auth-host session they belong to.
type handoffStore struct{ t *tx }

const (
	insertHandoff = `INSERT INTO handoffs (token_hash, browser_hash, host, resource, parent, origin_url, expires)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`
	consumeHandoff = `DELETE FROM handoffs
		WHERE token_hash = $1 AND browser_hash = $2 AND host = $3 AND resource = $4 AND expires > $5
		RETURNING parent, origin_url, expires`
	crowdedOut = `DELETE FROM handoffs WHERE parent = $1 AND token_hash NOT IN (
		SELECT token_hash FROM handoffs WHERE parent = $1 ORDER BY expires DESC, token_hash LIMIT $2)`
	clearHandoffs = `DELETE FROM handoffs WHERE expires <= $1`
)

// maxHandoffs is how many redirect tokens a session of the auth host has at most: tabs that a browser opens all at
// once. Making one takes no more than a request, and most are never consumed by who makes them in a loop.
const maxHandoffs = 64

// PutHandoff stores a redirect token, in place of the oldest of its session when that has too many;
// session.ErrNotFound when its auth-host session has ended meanwhile.
func (s handoffStore) PutHandoff(ctx context.Context, h signin.Handoff) error {
	if _, err := sessionStore(s).Session(ctx, h.Parent); err != nil {
		return fmt.Errorf("redirect token without a session: %w", err)
	}
	if _, err := s.t.exec(ctx, crowdedOut, h.Parent[:], maxHandoffs-1); err != nil {
		return err
	}
	_, err := s.t.exec(ctx, insertHandoff, h.TokenHash[:], h.BrowserHash[:], h.Host, string(h.Resource),
		h.Parent[:], h.OriginURL, micros(h.Expires))
	return err
}

func (s handoffStore) ConsumeHandoff(
	ctx context.Context, token, browser [32]byte, host string, name resource.Name, now time.Time,
) (signin.Handoff, error) {
	if err := s.t.writable(); err != nil {
		return signin.Handoff{}, err
	}
	h := signin.Handoff{TokenHash: token, BrowserHash: browser, Host: host, Resource: name}
	found, err := s.t.row(ctx, func(scan scanner) error {
		var parent []byte
		var expires int64
		if err := scan(&parent, &h.OriginURL, &expires); err != nil {
			return err
		}
		h.Expires = moment(expires)
		var err error
		h.Parent, err = sessionID(parent)
		return err
	}, consumeHandoff, token[:], browser[:], host, string(name), micros(now))
	if err != nil {
		return signin.Handoff{}, err
	}
	if _, err := s.t.exec(ctx, clearHandoffs, micros(now)); err != nil {
		return signin.Handoff{}, err
	}
	if !found {
		return signin.Handoff{}, signin.ErrHandoff
	}
	return h, nil
}
