package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"strings"
	"time"
)

// object is a JOSE header or a set of claims.
type object map[string]any

// with returns a copy with one member changed.
func (o object) with(name string, value any) object {
	changed := maps.Clone(o)
	changed[name] = value
	return changed
}

// without returns a copy that lacks some members.
func (o object) without(names ...string) object {
	changed := maps.Clone(o)
	for _, name := range names {
		delete(changed, name)
	}
	return changed
}

// content is what a signature is over.
func content(header, claims object) string {
	return encode(marshal(header)) + "." + encode(marshal(claims))
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// marshal writes what this package has made up; all of it has a JSON form.
func marshal(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// forger is somebody who signs with keys of their own.
type forger struct {
	keyID string // nobody publishes it
	p256  *ecdsa.PrivateKey
	p384  *ecdsa.PrivateKey
}

func newForger() (*forger, error) {
	f := &forger{}
	var err error
	if f.p256, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	if f.p384, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
		return nil, err
	}
	id := make([]byte, 4) // six characters, as IAP's
	if _, err = rand.Read(id); err != nil {
		return nil, err
	}
	f.keyID = encode(id)
	return f, nil
}

// es256 signs as IAP does, with the forger's key.
func (f *forger) es256(header, claims object) string {
	signed := content(header, claims)
	return signed + "." + encode(signES(f.p256, sha256Sum(signed)))
}

func (f *forger) es384(header, claims object) string {
	signed := content(header.with("alg", "ES384"), claims)
	digest := sha512.Sum384([]byte(signed))
	return signed + "." + encode(signES(f.p384, digest[:]))
}

// rs256 has a signature as long as one of RSA. Which key would have made it, no application can tell.
func rs256(header, claims object) string {
	signature := make([]byte, 256)
	if _, err := rand.Read(signature); err != nil {
		panic(err) // the system has no randomness
	}
	return content(header.with("alg", "RS256"), claims) + "." + encode(signature)
}

// hs256 "signs" with a secret that is none.
func hs256(header, claims object, secret []byte) string {
	signed := content(header.with("alg", "HS256"), claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}

// jwk is the forger's public key as a JWK.
func (f *forger) jwk(keyID string) object {
	der, err := x509.MarshalPKIXPublicKey(&f.p256.PublicKey)
	if err != nil {
		panic(err) // P-256 keys have such a form
	}
	point := der[len(der)-64:] // x || y end it
	return object{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": keyID,
		"x": encode(point[:32]), "y": encode(point[32:]),
	}
}

// certificate is the forger's public key in a certificate that says it belongs to IAP.
func (f *forger) certificate(now time.Time) []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cloud.google.com"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &f.p256.PublicKey, f.p256)
	if err != nil {
		panic(err) // the template is complete and the key is its own
	}
	return der
}

// signES returns r || s, each as long as the curve asks.
func signES(key *ecdsa.PrivateKey, digest []byte) []byte {
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	if err != nil {
		panic(err) // the system has no randomness
	}
	size := (key.Curve.Params().BitSize + 7) / 8
	raw := make([]byte, 2*size)
	r.FillBytes(raw[:size])
	s.FillBytes(raw[size:])
	return raw
}

func sha256Sum(text string) []byte {
	digest := sha256.Sum256([]byte(text))
	return digest[:]
}

// compact is a JWT in its three parts.
type compact struct{ header, payload, signature string }

// parseCompact reads an assertion that somebody handed us as genuine, as far as it is read here.
func parseCompact(token string) (compact, object, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return compact{}, nil, false
	}
	c := compact{parts[0], parts[1], parts[2]}
	payload, err := base64.RawURLEncoding.DecodeString(c.payload)
	if err != nil {
		return compact{}, nil, false
	}
	var claims object
	if json.Unmarshal(payload, &claims) != nil || claims == nil {
		return compact{}, nil, false
	}
	signature, err := base64.RawURLEncoding.DecodeString(c.signature)
	if err != nil || len(signature) != 64 {
		return compact{}, nil, false
	}
	return c, claims, true
}

func (c compact) String() string { return c.header + "." + c.payload + "." + c.signature }

// der returns the signature in ASN.1.
func (c compact) der() []byte {
	raw, err := base64.RawURLEncoding.DecodeString(c.signature)
	if err != nil || len(raw) != 64 {
		panic("conformance: parseCompact let a signature through that is none")
	}
	return derSignature(new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:]))
}

// keyID is what the header says, "" when nothing is to be read there.
func (c compact) keyID() string {
	var header struct {
		ID string `json:"kid"`
	}
	text, err := base64.RawURLEncoding.DecodeString(c.header)
	if err != nil || json.Unmarshal(text, &header) != nil {
		return ""
	}
	return header.ID
}
