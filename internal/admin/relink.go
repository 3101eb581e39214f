package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// Relinking is the body of users/EMAIL:relink: which provider knew the person, and which does now.
type Relinking struct {
	From string `json:"from"` // name of a provider, or the issuer of one that is gone; "local" for the local account
	To   string `json:"to"`   // name of a provider
	// Subject is what the new provider calls the person. Without it, the person must have signed in there once.
	Subject string `json:"subject,omitempty"`
}

// Relink moves the number that applications know a person by to what another provider calls that person, so that a
// company can change its provider and applications do not take its people for new ones. Sessions under the address
// end. The number that was drawn when the person first signed in at the new provider, if any, is given up. From the
// local directory, the account itself goes.
func (a *Admin) Relink(ctx context.Context, actor audit.Actor, email string, r Relinking) (moved identityprovider.Link, err error) {
	canonical, err := principal.ParseAddress(email)
	if err != nil {
		return identityprovider.Link{}, err
	}
	err = a.change(ctx, actor, "users.relink", canonical, func(tx Tx, entry *audit.Entry) error {
		providers, err := tx.Providers().Providers(ctx)
		if err != nil {
			return err
		}
		to, found := identityprovider.NewView(providers).Provider(r.To)
		if !found || to.Kind == identityprovider.Local {
			return fmt.Errorf("to %q: %w", r.To, identityprovider.ErrNotFound)
		}
		links, err := tx.Links().Links(ctx, canonical)
		if err != nil {
			return err
		}
		before, err := takeNumber(ctx, tx, providers, links, canonical, r.From)
		if err != nil {
			return err
		}
		moved = before
		moved.Issuer, moved.Subject = to.Issuer(), r.Subject
		if moved.Subject == "" {
			known, err := oneLink(links, moved.Issuer, canonical)
			if err != nil {
				return fmt.Errorf("%w: let the person sign in there once, or give the subject", err)
			}
			moved.Subject = known.Subject
		}
		if moved.Issuer == before.Issuer && moved.Subject == before.Subject {
			return fmt.Errorf("%w: the number already belongs to %s at %s", ErrInvalid, moved.Subject, moved.Issuer)
		}
		// The row of the new name first goes, with the number that was drawn for it.
		if err := tx.Links().DeleteLink(ctx, moved.Issuer, moved.Subject); err != nil && !errors.Is(err, identityprovider.ErrNoLink) {
			return err
		}
		if _, err := tx.Sessions().EndSessions(ctx, session.Filter{Email: canonical}); err != nil {
			return err
		}
		return errors.Join(tx.Links().PutLink(ctx, moved), recordChange(entry, before, moved))
	})
	return moved, err
}

// takeNumber removes whatever has the person's number now and returns it.
func takeNumber(
	ctx context.Context, tx Tx, providers []identityprovider.Provider, links []identityprovider.Link, email, from string,
) (identityprovider.Link, error) {
	if from == directory.LocalProvider {
		account, err := storedAccount(ctx, tx, principal.User, email)
		if err == nil { // a manifest would make the account again, with another number
			err = free(ctx, tx, KindUser, email)
		}
		if err != nil {
			return identityprovider.Link{}, err
		}
		return identityprovider.Link{
			Issuer: from, Subject: account.Email, Number: account.Subject, Email: account.Email, Created: account.Created, LastSignIn: account.Created,
		}, tx.Directory().DeleteAccount(ctx, account.Email)
	}
	issuer := from
	for _, p := range providers {
		if p.Name == from {
			issuer = p.Issuer()
		}
	}
	link, err := oneLink(links, issuer, email)
	if err != nil {
		return identityprovider.Link{}, err
	}
	return link, tx.Links().DeleteLink(ctx, link.Issuer, link.Subject)
}

// oneLink returns the link of an issuer. An address that two people of the issuer have had is refused: which of them
// is meant cannot be known.
func oneLink(links []identityprovider.Link, issuer, email string) (found identityprovider.Link, err error) {
	count := 0
	for _, l := range links {
		if l.Issuer == issuer {
			found = l
			count++
		}
	}
	switch count {
	case 0:
		return found, fmt.Errorf("%s at %s: %w", email, issuer, identityprovider.ErrNoLink)
	case 1:
		return found, nil
	default:
		return found, fmt.Errorf("%w: %d people of %s have signed in as %s", ErrPrecondition, count, issuer, email)
	}
}
