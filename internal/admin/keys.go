package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
)

// Key is the public form of a signing key: its times, never the key itself.
type Key struct {
	ID           string         `json:"id"`
	Purpose      issuer.Purpose `json:"purpose"`
	State        issuer.State   `json:"state"`
	Created      time.Time      `json:"created"`
	SignFrom     time.Time      `json:"signFrom"`
	SignUntil    time.Time      `json:"signUntil,omitzero"`
	PublishUntil time.Time      `json:"publishUntil,omitzero"`
	Revoked      time.Time      `json:"revoked,omitzero"`
}

func publicKey(k issuer.Key, now time.Time) Key {
	return Key{
		ID: k.ID, Purpose: k.Purpose, State: k.State(now), Created: k.Created, SignFrom: k.SignFrom,
		SignUntil: k.SignUntil, PublishUntil: k.PublishUntil, Revoked: k.Revoked,
	}
}

// Rotation says what a rotation or a revocation did.
type Rotation struct {
	Key      Key      `json:"key"` // signs from Key.SignFrom on
	Replaced []string `json:"replaced,omitempty"`
	Revoked  string   `json:"revoked,omitempty"`
	// Warnings say which verifiers fail, and until when.
	Warnings []string `json:"warnings,omitempty"`
}

// Purposes lists what keys there are.
func Purposes() []issuer.Purpose { return []issuer.Purpose{issuer.Assertion, issuer.IDToken} }

// SigningKeys lists the keys, oldest first.
func (a *Admin) SigningKeys(ctx context.Context) (keys []Key, err error) {
	now := a.Now()
	err = a.Store.View(ctx, func(tx Tx) error {
		keys, err = publicKeys(ctx, tx, now)
		return err
	})
	return keys, err
}

func publicKeys(ctx context.Context, tx Tx, now time.Time) (keys []Key, err error) {
	stored, err := tx.Keys().Keys(ctx)
	for _, k := range stored {
		keys = append(keys, publicKey(k, now))
	}
	return keys, err
}

// recordKeys fills in those keys that a change has made or changed.
func recordKeys(entry *audit.Entry, before, after []Key) error {
	var was, is any
	if old := without(before, after); len(old) > 0 {
		was = old
	}
	if fresh := without(after, before); len(fresh) > 0 {
		is = fresh
	}
	return recordChange(entry, was, is)
}

func without(keys, others []Key) []Key {
	return slices.DeleteFunc(slices.Clone(keys), func(k Key) bool { return slices.Contains(others, k) })
}

// EnsureKeys makes a key for each of the purposes, or all when none is named, that has none that signs. It
// writes nothing where nothing is missing.
func (a *Admin) EnsureKeys(ctx context.Context, actor audit.Actor, purposes ...issuer.Purpose) error {
	now := a.Now()
	if len(purposes) == 0 {
		purposes = Purposes()
	}
	for _, p := range purposes {
		err := a.change(ctx, actor, "keys.ensure", string(p), func(tx Tx, entry *audit.Entry) error {
			before, err := publicKeys(ctx, tx, now)
			if err != nil {
				return err
			}
			created, err := issuer.Ensure(ctx, tx.Keys(), a.Keys, p, now)
			if err != nil {
				return err
			}
			after, err := publicKeys(ctx, tx, now)
			if err != nil {
				return err
			}
			if !created && slices.Equal(before, after) {
				return errNothingToDo
			}
			return recordKeys(entry, before, after)
		})
		if err != nil && !errors.Is(err, errNothingToDo) {
			return fmt.Errorf("keys for %s: %w", p, err)
		}
	}
	return nil
}

// errNothingToDo undoes a transaction that would have changed nothing.
var errNothingToDo = errors.New("nothing to do")

// RotateKey plans the next key of a purpose, or lets it sign at once.
func (a *Admin) RotateKey(ctx context.Context, actor audit.Actor, p issuer.Purpose, immediately bool) (Rotation, error) {
	if !slices.Contains(Purposes(), p) {
		return Rotation{}, fmt.Errorf("%w: purpose %q: keys are for %v", ErrInvalid, p, Purposes())
	}
	return a.changeKeys(ctx, actor, "keys.rotate", string(p), func(store issuer.Store, now time.Time) (issuer.Rotation, error) {
		return issuer.Rotate(ctx, store, a.Keys, p, now, immediately)
	})
}

// RevokeKey withdraws a key at once.
func (a *Admin) RevokeKey(ctx context.Context, actor audit.Actor, kid string) (Rotation, error) {
	return a.changeKeys(ctx, actor, "keys.revoke", kid, func(store issuer.Store, now time.Time) (issuer.Rotation, error) {
		return issuer.Revoke(ctx, store, a.Keys, kid, now)
	})
}

func (a *Admin) changeKeys(ctx context.Context, actor audit.Actor, action, target string, f func(issuer.Store, time.Time) (issuer.Rotation, error)) (done Rotation, err error) {
	now := a.Now()
	err = a.change(ctx, actor, action, target, func(tx Tx, entry *audit.Entry) error {
		before, err := publicKeys(ctx, tx, now)
		if err != nil {
			return err
		}
		rotation, err := f(tx.Keys(), now)
		if err != nil {
			return err
		}
		after, err := publicKeys(ctx, tx, now)
		if err != nil {
			return err
		}
		done = Rotation{publicKey(rotation.Key, now), rotation.Replaced, rotation.Revoked, rotation.Warnings}
		return recordKeys(entry, before, after)
	})
	return done, err
}
