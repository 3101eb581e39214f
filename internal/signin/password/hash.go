// Package password checks passwords: argon2id hashes in PHC form, few at a time, and a throttle on guessing. It
// does not know where accounts are kept (directory) and opens no sessions (signin).
package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// MaxLength bounds a password, in bytes: enough for any pass phrase, and nothing to feed a hash with.
const MaxLength = 1024

// ErrHash is wrapped by errors about hashes that cannot be read.
var ErrHash = errors.New("not an argon2id hash")

// hash is a password hash with what it was made from.
type hash struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
	salt    []byte
	key     []byte
}

// New hashes are made with OWASP's first choice for argon2id: 19 MiB, two passes, one thread.
const (
	newMemory  = 19 * 1024
	newPasses  = 2
	newThreads = 1
	newSalt    = 16
	newKey     = 32
)

// Hashes that were made elsewhere are accepted up to these bounds, so that no stored hash can take the
// server's memory.
const (
	maxMemory  = 64 * 1024
	maxPasses  = 16
	maxThreads = 4
	maxBytes   = 64 // of salt, and of key
	minBytes   = 8
)

// phcEncoding is strict: one spelling for each hash.
var phcEncoding = base64.RawStdEncoding.Strict()

// newHash derives the hash of a password with a new salt.
func newHash(password string) hash {
	h := hash{memory: newMemory, passes: newPasses, threads: newThreads, salt: make([]byte, newSalt)}
	rand.Read(h.salt) // never fails (crypto/rand)
	h.key = argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.threads, newKey)
	return h
}

// decoy is a hash that takes as long as a real one and that no password has: its key is drawn, not derived.
func decoy() hash {
	h := hash{memory: newMemory, passes: newPasses, threads: newThreads, salt: make([]byte, newSalt), key: make([]byte, newKey)}
	rand.Read(h.salt)
	rand.Read(h.key)
	return h
}

// matches reports whether the hash is that of the password.
func (h hash) matches(password string) bool {
	key := argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.threads, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

// String returns the PHC form: $argon2id$v=19$m=19456,t=2,p=1$SALT$KEY.
func (h hash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.threads,
		phcEncoding.EncodeToString(h.salt), phcEncoding.EncodeToString(h.key))
}

// CheckHash refuses what is not a hash that Checker could check, before it is stored. Its errors wrap ErrHash and
// hold neither salt nor key.
func CheckHash(s string) error {
	_, err := parseHash(s)
	return err
}

// parseHash reads what String wrote, and nothing else.
func parseHash(s string) (hash, error) {
	fields := strings.Split(s, "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != "argon2id" || fields[2] != "v="+strconv.Itoa(argon2.Version) {
		return hash{}, fmt.Errorf("%w: it must start with $argon2id$v=%d$", ErrHash, argon2.Version)
	}
	var h hash
	memory, passes, threads, err := parseCosts(fields[3])
	if err != nil {
		return hash{}, err
	}
	h.memory, h.passes, h.threads = memory, passes, uint8(threads)
	for i, into := range []*[]byte{&h.salt, &h.key} {
		b, err := phcEncoding.DecodeString(fields[4+i])
		if err != nil || len(b) < minBytes || len(b) > maxBytes {
			return hash{}, fmt.Errorf("%w: salt and key are %d to %d bytes in base64 without padding", ErrHash, minBytes, maxBytes)
		}
		*into = b
	}
	if h.String() != s {
		return hash{}, fmt.Errorf("%w: its numbers are not in plain form", ErrHash)
	}
	return h, nil
}

// parseCosts reads "m=19456,t=2,p=1" within bounds.
func parseCosts(s string) (memory, passes, threads uint32, err error) {
	parts := strings.Split(s, ",")
	if len(parts) != 3 {
		return 0, 0, 0, fmt.Errorf("%w: the costs must read m=,t=,p=", ErrHash)
	}
	for i, cost := range []struct {
		name     string
		into     *uint32
		min, max uint64
	}{{"m=", &memory, 8, maxMemory}, {"t=", &passes, 1, maxPasses}, {"p=", &threads, 1, maxThreads}} {
		digits, found := strings.CutPrefix(parts[i], cost.name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !found || err != nil || n < cost.min || n > cost.max {
			return 0, 0, 0, fmt.Errorf("%w: %q must be %s%d to %d", ErrHash, parts[i], cost.name, cost.min, cost.max)
		}
		*cost.into = uint32(n)
	}
	if memory < 8*threads {
		return 0, 0, 0, fmt.Errorf("%w: %d KiB are too few for %d threads", ErrHash, memory, threads)
	}
	return memory, passes, threads, nil
}
