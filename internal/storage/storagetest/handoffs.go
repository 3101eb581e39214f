package storagetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

func handoffSentences() []sentence {
	return []sentence{
		{"a redirect token is consumed once, and comes back as it was put", consumedOnce},
		{"a redirect token is good for its browser, host, resource and time only", consumedOnlyWhereMeant},
		{"of many attempts at once one consumes the token", oneConsumes},
		{"a consumption that is undone leaves the token", consumptionUndone},
		{"a redirect token ends with its auth-host session", handoffEndsWithSession},
		{"a redirect token needs a session that is there", handoffNeedsSession},
		{"consuming clears the tokens that expired", expiredCleared},
		{"a token is put once", tokenTaken},
		{"tokens that nobody consumes crowd out the oldest of their session, and no others", handoffsBounded},
	}
}

func handoff(parent session.Record) signin.Handoff {
	return signin.Handoff{
		TokenHash: sha256.Sum256([]byte("token")), BrowserHash: sha256.Sum256([]byte("browser")),
		Host: "app.localhost:8080", Resource: appName, Parent: parent.ID,
		OriginURL: "http://app.localhost:8080/a|b?x=%zz", Expires: epoch.Add(time.Minute),
	}
}

func (s store) putHandoff(h signin.Handoff) {
	s.t.Helper()
	s.signIn(func(ctx context.Context, tx signin.Tx) error { return tx.Handoffs().PutHandoff(ctx, h) })
}

// ready opens a session and puts a token for it.
func (s store) ready() (session.Record, signin.Handoff) {
	s.t.Helper()
	r := record("alice")
	s.open(r)
	h := handoff(r)
	s.putHandoff(h)
	return r, h
}

// consume asks for exactly what h says, at a moment, and commits whatever the answer.
func (s store) consume(h signin.Handoff, now time.Time) (got signin.Handoff, err error) {
	s.t.Helper()
	s.signIn(func(ctx context.Context, tx signin.Tx) error {
		got, err = tx.Handoffs().ConsumeHandoff(ctx, h.TokenHash, h.BrowserHash, h.Host, h.Resource, now)
		return nil
	})
	return got, err
}

func consumedOnce(t *testing.T, s store) {
	_, h := s.ready()
	if got, err := s.consume(h, epoch); err != nil || !reflect.DeepEqual(got, h) {
		t.Errorf("%v, %v; want %v", got, err, h)
	}
	if got, err := s.consume(h, epoch); err != signin.ErrHandoff || got != (signin.Handoff{}) {
		t.Errorf("the second time: %v, %v", got, err)
	}
}

func consumedOnlyWhereMeant(t *testing.T, s store) {
	_, h := s.ready()
	for name, change := range map[string]func(*signin.Handoff){
		"another token":    func(h *signin.Handoff) { h.TokenHash[31] ^= 1 },
		"another browser":  func(h *signin.Handoff) { h.BrowserHash[0] ^= 1 },
		"no browser":       func(h *signin.Handoff) { h.BrowserHash = [32]byte{} },
		"another host":     func(h *signin.Handoff) { h.Host = "other.localhost:8080" },
		"another port":     func(h *signin.Handoff) { h.Host = "app.localhost" },
		"another case":     func(h *signin.Handoff) { h.Host = "APP.localhost:8080" },
		"another resource": func(h *signin.Handoff) { h.Resource = service("app", "2").Service.Name() },
		"a resource above": func(h *signin.Handoff) { h.Resource = resource.Web(project) },
	} {
		changed := h
		change(&changed)
		if _, err := s.consume(changed, epoch); err != signin.ErrHandoff {
			t.Errorf("%s: %v", name, err)
		}
	}
	// None of these consumed it.
	if _, err := s.consume(h, h.Expires.Add(-time.Microsecond)); err != nil {
		t.Errorf("at its last moment: %v", err)
	}
	s.putHandoff(h)
	if _, err := s.consume(h, h.Expires); err != signin.ErrHandoff {
		t.Errorf("when it has expired: %v", err)
	}
}

