package assertion

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// MaxTokenBytes is how long an assertion may be. Larger ones are refused before anything is parsed. IAP's own
// are below 1 KiB; session claims of Identity Platform, which must fit into a 4 KiB cookie, make the largest.
const MaxTokenBytes = 16 << 10

// maxKeyIDBytes bounds a kid; IAP's have six characters.
const maxKeyIDBytes = 128

// signed is an assertion taken apart, of which nothing is proven yet.
type signed struct {
	keyID     string
	content   string // what the signature is over: header "." payload
	payload   []byte
	signature []byte
}

// strict refuses set bits after the end, so that one assertion has one spelling.
var strict = base64.RawURLEncoding.Strict()

// split takes an assertion apart and checks its header. Nothing in it selects a key or an algorithm except
// kid, as a map key.
func split(token string) (*signed, error) {
	if len(token) > MaxTokenBytes {
		return nil, refuse(ErrTooLarge, "")
	}
	// encoding/base64 skips line breaks, so that they are refused here.
	if strings.IndexByte(token, '\n') >= 0 || strings.IndexByte(token, '\r') >= 0 {
		return nil, refuse(ErrMalformed, "line break inside")
	}
	head, rest, _ := strings.Cut(token, ".")
	body, signature, found := strings.Cut(rest, ".")
	if !found {
		return nil, refuse(ErrMalformed, "not three parts")
	}
	header, err := strict.DecodeString(head)
	if err != nil {
		return nil, refuse(ErrMalformed, "the header is not base64url")
	}
	s := &signed{content: token[:len(head)+1+len(body)]}
	if s.keyID, err = readHeader(header); err != nil {
		return nil, err
	}
	if s.payload, err = strict.DecodeString(body); err != nil {
		return nil, refuse(ErrMalformed, "the payload is not base64url")
	}
	if s.signature, err = strict.DecodeString(signature); err != nil {
		return nil, refuse(ErrMalformed, "the signature is not base64url")
	}
	if len(s.signature) != 64 {
		return nil, refuse(ErrSignature, "not the 64 bytes r || s")
	}
	return s, nil
}

// readHeader checks the JOSE header and returns the kid.
func readHeader(data []byte) (string, error) {
	o, err := parseObject(data)
	if err != nil {
		return "", &Error{Reason: ErrMalformed, Detail: "header", Err: err}
	}
	f := &fields{object: o}
	if alg := f.text("alg"); f.err != nil || alg != "ES256" {
		return "", refuse(ErrAlgorithm, "alg is "+quote(string(o.get("alg"))))
	}
	for _, m := range o {
		if forbidden(string(m.name)) {
			return "", refuse(ErrHeader, quote(string(m.name))+" is not accepted")
		}
	}
	// RFC 8725, section 3.11: a token of another kind, signed with the same key, says so in typ.
	if typ := f.text("typ"); f.err != nil || f.has("typ") && typ != "JWT" {
		return "", refuse(ErrHeader, "typ is "+quote(string(o.get("typ"))))
	}
	keyID := f.text("kid")
	switch {
	case !f.has("kid") || f.err == nil && keyID == "":
		return "", refuse(ErrNoKeyID, "")
	case f.err != nil || len(keyID) > maxKeyIDBytes:
		return "", refuse(ErrMalformed, "kid is not a short string")
	}
	return keyID, nil
}

// forbidden lists header parameters by which an assertion could bring its own key or change how it is read.
func forbidden(name string) bool {
	switch name {
	case "jku", "jwk", "crit", "zip", "b64", "enc":
		return true
	}
	return strings.HasPrefix(name, "x5")
}

// verify checks the signature: ES256 as JOSE writes it, never in ASN.1.
func (s *signed) verify(key *ecdsa.PublicKey) bool {
	if key.Curve != elliptic.P256() {
		return false
	}
	digest := sha256.Sum256([]byte(s.content))
	return ecdsa.VerifyASN1(key, digest[:], inASN1(s.signature))
}

// inASN1 writes the 64 bytes r || s as crypto/ecdsa reads them: SEQUENCE { INTEGER r, INTEGER s }. Whether they
// are in range is judged there. The way over big.Int and ecdsa.Verify makes the same bytes with many times the allocations.
func inASN1(signature []byte) []byte {
	const sequence, longest = 0x30, 2 + 2*(2+1+32)
	der := append(make([]byte, 0, longest), sequence, 0)
	der = appendInteger(der, signature[:32])
	der = appendInteger(der, signature[32:])
	der[1] = byte(len(der) - 2)
	return der
}

// appendInteger writes a number without a sign: no zeros before it, except one where it would look negative.
func appendInteger(der, number []byte) []byte {
	const integer = 0x02
	number = bytes.TrimLeft(number, "\x00")
	if len(number) == 0 || number[0] >= 0x80 {
		der = append(der, integer, byte(len(number)+1), 0)
	} else {
		der = append(der, integer, byte(len(number)))
	}
	return append(der, number...)
}
