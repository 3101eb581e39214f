package sealing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// ErrOpen reports sealed bytes that do not open: damaged, forged, sealed for another purpose, with other
// associated data or by a root key that is not in the ring.
var ErrOpen = errors.New("sealed value does not open")

// A sealed value is: version, root key id, day, nonce, then ciphertext with tag. The first three are
// authenticated as well.
const (
	version1   = 1
	headerSize = 1 + 4 + 4
	nonceSize  = 12
	tagSize    = 16

	// Overhead is by how much a sealed value is longer than its plaintext.
	Overhead = headerSize + nonceSize + tagSize

	// maxSubkeys bounds the cache of a Sealer: one subkey a day and root key, so weeks of cookies fit.
	maxSubkeys = 64
)

// Sealer seals and opens for one purpose. It is safe for concurrent use.
type Sealer struct {
	ring    *Ring
	purpose string

	mu      sync.Mutex // held to replace subkeys
	subkeys atomic.Pointer[map[subkeyName]cipher.AEAD]
}

// subkeyName says which subkey of a purpose is meant. A new one each day keeps the number of random nonces
// under one key far below what AES-GCM can bear (2^32).
type subkeyName struct {
	root uint32
	day  uint32
}

// Sealer returns a sealer for a purpose, such as "session cookie".
func (r *Ring) Sealer(purpose string) *Sealer {
	s := &Sealer{ring: r, purpose: purpose}
	s.subkeys.Store(&map[subkeyName]cipher.AEAD{})
	return s
}

// Seal encrypts plaintext under the newest root key. The associated data is not part of the result; Open
// needs the same.
func (s *Sealer) Seal(plaintext, associated []byte) []byte {
	newest := s.ring.roots[0]
	name := subkeyName{root: newest.id, day: dayOf(s.ring.Now())}
	aead, known := s.cached(name)
	if !known {
		aead = s.derive(newest.key, name.day)
		s.remember(name, aead)
	}
	sealed := make([]byte, headerSize+nonceSize, Overhead+len(plaintext))
	sealed[0] = version1
	binary.BigEndian.PutUint32(sealed[1:], name.root)
	binary.BigEndian.PutUint32(sealed[5:], name.day)
	nonce := sealed[headerSize:]
	rand.Read(nonce) // never fails (crypto/rand)
	return aead.Seal(sealed, nonce, plaintext, appendAuthenticated(nil, sealed, associated))
}

// Open returns what was sealed, or ErrOpen.
func (s *Sealer) Open(sealed, associated []byte) ([]byte, error) {
	return s.AppendOpen(nil, sealed, associated)
}

// AppendOpen is Open, and appends what was sealed to dst, which must not overlap with the rest.
func (s *Sealer) AppendOpen(dst, sealed, associated []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != version1 {
		return nil, ErrOpen
	}
	name := subkeyName{root: binary.BigEndian.Uint32(sealed[1:]), day: binary.BigEndian.Uint32(sealed[5:])}
	aead, known := s.cached(name)
	if !known {
		from, found := s.ring.find(name.root)
		if !found {
			return nil, ErrOpen
		}
		aead = s.derive(from.key, name.day)
	}
	nonce := sealed[headerSize : headerSize+nonceSize]
	data := spare.Get().(*[]byte)
	defer spare.Put(data)
	*data = appendAuthenticated((*data)[:0], sealed, associated)
	plaintext, err := aead.Open(dst, nonce, sealed[headerSize+nonceSize:], *data)
	if err != nil {
		return nil, ErrOpen
	}
	if !known { // only now: forged days must not fill the cache
		s.remember(name, aead)
	}
	return plaintext, nil
}

// spare is memory for what is authenticated. What is passed to a cipher escapes.
var spare = sync.Pool{New: func() any { return new([]byte) }}

// appendAuthenticated appends the fixed-length header followed by the caller's associated data, so that no two pairs of
// them read alike.
func appendAuthenticated(b, sealed, associated []byte) []byte {
	return append(append(b, sealed[:headerSize]...), associated...)
}

func dayOf(t time.Time) uint32 { return uint32(t.Unix() / (24 * 60 * 60)) }

// derive makes the subkey of a day. The purpose stands last in the info, after fields of fixed length.
func (s *Sealer) derive(rootKey []byte, day uint32) cipher.AEAD {
	info := binary.BigEndian.AppendUint32([]byte("gatehouse subkey v1"), day)
	block, err := aes.NewCipher(expand(rootKey, string(info)+s.purpose, 32))
	if err != nil {
		panic("sealing: aes: " + err.Error()) // the key length is right
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("sealing: gcm: " + err.Error()) // AES has the right block size
	}
	return aead
}

func (s *Sealer) cached(name subkeyName) (cipher.AEAD, bool) {
	aead, known := (*s.subkeys.Load())[name]
	return aead, known
}

// remember adds a subkey to a copy of the cache, so that readers need no lock.
func (s *Sealer) remember(name subkeyName, aead cipher.AEAD) {
	s.mu.Lock()
	defer s.mu.Unlock()
	subkeys := maps.Clone(*s.subkeys.Load())
	if len(subkeys) >= maxSubkeys {
		clear(subkeys) // deriving one again takes microseconds
	}
	subkeys[name] = aead
	s.subkeys.Store(&subkeys)
}
