package storagetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
)

func keySentences() []sentence {
	return []sentence{
		{"keys come back as they were put, oldest first", keysComeBack},
		{"putting a key again replaces its times and its seal", keyReplaced},
		{"an id never comes to name another key", keyIDTaken},
		{"a key without id, private or public half is refused", keyIncomplete},
	}
}

func key(id string) issuer.Key {
	return issuer.Key{
		ID: id, Purpose: issuer.Assertion, Sealed: []byte("sealed " + id), Public: []byte("public " + id),
		Created: epoch, SignFrom: epoch.Add(24 * time.Hour),
	}
}

func (s store) keys() (keys []issuer.Key) {
	s.t.Helper()
	s.view(func(ctx context.Context, tx admin.Tx) (err error) {
		keys, err = tx.Keys().Keys(ctx)
		return err
	})
	return keys
}

func (s store) putKeys(keys ...issuer.Key) {
	s.t.Helper()
	s.do(func(tx admin.Tx) error {
		for _, k := range keys {
			must(s.t, tx.Keys().PutKey(s.t.Context(), k))
		}
		return nil
	})
}

func keysComeBack(t *testing.T, s store) {
	old, middle, newest := key("z-old"), key("middle"), key("a-new")
	old.Created = epoch.Add(-time.Microsecond)
	old.Revoked, old.PublishUntil, old.SignUntil = epoch, epoch.Add(1e6), epoch.Add(2e6)
	newest.Created, newest.Purpose = epoch.Add(time.Hour), issuer.IDToken
	s.putKeys(newest, old, middle)
	if got := s.keys(); !reflect.DeepEqual(got, []issuer.Key{old, middle, newest}) {
		t.Errorf("%v", got)
	}
}

func keyReplaced(t *testing.T, s store) {
	k := key("k1")
	s.putKeys(k)
	k.SignFrom, k.SignUntil, k.PublishUntil, k.Revoked = epoch, epoch.Add(1e9), epoch.Add(2e9), epoch.Add(3e9)
	k.Sealed = []byte("sealed again")
	s.putKeys(k)
	if got := s.keys(); !reflect.DeepEqual(got, []issuer.Key{k}) {
		t.Errorf("%v, want %v", got, k)
	}
	k.SignUntil, k.PublishUntil, k.Revoked = time.Time{}, time.Time{}, time.Time{}
	s.putKeys(k)
	if got := s.keys(); !reflect.DeepEqual(got, []issuer.Key{k}) {
		t.Errorf("%v, want %v", got, k)
	}
}

func keyIDTaken(t *testing.T, s store) {
	s.putKeys(key("k1"))
	otherPurpose, otherPublic := key("k1"), key("k1")
	otherPurpose.Purpose, otherPublic.Public = issuer.IDToken, []byte("another")
	for _, k := range []issuer.Key{otherPurpose, otherPublic} {
		if _, err := s.Do(t.Context(), entry("test"), func(tx admin.Tx) error { return tx.Keys().PutKey(t.Context(), k) }); err == nil {
			t.Error("the id names another key now")
		}
	}
	if got := s.keys(); !reflect.DeepEqual(got, []issuer.Key{key("k1")}) || s.position() != 1 {
		t.Errorf("%v", got)
	}
}

func keyIncomplete(t *testing.T, s store) {
	noID, noPrivate, noPublic := key(""), key("k1"), key("k2")
	noPrivate.Sealed, noPublic.Public = nil, []byte{}
	for _, k := range []issuer.Key{noID, noPrivate, noPublic} {
		if _, err := s.Do(t.Context(), entry("test"), func(tx admin.Tx) error { return tx.Keys().PutKey(t.Context(), k) }); err == nil {
			t.Errorf("%v was stored", k)
		}
	}
}
