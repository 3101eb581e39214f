package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// GroupSummary is a group in a list and in the record of a membership change: its members counted, not named.
type GroupSummary struct {
	Email       string `json:"email"`
	Description string `json:"description,omitempty"`
	Members     int    `json:"members"`
}

// GroupChange says what a change of members did, and is what is recorded as having come of it.
type GroupChange struct {
	Email       string   `json:"email"`
	Description string   `json:"description,omitempty"` // that the group has now
	Added       []string `json:"added,omitempty"`
	Removed     []string `json:"removed,omitempty"`
	Members     int      `json:"members"` // how many the group has now
	// Unknown are those of Added that are neither an account nor a group here: perhaps misspelt.
	Unknown []string `json:"unknown,omitempty"`
}

func summary(g directory.Group) GroupSummary {
	return GroupSummary{g.Email, g.Description, len(g.Members)}
}

// Groups lists the groups, by address.
func (a *Admin) Groups(ctx context.Context) (groups []GroupSummary, err error) {
	err = a.Store.View(ctx, func(tx Tx) error {
		stored, err := tx.Directory().Groups(ctx)
		for _, g := range stored {
			groups = append(groups, summary(g))
		}
		return err
	})
	return groups, err
}

// Group returns one group with its members.
func (a *Admin) Group(ctx context.Context, email string) (group directory.Group, err error) {
	err = a.Store.View(ctx, func(tx Tx) error {
		group, err = storedGroup(ctx, tx, email)
		return err
	})
	return group, err
}

func storedGroup(ctx context.Context, tx Tx, email string) (directory.Group, error) {
	canonical, err := principal.ParseAddress(email)
	if err != nil {
		return directory.Group{}, err
	}
	group, err := tx.Directory().Group(ctx, canonical)
	if err != nil {
		return directory.Group{}, fmt.Errorf("group %s: %w", canonical, err)
	}
	return group, nil
}

// CreateGroup creates a group; directory.ErrExists when the address is taken.
func (a *Admin) CreateGroup(ctx context.Context, actor audit.Actor, group directory.Group) (created GroupChange, err error) {
	if group.Email, err = principal.ParseAddress(group.Email); err != nil {
		return GroupChange{}, err
	}
	if group.Members, err = addresses(group.Members); err != nil {
		return GroupChange{}, err
	}
	if err := errors.Join(checkText("description", group.Description), group.Validate()); err != nil {
		return GroupChange{}, err
	}
	err = a.change(ctx, actor, "groups.create", group.Email, func(tx Tx, entry *audit.Entry) error {
		if _, err := tx.Directory().Group(ctx, group.Email); !errors.Is(err, directory.ErrNotFound) {
			return taken(group.Email, "group", err)
		}
		if _, err := tx.Directory().Account(ctx, group.Email); !errors.Is(err, directory.ErrNotFound) {
			return taken(group.Email, "user or service account", err)
		}
		created = GroupChange{Email: group.Email, Description: group.Description, Added: group.Members, Members: len(group.Members)}
		if created.Unknown, err = unknown(ctx, tx, group.Members); err != nil {
			return err
		}
		return errors.Join(recordChange(entry, nil, group), tx.Directory().PutGroup(ctx, group))
	})
	return created, err
}

// AddGroupMembers adds members to a group; those that it has already are left as they are.
func (a *Admin) AddGroupMembers(ctx context.Context, actor audit.Actor, email string, members []string) (GroupChange, error) {
	return a.changeMembers(ctx, actor, "groups.addMembers", email, members, func(tx Tx, g *directory.Group, members []string) (change GroupChange, err error) {
		has := set(g.Members)
		for _, m := range members {
			if !has[m] {
				change.Added = append(change.Added, m)
			}
		}
		g.Members = append(slices.Clone(g.Members), change.Added...)
		change.Unknown, err = unknown(ctx, tx, change.Added)
		return change, err
	})
}

