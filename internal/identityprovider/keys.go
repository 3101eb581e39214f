package identityprovider

import "crypto"

// PublishedKeys are the keys by which a provider signs, as they were last fetched. They are immutable, and another
// fetch gives another value.
type PublishedKeys struct {
	// Issuer published them: a provider that is given another issuer does not keep the keys of the old one.
	Issuer string
	Keys   []PublishedKey
}

// PublishedKey is one of them.
type PublishedKey struct {
	ID        string
	Algorithm string // empty where the provider does not say
	Key       crypto.PublicKey
}

// Find returns the key with an id that may sign by an algorithm.
func (k *PublishedKeys) Find(id, algorithm string) (crypto.PublicKey, bool) {
	if k == nil || id == "" {
		return nil, false
	}
	for _, key := range k.Keys {
		if key.ID == id && (key.Algorithm == "" || key.Algorithm == algorithm) {
			return key.Key, true
		}
	}
	return nil, false
}

// SigningAlgorithms are those by which ID tokens of the provider may be signed, whatever a token's header says.
func (c *OIDCConfig) SigningAlgorithms() []string {
	if len(c.Algorithms) > 0 {
		return c.Algorithms
	}
	return []string{"RS256", "ES256"}
}
