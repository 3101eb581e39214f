package issuer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/sealing"
)

const (
	// Overlap is how long a key is published before it first signs, and after it last has.
	Overlap = 24 * time.Hour
	// MaxAge is for how long verifiers may keep a copy of the published keys.
	MaxAge = time.Hour
	// MostPublished is how many keys of a purpose are published at most: verifiers, ours among them, refuse longer lists as
	// a whole.
	MostPublished = 100
)

// ErrWaiting reports that a rotation is under way already.
var ErrWaiting = errors.New("a new key is waiting already")

// ErrTooMany reports that as many keys as verifiers take are published already.
var ErrTooMany = errors.New("too many keys are published")

// ErrRevoked reports a key that was withdrawn before.
var ErrRevoked = errors.New("the key has been revoked already")

// Rotation says what a rotation or a revocation did.
type Rotation struct {
	// Key signs from Key.SignFrom on.
	Key Key `json:"key"`
	// Replaced are the keys that stop signing then.
	Replaced []string `json:"replaced,omitempty"`
	// Revoked is the key that was withdrawn.
	Revoked string `json:"revoked,omitempty"`
	// FailUntil is until when verifiers with a copy of the keys may refuse what Key signs; zero when none will.
	FailUntil time.Time `json:"failUntil,omitzero"`
	// Warnings say, in sentences, which verifiers fail and for how long.
	Warnings []string `json:"warnings,omitempty"`
}

// Ensure makes a key that signs from now on where the purpose has none. Called for each purpose at every start.
func Ensure(ctx context.Context, store Store, sealer *sealing.Sealer, p Purpose, now time.Time) (created bool, err error) {
	line, err := load(ctx, store, sealer, p, now)
	if err != nil {
		return false, err
	}
	_, created, err = line.settle(ctx)
	return created, err
}

// Rotate plans the next key of a purpose: published at once, signing after Overlap. Immediately is for
// compromise: the new key signs from now on, and verifiers that do not know it yet fail.
func Rotate(ctx context.Context, store Store, sealer *sealing.Sealer, p Purpose, now time.Time, immediately bool) (Rotation, error) {
	line, err := load(ctx, store, sealer, p, now)
	if err != nil {
		return Rotation{}, err
	}
	next := line.next()
	if next != nil && !immediately {
		return Rotation{}, fmt.Errorf("%w: %s signs from %s on; to let it sign at once, rotate with --now",
			ErrWaiting, next.ID, next.SignFrom.Format(time.RFC3339))
	}
	from := storedTime(now)
	if !immediately && line.active() != nil {
		from = storedTime(now.Add(Overlap))
	}
	if next == nil {
		if count := line.published(); count >= MostPublished {
			return Rotation{}, fmt.Errorf("%w: %d, and verifiers refuse longer lists; revoke some of those that were replaced (`keys list`, `keys revoke`), "+
				"or wait until they leave the list", ErrTooMany, count)
		}
		if next, err = line.create(from); err != nil {
			return Rotation{}, err
		}
	}
	next.SignFrom = from
	rotation := Rotation{Key: *next}
	for _, key := range line.keys {
		if key != next && key.State(now) == Active {
			key.SignUntil, key.PublishUntil = from, from.Add(Overlap)
			rotation.Replaced = append(rotation.Replaced, key.ID)
			if err := store.PutKey(ctx, *key); err != nil {
				return Rotation{}, err
			}
		}
	}
	if err := store.PutKey(ctx, *next); err != nil {
		return Rotation{}, err
	}
	rotation.warn(now)
	return rotation, nil
}

