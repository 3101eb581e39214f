package bearer

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
)

// encoding is strict: one token has one spelling.
var encoding = base64.RawURLEncoding.Strict()

// padded is how old releases of Google's library for Python write assertions.
var padded = base64.URLEncoding.Strict()

// decodePart reads one part of a compact JWS; the decoders pass over line breaks, even when strict.
func decodePart(part string, paddingToo bool) ([]byte, error) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, errors.New("it has a line break")
	}
	if paddingToo && strings.HasSuffix(part, "=") {
		return padded.DecodeString(part)
	}
	return encoding.DecodeString(part)
}

var errNotObject = errors.New("not a JSON object")

// members calls visit for each member of the object that b holds, in order and with repetitions; names are
// exact, unlike those of encoding/json's structs. It stops at the first fault, which it returns.
func members(b []byte, visit func(name string, value json.RawMessage) error) error {
	decoder := json.NewDecoder(bytes.NewReader(b))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return errNotObject
	}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			return errNotObject
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		if err := visit(name, value); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil { // the closing brace
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something stands after the JSON object")
	}
	return nil
}

// object reads an object in which no name stands twice: two readers could differ in which one counts.
func object(b []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not UTF-8") // encoding/json would replace what is not
	}
	values := make(map[string]json.RawMessage)
	err := members(b, func(name string, value json.RawMessage) error {
		if _, found := values[name]; found {
			return fmt.Errorf("a name stands twice: %q", name)
		}
		values[name] = value
		return nil
	})
	return values, err
}

// token is a compact JWS, read but not verified. What claims says is believed only after verify.
type token struct {
	compact        string
	signature      []byte
	algorithm, kid string
	header, claims map[string]json.RawMessage
}

// parseToken reads a compact JWS whose payload is a JSON object. Its kid is empty when the header names no key.
func parseToken(compact string, paddingToo bool) (token, error) {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return token{}, refuse(TextUnparsable, "it does not have three parts")
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = decodePart(part, paddingToo); err != nil {
			return token{}, refuse(TextUnparsable, "it is not base64url")
		}
	}
	t := token{compact: compact, signature: decoded[2]}
	var err error
	if t.header, err = object(decoded[0]); err != nil {
		return token{}, &Refusal{Text: TextUnparsable, Cause: fmt.Errorf("its header: %w", err)}
	}
	if t.claims, err = object(decoded[1]); err != nil {
		return token{}, &Refusal{Text: TextUnparsable, Cause: fmt.Errorf("its claims: %w", err)}
	}
	var ok bool
	if t.algorithm, ok = text(t.header["alg"]); !ok {
		return token{}, refuse(TextSignature, "it names no algorithm")
	}
	if value, found := t.header["kid"]; found {
		if t.kid, ok = text(value); !ok || t.kid == "" {
			return token{}, refuse(TextSignature, "it names no key")
		}
	}
	if value, found := t.header["typ"]; found {
		if typ, ok := text(value); !ok || typ != "JWT" {
			return token{}, refuse(TextSignature, "its typ is not JWT")
		}
	}
	return t, nil
}

// headerOnly refuses a header with anything besides alg, kid, typ and these: jku, jwk and x5c name keys of their own,
// and crit, zip and b64 change what is signed.
func (t token) headerOnly(others ...string) error {
	for name := range t.header {
		if name != "alg" && name != "kid" && name != "typ" && !slices.Contains(others, name) {
			return refuse(TextSignature, fmt.Sprintf("its header has %.60q", name))
		}
	}
	return nil
}

// verify checks the signature by one key and one of the algorithms, which are ours to say and not the token's.
func (t token) verify(key any, algorithms ...string) error {
	if !slices.Contains(algorithms, t.algorithm) {
		return refuse(TextSignature, fmt.Sprintf("its algorithm is not %s", strings.Join(algorithms, " or ")))
	}
	if key, ok := key.(*rsa.PublicKey); ok && t.algorithm == "RS256" { // nearly every token, and without a second reading
		digest := sha256.Sum256([]byte(t.compact[:strings.LastIndexByte(t.compact, '.')]))
		if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], t.signature) != nil {
			return refuse(TextSignature, "the signature does not verify")
		}
		return nil
	}
	signed, err := jose.ParseSignedCompact(t.compact, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(t.algorithm)})
	if err != nil {
		return &Refusal{Text: TextUnparsable, Cause: err}
	}
	if _, err := signed.Verify(key); err != nil {
		return refuse(TextSignature, "the signature does not verify")
	}
	return nil
}

// texts reads claims that must be strings; a faulty one is refused with the sentence.
func (t token) texts(sentence string, into map[string]*string) error {
	for name, target := range into {
		var ok bool
		if *target, ok = text(t.claims[name]); !ok {
			return refuse(sentence, name+" is not one string")
		}
	}
	return nil
}

// optionalText reads a claim that may be absent.
func (t token) optionalText(name string) (string, error) {
	value, found := t.claims[name]
	if !found {
		return "", nil
	}
	s, ok := text(value)
	if !ok {
		return "", refuse(TextUnparsable, name+" is not a string")
	}
	return s, nil
}

// times reads iat and exp.
func (t token) times() (issued, expires time.Time, err error) {
	for name, target := range map[string]*time.Time{"iat": &issued, "exp": &expires} {
		n, ok := seconds(t.claims[name])
		if !ok {
			return time.Time{}, time.Time{}, refuse(TextUnparsable, name+" is not a number of seconds")
		}
		*target = time.Unix(n, 0)
	}
	return issued, expires, nil
}

func (t token) isTrue(name string) bool { return string(t.claims[name]) == "true" }

func text(value json.RawMessage) (string, bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false // null would leave a string empty
	}
	var s string
	err := json.Unmarshal(value, &s)
	return s, err == nil
}

// maxSeconds is the end of the year 9999.
const maxSeconds = 253402300799

func seconds(value json.RawMessage) (int64, bool) {
	if len(value) == 0 || value[0] < '0' || value[0] > '9' {
		return 0, false
	}
	var n int64 // neither fractions nor exponents
	err := json.Unmarshal(value, &n)
	return n, err == nil && n <= maxSeconds
}
