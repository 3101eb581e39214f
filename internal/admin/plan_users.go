package admin

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// readHashes reads the password hashes that documents refer to, before anything is locked.
func (a *Admin) readHashes(documents []Document) (map[identityprovider.Secret]string, error) {
	hashes := map[identityprovider.Secret]string{}
	faults := faultsOf{documents: documents}
	for i, d := range documents {
		if d.User == nil || d.User.PasswordHash == nil {
			continue
		}
		from := *d.User.PasswordHash
		if (from.File == "") == (from.Env == "") {
			continue // the resolver says so
		}
		value, err := from.Read()
		hash := strings.TrimSpace(string(value))
		if err == nil && a.CheckHash != nil {
			err = a.CheckHash(hash)
		}
		if err != nil {
			faults.add(i, "spec.passwordHash", nil, "%s", err)
			continue
		}
		hashes[from] = hash
	}
	return hashes, faults.list.orNil()
}

func (g *planning) userChange(ctx context.Context, i int, d Document) (*Change, error) {
	stored, err := g.tx.Directory().Account(ctx, d.Name)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return g.newUser(ctx, i, d)
	case err != nil:
		return nil, err
	case stored.Kind != principal.User:
		g.fault(i, "metadata.name", directory.ErrExists, "the address is that of a service account")
		return nil, nil
	case d.User.Subject != "" && d.User.Subject != stored.Subject:
		g.fault(i, "spec.subject", nil, "the subject of %s is %s and never changes: leave it out", d.Name, stored.Subject)
		return nil, nil
	}
	next := g.account(stored, *d.User)
	if reflect.DeepEqual(next, stored) {
		return nil, nil
	}
	change := &Change{Action: Updated, Before: declaredUser(stored, d.User), After: declaredUser(next, d.User)}
	if next.PasswordHash != stored.PasswordHash {
		change.Before.User.PasswordHash = nil // another one, of which nothing is shown
	}
	change.write = func(ctx context.Context, tx Tx) (audit.Entry, error) {
		entry := audit.Entry{Action: "users.update", Target: d.Name}
		if next.PasswordHash != stored.PasswordHash { // whoever knew the old password is out
			entry.Action = "users.setPassword"
			if _, err := tx.Sessions().EndSessions(ctx, session.Filter{Email: d.Name}); err != nil {
				return entry, err
			}
		}
		return entry, errors.Join(tx.Directory().UpdateAccount(ctx, next), recordChange(&entry, publicAccount(stored), publicAccount(next)))
	}
	return change, nil
}

func (g *planning) newUser(ctx context.Context, i int, d Document) (*Change, error) {
	_, err := g.tx.Directory().Group(ctx, d.Name)
	if err == nil && !g.removed[ownerKey{KindGroup, d.Name}] {
		g.fault(i, "metadata.name", directory.ErrExists, "the address is that of a group")
		return nil, nil
	}
	if err != nil && !errors.Is(err, directory.ErrNotFound) {
		return nil, err
	}
	if taken, err := g.subjectTaken(ctx, d.User.Subject); err != nil {
		return nil, err
	} else if taken != "" {
		g.fault(i, "spec.subject", directory.ErrExists, "the subject is that of %s: applications would take the two for one person", taken)
		return nil, nil
	}
	account := g.account(directory.Account{
		Kind: principal.User, Email: d.Name, Subject: d.User.Subject, Created: g.Now().UTC().Truncate(time.Microsecond),
	}, *d.User)
	change := &Change{Action: Created, After: declaredUser(account, d.User)}
	change.write = func(ctx context.Context, tx Tx) (audit.Entry, error) {
		if account.Subject == "" {
			account.Subject = directory.NewSubject()
		}
		entry := audit.Entry{Action: "users.create", Target: d.Name}
		return entry, errors.Join(tx.Directory().CreateAccount(ctx, account), recordChange(&entry, nil, publicAccount(account)))
	}
	return change, nil
}

// subjectTaken says who has a subject that a document gives a new user; empty for nobody.
func (g *planning) subjectTaken(ctx context.Context, subject string) (string, error) {
	if subject == "" {
		return "", nil
	}
	if g.subjects == nil {
		accounts, err := g.tx.Directory().Accounts(ctx)
		if err != nil {
			return "", err
		}
		links, err := g.tx.Links().Links(ctx, "")
		if err != nil {
			return "", err
		}
		g.subjects = make(map[string]string, len(accounts)+len(links))
		for _, link := range links {
			g.subjects[link.Number] = link.Email + " at " + link.Issuer
		}
		for _, account := range accounts {
			if !g.removed[ownerKey{KindUser, account.Email}] {
				g.subjects[account.Subject] = account.Email
			}
		}
	}
	return g.subjects[subject], nil
}

// account is an account as a document wants it.
func (g *planning) account(account directory.Account, wanted DeclaredUser) directory.Account {
	account.DisplayName, account.HostedDomain, account.Attributes = wanted.DisplayName, wanted.HostedDomain, wanted.Attributes
	if wanted.Disabled != nil {
		account.Disabled = *wanted.Disabled
	}
	if wanted.PasswordHash != nil {
		account.PasswordHash = g.hashes[*wanted.PasswordHash]
	}
	return account
}

// declaredUser is an account as a document that declares the same fields as another would say it.
func declaredUser(account directory.Account, like *DeclaredUser) *Document {
	user := DeclaredUser{DisplayName: account.DisplayName, HostedDomain: account.HostedDomain, Attributes: account.Attributes, PasswordHash: like.PasswordHash}
	if like.Disabled != nil {
		user.Disabled = &account.Disabled
	}
	if like.Subject != "" {
		user.Subject = account.Subject
	}
	return &Document{User: &user}
}

// noteMentions says which policies and groups still name addresses that are about to be free.
func (g *planning) noteMentions(ctx context.Context, gone map[string]principal.Member) error {
	if len(gone) == 0 {
		return nil
	}
	note := func(email, where string) {
		g.plan.Notes = append(g.plan.Notes, fmt.Sprintf("%s still names %s: whoever gets the address next would be meant", where, email))
	}
	members := make(map[string]string, len(gone))
	for email, member := range gone {
		members[member.String()] = email
	}
	inPolicy := func(name string, policy iam.Policy) {
		for _, b := range policy.Bindings {
			for _, member := range b.Members {
				if email, going := members[member]; going {
					note(email, "the policy of "+name)
				}
			}
		}
	}
	for i, d := range g.resolver.documents {
		if d.Policy != nil && !g.broken[i] {
			inPolicy(d.Policy.Resource, d.Policy.Policy)
		}
	}
	for name, policy := range g.policies {
		if key := (ownerKey{KindIamPolicy, string(name)}); !g.declared[key] && !g.removed[key] {
			inPolicy(string(name), policy)
		}
	}
	groups, err := g.tx.Directory().Groups(ctx)
	if err != nil {
		return err
	}
	for _, group := range groups {
		if _, going := gone[group.Email]; going || g.declared[ownerKey{KindGroup, group.Email}] {
			continue
		}
		for _, member := range group.Members {
			if _, going := gone[member]; going {
				note(member, "the group "+group.Email)
			}
		}
	}
	slices.Sort(g.plan.Notes)
	g.plan.Notes = slices.Compact(g.plan.Notes)
	return nil
}
