package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// ErrClaims reports claims that must not be signed.
var ErrClaims = errors.New("claims cannot be signed")

// Signer signs with one key.
type Signer struct {
	id      string
	until   time.Time // the key's SignUntil; zero while no end is planned
	header  string    // the encoded JOSE header with the dot after it
	private crypto.Signer
}

// newSigner prepares the header, whose members stand in the order in which Google writes them.
func newSigner(key Key, private crypto.Signer) *Signer {
	header := `{"alg":"ES256","typ":"JWT","kid":` + quoted(key.ID) + `}`
	if key.Purpose == IDToken {
		header = `{"alg":"RS256","kid":` + quoted(key.ID) + `,"typ":"JWT"}`
	}
	return &Signer{
		id: key.ID, until: key.SignUntil, private: private,
		header: base64.RawURLEncoding.EncodeToString([]byte(header)) + ".",
	}
}

// KeyID names the key.
func (s *Signer) KeyID() string { return s.id }

// Sign returns the compact JWT over a payload that is JSON already.
func (s *Signer) Sign(payload []byte) (string, error) {
	const longestSignature = 344 // RSA-2048 with its dot; ES256 takes 87
	token := make([]byte, 0, len(s.header)+base64.RawURLEncoding.EncodedLen(len(payload))+longestSignature)
	token = append(token, s.header...)
	token = base64.RawURLEncoding.AppendEncode(token, payload)
	digest := sha256.Sum256(token)
	signature, err := s.signature(digest[:])
	if err != nil {
		return "", fmt.Errorf("signing with key %s: %w", s.id, err)
	}
	token = append(token, '.')
	return string(base64.RawURLEncoding.AppendEncode(token, signature)), nil
}

// SignUnder signs claims under a header of the caller's, whatever that promises. Only an emulator asks for it: an
// application must refuse what a header says against its key.
func (s *Signer) SignUnder(header, payload []byte) (string, error) {
	changed := *s
	changed.header = base64.RawURLEncoding.EncodeToString(header) + "."
	return changed.Sign(payload)
}

// Header returns the JOSE header that Sign writes.
func (s *Signer) Header() []byte {
	header, err := base64.RawURLEncoding.DecodeString(strings.TrimSuffix(s.header, "."))
	if err != nil {
		panic(err) // newSigner has encoded it
	}
	return header
}

func (s *Signer) signature(digest []byte) ([]byte, error) {
	switch private := s.private.(type) {
	case *ecdsa.PrivateKey:
		der, err := ecdsa.SignASN1(rand.Reader, private, digest)
		if err != nil {
			return nil, err
		}
		return joseSignature(der)
	case *rsa.PrivateKey:
		return rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest)
	default:
		return nil, fmt.Errorf("no algorithm for a key of type %T", private)
	}
}

// joseSignature turns ASN.1's SEQUENCE of two integers into JOSE's r||s of 32 bytes each.
func joseSignature(der []byte) ([]byte, error) {
	var sequence cryptobyte.String
	var r, s []byte // big-endian, without leading zeros
	input := cryptobyte.String(der)
	if !input.ReadASN1(&sequence, asn1.SEQUENCE) || !input.Empty() ||
		!sequence.ReadASN1Integer(&r) || !sequence.ReadASN1Integer(&s) || !sequence.Empty() ||
		len(r) > 32 || len(s) > 32 {
		return nil, errors.New("malformed ECDSA signature")
	}
	signature := make([]byte, 64)
	copy(signature[32-len(r):], r)
	copy(signature[64-len(s):], s)
	return signature, nil
}

// appendMember appends `,"name":"value"` to a JSON object under construction; the comma is left out after
// the opening brace.
func appendMember(object []byte, name, value string) []byte {
	object = appendName(object, name)
	return appendQuoted(object, value)
}

func appendNumber(object []byte, name string, value int64) []byte {
	return strconv.AppendInt(appendName(object, name), value, 10)
}

func appendName(object []byte, name string) []byte {
	if object[len(object)-1] != '{' {
		object = append(object, ',')
	}
	object = append(object, '"')
	object = append(object, name...)
	return append(object, '"', ':')
}

// appendQuoted appends a JSON string. Nearly every value needs no escape; the rest is left to encoding/json.
func appendQuoted(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // cannot fail on a string
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func quoted(s string) string { return string(appendQuoted(nil, s)) }

// checkIdentity refuses what would come out of JSON or of a header field as something else than went in.
func checkIdentity(subject, email string) error {
	for _, value := range [...]string{subject, email} {
		if value == "" {
			return fmt.Errorf("%w: subject and e-mail address must be set", ErrClaims)
		}
		if !utf8.ValidString(value) {
			return fmt.Errorf("%w: %q is not UTF-8", ErrClaims, value)
		}
		for i := 0; i < len(value); i++ {
			if value[i] <= ' ' || value[i] == 0x7f {
				return fmt.Errorf("%w: %q holds white space or a control character", ErrClaims, value)
			}
		}
	}
	return nil
}

// checkText refuses the same in values that are not identities.
func checkText(values ...string) error {
	for _, value := range values {
		if !utf8.ValidString(value) {
			return fmt.Errorf("%w: %q is not UTF-8", ErrClaims, value)
		}
	}
	return nil
}
