package directory

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// AccountKey is the public half of a key pair by which a program proves that it is a service account. The private half
// is never seen here.
type AccountKey struct {
	// ID is AccountKeyID of the public key: one pair has one id, and stands for one account.
	ID string `json:"id"`
	// Account is the canonical address of the service account.
	Account string `json:"account"`
	// Public is the RSA public key, PKIX DER.
	Public  []byte    `json:"public"`
	Created time.Time `json:"created"`
	// Expires is when it stops to count; zero for never.
	Expires time.Time `json:"expires,omitzero"`
	// Uploaded says that the pair was made elsewhere, not by `keys create`.
	Uploaded bool `json:"uploaded,omitempty"`
	Disabled bool `json:"disabled,omitempty"`
}

// MaxAccountKeys bounds the keys of one account, as Google does.
const MaxAccountKeys = 10

// The sizes of RSA keys that are taken: smaller ones are weak, larger ones make others' requests wait.
const (
	minKeyBits  = 2048
	maxKeyBits  = 4096
	minExponent = 65537
)

// AccountKeyID returns the 40 hexadecimal digits that name a public key: a digest, so that whoever registers a pair a
// second time, for another account even, is told so.
func AccountKeyID(public []byte) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:20])
}

// ParsePublicKey reads an RSA public key in PEM, alone or in an X.509 certificate, and returns its PKIX DER. Its errors
// wrap ErrInvalid.
func ParsePublicKey(text []byte) ([]byte, error) {
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%w: the key is not in PEM: it starts with -----BEGIN PUBLIC KEY----- or -----BEGIN CERTIFICATE-----", ErrInvalid)
	}
	if next, _ := pem.Decode(rest); next != nil {
		return nil, fmt.Errorf("%w: there are several keys or certificates in one file", ErrInvalid)
	}
	var public any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = certificate.PublicKey
		}
	case "PRIVATE KEY", "RSA PRIVATE KEY":
		err = errors.New("it is a private key, which must stay where it is: give the public one, as `openssl rsa -pubout` writes it")
	default:
		err = fmt.Errorf("it is a %s", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: public key: %w", ErrInvalid, err)
	}
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: public key: service accounts sign with RS256, so it must be an RSA key", ErrInvalid)
	}
	if err := checkRSA(key); err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(key)
}

func checkRSA(key *rsa.PublicKey) error {
	switch bits := key.N.BitLen(); {
	case bits < minKeyBits || bits > maxKeyBits:
		return fmt.Errorf("%w: public key: RSA keys have %d to %d bits here, and this one %d", ErrInvalid, minKeyBits, maxKeyBits, bits)
	case key.E < minExponent || key.E%2 == 0:
		return fmt.Errorf("%w: public key: its exponent %d is not an odd number from %d on", ErrInvalid, key.E, minExponent)
	}
	return nil
}

// Validate checks a key as it is about to be stored. Its errors wrap ErrInvalid.
func (k AccountKey) Validate() error {
	if _, err := k.parse(); err != nil {
		return err
	}
	switch {
	case k.ID != AccountKeyID(k.Public):
		return fmt.Errorf("%w: key id %q is not that of the public key", ErrInvalid, k.ID)
	case k.Account == "" || k.Created.IsZero():
		return fmt.Errorf("%w: key %s has no account or no time of creation", ErrInvalid, k.ID)
	case !k.Expires.IsZero() && !k.Created.Before(k.Expires):
		return fmt.Errorf("%w: key %s expires before it begins", ErrInvalid, k.ID)
	}
	return nil
}

func (k AccountKey) parse() (*rsa.PublicKey, error) {
	public, err := x509.ParsePKIXPublicKey(k.Public)
	if err != nil {
		return nil, fmt.Errorf("%w: public key %s: %w", ErrInvalid, k.ID, err)
	}
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: public key %s is not an RSA key", ErrInvalid, k.ID)
	}
	return key, checkRSA(key)
}

// Bits is the size of the key; 0 when it cannot be read.
func (k AccountKey) Bits() int {
	key, err := k.parse()
	if err != nil {
		return 0
	}
	return key.N.BitLen()
}

// VerificationKey is a key of a service account as requests read it. It is immutable; the same key has the same
// address in successive views.
type VerificationKey struct {
	ID, Account string
	Public      *rsa.PublicKey
	expires     time.Time
}

// Usable reports whether the key counts at a moment.
func (k *VerificationKey) Usable(now time.Time) bool {
	return k.expires.IsZero() || now.Before(k.expires)
}

// AccountKeyReader is what the snapshot reads.
type AccountKeyReader interface {
	AccountKeys(ctx context.Context) ([]AccountKey, error)         // ordered by account and creation
	AccountKey(ctx context.Context, id string) (AccountKey, error) // ErrNotFound
}

// AccountKeyStore is what administration reads and writes. Keys go with their account.
type AccountKeyStore interface {
	AccountKeyReader
	CreateAccountKey(ctx context.Context, key AccountKey) error                // ErrExists; ErrNotFound without the account
	SetAccountKeyDisabled(ctx context.Context, id string, disabled bool) error // ErrNotFound
	DeleteAccountKey(ctx context.Context, id string) error                     // ErrNotFound
}
