package assertion

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
)

// KeySet has the public keys of the proxy.
type KeySet interface {
	// Key returns the key with this id. An error that wraps ErrUnknownKey says that there is none; any other,
	// that this could not be found out.
	//
	// It is asked for every assertion, remembered ones included, so that a withdrawn key stops counting at once:
	// it should answer from memory.
	Key(ctx context.Context, keyID string) (*ecdsa.PublicKey, error)
}

// StaticKeySet is a KeySet that never changes: for tests, and for keys that arrive as a file ([ParseKeys]).
type StaticKeySet map[string]*ecdsa.PublicKey

// Key implements [KeySet].
func (s StaticKeySet) Key(_ context.Context, keyID string) (*ecdsa.PublicKey, error) {
	if key := s[keyID]; key != nil {
		return key, nil
	}
	return nil, ErrUnknownKey
}

// maxKeys bounds a key set; IAP publishes about five.
const maxKeys = 100

// ParseKeys reads the keys that IAP publishes, in either format, told apart by content: a JWK set, or an object
// that maps key ids to PEM.
//
// Keys that could not have signed an assertion (another type, curve, use or algorithm) and keys that are broken
// are left out: what they sign is refused. Two keys with one id are an error, as is a document without any
// usable key, unless it is a JWK set that is empty in so many words.
func ParseKeys(data []byte) (StaticKeySet, error) {
	keys, err := parseKeys(data)
	if err != nil {
		return nil, fmt.Errorf("assertion: the key document: %w", err)
	}
	return keys, nil
}

func parseKeys(data []byte) (StaticKeySet, error) {
	o, err := parseObject(data)
	if err != nil {
		return nil, err
	}
	raw := o.get("keys")
	if bytes.HasPrefix(raw, []byte("[")) {
		return parseJWKSet(raw)
	}
	return parsePEMMap(o)
}

func parseJWKSet(raw json.RawMessage) (StaticKeySet, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil || len(list) > maxKeys {
		return nil, errors.New("not a list of at most 100 keys")
	}
	seen := make(map[string]bool, len(list))
	keys := make(StaticKeySet, len(list))
	for _, item := range list {
		if !present(item) {
			continue
		}
		o, err := readObject(item)
		if err != nil {
			return nil, errors.New("a key is not an object")
		}
		f := &fields{object: o}
		keyID := f.text("kid")
		if f.err != nil || keyID == "" {
			continue
		}
		if seen[keyID] {
			return nil, fmt.Errorf("two keys have the id %s", quote(keyID))
		}
		seen[keyID] = true
		if key := parseJWK(f); key != nil {
			keys[keyID] = key
		}
	}
	return usable(keys, len(list))
}

// parseJWK returns the key if it is one that signs assertions, else nil.
func parseJWK(f *fields) *ecdsa.PublicKey {
	if f.text("kty") != "EC" || f.text("crv") != "P-256" {
		return nil
	}
	if alg := f.text("alg"); alg != "" && alg != "ES256" {
		return nil
	}
	if use := f.text("use"); use != "" && use != "sig" {
		return nil
	}
	if f.has("key_ops") {
		verifies := false
		for _, operation := range f.texts("key_ops") {
			verifies = verifies || operation == "verify"
		}
		if !verifies {
			return nil
		}
	}
	// A private key in a public document belongs to everybody.
	if f.has("d") {
		return nil
	}
	x, errX := strict.DecodeString(f.text("x"))
	y, errY := strict.DecodeString(f.text("y"))
	if f.err != nil || errX != nil || errY != nil || len(x) != 32 || len(y) != 32 {
		return nil
	}
	point := append(append([]byte{4}, x...), y...)
	return parseSPKI(append(bytes.Clone(p256Prefix), point...))
}

// p256Prefix is what precedes the uncompressed point in the PKIX form of a P-256 key. Going through
// crypto/x509 leaves the check that the point is on the curve to the standard library.
var p256Prefix = []byte{
	0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
	0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
}

func parseSPKI(der []byte) *ecdsa.PublicKey {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil
	}
	return key
}

func parsePEMMap(o object) (StaticKeySet, error) {
	if len(o) == 0 || len(o) > maxKeys {
		return nil, errors.New("neither a JWK set nor a map of key ids to PEM")
	}
	keys := make(StaticKeySet, len(o))
	for _, m := range o {
		text, err := unquote(m.value)
		if err != nil || !present(m.value) {
			return nil, errors.New("neither a JWK set nor a map of key ids to PEM")
		}
		block, rest := pem.Decode([]byte(text))
		if len(m.name) == 0 || block == nil || block.Type != "PUBLIC KEY" || len(bytes.TrimSpace(rest)) > 0 {
			continue
		}
		if key := parseSPKI(block.Bytes); key != nil {
			keys[string(m.name)] = key
		}
	}
	return usable(keys, len(o))
}

func usable(keys StaticKeySet, found int) (StaticKeySet, error) {
	if len(keys) == 0 && found > 0 {
		return nil, errors.New("none of its keys is an ES256 key: is this the address of IAP's keys?")
	}
	return keys, nil
}
