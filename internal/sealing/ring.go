// Package sealing owns the root keys and what is derived from them: it seals secrets for the store and values
// for cookies, and opens them again. It does not store anything but the root key file, and does not know what
// the sealed bytes mean.
//
// A Sealer works for one purpose; what was sealed for one purpose, or with other associated data, does not
// open for another. Every error is ErrOpen: which check failed is not said.
package sealing

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// KeySize is the length of a root key.
const KeySize = 32

// Ring holds the root keys, newest first: the first seals, all of them open.
type Ring struct {
	// Now decides which day's subkey seals. NewRing sets it to time.Now.
	Now func() time.Time

	roots []root
}

// root is one root key and the short name under which sealed values refer to it.
type root struct {
	id  uint32
	key []byte
}

// ErrRootKey reports root keys that cannot be used, or that are not those of the store.
var ErrRootKey = errors.New("root key")

// NewRing takes root keys of 32 bytes each, newest first.
func NewRing(rootKeys ...[]byte) (*Ring, error) {
	if len(rootKeys) == 0 {
		return nil, fmt.Errorf("%w: there is none; name a root key file", ErrRootKey)
	}
	ring := &Ring{Now: time.Now}
	for i, key := range rootKeys {
		if len(key) != KeySize {
			return nil, fmt.Errorf("%w: number %d has %d bytes instead of %d", ErrRootKey, i+1, len(key), KeySize)
		}
		added := root{id: rootID(key), key: append([]byte(nil), key...)}
		for j, other := range ring.roots {
			if other.id == added.id {
				return nil, fmt.Errorf("%w: numbers %d and %d are the same; remove one", ErrRootKey, j+1, i+1)
			}
		}
		ring.roots = append(ring.roots, added)
	}
	return ring, nil
}

// rootID is derived, so that it neither needs storing nor says anything about the key.
func rootID(key []byte) uint32 {
	return binary.BigEndian.Uint32(expand(key, "gatehouse root key id v1", 4))
}

// expand is HKDF with a key that is already uniformly random. Its length errors cannot happen here: all
// lengths are constants far below the limit.
func expand(key []byte, info string, length int) []byte {
	out, err := hkdf.Key(sha256.New, key, nil, info, length)
	if err != nil {
		panic("sealing: hkdf: " + err.Error())
	}
	return out
}

// find returns the root key that a sealed value names.
func (r *Ring) find(id uint32) (root, bool) {
	for _, candidate := range r.roots {
		if candidate.id == id {
			return candidate, true
		}
	}
	return root{}, false
}

const (
	checkPurpose = "check value"
	checkText    = "this store belongs to this root key"
)

// CheckValue returns bytes for the store to keep, by which a later start knows that it has the right root key.
func (r *Ring) CheckValue() []byte {
	return r.Sealer(checkPurpose).Seal([]byte(checkText), nil)
}

// Check reports whether one of the ring's keys made the check value.
func (r *Ring) Check(value []byte) error {
	text, err := r.Sealer(checkPurpose).Open(value, nil)
	if err != nil || string(text) != checkText {
		return fmt.Errorf("%w: it is not the one that this store was made with; restore the right root key file", ErrRootKey)
	}
	return nil
}
