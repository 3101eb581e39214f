package oidcrp

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
)

// Keyring keeps the keys of all OpenID Connect providers at hand, for those who must not wait for them. It fetches in
// the background only. Fill in the fields before first use; do not copy.
type Keyring struct {
	RelyingParty *RelyingParty
	Providers    func() *identityprovider.View

	mu     sync.Mutex // of those who write
	known  atomic.Pointer[map[string]*ring]
	wake   chan struct{}
	wakeUp sync.Once
}

// ring is what is known of one provider's keys.
type ring struct {
	published atomic.Pointer[identityprovider.PublishedKeys]
	wanted    atomic.Bool // somebody has named a key that is not there
	busy      atomic.Bool
	from      keySet    // what published was made of; of the one fetch at a time
	failed    time.Time // when the provider last did not answer
}

// keyringTick is how often is looked whether keys have grown old.
const keyringTick = 15 * time.Second

// Current returns a provider's keys as they were last fetched; nil when there are none.
func (k *Keyring) Current(provider string) *identityprovider.PublishedKeys {
	if r := k.ring(provider); r != nil {
		return r.published.Load()
	}
	return nil
}

// Renew asks that a provider's keys be fetched anew. It is done once a minute at most.
func (k *Keyring) Renew(provider string) {
	if r := k.ring(provider); r != nil && r.wanted.Swap(true) {
		return // somebody has asked already
	}
	select {
	case k.waking() <- struct{}{}:
	default:
	}
}

func (k *Keyring) ring(provider string) *ring {
	if known := k.known.Load(); known != nil {
		return (*known)[provider]
	}
	return nil
}

func (k *Keyring) waking() chan struct{} {
	k.wakeUp.Do(func() { k.wake = make(chan struct{}, 1) })
	return k.wake
}

// Run fetches what is missing, old or asked for, until the context ends.
func (k *Keyring) Run(ctx context.Context) {
	ticker := time.NewTicker(keyringTick)
	defer ticker.Stop()
	for {
		k.Refresh(ctx, nil)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-k.waking():
		}
	}
}

// Refresh begins to fetch what is missing, old or asked for. done, if there is one, hears of each provider that was
// looked at; a provider that does not answer holds up no other.
func (k *Keyring) Refresh(ctx context.Context, done *sync.WaitGroup) {
	rings := k.update()
	for name, r := range rings {
		p, found := k.Providers().Provider(name)
		if !found || r.busy.Swap(true) {
			continue
		}
		if done != nil {
			done.Add(1)
		}
		go func() {
			if done != nil {
				defer done.Done()
			}
			defer r.busy.Store(false)
			k.fetch(ctx, p, r)
		}()
	}
}

// update makes a ring for every provider that there is, and drops those of the others.
func (k *Keyring) update() map[string]*ring {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := map[string]*ring{}
	for _, p := range k.Providers().Enabled() {
		if p.Kind != identityprovider.OIDC {
			continue
		}
		if next[p.Name] = k.ring(p.Name); next[p.Name] == nil {
			next[p.Name] = &ring{}
		}
	}
	k.known.Store(&next)
	return next
}

// fetch brings one ring up to date. The client decides how often the provider is really asked, and says in the log
// when it does not answer. Keys that could not be confirmed for a day are not kept.
func (k *Keyring) fetch(ctx context.Context, p identityprovider.Provider, r *ring) {
	c, err := k.RelyingParty.client(p)
	if err != nil {
		return // sign-in says why
	}
	wanted := r.wanted.Swap(false)
	if !wanted && !r.failed.IsZero() && c.now().Sub(r.failed) < refreshEvery {
		return
	}
	r.failed = time.Time{}
	set, err := c.keys.get(ctx)
	if err != nil {
		r.failed, r.from = c.now(), nil
		r.published.Store(nil)
		return
	}
	if wanted {
		if renewed, err := c.keys.renew(ctx); err == nil {
			set = renewed
		}
	}
	if now := r.published.Load(); now != nil && now.Issuer == p.OIDC.Issuer && sameKeys(r.from, set) {
		return
	}
	published := &identityprovider.PublishedKeys{Issuer: p.OIDC.Issuer}
	for _, key := range set {
		published.Keys = append(published.Keys, identityprovider.PublishedKey{ID: key.KeyID, Algorithm: key.Algorithm, Key: key.Key})
	}
	r.from = set
	r.published.Store(published)
}

// sameKeys reports whether two sets are one and the same fetch.
func sameKeys(a, b keySet) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
