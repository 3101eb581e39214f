package admin

import (
	"fmt"
	"strconv"

	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// KeyRotation is the body of keys/PURPOSE:rotate.
type KeyRotation struct {
	Now bool `json:"now,omitempty"` // sign with the new key at once
}

func (a *Admin) getKeys(c call) (any, error) {
	keys, err := a.SigningKeys(c.Context())
	return list("keys", keys), err
}

func (a *Admin) postKey(c call) (any, error) {
	name, verb, err := c.verb(c.PathValue("name"))
	if err != nil {
		return nil, err
	}
	switch verb {
	case "rotate":
		var request KeyRotation
		if err := c.decode(&request); err != nil {
			return nil, err
		}
		return a.RotateKey(c.Context(), c.actor, issuer.Purpose(name), request.Now)
	case "revoke":
		if err := c.decode(&empty{}); err != nil {
			return nil, err
		}
		return a.RevokeKey(c.Context(), c.actor, name)
	default:
		return nil, c.noRoute()
	}
}

// SessionFilter selects sessions: one with its children, those of a user, or expressly all.
type SessionFilter struct {
	ID    string `json:"id,omitempty"`
	Email string `json:"email,omitempty"`
	All   bool   `json:"all,omitempty"`
}

func (f SessionFilter) filter() (session.Filter, error) {
	filter := session.Filter{Email: f.Email}
	if f.ID == "" {
		return filter, nil
	}
	id, err := session.ParseID(f.ID)
	switch {
	case err != nil:
		return session.Filter{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	case id.IsZero(): // which would select every session
		return session.Filter{}, fmt.Errorf("%w: %s names no session", ErrInvalid, f.ID)
	}
	filter.ID = id
	return filter, nil
}

func (a *Admin) getSessions(c call) (any, error) {
	query := c.URL.Query()
	filter, err := SessionFilter{ID: query.Get("id"), Email: query.Get("email")}.filter()
	if err != nil {
		return nil, err
	}
	sessions, err := a.Sessions(c.Context(), filter)
	return list("sessions", sessions), err
}

// postSessions is sessions/-:revoke, whose body says which.
func (a *Admin) postSessions(c call) (any, error) {
	name, verb, err := c.verb(c.PathValue("name"))
	if err != nil {
		return nil, err
	}
	if name != "-" || verb != "revoke" {
		return nil, c.noRoute()
	}
	var request SessionFilter
	if err := c.decode(&request); err != nil {
		return nil, err
	}
	filter, err := request.filter()
	if err != nil {
		return nil, err
	}
	ended, err := a.EndSessions(c.Context(), c.actor, filter, request.All)
	return Ended{ended}, err
}

func (a *Admin) getDecision(c call) (any, error) {
	return a.Explain(c.Context(), c.PathValue("name"))
}

func (a *Admin) getEntries(c call) (any, error) {
	limit := 100
	if written := c.URL.Query().Get("limit"); written != "" {
		var err error
		if limit, err = strconv.Atoi(written); err != nil {
			return nil, fmt.Errorf("%w: limit %q is not a number", ErrInvalid, written)
		}
	}
	entries, err := a.AuditEntries(c.Context(), limit)
	return list("entries", entries), err
}
