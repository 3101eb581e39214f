package storage

import (
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

// Groups lists all groups. Members are read in one pass over their index.
func (s directoryStore) Groups(ctx context.Context) ([]directory.Group, error) {
	var groups []directory.Group
	at := map[int64]int{} // group id to index in groups
	err := s.t.query(ctx, func(scan scanner) error {
		id, group, err := scanGroup(scan)
		at[id] = len(groups)
		groups = append(groups, group)
		return err
	}, `SELECT id, email, description FROM groups ORDER BY email`)
	if err != nil {
		return nil, err
	}
	err = s.t.query(ctx, func(scan scanner) error {
		var id int64
		var member string
		if err := scan(&id, &member); err != nil {
			return err
		}
		group, found := at[id]
		if !found {
			return fmt.Errorf("members of group number %d, which does not exist", id)
		}
		groups[group].Members = append(groups[group].Members, member)
		return nil
	}, `SELECT group_id, member FROM group_members ORDER BY group_id, member`)
	return groups, err
}

// Group returns one group, its members ordered by address.
func (s directoryStore) Group(ctx context.Context, email string) (directory.Group, error) {
	id, group, found, err := s.group(ctx, email)
	if err != nil {
		return directory.Group{}, err
	}
	if !found {
		return directory.Group{}, directory.ErrNotFound
	}
	members, err := s.members(ctx, id)
	group.Members = members
	return group, err
}

// group reads a group without its members.
func (s directoryStore) group(ctx context.Context, email string) (id int64, group directory.Group, found bool, err error) {
	found, err = s.t.row(ctx, func(scan scanner) (err error) {
		id, group, err = scanGroup(scan)
		return err
	}, `SELECT id, email, description FROM groups WHERE email = $1`, email)
	return id, group, found, err
}

func scanGroup(scan scanner) (int64, directory.Group, error) {
	group := directory.Group{Members: []string{}}
	var id int64
	err := scan(&id, &group.Email, &group.Description)
	return id, group, err
}

func (s directoryStore) members(ctx context.Context, id int64) ([]string, error) {
	members := []string{}
	err := s.t.query(ctx, func(scan scanner) error {
		var member string
		err := scan(&member)
		members = append(members, member)
		return err
	}, `SELECT member FROM group_members WHERE group_id = $1 ORDER BY member`, id)
	return members, err
}

// PutGroup writes only the members that come or go, so that one more in a group of a million is one row. It
// refuses an address that an account has: members of groups are addresses without a kind.
func (s directoryStore) PutGroup(ctx context.Context, group directory.Group) error {
	if len(group.Members) > directory.MaxGroupMembers {
		return fmt.Errorf("%w: group %s has %d members; at most %d are possible",
			directory.ErrInvalid, group.Email, len(group.Members), directory.MaxGroupMembers)
	}
	taken, err := s.t.exists(ctx, `SELECT 1 FROM accounts WHERE email = $1`, group.Email)
	if err != nil {
		return err
	}
	if taken {
		return fmt.Errorf("%w: %s is an account", directory.ErrExists, group.Email)
	}
	position, err := s.t.change(ctx, snapshot.GroupChanged, group.Email)
	if err != nil {
		return err
	}
	id, _, found, err := s.group(ctx, group.Email)
	if err != nil {
		return err
	}
	if !found {
		id = position
	}
	if _, err := s.t.exec(ctx, `INSERT INTO groups (email, id, description) VALUES ($1, $2, $3)
		ON CONFLICT (email) DO UPDATE SET description = excluded.description`, group.Email, id, group.Description); err != nil {
		return err
	}
	stored, err := s.members(ctx, id)
	if err != nil {
		return err
	}
	wanted := slices.Clone(group.Members)
	slices.Sort(wanted)
	added, removed := difference(stored, slices.Compact(wanted))
	if err := s.removeMembers(ctx, id, removed); err != nil {
		return err
	}
	return s.t.insert(ctx, `INSERT INTO group_members (group_id, member)`, 2, len(added), func(i int, args []any) []any {
		return append(args, id, added[i])
	})
}

// difference walks two sorted lists without duplicates.
func difference(stored, wanted []string) (added, removed []string) {
	for len(stored) > 0 && len(wanted) > 0 {
		switch {
		case stored[0] == wanted[0]:
			stored, wanted = stored[1:], wanted[1:]
		case stored[0] < wanted[0]:
			removed, stored = append(removed, stored[0]), stored[1:]
		default:
			added, wanted = append(added, wanted[0]), wanted[1:]
		}
	}
	return append(added, wanted...), append(removed, stored...)
}

func (s directoryStore) removeMembers(ctx context.Context, id int64, members []string) error {
	for batch := range slices.Chunk(members, insertBatch) {
		args := []any{id}
		for _, member := range batch {
			args = append(args, member)
		}
		query := `DELETE FROM group_members WHERE group_id = $1 AND member IN (` + parameters(2, len(batch)) + `)`
		if _, err := s.t.exec(ctx, query, args...); err != nil {
			return err
		}
	}
	return nil
}

func (s directoryStore) DeleteGroup(ctx context.Context, email string) error {
	id, _, found, err := s.group(ctx, email)
	if err != nil {
		return err
	}
	if !found {
		return directory.ErrNotFound
	}
	if _, err := s.t.exec(ctx, `DELETE FROM group_members WHERE group_id = $1`, id); err != nil {
		return err
	}
	if _, err := s.t.exec(ctx, `DELETE FROM groups WHERE id = $1`, id); err != nil {
		return err
	}
	_, err = s.t.change(ctx, snapshot.GroupChanged, email)
	return err
}
