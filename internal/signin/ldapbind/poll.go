package ldapbind

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// How often directories are asked again, how long sessions last while one does not answer, and how many people one
// connection asks for.
const (
	pollInterval = time.Minute
	pollGrace    = time.Hour
	pollBatch    = 50
)

// Sessions is what the poller needs of stored sessions.
type Sessions interface {
	Sessions(ctx context.Context, filter session.Filter) ([]session.Record, error)
	EndSessions(ctx context.Context, filter session.Filter) ([]session.ID, error)
}

// Poller asks directories again for the people whom they let in. It ends the sessions of those whom the configured
// filter does not find any more, who have another address or subject, or have left a group. A new group counts from the
// next sign-in. Fill in the fields before Run.
type Poller struct {
	Binder    *Binder
	Providers func() *identityprovider.View
	Sessions  Sessions
	Now       func() time.Time
	Log       *slog.Logger

	confirmed map[session.ID]time.Time // auth-host sessions, by when the directory last stood by them
}

// Run polls until the context ends.
func (p *Poller) Run(ctx context.Context) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			p.Poll(ctx)
		}
	}
}

// Poll asks every directory once. It must not run twice at the same time.
func (p *Poller) Poll(ctx context.Context) {
	kept := map[session.ID]time.Time{}
	for _, provider := range p.Providers().Enabled() {
		if provider.Kind != identityprovider.LDAP || provider.LDAP == nil {
			continue
		}
		records, err := p.Sessions.Sessions(ctx, session.Filter{Provider: provider.Name})
		if err != nil {
			p.Log.ErrorContext(ctx, "sessions cannot be listed, so the directory was not asked again", "provider", provider.Name, "error", err)
			for id, at := range p.confirmed {
				kept[id] = at
			}
			continue
		}
		// Sessions at applications end with the one at the auth host.
		records = slices.DeleteFunc(records, func(r session.Record) bool { return !r.Parent.IsZero() })
		for batch := range slices.Chunk(records, pollBatch) {
			p.ask(ctx, provider, batch, kept)
		}
	}
	p.confirmed = kept
}

// ask asks for one batch of sessions, and ends those that the directory does not stand by.
func (p *Poller) ask(ctx context.Context, provider identityprovider.Provider, batch []session.Record, kept map[session.ID]time.Time) {
	answers := make([]error, len(batch))
	asked := 0
	err := p.Binder.session(ctx, *provider.LDAP, func(d *directory) error {
		for i, record := range batch {
			answers[i] = d.standsBy(provider, record)
			if errors.Is(answers[i], ErrUnavailable) {
				return answers[i]
			}
			asked++
		}
		return nil
	})
	if ctx.Err() != nil {
		return
	}
	now := p.Now()
	unconfirmed := 0
	for i, record := range batch {
		answer := answers[i]
		if i >= asked {
			answer = err
		}
		last, known := p.confirmed[record.ID]
		if !known {
			last = now // new, or we are: either way it is the first time that we ask
			if record.Created.After(now.Add(-pollInterval)) {
				last = record.Created
			}
		}
		switch {
		case answer == nil:
			kept[record.ID] = now
		case errors.Is(answer, errGone) || now.Sub(last) >= pollGrace:
			p.end(ctx, provider, record, answer, kept, last)
		default:
			unconfirmed++
			kept[record.ID] = last
			err = answer
		}
	}
	if unconfirmed > 0 {
		p.Log.WarnContext(ctx, "people could not be asked for at the directory; their sessions end when that lasts",
			"provider", provider.Name, "sessions", unconfirmed, "grace", pollGrace, "error", err)
	}
}

func (p *Poller) end(ctx context.Context, provider identityprovider.Provider, record session.Record, cause error, kept map[session.ID]time.Time, last time.Time) {
	if _, err := p.Sessions.EndSessions(ctx, session.Filter{ID: record.ID}); err != nil {
		kept[record.ID] = last
		p.Log.ErrorContext(ctx, "a session that the directory does not stand by could not be ended; it is tried again at the next poll",
			"provider", provider.Name, "session", record.ID.String(), "error", err)
		return
	}
	p.Log.InfoContext(ctx, "session ended: the directory does not stand by it any more",
		"provider", provider.Name, "email", record.Identity.Email, "session", record.ID.String(), "cause", cause)
}

// errGone reports somebody whom the directory does not know any more as the session does.
var errGone = errors.New("the directory does not stand by the person")

// standsBy returns nil when the person of a session is still who the session says, and in all of its groups. The error
// is errGone when not, and another one when that cannot be told.
func (d *directory) standsBy(provider identityprovider.Provider, record session.Record) error {
	email := record.Identity.Email
	entry, err := d.find(email)
	if errors.Is(err, ErrPassword) {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	if err != nil {
		return err
	}
	if !hasAddress(entry, d.emailAttribute, email) {
		return fmt.Errorf("%w: %s has another address", errGone, entry.DN)
	}
	name, err := subject(entry, d.subjectAttribute)
	if err != nil {
		return err
	}
	if name != record.AtProvider.Subject {
		return fmt.Errorf("%w: the address is another person's now", errGone)
	}
	values, err := d.groups(email, entry.DN)
	if err != nil {
		return err
	}
	now := provider.GroupAddresses(values)
	for _, group := range record.Groups {
		if !slices.Contains(now, group) {
			return fmt.Errorf("%w: no longer in the group %s", errGone, group)
		}
	}
	return nil
}
