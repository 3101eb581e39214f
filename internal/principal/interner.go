package principal

// internerShards bounds what one new member copies: a change copies the shards it falls into, not the whole.
const internerShards = 256

// Interner numbers members, so that sets of them hold numbers and no pointers. It is immutable: Edit makes a
// successor that shares the shards which did not change. Numbers are never reused within one line of successors.
type Interner struct {
	shards [internerShards]map[Member]uint32
	next   uint32
}

// Lookup returns the number of a member; false when nothing has ever named it.
func (in *Interner) Lookup(m Member) (uint32, bool) {
	id, found := in.shards[shardOf(m)][m]
	return id, found
}

// InternerEdit collects the members that a successor adds.
type InternerEdit struct {
	interner Interner
	owned    [internerShards]bool
}

// Edit begins a successor.
func (in *Interner) Edit() *InternerEdit { return &InternerEdit{interner: *in} }

// Intern returns the number of a member, a new one when it has none.
func (e *InternerEdit) Intern(m Member) uint32 {
	s := shardOf(m)
	if id, found := e.interner.shards[s][m]; found {
		return id
	}
	if !e.owned[s] {
		fresh := make(map[Member]uint32, len(e.interner.shards[s])+1)
		for member, id := range e.interner.shards[s] {
			fresh[member] = id
		}
		e.interner.shards[s], e.owned[s] = fresh, true
	}
	e.interner.next++
	e.interner.shards[s][m] = e.interner.next
	return e.interner.next
}

// Done returns the successor. The edit must not be used any more.
func (e *InternerEdit) Done() *Interner { return &e.interner }

// shardOf spreads members by FNV-1a over the value; the kind adds nothing.
func shardOf(m Member) uint8 {
	h := uint32(2166136261)
	for i := 0; i < len(m.Value); i++ {
		h = (h ^ uint32(m.Value[i])) * 16777619
	}
	return uint8(h ^ h>>8 ^ h>>16)
}
