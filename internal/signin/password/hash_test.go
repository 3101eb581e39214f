package password

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
)

// cheap returns a hash that costs next to nothing to check.
func cheap(password string) hash {
	h := hash{memory: 8, passes: 1, threads: 1, salt: []byte("saltsalt")}
	h.key = argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.threads, 16)
	return h
}

func TestHashRoundTrip(t *testing.T) {
	t.Parallel()
	made := newHash("correct horse").String()
	if !strings.HasPrefix(made, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("new hash %q", made)
	}
	h, err := parseHash(made)
	if err != nil || !h.matches("correct horse") || h.matches("correct horsf") || h.matches("") {
		t.Errorf("%q is not read back: %v", made, err)
	}
	if newHash("correct horse").String() == made {
		t.Error("two hashes of one password are the same: there is no salt")
	}
}

func TestHashesThatAreRefused(t *testing.T) {
	t.Parallel()
	good := cheap("x").String()
	if _, err := parseHash(good); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, hash string }{
		{"nothing is no hash", ""},
		{"a plain password is no hash", "secret"},
		{"another function is refused", strings.Replace(good, "argon2id", "argon2i", 1)},
		{"bcrypt is refused", "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"},
		{"another version is refused", strings.Replace(good, "v=19", "v=16", 1)},
		{"no version is refused", strings.Replace(good, "$v=19", "", 1)},
		{"memory that would take the server is refused", strings.Replace(good, "m=8,", "m=4194304,", 1)},
		{"memory below what argon2 needs is refused", strings.Replace(good, "m=8,", "m=7,", 1)},
		{"endless passes are refused", strings.Replace(good, "t=1", "t=4000000000", 1)},
		{"no passes are refused", strings.Replace(good, "t=1", "t=0", 1)},
		{"many threads are refused", strings.Replace(good, "p=1", "p=200", 1)},
		{"more threads than the memory feeds are refused", strings.Replace(good, "p=1", "p=4", 1)},
		{"costs in another order are refused", strings.Replace(good, "m=8,t=1", "t=1,m=8", 1)},
		{"a number with a sign is refused", strings.Replace(good, "m=8", "m=+8", 1)},
		{"a number with a leading zero is refused", strings.Replace(good, "m=8", "m=08", 1)},
		{"padding is refused", good + "=="},
		{"a field more is refused", good + "$"},
		{"a short salt is refused", strings.Replace(good, "$"+phcEncoding.EncodeToString([]byte("saltsalt")), "$c2FsdA", 1)},
		{"an endless key is refused", good + strings.Repeat("AAAA", 100)},
	}
	for _, tt := range tests {
		if h, err := parseHash(tt.hash); !errors.Is(err, ErrHash) {
			t.Errorf("%s: got %v, %v", tt.name, h, err)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(cheap("x").String())
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$$")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHash(s)
		if err != nil {
			return
		}
		if h.String() != s {
			t.Fatalf("%q is read as %q", s, h)
		}
		if h.memory > maxMemory || h.passes > maxPasses || h.threads > maxThreads || len(h.key) > maxBytes {
			t.Fatalf("%q is out of bounds", s)
		}
	})
}
