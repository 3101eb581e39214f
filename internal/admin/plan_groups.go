package admin

import (
	"context"
	"errors"
	"slices"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
)

func (g *planning) groupChange(ctx context.Context, i int, wanted directory.Group) (*Change, error) {
	stored, err := g.tx.Directory().Group(ctx, wanted.Email)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		account, err := g.tx.Directory().Account(ctx, wanted.Email)
		if err == nil && !g.removed[ownerKey{KindUser, wanted.Email}] {
			g.fault(i, "metadata.name", directory.ErrExists, "the address is that of a %s", account.Kind)
			return nil, nil
		}
		if err != nil && !errors.Is(err, directory.ErrNotFound) {
			return nil, err
		}
	case err != nil:
		return nil, err
	case stored.Description == wanted.Description && slices.Equal(stored.Members, wanted.Members):
		return nil, nil
	}
	exists := err == nil
	change := &Change{Action: Created, After: &Document{Group: &wanted}}
	if exists {
		change.Action, change.Before = Updated, &Document{Group: &stored}
	}
	change.write = func(ctx context.Context, tx Tx) (audit.Entry, error) {
		entry := audit.Entry{Action: "groups.create", Target: wanted.Email}
		var record error
		if exists {
			entry.Action = "groups.update"
			record = recordChange(&entry, summary(stored), groupChange(stored, wanted))
		} else {
			record = recordChange(&entry, nil, wanted)
		}
		return entry, errors.Join(record, tx.Directory().PutGroup(ctx, wanted))
	}
	return change, nil
}

// groupChange says how a group changes: of its members, who may be very many, only those that come and go.
func groupChange(before, after directory.Group) GroupChange {
	change := GroupChange{Email: after.Email, Description: after.Description, Members: len(after.Members)}
	had, has := set(before.Members), set(after.Members)
	for _, m := range after.Members {
		if !had[m] {
			change.Added = append(change.Added, m)
		}
	}
	for _, m := range before.Members {
		if !has[m] {
			change.Removed = append(change.Removed, m)
		}
	}
	return change
}
