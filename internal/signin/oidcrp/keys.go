package oidcrp

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// keySet is the provider's published keys that can check a signature.
type keySet []jose.JSONWebKey

const (
	maxKeys = 100
	// Below, others can find the private key; above, checking one signature would take us seconds.
	minRSABits = 2048
	maxRSABits = 8192
)

// fetchKeys reads the provider's JWK set. Keys that we cannot use are passed over: providers publish others beside.
func (c *client) fetchKeys(ctx context.Context) (keySet, error) {
	m, err := c.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	body, err := getJSON(ctx, c.http, m.KeysURI)
	if err != nil {
		return nil, fmt.Errorf("%w: keys: %w", signin.ErrProviderDown, err)
	}
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, fmt.Errorf("%w: keys: %w", signin.ErrProviderDown, err)
	}
	if len(document.Keys) > maxKeys {
		return nil, fmt.Errorf("%w: keys: there are %d, more than %d", signin.ErrProviderDown, len(document.Keys), maxKeys)
	}
	set := keySet{}
	for _, raw := range document.Keys {
		var key jose.JSONWebKey
		if err := json.Unmarshal(raw, &key); err == nil && usableKey(key) {
			set = append(set, key)
		}
	}
	return set, nil
}

func usableKey(key jose.JSONWebKey) bool {
	if key.Use != "" && key.Use != "sig" || !key.IsPublic() || !key.Valid() {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSABits && k.N.BitLen() <= maxRSABits
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	default:
		return false // shared secrets above all
	}
}

// matching are the keys that may have made a signature: those with its key id, or all when it names none, and
// only those that are not for another algorithm.
func (s keySet) matching(keyID, algorithm string) keySet {
	var matching keySet
	for _, key := range s {
		if (keyID == "" || key.KeyID == keyID) && (key.Algorithm == "" || key.Algorithm == algorithm) {
			matching = append(matching, key)
		}
	}
	return matching
}

var errUnknownKey = errors.New("it is signed by a key that the provider does not publish")

// checkSignature checks a token in compact form and returns its payload. An unknown key id makes it look for new keys, once a minute at most, so that a provider may change its keys when it
// likes, and nobody can make us ask more often.
func (c *client) checkSignature(ctx context.Context, token string) ([]byte, error) {
	algorithms := make([]jose.SignatureAlgorithm, 0, 2)
	for _, algorithm := range c.algorithms() {
		algorithms = append(algorithms, jose.SignatureAlgorithm(algorithm))
	}
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, err
	}
	header := signed.Signatures[0].Protected
	keys, err := c.keys.get(ctx)
	if err != nil {
		return nil, err
	}
	found := keys.matching(header.KeyID, header.Algorithm)
	if len(found) == 0 {
		if keys, err = c.keys.renew(ctx); err != nil {
			return nil, err
		}
		if found = keys.matching(header.KeyID, header.Algorithm); len(found) == 0 {
			return nil, fmt.Errorf("%w: key id %.100q", errUnknownKey, header.KeyID)
		}
	}
	for _, key := range found {
		if payload, err := signed.Verify(key); err == nil {
			return payload, nil
		}
	}
	return nil, errors.New("its signature is not valid")
}