func oneConsumes(t *testing.T, s store) {
	_, h := s.ready()
	var consumed atomic.Int32
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			err := s.SignIn(t.Context(), func(tx signin.Tx) error {
				_, err := tx.Handoffs().ConsumeHandoff(t.Context(), h.TokenHash, h.BrowserHash, h.Host, h.Resource, epoch)
				return err
			})
			switch {
			case err == nil:
				consumed.Add(1)
			case !errors.Is(err, signin.ErrHandoff):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if consumed.Load() != 1 {
		t.Errorf("consumed %d times", consumed.Load())
	}
}

func consumptionUndone(t *testing.T, s store) {
	_, h := s.ready()
	err := s.SignIn(t.Context(), func(tx signin.Tx) error {
		_, err := tx.Handoffs().ConsumeHandoff(t.Context(), h.TokenHash, h.BrowserHash, h.Host, h.Resource, epoch)
		must(t, err)
		return errOurs
	})
	if err != errOurs {
		t.Errorf("SignIn: %v", err)
	}
	if _, err := s.consume(h, epoch); err != nil {
		t.Errorf("the token is gone: %v", err)
	}
}

func handoffEndsWithSession(t *testing.T, s store) {
	r, h := s.ready()
	s.end(session.Filter{ID: r.ID})
	if _, err := s.consume(h, epoch); err != signin.ErrHandoff {
		t.Errorf("the token outlived its session: %v", err)
	}
}

func handoffNeedsSession(t *testing.T, s store) {
	err := s.SignIn(t.Context(), func(tx signin.Tx) error {
		return tx.Handoffs().PutHandoff(t.Context(), handoff(record("alice")))
	})
	if !errors.Is(err, session.ErrNotFound) {
		t.Errorf("PutHandoff: %v", err)
	}
}

func expiredCleared(t *testing.T, s store) {
	r, stale := s.ready()
	fresh := handoff(r)
	fresh.TokenHash[0] ^= 1
	fresh.Expires = stale.Expires.Add(time.Minute)
	s.putHandoff(fresh)
	if _, err := s.consume(fresh, stale.Expires); err != nil {
		t.Error(err)
	}
	// Its clock does not matter any more: the row is gone.
	if _, err := s.consume(stale, epoch); err != signin.ErrHandoff {
		t.Errorf("the expired token: %v", err)
	}
}

func handoffsBounded(t *testing.T, s store) {
	_, others := s.ready()
	r := record("bob")
	s.open(r)
	tokens := make([]signin.Handoff, 1000)
	for i := range tokens {
		h := handoff(r)
		h.TokenHash = sha256.Sum256([]byte{1, byte(i >> 8), byte(i)})
		h.Expires = h.Expires.Add(time.Duration(i) * time.Millisecond)
		tokens[i] = h
	}
	s.signIn(func(ctx context.Context, tx signin.Tx) error {
		for _, h := range tokens {
			if err := tx.Handoffs().PutHandoff(ctx, h); err != nil {
				return err
			}
		}
		return nil
	})
	kept := 0
	for i, h := range tokens {
		_, err := s.consume(h, epoch)
		if err == nil {
			kept++
		}
		if newest := i >= len(tokens)-16; newest != (err == nil) && (newest || i < len(tokens)/2) {
			t.Errorf("token %d of %d: %v", i, len(tokens), err)
		}
	}
	if kept > 100 {
		t.Errorf("one session keeps %d tokens", kept)
	}
	if _, err := s.consume(others, epoch); err != nil {
		t.Errorf("the token of another session: %v", err)
	}
}

func tokenTaken(t *testing.T, s store) {
	r, h := s.ready()
	again := handoff(r)
	again.Host = "evil.localhost"
	if err := s.SignIn(t.Context(), func(tx signin.Tx) error { return tx.Handoffs().PutHandoff(t.Context(), again) }); err == nil {
		t.Error("the token was replaced")
	}
	if got, err := s.consume(h, epoch); err != nil || got.Host != h.Host {
		t.Errorf("%v, %v", got, err)
	}
}
