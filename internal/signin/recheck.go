package signin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// Confirmation is what is noted when a provider has vouched for somebody again.
type Confirmation struct {
	Tokens            []byte // sealed
	Groups            []string
	Attributes        []principal.Attribute
	Checked, AskAfter time.Time
	Silent            bool
}

var (
	// ErrNewer reports a session whose tokens are no longer those that were used: somebody else has been quicker.
	ErrNewer = errors.New("the session has newer tokens by now")
	// ErrReplayed reports a logout token that was used before.
	ErrReplayed = errors.New("this logout token was used before")
)

// RecheckStore keeps when providers are to be asked again, and the logout tokens that they have sent.
type RecheckStore interface {
	// ClaimRechecks returns sessions of the auth host that are due and can be asked for without the browser, and
	// makes them due again at until, so that nobody else asks meanwhile.
	ClaimRechecks(ctx context.Context, now, until time.Time, limit int) ([]session.Record, error)
	// ConfirmSession notes a confirmation on a session and its children, whose ids it returns. session.ErrNotFound
	// when it has ended, ErrNewer when its sealed tokens are not used any more.
	ConfirmSession(ctx context.Context, id session.ID, used []byte, c Confirmation) ([]session.ID, error)
	// PostponeRecheck makes a session and its children due at a later time.
	PostponeRecheck(ctx context.Context, id session.ID, until time.Time) ([]session.ID, error)
	// UseLogoutToken notes the id of a logout token until it expires; ErrReplayed when it was noted before.
	UseLogoutToken(ctx context.Context, id string, expires, now time.Time) error
}

const (
	// recheckTick is how often due sessions are looked for.
	recheckTick = 15 * time.Second
	// recheckLease is how long one asking may take, and when a provider that did not answer is asked again.
	recheckLease = time.Minute
	// recheckBatch and recheckParallel bound how much is asked at once.
	recheckBatch    = 200
	recheckParallel = 8
	recheckTimeout  = 30 * time.Second
)

// Run asks the providers again, for every session as often as confirmEvery says, until ctx ends. What is being asked then is
// waited for: the answer may hold the only refresh token that is still good.
func (s *SignIn) Run(ctx context.Context) error {
	ticker := time.NewTicker(recheckTick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := s.Recheck(ctx); err != nil && ctx.Err() == nil {
				s.Log.ErrorContext(ctx, "sessions that are due could not be read; it will be tried again", "error", err)
			}
		}
	}
}

// Recheck asks the providers about all sessions that are due.
func (s *SignIn) Recheck(ctx context.Context) error {
	for {
		now := s.Now()
		var due []session.Record
		err := s.Transactor.SignIn(ctx, func(tx Tx) (err error) {
			due, err = tx.Rechecks().ClaimRechecks(ctx, now, now.Add(recheckLease), recheckBatch)
			return err
		})
		if err != nil {
			return err
		}
		var group errgroup.Group
		group.SetLimit(recheckParallel)
		for _, record := range due {
			group.Go(func() error {
				// Many may have waited before this one. Once the lease is over another replica asks, and two that redeem one
				// refresh token look like a thief to a provider that rotates them.
				if !s.Now().Before(now.Add(recheckLease - recheckTimeout)) {
					return nil
				}
				asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), recheckTimeout)
				defer cancel()
				s.recheck(asking, record)
				return nil
			})
		}
		_ = group.Wait() // each says in the log what went wrong
		if len(due) < recheckBatch || ctx.Err() != nil {
			return nil
		}
	}
}

// recheck asks the provider about one session, and does what follows from the answer.
func (s *SignIn) recheck(ctx context.Context, record session.Record) {
	p, found := s.providers().Provider(record.Identity.Provider)
	if !found || p.Disabled || p.Kind == identityprovider.Local {
		return // it counts for nothing as it is
	}
	vouched, err := s.answer(ctx, record, p)
	if err == nil {
		err = s.sameAgain(p, record, vouched)
	}
	result := "confirmed"
	unanswered := errors.Is(err, ErrProviderDown) || errors.Is(err, ErrProviderSetup) || errors.Is(err, ErrProviderToken) || ctx.Err() != nil
	switch {
	case err == nil:
		s.confirm(ctx, record, p, vouched)
	case unanswered && !record.Unconfirmed(s.Now()):
		result = "unanswered"
		s.Log.WarnContext(ctx, "the identity provider could not confirm a session; it goes on for an hour at most",
			"provider", p.Name, "email", record.Identity.Email, "session", record.ID.String(), "since", record.Checked, "cause", err)
		if len(vouched.Tokens) > 0 { // the old ones may be spent
			s.keepTokens(ctx, record, vouched)
		}
	default:
		result = "ended"
		s.finish(ctx, record, p, err)
	}
	if s.Meter != nil {
		s.Meter.Rechecked(p.Name, result)
	}
}

