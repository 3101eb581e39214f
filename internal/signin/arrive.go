package signin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// arrival is somebody who has just proved who they are.
type arrival struct {
	identity principal.Identity
	groups   []string
	// attributes are those of the provider; local accounts have theirs in the directory.
	attributes []principal.Attribute
	amr        []string
	acr        string
	authTime   time.Time // zero where the provider does not say
	// device is the account that the browser becomes known to, so that guesses elsewhere do not lock it out here;
	// empty for sign-ins without a password.
	device string
	// account is the local account as the password was checked against it; nil for people of other providers.
	account *directory.Account
	// provider is who vouches, as it was asked, and link what it calls the person; nil for accounts of our own
	// directory, whose number is known.
	provider *identityprovider.Provider
	link     *identityprovider.Link
	// checked and askAfter are zero for accounts of our own directory.
	checked, askAfter time.Time
	silent            bool
	// atProvider is kept with the session, its tokens sealed by then.
	atProvider session.AtProvider
}

// local is the arrival of a local account.
func local(account directory.Account, amr ...string) arrival {
	who := arrival{identity: account.Identity(), amr: amr, account: &account}
	if len(amr) > 0 {
		who.device = account.Subject
	}
	return who
}

// arrive lets somebody in for whom a provider vouches, if it may.
func (s *SignIn) arrive(w http.ResponseWriter, r *http.Request, a attempt, p identityprovider.Provider, v Vouched) {
	who, err := s.vouchedFor(p, v)
	if err != nil {
		s.fail(w, r, a, p, err)
		return
	}
	s.enter(w, r, a, who)
}

// vouchedFor returns the arrival of somebody for whom a provider vouches.
func (s *SignIn) vouchedFor(p identityprovider.Provider, v Vouched) (arrival, error) {
	identity, err := s.admit(p, v)
	if err != nil {
		return arrival{}, err
	}
	number, err := identityprovider.NewNumber(p, v.Subject)
	if err != nil {
		return arrival{}, unusableSubject(err)
	}
	now := s.Now()
	who := arrival{
		identity: identity, groups: p.GroupAddresses(v.Groups), attributes: v.Attributes, amr: v.AMR, acr: v.ACR, authTime: v.AuthTime, provider: &p,
		link: &identityprovider.Link{
			Issuer: p.Issuer(), Subject: v.Subject, Number: number, Email: identity.Email, Created: now, LastSignIn: now,
		},
		atProvider: session.AtProvider{Subject: v.Subject, Session: v.Session, Tokens: v.Tokens},
	}
	who.checked, who.askAfter, who.silent = checked(v, now), now.Add(confirmEvery(p)), !v.Refreshable
	return who, nil
}

// checked is when what a provider says now was true: all of it, and so the groups that it looked up a while ago.
func checked(v Vouched, now time.Time) time.Time {
	if v.AsOf.IsZero() || v.AsOf.After(now) {
		return now
	}
	return v.AsOf
}

// sessionUse binds sealed tokens to the session that they belong to.
func sessionUse(id session.ID) []byte { return []byte("provider tokens " + id.String()) }

// record returns the auth host's session of an arrival.
func (s *SignIn) record(who arrival, now time.Time) session.Record {
	record := session.Record{
		ID: session.NewID(), Identity: who.identity, Groups: who.groups, Attributes: who.attributes, AMR: who.amr, ACR: who.acr, AuthTime: who.authTime, Created: now,
		Expires: now.Add(s.Lifetimes.Absolute), LastSeen: now, Checked: who.checked, AskAfter: who.askAfter, Silent: who.silent, AtProvider: who.atProvider,
	}
	if who.account != nil || who.authTime.After(now) { // proved to us, or by a clock that is ahead
		record.AuthTime = now
	}
	if len(who.atProvider.Tokens) > 0 {
		record.AtProvider.Tokens = s.Sealer.Seal(who.atProvider.Tokens, sessionUse(record.ID))
	}
	return record
}