// Revoke withdraws a key at once: it signs nothing more and is no longer published. Where it was the one that
// signs, a successor signs from now on.
func Revoke(ctx context.Context, store Store, sealer *sealing.Sealer, kid string, now time.Time) (Rotation, error) {
	keys, err := store.Keys(ctx)
	if err != nil {
		return Rotation{}, err
	}
	i := slices.IndexFunc(keys, func(k Key) bool { return k.ID == kid })
	if i < 0 {
		return Rotation{}, fmt.Errorf("%w: %q; `keys list` shows them all", ErrNotFound, kid)
	}
	revoked := keys[i]
	if !revoked.Revoked.IsZero() {
		return Rotation{}, fmt.Errorf("%w: %s, at %s", ErrRevoked, kid, revoked.Revoked.Format(time.RFC3339))
	}
	wasPublished := published(revoked.State(now))
	revoked.Revoked = storedTime(now)
	if err := store.PutKey(ctx, revoked); err != nil {
		return Rotation{}, err
	}
	line, err := load(ctx, store, sealer, revoked.Purpose, now)
	if err != nil {
		return Rotation{}, err
	}
	successor, _, err := line.settle(ctx)
	if err != nil {
		return Rotation{}, err
	}
	rotation := Rotation{Key: *successor, Revoked: kid}
	if wasPublished {
		rotation.Warnings = append(rotation.Warnings, fmt.Sprintf(
			"verifiers that hold a copy of the keys accept tokens signed by %s until they fetch again, at the latest at %s (max-age of one hour); "+
				"one that fetches only at its start accepts them until it is restarted", kid, now.Add(MaxAge).UTC().Format(time.RFC3339)))
	}
	rotation.warn(now)
	return rotation, nil
}

// warn adds who will refuse what the new key signs: those whose copy of the keys is older than the key.
func (r *Rotation) warn(now time.Time) {
	fail := r.Key.Created.Add(MaxAge)
	if !r.Key.SignFrom.Before(fail) || !now.Before(fail) {
		return
	}
	r.FailUntil = fail
	r.Warnings = append(r.Warnings, fmt.Sprintf(
		"verifiers that fetched the keys before %s and do not fetch again on an unknown key id refuse what %s signs until their copy expires, "+
			"at the latest at %s; one that fetches only at its start refuses it until it is restarted",
		r.Key.Created.Format(time.RFC3339), r.Key.ID, fail.Format(time.RFC3339)))
}

// line is the succession of one purpose's keys, without the withdrawn ones.
type line struct {
	store   Store
	sealer  *sealing.Sealer
	purpose Purpose
	now     time.Time
	keys    []*Key
	taken   map[string]bool // ids of all purposes
}

func load(ctx context.Context, store Store, sealer *sealing.Sealer, p Purpose, now time.Time) (*line, error) {
	keys, err := store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	l := &line{store: store, sealer: sealer, purpose: p, now: now, taken: make(map[string]bool, len(keys))}
	for _, key := range keys {
		l.taken[key.ID] = true
		if key.Purpose == p && key.Revoked.IsZero() {
			l.keys = append(l.keys, &key)
		}
	}
	return l, nil
}

// active is the key that signs now; nil when none does.
func (l *line) active() *Key {
	return l.pick(Active, func(a, b *Key) bool { return a.SignFrom.After(b.SignFrom) })
}

// next is the key that will sign first among those that wait; nil when none does.
func (l *line) next() *Key {
	return l.pick(Next, func(a, b *Key) bool { return a.SignFrom.Before(b.SignFrom) })
}

// published counts the keys that verifiers are given.
func (l *line) published() (count int) {
	for _, key := range l.keys {
		if published(key.State(l.now)) {
			count++
		}
	}
	return count
}

func (l *line) pick(state State, better func(a, b *Key) bool) *Key {
	var found *Key
	for _, key := range l.keys {
		if key.State(l.now) == state && (found == nil || better(key, found)) {
			found = key
		}
	}
	return found
}

// create makes a key whose id no other has: storing it must never replace one.
func (l *line) create(from time.Time) (*Key, error) {
	for {
		key, err := NewKey(l.purpose, l.sealer, l.now, from)
		if err != nil || !l.taken[key.ID] {
			return &key, err
		}
	}
}

// settle sees to it that some key signs now and that no planned end leaves a gap behind it. It returns the key
// that signs now.
func (l *line) settle(ctx context.Context) (signer *Key, created bool, err error) {
	active, next := l.active(), l.next()
	switch {
	case active != nil && (active.SignUntil.IsZero() || next != nil && !active.SignUntil.Before(next.SignFrom)):
		return active, false, nil
	case active != nil: // its successor has been withdrawn
		signer = active
		signer.SignUntil, signer.PublishUntil = time.Time{}, time.Time{}
		if next != nil {
			signer.SignUntil, signer.PublishUntil = next.SignFrom, next.SignFrom.Add(Overlap)
		}
	case next != nil:
		signer = next
		signer.SignFrom = storedTime(l.now)
	default:
		if signer, err = l.create(l.now); err != nil {
			return nil, false, err
		}
		created = true
	}
	return signer, created, l.store.PutKey(ctx, *signer)
}