// answer asks the provider of a session about its person.
func (s *SignIn) answer(ctx context.Context, record session.Record, p identityprovider.Provider) (Vouched, error) {
	if source := s.PasswordSources[p.Kind]; source != nil {
		return source.AskAgain(ctx, p, record.Identity.Email)
	}
	tokens, err := s.Sealer.Open(record.AtProvider.Tokens, sessionUse(record.ID))
	if err != nil {
		return Vouched{}, fmt.Errorf("its stored tokens do not open: %w", err)
	}
	return s.Redirecting.Refresh(ctx, p, tokens)
}

// confirmEvery is how often a provider is asked again. A directory answers from what it holds, and is the only one
// to say so when somebody has left: its answer is never older than a minute, the looking for due sessions included.
func confirmEvery(p identityprovider.Provider) time.Duration {
	if p.Kind == identityprovider.LDAP {
		return time.Minute - recheckTick
	}
	return session.ConfirmEvery
}

// sameAgain makes sure that the provider still speaks of the same person, whom it may still vouch for.
func (s *SignIn) sameAgain(p identityprovider.Provider, record session.Record, v Vouched) error {
	if v.Subject == "" {
		return nil // it said only that the sign-in stands
	}
	if v.Subject != record.AtProvider.Subject {
		return errors.New("the provider speaks of somebody else now")
	}
	identity, err := s.admit(p, v)
	if err != nil {
		return err
	}
	if identity.Email != record.Identity.Email || identity.HostedDomain != record.Identity.HostedDomain {
		return fmt.Errorf("the address has changed from %s to %s", record.Identity.Email, identity.Email)
	}
	return nil
}

// confirm notes that the provider has vouched again.
func (s *SignIn) confirm(ctx context.Context, record session.Record, p identityprovider.Provider, v Vouched) {
	now := s.Now()
	c := Confirmation{Groups: record.Groups, Attributes: record.Attributes, Checked: checked(v, now), AskAfter: now.Add(confirmEvery(p)), Silent: !v.Refreshable}
	if v.Subject != "" {
		c.Groups, c.Attributes = p.GroupAddresses(v.Groups), v.Attributes
	}
	s.note(ctx, record, v, c)
}

// keepTokens stores tokens that came with an answer which confirms nothing.
func (s *SignIn) keepTokens(ctx context.Context, record session.Record, v Vouched) {
	s.note(ctx, record, v, Confirmation{Groups: record.Groups, Attributes: record.Attributes, Checked: record.Checked, AskAfter: record.AskAfter, Silent: record.Silent})
}

func (s *SignIn) note(ctx context.Context, record session.Record, v Vouched, c Confirmation) {
	if err := s.confirmed(ctx, record, v, c); err != nil && !errors.Is(err, ErrNewer) && !errors.Is(err, session.ErrNotFound) {
		s.Log.ErrorContext(ctx, "a confirmed session could not be stored", "session", record.ID.String(), "error", err)
	}
}

// confirmed stores a confirmation and makes requests see it.
func (s *SignIn) confirmed(ctx context.Context, record session.Record, v Vouched, c Confirmation) error {
	c.Tokens = record.AtProvider.Tokens
	if len(v.Tokens) > 0 {
		c.Tokens = s.Sealer.Seal(v.Tokens, sessionUse(record.ID))
	}
	var family []session.ID
	err := s.Transactor.SignIn(ctx, func(tx Tx) (err error) {
		family, err = tx.Rechecks().ConfirmSession(ctx, record.ID, record.AtProvider.Tokens, c)
		return err
	})
	if err == nil {
		s.Sessions.Forget(family...)
	}
	return err
}

// finish ends a session that its provider does not stand by any more, unless it has newer tokens than those that
// were used.
func (s *SignIn) finish(ctx context.Context, record session.Record, p identityprovider.Provider, cause error) {
	var ended []session.ID
	err := s.Transactor.SignIn(ctx, func(tx Tx) error {
		stored, err := tx.Sessions().Session(ctx, record.ID)
		if err != nil {
			return err
		}
		if string(stored.AtProvider.Tokens) != string(record.AtProvider.Tokens) {
			return ErrNewer
		}
		ended, err = tx.Sessions().EndSessions(ctx, session.Filter{ID: record.ID})
		return err
	})
	switch {
	case errors.Is(err, ErrNewer), errors.Is(err, session.ErrNotFound):
	case err != nil:
		s.Log.ErrorContext(ctx, "a session that its provider has ended could not be ended here", "session", record.ID.String(), "error", err)
	default:
		s.Sessions.End(ended...)
		s.Log.InfoContext(ctx, "session ended: the identity provider does not confirm it", "provider", p.Name,
			"email", record.Identity.Email, "session", record.ID.String(), "cause", cause)
	}
}
