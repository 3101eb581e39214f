package directory

import (
	"maps"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

const viewShards = 256

// View is the directory as requests read it: accounts by address, and for every address the groups that hold
// it, through other groups too. It is immutable; With makes a successor that shares what did not change.
type View struct {
	accounts [viewShards]map[string]Account
	groups   map[string]*compiledGroup
	direct   [viewShards]*memberships
	above    map[uint32][]uint32 // group number to the groups above it
}

// Update is a set of changes; a nil value removes the entry.
type Update struct {
	Accounts map[string]*Account
	Groups   map[string]*Group
}

// NewView returns an empty directory.
func NewView() *View {
	v := &View{groups: map[string]*compiledGroup{}}
	for i := range v.direct {
		v.direct[i] = &memberships{}
	}
	return v
}

// Account returns the account with a canonical address.
func (v *View) Account(email string) (Account, bool) {
	account, found := v.accounts[shardOf(email)][email]
	return account, found
}

// AppendGroupsOf appends to ids the numbers of the groups that hold the address. A group may appear twice.
func (v *View) AppendGroupsOf(ids []uint32, email string, interner *principal.Interner) []uint32 {
	number, found := interner.Lookup(addressMember(email))
	if !found {
		return ids
	}
	for _, group := range v.direct[uint8(number)].of(number) {
		ids = append(ids, group)
		ids = append(ids, v.above[group]...)
	}
	return ids
}

// addressMember is what an address is numbered under as a member of groups, which do not say whether they hold
// a user, a service account or another group.
func addressMember(email string) principal.Member { return principal.Member{Value: email} }

// With returns the directory after changes. New numbers are drawn from interner.
func (v *View) With(update Update, interner *principal.InternerEdit) *View {
	next := *v
	if len(update.Accounts) > 0 {
		next.putAccounts(update.Accounts)
	}
	if len(update.Groups) > 0 {
		next.putGroups(update.Groups, interner)
	}
	return &next
}

func (v *View) putAccounts(accounts map[string]*Account) {
	owned := [viewShards]bool{}
	for email, account := range accounts {
		s := shardOf(email)
		if !owned[s] {
			fresh := make(map[string]Account, len(v.accounts[s])+1)
			maps.Copy(fresh, v.accounts[s])
			v.accounts[s], owned[s] = fresh, true
		}
		if account == nil {
			delete(v.accounts[s], email)
		} else {
			v.accounts[s][email] = *account
		}
	}
}

func shardOf(s string) uint8 {
	h := uint32(2166136261)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return uint8(h ^ h>>8 ^ h>>16)
}
