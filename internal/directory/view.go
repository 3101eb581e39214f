package directory

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

const viewShards = 256

// View is the directory as requests read it: accounts by address, and for every address the groups that hold
// it, through other groups too. It is immutable; With makes a successor that shares what did not change.
type View struct {
	accounts [viewShards]map[string]Account
	keys     [viewShards]map[string]*VerificationKey // of service accounts, by id
	groups   map[string]*compiledGroup
	direct   [viewShards]*memberships
	above    map[uint32][]uint32 // group number to the groups above it
}

// Update is a set of changes; a nil value removes the entry.
type Update struct {
	Accounts map[string]*Account
	Groups   map[string]*Group
	Keys     map[string]*AccountKey // by id
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

// Key returns the key of a service account by its id, however little the id can be trusted. Whether the account may
// still be used is for the caller to ask.
func (v *View) Key(id string) (*VerificationKey, bool) {
	key, found := v.keys[shardOf(id)][id]
	return key, found
}

// KeysOf returns the usable keys of a service account. It looks at all keys: not for the path of requests.
func (v *View) KeysOf(account string, now time.Time) []*VerificationKey {
	var keys []*VerificationKey
	for _, shard := range v.keys {
		for _, key := range shard {
			if key.Account == account && key.Usable(now) {
				keys = append(keys, key)
			}
		}
	}
	slices.SortFunc(keys, func(a, b *VerificationKey) int { return strings.Compare(a.ID, b.ID) })
	return keys
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
	if len(update.Keys) > 0 {
		next.putKeys(update.Keys)
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

// putKeys replaces keys. One that is switched off, or that cannot be read, is not there: nothing verifies by it.
func (v *View) putKeys(keys map[string]*AccountKey) {
	owned := [viewShards]bool{}
	for id, key := range keys {
		s := shardOf(id)
		if !owned[s] {
			fresh := make(map[string]*VerificationKey, len(v.keys[s])+1)
			maps.Copy(fresh, v.keys[s])
			v.keys[s], owned[s] = fresh, true
		}
		delete(v.keys[s], id)
		if key == nil || key.Disabled {
			continue
		}
		if public, err := key.parse(); err == nil {
			v.keys[s][id] = &VerificationKey{ID: id, Account: key.Account, Public: public, expires: key.Expires}
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
