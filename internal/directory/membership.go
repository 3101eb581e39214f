package directory

import (
	"maps"
	"slices"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// memberships says which groups hold an address directly. The numbers of one shard's answers lie one behind the
// other in an arena, so that a million members cost the garbage collector nothing. Immutable.
type memberships struct {
	spans map[uint32]span
	arena []uint32
}

type span struct{ from, to uint32 }

// of returns the groups that hold the address with that number directly.
func (m *memberships) of(number uint32) []uint32 {
	s := m.spans[number]
	return m.arena[s.from:s.to]
}

// membershipChange is what one address gains and loses.
type membershipChange struct{ joined, left []uint32 }

// with returns the memberships after changes.
func (m *memberships) with(changes map[uint32]*membershipChange) *memberships {
	next := &memberships{
		spans: make(map[uint32]span, len(m.spans)+len(changes)),
		arena: make([]uint32, 0, len(m.arena)+len(changes)),
	}
	for number := range m.spans {
		if _, changed := changes[number]; !changed {
			next.put(number, m.of(number), nil, nil)
		}
	}
	for number, change := range changes {
		next.put(number, m.of(number), change.left, change.joined)
	}
	return next
}

func (m *memberships) put(number uint32, groups, left, joined []uint32) {
	from := len(m.arena)
	for _, group := range groups {
		if !slices.Contains(left, group) {
			m.arena = append(m.arena, group)
		}
	}
	m.arena = append(m.arena, joined...)
	if len(m.arena) > from {
		m.spans[number] = span{uint32(from), uint32(len(m.arena))}
	}
}

// compiledGroup is one group with its members as sorted numbers.
type compiledGroup struct {
	address uint32 // of the group's address, as others' member
	number  uint32 // of the group itself, as a `group:` member
	members []uint32
}

func compileGroup(group Group, interner *principal.InternerEdit) *compiledGroup {
	c := &compiledGroup{
		address: interner.Intern(addressMember(group.Email)),
		number:  interner.Intern(principal.Member{Kind: principal.MemberGroup, Value: group.Email}),
		members: make([]uint32, len(group.Members)),
	}
	for i, member := range group.Members {
		c.members[i] = interner.Intern(addressMember(member))
	}
	slices.Sort(c.members)
	c.members = slices.Compact(c.members)
	return c
}

// putGroups replaces groups. Only the shards that hold an address which joined or left are copied.
func (v *View) putGroups(groups map[string]*Group, interner *principal.InternerEdit) {
	before := v.groups
	v.groups = maps.Clone(before)
	changes := [viewShards]map[uint32]*membershipChange{}
	change := func(number uint32) *membershipChange {
		shard := &changes[uint8(number)]
		if *shard == nil {
			*shard = map[uint32]*membershipChange{}
		}
		if (*shard)[number] == nil {
			(*shard)[number] = &membershipChange{}
		}
		return (*shard)[number]
	}
	for email, group := range groups {
		var compiled *compiledGroup
		if group == nil {
			delete(v.groups, email)
		} else {
			compiled = compileGroup(*group, interner)
			v.groups[email] = compiled
		}
		diffMembers(before[email], compiled,
			func(number, group uint32) { c := change(number); c.joined = append(c.joined, group) },
			func(number, group uint32) { c := change(number); c.left = append(c.left, group) })
	}
	for i, shard := range changes {
		if shard != nil {
			v.direct[i] = v.direct[i].with(shard)
		}
	}
	v.above = v.ancestors()
}

// diffMembers calls joined and left for the members that differ between two versions of a group, either of
// which may be nil.
func diffMembers(before, after *compiledGroup, joined, left func(number, group uint32)) {
	var old, now []uint32
	if before != nil {
		old = before.members
	}
	if after != nil {
		now = after.members
	}
	for len(old) > 0 || len(now) > 0 {
		switch {
		case len(now) == 0 || len(old) > 0 && old[0] < now[0]:
			left(old[0], before.number)
			old = old[1:]
		case len(old) == 0 || now[0] < old[0]:
			joined(now[0], after.number)
			now = now[1:]
		default:
			old, now = old[1:], now[1:]
		}
	}
}

// ancestors works out, for every group that is a member of another, all groups above it. Groups that hold each
// other in a circle are above each other.
func (v *View) ancestors() map[uint32][]uint32 {
	addresses := make(map[uint32]uint32, len(v.groups)) // group number to the number of its address
	for _, group := range v.groups {
		addresses[group.number] = group.address
	}
	above := map[uint32][]uint32{}
	for _, group := range v.groups {
		seen := map[uint32]bool{}
		queue := slices.Clone(v.direct[uint8(group.address)].of(group.address))
		for len(queue) > 0 {
			parent := queue[0]
			queue = queue[1:]
			if seen[parent] {
				continue
			}
			seen[parent] = true
			address := addresses[parent]
			queue = append(queue, v.direct[uint8(address)].of(address)...)
		}
		if len(seen) > 0 {
			above[group.number] = slices.Sorted(maps.Keys(seen))
		}
	}
	return above
}
