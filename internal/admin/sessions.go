package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// Session is the public form of a session.
type Session struct {
	ID       string        `json:"id"`
	Parent   string        `json:"parent,omitempty"`   // the auth-host session it came from
	Resource resource.Name `json:"resource,omitempty"` // empty for a session of the auth host itself
	Email    string        `json:"email"`
	Provider string        `json:"provider"`
	AMR      []string      `json:"amr,omitempty"`
	AuthTime time.Time     `json:"authTime"`
	Created  time.Time     `json:"created"`
	Expires  time.Time     `json:"expires"`
	LastSeen time.Time     `json:"lastSeen"` // written in batches: up to half a minute behind
	// Groups that the provider's claims name, and when it last said so; absent where nobody has to be asked.
	Groups    []string   `json:"groups,omitempty"`
	Confirmed *time.Time `json:"confirmed,omitempty"`
	// Programs is how many programs hold a refresh token of this sign-in; they end with it.
	Programs int `json:"programs,omitempty"`
}

func publicSession(r session.Record) Session {
	s := Session{
		ID: r.ID.String(), Resource: r.Resource, Email: r.Identity.Email, Provider: r.Identity.Provider,
		AMR: r.AMR, AuthTime: r.AuthTime, Created: r.Created, Expires: r.Expires, LastSeen: r.LastSeen, Programs: r.Programs,
	}
	if !r.Parent.IsZero() {
		s.Parent = r.Parent.String()
	}
	if !r.Checked.IsZero() {
		s.Groups, s.Confirmed = r.Groups, &r.Checked
	}
	return s
}

// Sessions lists the live sessions that a filter selects, newest first.
func (a *Admin) Sessions(ctx context.Context, filter session.Filter) (sessions []Session, err error) {
	if filter, err = canonicalFilter(filter); err != nil {
		return nil, err
	}
	lifetimes := a.Lifetimes
	if lifetimes == (session.Lifetimes{}) {
		lifetimes = session.DefaultLifetimes()
	}
	now := a.Now()
	err = a.Store.View(ctx, func(tx Tx) error {
		records, err := tx.Sessions().Sessions(ctx, filter)
		for _, r := range records {
			if r.Live(now, lifetimes) || r.Programs > 0 && now.Before(r.Expires) {
				sessions = append(sessions, publicSession(r))
			}
		}
		return err
	})
	return sessions, err
}

// EndSessions ends the selected sessions with their children and returns how many there were. An empty filter
// selects all and is refused unless all says that this is meant.
func (a *Admin) EndSessions(ctx context.Context, actor audit.Actor, filter session.Filter, all bool) (ended int, err error) {
	if filter, err = canonicalFilter(filter); err != nil {
		return 0, err
	}
	if all != (filter == session.Filter{}) {
		return 0, fmt.Errorf("%w: name a session, a user, or all of them", ErrInvalid)
	}
	target := "all"
	switch {
	case !filter.ID.IsZero():
		target = filter.ID.String()
	case filter.Email != "":
		target = filter.Email
	}
	err = a.change(ctx, actor, "sessions.revoke", target, func(tx Tx, entry *audit.Entry) error {
		if !filter.ID.IsZero() {
			if _, err := tx.Sessions().Session(ctx, filter.ID); err != nil {
				return fmt.Errorf("%s: %w", filter.ID, err)
			}
		}
		ids, err := tx.Sessions().EndSessions(ctx, filter)
		if err != nil {
			return err
		}
		ended = len(ids)
		return recordChange(entry, map[string]int{"sessions": ended}, nil)
	})
	return ended, err
}

func canonicalFilter(filter session.Filter) (session.Filter, error) {
	if filter.Email == "" {
		return filter, nil
	}
	email, err := principal.ParseAddress(filter.Email)
	filter.Email = email
	return filter, err
}
