package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// Explanation is the public form of one decision: what was asked, by whom, what was decided, and why.
type Explanation struct {
	ID     string        `json:"id"`
	Time   time.Time     `json:"time"`
	Passed bool          `json:"passed"`
	Status int           `json:"status,omitempty"` // of our own answer; none when the request was forwarded
	Reason policy.Reason `json:"reason"`
	Title  string        `json:"title"`
	Text   string        `json:"text"`

	Method string `json:"method"`
	Host   string `json:"host"`
	Path   string `json:"path"`
	// Ends is the decision that let an exchange in which ended with this one.
	Ends string `json:"ends,omitempty"`
	// RequestID is what else the request is called, by a trusted proxy or as the decision before this one.
	RequestID string        `json:"requestId,omitempty"`
	Special   string        `json:"specialUrl,omitempty"` // what the address asked of the gate, such as "IDENTITY"
	Peer      string        `json:"peer,omitempty"`
	Resource  resource.Name `json:"resource,omitempty"`
	Service   string        `json:"service,omitempty"` // what people call the resource's service

	Principal  *principal.Identity `json:"principal,omitempty"` // nobody was recognised when missing
	Credential audit.Credential    `json:"credential,omitempty"`
	SessionID  string              `json:"sessionId,omitempty"`
	KeyID      string              `json:"keyId,omitempty"`

	Position int64         `json:"position"` // of the change feed: the policy version that decided
	Tried    []audit.Tried `json:"tried,omitempty"`
	// Settings are those that hold for the service now, with where each stands. They may have changed since.
	Settings []settings.Setting `json:"settings,omitempty"`
}

// Explain looks a decision up by the id that the refusal page shows.
func (a *Admin) Explain(ctx context.Context, written string) (Explanation, error) {
	id, err := audit.ParseDecisionID(written)
	if err != nil {
		return Explanation{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	d, err := a.Decisions.Find(ctx, id)
	if err != nil {
		return Explanation{}, fmt.Errorf("%s: %w", id, err)
	}
	about := d.Reason.Describe()
	e := Explanation{
		ID: d.ID.String(), Time: d.Time, Passed: d.Status == 0, Status: d.Status,
		Reason: d.Reason, Title: about.Title, Text: about.Text,
		Method: d.Method, Host: d.Host, Path: d.Path, Special: d.Special, Resource: d.Resource,
		Credential: d.Credential, SessionID: d.SessionID, KeyID: d.KeyID, RequestID: d.RequestID, Position: d.Position, Tried: d.Tried,
	}
	if !d.Ends.IsZero() {
		e.Ends = d.Ends.String()
	}
	if d.Peer.IsValid() {
		e.Peer = d.Peer.String()
	}
	if !d.Identity.IsZero() {
		e.Principal = &d.Identity
	}
	err = a.explainResource(ctx, &e)
	return e, err
}

// explainResource adds what is known now of the service that a decision was about.
func (a *Admin) explainResource(ctx context.Context, e *Explanation) error {
	return a.Store.View(ctx, func(tx Tx) error {
		services, err := tx.Catalog().Services(ctx)
		if err != nil {
			return err
		}
		for _, s := range services {
			if s.Service.Name() != e.Resource {
				continue
			}
			e.Service = s.Name
			merged, err := mergedSettings(ctx, tx, e.Resource)
			if err != nil {
				return err
			}
			e.Settings = merged.List()
		}
		return nil
	})
}

// MaxEntries bounds one reading of the administrative record.
const MaxEntries = 1000

// AuditEntries returns the newest administrative entries.
func (a *Admin) AuditEntries(ctx context.Context, limit int) ([]audit.Entry, error) {
	if limit <= 0 || limit > MaxEntries {
		return nil, fmt.Errorf("%w: limit %d is not between 1 and %d", ErrInvalid, limit, MaxEntries)
	}
	return a.Entries.Entries(ctx, limit)
}