// RemoveGroupMembers removes members from a group; one that it does not have is an error, and nothing changes.
func (a *Admin) RemoveGroupMembers(ctx context.Context, actor audit.Actor, email string, members []string) (GroupChange, error) {
	return a.changeMembers(ctx, actor, "groups.removeMembers", email, members, func(_ Tx, g *directory.Group, members []string) (GroupChange, error) {
		has, leaving := set(g.Members), set(members)
		for _, m := range members {
			if !has[m] {
				return GroupChange{}, fmt.Errorf("%w: %s is not a member of %s", ErrNotFound, m, g.Email)
			}
		}
		g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(m string) bool { return leaving[m] })
		return GroupChange{Removed: members}, nil
	})
}

func (a *Admin) changeMembers(ctx context.Context, actor audit.Actor, action, email string, members []string,
	f func(Tx, *directory.Group, []string) (GroupChange, error),
) (change GroupChange, err error) {
	canonical, err := principal.ParseAddress(email)
	if err != nil {
		return GroupChange{}, err
	}
	if members, err = addresses(members); err != nil {
		return GroupChange{}, err
	}
	if len(members) == 0 {
		return GroupChange{}, fmt.Errorf("%w: no members are named", ErrInvalid)
	}
	err = a.change(ctx, actor, action, canonical, func(tx Tx, entry *audit.Entry) error {
		group, err := storedGroup(ctx, tx, canonical)
		if err != nil {
			return err
		}
		if err := free(ctx, tx, KindGroup, canonical); err != nil {
			return err
		}
		before := summary(group)
		if change, err = f(tx, &group, members); err != nil {
			return err
		}
		change.Email, change.Description, change.Members = canonical, group.Description, len(group.Members)
		if err := group.Validate(); err != nil {
			return err
		}
		return errors.Join(recordChange(entry, before, change), tx.Directory().PutGroup(ctx, group))
	})
	return change, err
}

// DeleteGroup removes a group. It returns the places that still name its address.
func (a *Admin) DeleteGroup(ctx context.Context, actor audit.Actor, email string) (left Mentions, err error) {
	canonical, err := principal.ParseAddress(email)
	if err != nil {
		return Mentions{}, err
	}
	err = a.change(ctx, actor, "groups.delete", canonical, func(tx Tx, entry *audit.Entry) error {
		group, err := storedGroup(ctx, tx, canonical)
		if err != nil {
			return err
		}
		if err := free(ctx, tx, KindGroup, canonical); err != nil {
			return err
		}
		if left, err = mentions(ctx, tx, principal.Member{Kind: principal.MemberGroup, Value: canonical}); err != nil {
			return err
		}
		return errors.Join(recordChange(entry, group, nil), tx.Directory().DeleteGroup(ctx, canonical))
	})
	return left, err
}

// addresses returns the canonical forms, each once.
func addresses(written []string) ([]string, error) {
	out := make([]string, 0, len(written))
	seen := make(map[string]bool, len(written))
	for _, s := range written {
		canonical, err := principal.ParseAddress(s)
		if err != nil {
			return nil, err
		}
		if !seen[canonical] {
			seen[canonical] = true
			out = append(out, canonical)
		}
	}
	return out, nil
}

// unknown returns those addresses that are neither an account nor a group.
func unknown(ctx context.Context, tx Tx, emails []string) (out []string, err error) {
	for _, email := range emails {
		_, asAccount := tx.Directory().Account(ctx, email)
		_, asGroup := tx.Directory().Group(ctx, email)
		switch {
		case asAccount == nil || asGroup == nil:
		case !errors.Is(asAccount, directory.ErrNotFound):
			return nil, asAccount
		case !errors.Is(asGroup, directory.ErrNotFound):
			return nil, asGroup
		default:
			out = append(out, email)
		}
	}
	return out, nil
}

func set(members []string) map[string]bool {
	m := make(map[string]bool, len(members))
	for _, s := range members {
		m[s] = true
	}
	return m
}
