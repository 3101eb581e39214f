package issuer

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/sealing"
)

// ErrNoSigner reports that no key of a purpose may sign at the moment.
var ErrNoSigner = errors.New("no key can sign now")

// KeySet holds the parsed keys of every purpose. It is immutable and part of the snapshot.
type KeySet struct {
	keys  []Key // as given, for comparison with the next compilation
	byID  map[string]*compiled
	order map[Purpose][]*compiled // newest first, by SignFrom
}

// compiled is one usable key. Withdrawn keys are never compiled.
type compiled struct {
	Key
	signer *Signer
}

// PublicKey is one published key.
type PublicKey struct {
	ID  string
	Key crypto.PublicKey // *ecdsa.PublicKey or *rsa.PublicKey
}

// Compile parses stored keys. What previous has parsed already is taken over; when nothing changed it returns
// previous itself, so that caches tied to a set survive. A key that does not open is an error.
func Compile(keys []Key, sealer *sealing.Sealer, previous *KeySet) (*KeySet, error) {
	if previous != nil && slices.EqualFunc(keys, previous.keys, sameKey) {
		return previous, nil
	}
	set := &KeySet{
		keys:  slices.Clone(keys),
		byID:  make(map[string]*compiled, len(keys)),
		order: make(map[Purpose][]*compiled),
	}
	seen := make(map[string]bool, len(keys))
	for _, key := range keys {
		if seen[key.ID] {
			return nil, fmt.Errorf("key id %q is used twice", key.ID)
		}
		seen[key.ID] = true
		if !key.Revoked.IsZero() {
			continue
		}
		c, err := compile(key, sealer, previous)
		if err != nil {
			return nil, err
		}
		set.byID[key.ID] = c
		set.order[key.Purpose] = append(set.order[key.Purpose], c)
	}
	for _, list := range set.order {
		slices.SortFunc(list, newestFirst)
	}
	return set, nil
}

func compile(key Key, sealer *sealing.Sealer, previous *KeySet) (*compiled, error) {
	if key.ID == "" || key.SignFrom.IsZero() {
		return nil, fmt.Errorf("%s key %q lacks an id or the time from which it signs", key.Purpose, key.ID)
	}
	var private crypto.Signer
	if previous != nil {
		if old, found := previous.byID[key.ID]; found && sameMaterial(old.Key, key) {
			private = old.signer.private
		}
	}
	if private == nil {
		var err error
		if private, err = open(key, sealer); err != nil {
			return nil, err
		}
	}
	return &compiled{Key: key, signer: newSigner(key, private)}, nil
}

func newestFirst(a, b *compiled) int {
	if c := b.SignFrom.Compare(a.SignFrom); c != 0 {
		return c
	}
	if c := b.Created.Compare(a.Created); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

func sameMaterial(a, b Key) bool {
	return a.ID == b.ID && a.Purpose == b.Purpose && bytes.Equal(a.Sealed, b.Sealed) && bytes.Equal(a.Public, b.Public)
}

func sameKey(a, b Key) bool {
	return sameMaterial(a, b) && a.Created.Equal(b.Created) && a.SignFrom.Equal(b.SignFrom) &&
		a.SignUntil.Equal(b.SignUntil) && a.PublishUntil.Equal(b.PublishUntil) && a.Revoked.Equal(b.Revoked)
}

// Signer returns the newest active key of a purpose, or ErrNoSigner.
func (s *KeySet) Signer(p Purpose, now time.Time) (*Signer, error) {
	if s != nil {
		for _, c := range s.order[p] {
			if c.State(now) == Active {
				return c.signer, nil
			}
		}
	}
	return nil, fmt.Errorf("%s: %w", p, ErrNoSigner)
}

// SigningSince returns, for each purpose that has a key to sign with, since when it signs.
func (s *KeySet) SigningSince(now time.Time) map[Purpose]time.Time {
	since := map[Purpose]time.Time{}
	if s == nil {
		return since
	}
	for purpose, keys := range s.order {
		for _, c := range keys {
			if c.State(now) == Active {
				since[purpose] = c.SignFrom
				break
			}
		}
	}
	return since
}

// Verifiable returns the public half of a key that is published and not revoked. The id is looked up and
// nothing else is done with it.
func (s *KeySet) Verifiable(p Purpose, kid string, now time.Time) (crypto.PublicKey, bool) {
	if s == nil {
		return nil, false
	}
	c, found := s.byID[kid]
	if !found || c.Purpose != p || !published(c.State(now)) {
		return nil, false
	}
	return c.signer.private.Public(), true
}

// Published returns what the endpoints show: keys that will sign, that sign, and that have signed lately;
// newest first.
func (s *KeySet) Published(p Purpose, now time.Time) []PublicKey {
	if s == nil {
		return nil
	}
	var keys []PublicKey
	for _, c := range s.order[p] {
		if published(c.State(now)) {
			keys = append(keys, PublicKey{ID: c.ID, Key: c.signer.private.Public()})
		}
	}
	return keys
}

func published(state State) bool { return state == Next || state == Active || state == Retired }

// publishedUntil is when the next key of a purpose stops being published; zero when none is due to.
func (s *KeySet) publishedUntil(p Purpose, now time.Time) time.Time {
	var first time.Time
	if s == nil {
		return first
	}
	for _, c := range s.order[p] {
		if end := c.PublishUntil; now.Before(end) && (first.IsZero() || end.Before(first)) {
			first = end
		}
	}
	return first
}
