package issuer

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/sealing"
)

// SealingPurpose is the purpose of the sealer that all functions of this package expect. What keeps the keys of
// one purpose from being opened as another's is the associated data, which names purpose and key id.
const SealingPurpose = "issuer"

// Purposes lists every purpose that has keys.
func Purposes() []Purpose { return []Purpose{Assertion, IDToken} }

// rsaBits is the size of ID-token keys: what every verifier of RS256 accepts, and Google's own size.
const rsaBits = 2048

// NewKey makes a key that signs from signFrom on. RSA keys (IDToken) take 100 ms and more to find.
func NewKey(p Purpose, sealer *sealing.Sealer, now, signFrom time.Time) (Key, error) {
	private, err := generate(p)
	if err != nil {
		return Key{}, err
	}
	plain, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return Key{}, fmt.Errorf("encoding a new %s key: %w", p, err)
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return Key{}, fmt.Errorf("encoding a new %s key: %w", p, err)
	}
	id := newKeyID(p)
	return Key{
		ID: id, Purpose: p, Sealed: sealer.Seal(plain, associated(p, id)), Public: public,
		Created: storedTime(now), SignFrom: storedTime(signFrom),
	}, nil
}

func generate(p Purpose) (crypto.Signer, error) {
	switch p {
	case Assertion:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case IDToken:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	default:
		return nil, fmt.Errorf("purpose %q is none of %q", p, Purposes())
	}
}

// newKeyID draws an id in the shape that Google's keys of the purpose have.
func newKeyID(p Purpose) string {
	if p == IDToken {
		var b [20]byte
		rand.Read(b[:]) // never fails (crypto/rand)
		return hex.EncodeToString(b[:])
	}
	for {
		var b [4]byte
		rand.Read(b[:])
		// An id that starts with a hyphen would read as a flag in `keys revoke KID`.
		if id := base64.RawURLEncoding.EncodeToString(b[:]); id[0] != '-' {
			return id
		}
	}
}

// associated binds a sealed private key to its purpose and id.
func associated(p Purpose, id string) []byte { return []byte(string(p) + "\x00" + id) }

// storedTime is t as the store gives it back, so that a key is the same before and after it was written.
func storedTime(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// open returns the private key of k, having checked that it is what k's purpose and public half say.
func open(k Key, sealer *sealing.Sealer) (crypto.Signer, error) {
	plain, err := sealer.Open(k.Sealed, associated(k.Purpose, k.ID))
	if err != nil {
		return nil, fmt.Errorf("opening %s key %s: %w", k.Purpose, k.ID, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, fmt.Errorf("parsing %s key %s: %w", k.Purpose, k.ID, err)
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s key %s is not a signing key", k.Purpose, k.ID)
	}
	if err := checkKind(k.Purpose, private.Public()); err != nil {
		return nil, fmt.Errorf("%s key %s: %w", k.Purpose, k.ID, err)
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return nil, fmt.Errorf("%s key %s: %w", k.Purpose, k.ID, err)
	}
	if !bytes.Equal(public, k.Public) {
		return nil, fmt.Errorf("%s key %s: its public half belongs to another key", k.Purpose, k.ID)
	}
	return private, nil
}

// checkKind pins the algorithm of each purpose to the kind of key it needs.
func checkKind(p Purpose, public crypto.PublicKey) error {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		if p == Assertion && key.Curve == elliptic.P256() {
			return nil
		}
	case *rsa.PublicKey:
		if p == IDToken && key.N.BitLen() >= rsaBits {
			return nil
		}
	}
	return errors.New("its kind is not the one of its purpose")
}
