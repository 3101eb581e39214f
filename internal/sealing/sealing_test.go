package sealing

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func key(fill byte) []byte { return bytes.Repeat([]byte{fill}, KeySize) }

func ring(t *testing.T, now time.Time, keys ...[]byte) *Ring {
	t.Helper()
	r, err := NewRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	r.Now = func() time.Time { return now }
	return r
}

func TestOpensWhatWasSealed(t *testing.T) {
	t.Parallel()
	for _, plaintext := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("secret"), 1000)} {
		s := ring(t, noon, key(1)).Sealer("test")
		sealed := s.Seal(plaintext, []byte("cookie"))
		if len(sealed) != len(plaintext)+Overhead {
			t.Errorf("sealed length %d, want %d", len(sealed), len(plaintext)+Overhead)
		}
		if len(plaintext) > 1 && bytes.Contains(sealed, plaintext[:6]) {
			t.Error("the plaintext shows through")
		}
		opened, err := s.Open(sealed, []byte("cookie"))
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Errorf("Open = %q, %v", opened, err)
		}
		if appended, err := s.AppendOpen([]byte("before "), sealed, []byte("cookie")); err != nil || string(appended) != "before "+string(plaintext) {
			t.Errorf("AppendOpen = %q, %v", appended, err)
		}
		if bytes.Equal(sealed, s.Seal(plaintext, []byte("cookie"))) {
			t.Error("sealing twice gives the same bytes")
		}
	}
}

func TestOpensNothingElse(t *testing.T) {
	t.Parallel()
	r := ring(t, noon, key(1))
	sealed := r.Sealer("cookie").Seal([]byte("secret"), []byte("name\x00host"))
	tests := []struct {
		name       string
		sealer     *Sealer
		sealed     []byte
		associated string
	}{
		{"a value of another purpose opens nothing", r.Sealer("state"), sealed, "name\x00host"},
		{"other associated data open nothing", r.Sealer("cookie"), sealed, "name\x00other"},
		{"missing associated data open nothing", r.Sealer("cookie"), sealed, ""},
		{"another root key opens nothing", ring(t, noon, key(2)).Sealer("cookie"), sealed, "name\x00host"},
		{"a cut value opens nothing", r.Sealer("cookie"), sealed[:len(sealed)-1], "name\x00host"},
		{"a value cut to its header opens nothing", r.Sealer("cookie"), sealed[:headerSize], "name\x00host"},
		{"an empty value opens nothing", r.Sealer("cookie"), nil, "name\x00host"},
		{"a longer value opens nothing", r.Sealer("cookie"), append(bytes.Clone(sealed), 0), "name\x00host"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if opened, err := test.sealer.Open(test.sealed, []byte(test.associated)); err != ErrOpen || opened != nil {
				t.Errorf("Open = %q, %v; want exactly ErrOpen", opened, err)
			}
		})
	}
}

func TestAnyFlippedBitClosesTheValue(t *testing.T) {
	t.Parallel()
	s := ring(t, noon, key(1)).Sealer("cookie")
	sealed := s.Seal([]byte("secret"), nil)
	for i := range sealed {
		for bit := range 8 {
			forged := bytes.Clone(sealed)
			forged[i] ^= 1 << bit
			if _, err := s.Open(forged, nil); err != ErrOpen {
				t.Fatalf("byte %d, bit %d: %v", i, bit, err)
			}
		}
	}
}

func TestRootKeysRotateWithOverlap(t *testing.T) {
	t.Parallel()
	before := ring(t, noon, key(1)).Sealer("cookie").Seal([]byte("old"), nil)
	both := ring(t, noon, key(2), key(1))
	if opened, err := both.Sealer("cookie").Open(before, nil); err != nil || string(opened) != "old" {
		t.Errorf("a value of the older key: %q, %v", opened, err)
	}
	after := both.Sealer("cookie").Seal([]byte("new"), nil)
	if opened, err := ring(t, noon, key(2)).Sealer("cookie").Open(after, nil); err != nil || string(opened) != "new" {
		t.Errorf("the newest key did not seal: %q, %v", opened, err)
	}
}

