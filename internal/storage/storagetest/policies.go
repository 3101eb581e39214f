package storagetest

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

func policySentences() []sentence {
	return []sentence{
		{"a resource without a policy has an empty one with the empty etag", policyUnset},
		{"policies come back as they were put, with an etag of their own", policiesComeBack},
		{"the etag is the position of the change, whatever the document said", etagIsPosition},
		{"a write that expects another etag is refused", etagConflict},
		{"the empty etag is expected only of a policy that was never set", emptyEtagOnlyOnce},
		{"of many writers that read the same etag one wins", oneWriterWins},
	}
}

func (s store) putPolicy(name resource.Name, p iam.Policy, expected string) (stored iam.Policy) {
	s.t.Helper()
	s.do(func(tx admin.Tx) (err error) {
		stored, err = tx.Policies().PutPolicy(s.t.Context(), name, p, expected)
		return err
	})
	return stored
}

func (s store) policy(name resource.Name) (p iam.Policy) {
	s.t.Helper()
	s.view(func(ctx context.Context, tx admin.Tx) (err error) {
		p, err = tx.Policies().Policy(ctx, name)
		return err
	})
	return p
}

func policyUnset(t *testing.T, s store) {
	if got := s.policy(appName); !reflect.DeepEqual(got, iam.Policy{Etag: iam.EmptyEtag}) {
		t.Errorf("%v", got)
	}
	s.view(func(ctx context.Context, tx admin.Tx) error {
		if all, err := tx.Policies().Policies(ctx); err != nil || len(all) != 0 {
			t.Errorf("%v, %v", all, err)
		}
		return nil
	})
}

func policiesComeBack(t *testing.T, s store) {
	want := map[resource.Name]iam.Policy{}
	for name, p := range map[resource.Name]iam.Policy{
		"projects/1":         policy("user:a@example.com", "allUsers"),
		"projects/1/iap_web": {Version: 3, Bindings: []iam.Binding{{Role: "roles/owner", Members: []string{}}}},
		appName:              {},
	} {
		stored := s.putPolicy(name, p, "")
		p.Etag = stored.Etag
		if !reflect.DeepEqual(stored, p) || p.Etag == "" {
			t.Errorf("PutPolicy returned %v, want %v", stored, p)
		}
		want[name] = p
	}
	s.view(func(ctx context.Context, tx admin.Tx) error {
		if got, err := tx.Policies().Policies(ctx); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
		return nil
	})
	for name, p := range want {
		if got := s.policy(name); !reflect.DeepEqual(got, p) {
			t.Errorf("%v, want %v", got, p)
		}
	}
}

func etagIsPosition(t *testing.T, s store) {
	claimed := policy("user:a@example.com")
	claimed.Etag = "AAAA"
	for range 2 {
		etag := s.putPolicy(appName, claimed, "").Etag
		if want := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(s.position()))); etag != want {
			t.Errorf("etag %s, want %s", etag, want)
		}
	}
}

func etagConflict(t *testing.T, s store) {
	first := s.putPolicy(appName, policy("user:a@example.com"), "")
	second := s.putPolicy(appName, policy("user:b@example.com"), first.Etag)
	for _, expected := range []string{first.Etag, iam.EmptyEtag, "nonsense"} {
		s.refused(iam.ErrEtag, func(tx admin.Tx) error {
			_, err := tx.Policies().PutPolicy(t.Context(), appName, policy("allUsers"), expected)
			return err
		})
	}
	s.refused(iam.ErrEtag, func(tx admin.Tx) error { // the etag of another resource's policy
		_, err := tx.Policies().PutPolicy(t.Context(), "projects/1", policy("allUsers"), second.Etag)
		return err
	})
	if got := s.policy(appName); !reflect.DeepEqual(got, second) {
		t.Errorf("stored %v, want %v", got, second)
	}
	s.putPolicy(appName, policy(), second.Etag)
}

func emptyEtagOnlyOnce(t *testing.T, s store) {
	s.putPolicy(appName, iam.Policy{}, iam.EmptyEtag)
	if got := s.policy(appName); got.Etag == iam.EmptyEtag {
		t.Error("a policy that was set has the empty etag")
	}
	s.refused(iam.ErrEtag, func(tx admin.Tx) error {
		_, err := tx.Policies().PutPolicy(t.Context(), appName, policy("allUsers"), iam.EmptyEtag)
		return err
	})
}

func oneWriterWins(t *testing.T, s store) {
	read := s.putPolicy(appName, policy(), "").Etag
	var won atomic.Int32
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			_, err := s.Do(t.Context(), entry("test"), func(tx admin.Tx) error {
				_, err := tx.Policies().PutPolicy(t.Context(), appName, policy("user:a@example.com"), read)
				return err
			})
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, iam.ErrEtag):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 {
		t.Errorf("%d writers won", won.Load())
	}
}