// enter opens a new session at the auth host for somebody who has just proved who they are, ends the one that
// it replaces, and hands over to the application.
func (s *SignIn) enter(w http.ResponseWriter, r *http.Request, a attempt, who arrival) {
	replaced, err := s.authSession(r)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	ctx, now := r.Context(), s.Now()
	record := s.record(who, now)
	if !a.demand().MetBy(record.Proof(), now) {
		p, _ := s.providers().Provider(who.identity.Provider)
		s.fail(w, r, a, p, fmt.Errorf("%w: auth_time %s, amr %q, acr %q of %s", errUnproved, record.AuthTime, record.AMR, record.ACR, who.identity.Email))
		return
	}
	var ended []session.ID
	var handed token
	err = s.Transactor.SignIn(ctx, func(tx Tx) (err error) {
		if who.account != nil {
			if err = unchanged(ctx, tx.Accounts(), *who.account); err != nil {
				return err
			}
		}
		if ended = nil; !replaced.ID.IsZero() {
			if ended, err = tx.Sessions().EndSessions(ctx, session.Filter{ID: replaced.ID}); err != nil {
				return err
			}
		}
		if who.provider != nil {
			if err = inForce(ctx, tx.Providers(), *who.provider, who.identity); err != nil {
				return err
			}
		}
		if err = s.number(ctx, tx, who, &record); err != nil {
			return err
		}
		if err = tx.Sessions().OpenSession(ctx, record); err != nil {
			return err
		}
		if !a.Here {
			handed, err = s.putHandoff(ctx, tx.Handoffs(), a, record.ID)
		}
		return err
	})
	switch {
	case errors.Is(err, identityprovider.ErrNumberTaken):
		s.refuse(w, r, a.Resource, s.origin(a.Host, a.Target), fmt.Errorf("%s: %w; see \"gatehouse users relink\"", who.identity.Email, err))
		return
	case errors.Is(err, errChanged), errors.Is(err, session.ErrNotFound) && who.account != nil:
		s.ask(w, r, a, pages.SignIn{Email: who.identity.Email, Problem: wrongPassword, Status: http.StatusUnauthorized})
		return
	case errors.Is(err, session.ErrNotFound), errors.Is(err, errReplaced):
		s.refuse(w, r, a.Resource, s.origin(a.Host, a.Target), err)
		return
	case err != nil:
		s.unavailable(w, r, err)
		return
	}
	s.Sessions.End(ended...)
	s.Sessions.Add(record)
	s.count(record.Identity.Provider, Success)
	s.Log.InfoContext(ctx, "signed in", "email", record.Identity.Email, "provider", record.Identity.Provider, "session", record.ID.String(),
		"amr", who.amr, "peer", s.clientAddr(r))
	setCookie(w, session.AuthCookieName, s.Sessions.Codec.Seal(record.ID, now, session.AuthCookieName, s.AuthHost), now, 0)
	if who.device != "" {
		s.writeDevice(w, s.readDevice(r).with(who.device, now))
	}
	s.sendOn(w, r, a, handed)
}

// number fills in what the person of a provider is called here: what they were called before, if they were here.
func (s *SignIn) number(ctx context.Context, tx Tx, who arrival, record *session.Record) error {
	if who.link == nil {
		return nil
	}
	stored, err := tx.Links().Link(ctx, *who.link)
	record.Identity.Subject = stored.Number
	return err
}

// errReplaced reports a provider that is gone, switched off or somebody else since it vouched for the person.
var errReplaced = errors.New("the identity provider has been removed, switched off or replaced meanwhile")

// inForce refuses a provider that is not stored as it was asked, or may not vouch for the person any more. Its answer may take seconds, in which an administrator
// gives its name to another: a session that is opened after that would pass for one which the new one vouches for.
func inForce(ctx context.Context, providers identityprovider.Reader, asked identityprovider.Provider, who principal.Identity) error {
	stored, err := providers.Providers(ctx)
	if err != nil {
		return err
	}
	view := identityprovider.NewView(stored)
	if p, found := view.Provider(asked.Name); !found || p.Kind != asked.Kind || p.Issuer() != asked.Issuer() || !view.Vouches(who) {
		return errReplaced
	}
	return nil
}