func TestAValueOpensOnLaterDays(t *testing.T) {
	t.Parallel()
	sealed := ring(t, noon, key(1)).Sealer("cookie").Seal([]byte("secret"), nil)
	later := ring(t, noon.AddDate(1, 0, 0), key(1)).Sealer("cookie")
	if _, err := later.Open(sealed, nil); err != nil {
		t.Error(err)
	}
	if bytes.Equal(sealed[5:9], later.Seal(nil, nil)[5:9]) {
		t.Error("two days share one subkey")
	}
}

func TestTheSubkeyCacheHoldsOnlyWhatOpenedAndStaysBounded(t *testing.T) {
	t.Parallel()
	now := noon
	r := ring(t, noon, key(1))
	r.Now = func() time.Time { return now }
	s, other := r.Sealer("cookie"), r.Sealer("cookie")
	for day := range 3 * maxSubkeys {
		now = noon.AddDate(0, 0, day)
		sealed := other.Seal([]byte("secret"), nil)
		forged := bytes.Clone(sealed)
		forged[len(forged)-1] ^= 1
		size := len(*s.subkeys.Load())
		if _, err := s.Open(forged, nil); err == nil || len(*s.subkeys.Load()) != size {
			t.Fatal("a forged value changed the cache")
		}
		if _, err := s.Open(sealed, nil); err != nil {
			t.Fatal(err)
		}
	}
	if size := len(*s.subkeys.Load()); size == 0 || size > maxSubkeys {
		t.Errorf("%d cached subkeys", size)
	}
}

func TestASealerServesManyAtOnce(t *testing.T) {
	t.Parallel()
	s := ring(t, noon, key(1)).Sealer("cookie")
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			want := fmt.Sprint("secret ", i)
			if opened, err := s.Open(s.Seal([]byte(want), nil), nil); err != nil || string(opened) != want {
				t.Errorf("%q, %v", opened, err)
			}
		})
	}
	group.Wait()
}

func TestNewRingRefusesUnusableKeys(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		keys [][]byte
	}{
		{"no key at all", nil},
		{"a short key", [][]byte{key(1)[1:]}},
		{"a long key", [][]byte{append(key(1), 1)}},
		{"the same key twice", [][]byte{key(1), key(2), key(1)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := NewRing(test.keys...); !errors.Is(err, ErrRootKey) {
				t.Errorf("NewRing: %v", err)
			}
		})
	}
}

func TestTheRingKeepsItsOwnCopyOfTheKeys(t *testing.T) {
	t.Parallel()
	mine := key(1)
	r := ring(t, noon, mine)
	sealed := r.Sealer("cookie").Seal([]byte("secret"), nil)
	clear(mine)
	if _, err := r.Sealer("cookie").Open(sealed, nil); err != nil {
		t.Error(err)
	}
}

func TestTheCheckValueTellsRootKeysApart(t *testing.T) {
	t.Parallel()
	value := ring(t, noon, key(1)).CheckValue()
	if err := ring(t, noon, key(1)).Check(value); err != nil {
		t.Error(err)
	}
	if err := ring(t, noon, key(2), key(1)).Check(value); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	for name, err := range map[string]error{
		"a wrong key":   ring(t, noon, key(2)).Check(value),
		"no value":      ring(t, noon, key(1)).Check(nil),
		"another value": ring(t, noon, key(1)).Check(ring(t, noon, key(1)).Sealer("cookie").Seal([]byte(checkText), nil)),
	} {
		if !errors.Is(err, ErrRootKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	r, err := NewRing(key(1))
	if err != nil {
		f.Fatal(err)
	}
	s := r.Sealer("cookie")
	genuine := s.Seal([]byte("secret"), []byte("host"))
	f.Add(genuine, []byte("other"))
	f.Add(genuine[:20], []byte("host"))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, sealed, associated []byte) {
		if _, err := s.Open(sealed, associated); err != nil && err != ErrOpen {
			t.Errorf("error %v", err)
		} else if err == nil && !bytes.Equal(sealed, genuine) {
			t.Errorf("%x opened", sealed)
		}
	})
}

func BenchmarkSealAndOpen(b *testing.B) {
	r, err := NewRing(key(1))
	if err != nil {
		b.Fatal(err)
	}
	s := r.Sealer("cookie")
	plaintext := make([]byte, 32)
	for b.Loop() {
		if _, err := s.Open(s.Seal(plaintext, plaintext), plaintext); err != nil {
			b.Fatal(err)
		}
	}
}
