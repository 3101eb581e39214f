package directory_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

var pair = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func pairKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := pair()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func inPEM(kind string, der []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestPublicKeysThatServiceAccountsMayHave(t *testing.T) {
	t.Parallel()
	key := pairKey(t)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	good := inPEM("PUBLIC KEY", der, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	inCertificate := inPEM("CERTIFICATE", certificate, err)
	for _, text := range [][]byte{good, inCertificate} {
		if public, err := directory.ParsePublicKey(text); err != nil || directory.AccountKeyID(public) != directory.AccountKeyID(der) {
			t.Errorf("%v", err)
		}
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curveDER, err := x509.MarshalPKIXPublicKey(curve.Public())
	ofCurve := inPEM("PUBLIC KEY", curveDER, err)
	privateDER, err := x509.MarshalPKCS8PrivateKey(key)
	private := inPEM("PRIVATE KEY", privateDER, err)
	weak := *key
	weak.E = 3
	weakDER, err := x509.MarshalPKIXPublicKey(&weak.PublicKey)
	for name, text := range map[string][]byte{
		"nothing": nil, "DER": der, "two keys": append(append([]byte{}, good...), good...), "a private key": private, "a curve": ofCurve,
		"a small exponent": inPEM("PUBLIC KEY", weakDER, err), "another kind of block": inPEM("RSA PUBLIC KEY", der, nil),
		"half a key": inPEM("PUBLIC KEY", der[:len(der)/2], nil),
	} {
		if _, err := directory.ParsePublicKey(text); !errors.Is(err, directory.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhichKeysRequestsSee(t *testing.T) {
	t.Parallel()
	der, err := x509.MarshalPKIXPublicKey(pairKey(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	key := func(change func(*directory.AccountKey)) *directory.AccountKey {
		k := &directory.AccountKey{ID: "kid", Account: "robot@p.iam.gserviceaccount.com", Public: der, Created: now}
		change(k)
		return k
	}
	for name, c := range map[string]struct {
		key           *directory.AccountKey
		there, usable bool
	}{
		"a key":              {key(func(*directory.AccountKey) {}), true, true},
		"one that is off":    {key(func(k *directory.AccountKey) { k.Disabled = true }), false, false},
		"one that is broken": {key(func(k *directory.AccountKey) { k.Public = der[1:] }), false, false},
		"one that ends now":  {key(func(k *directory.AccountKey) { k.Expires = now }), true, false},
		"one that ends soon": {key(func(k *directory.AccountKey) { k.Expires = now.Add(1) }), true, true},
	} {
		view := directory.NewView().With(directory.Update{Keys: map[string]*directory.AccountKey{"kid": c.key}}, (&principal.Interner{}).Edit())
		got, there := view.Key("kid")
		if there != c.there || there && got.Usable(now) != c.usable {
			t.Errorf("%s: there %v", name, there)
		}
		if of := view.KeysOf("robot@p.iam.gserviceaccount.com", now); (len(of) == 1) != c.usable {
			t.Errorf("%s: the account has %d keys", name, len(of))
		}
		gone := view.With(directory.Update{Keys: map[string]*directory.AccountKey{"kid": nil}}, (&principal.Interner{}).Edit())
		if _, there := gone.Key("kid"); there {
			t.Errorf("%s: still there after it was deleted", name)
		}
		if _, still := view.Key("kid"); still != c.there {
			t.Errorf("%s: the older view has changed", name)
		}
	}
}
