package bearer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// encoding is strict: one token has one spelling.
var encoding = base64.RawURLEncoding.Strict()

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

// namesIssuer reports whether any issuer that an encoded payload names is one of these. It reads leniently, on
// purpose: a token that names us in a broken way is refused, not handed on.
func namesIssuer(payload string, issuers ...string) bool {
	decoded, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(payload, "="))
	mentions := func(s string) bool { return bytes.Contains(decoded, []byte(s)) }
	if bytes.IndexByte(decoded, '\\') < 0 && !slices.ContainsFunc(issuers, mentions) {
		return false // without escapes a name stands there as it is: most foreign tokens end here
	}
	named := false
	_ = members(decoded, func(name string, value json.RawMessage) error {
		if !strings.EqualFold(name, "iss") {
			return nil
		}
		var one string
		var many []string
		if json.Unmarshal(value, &one) == nil {
			many = []string{one}
		} else if json.Unmarshal(value, &many) != nil {
			return nil
		}
		named = named || slices.ContainsFunc(many, func(s string) bool { return slices.Contains(issuers, s) })
		return nil
	})
	return named
}

// parseHeader returns the key id of a compact JWS whose header has alg, kid and typ and nothing else: neither
// jku, jwk nor x5*, which name keys, nor crit, zip or b64, which change what is signed.
func parseHeader(token string) (kid string, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", refuse(TextUnparsable, "it does not have three parts")
	}
	var decoded [3][]byte
	for i, part := range parts {
		// The decoder passes over line breaks, even when strict.
		if decoded[i], err = encoding.DecodeString(part); err != nil || strings.ContainsAny(part, "\r\n") {
			return "", refuse(TextUnparsable, "it is not base64url")
		}
	}
	header, err := object(decoded[0])
	if err != nil {
		return "", &Refusal{Text: TextUnparsable, Cause: fmt.Errorf("its header: %w", err)}
	}
	for name := range header {
		if name != "alg" && name != "kid" && name != "typ" {
			return "", refuse(TextSignature, fmt.Sprintf("its header has %q", name))
		}
	}
	var ok bool
	if algorithm, ok := text(header["alg"]); !ok || algorithm != "RS256" {
		return "", refuse(TextSignature, "its algorithm is not RS256")
	}
	if value, found := header["typ"]; found {
		if typ, ok := text(value); !ok || typ != "JWT" {
			return "", refuse(TextSignature, "its typ is not JWT")
		}
	}
	if kid, ok = text(header["kid"]); !ok || kid == "" {
		return "", refuse(TextSignature, "it names no key")
	}
	return kid, nil
}

// claims are those that count; others are not read.
type claims struct {
	issuer, audience, subject, email, hostedDomain string
	emailVerified                                  bool
	issuedAt, expires                              int64
}

// parseClaims reads claims of exactly the types that we mint: in particular one audience, not a list.
func parseClaims(payload []byte) (claims, error) {
	values, err := object(payload)
	if err != nil {
		return claims{}, &Refusal{Text: TextUnparsable, Cause: fmt.Errorf("its claims: %w", err)}
	}
	var c claims
	var ok bool
	if c.audience, ok = text(values["aud"]); !ok {
		return claims{}, refuse(TextAudience, "its audience is not one string")
	}
	if c.email, ok = text(values["email"]); !ok {
		return claims{}, refuse(TextEmail, "it has no address")
	}
	for name, target := range map[string]*string{"iss": &c.issuer, "sub": &c.subject} {
		if *target, ok = text(values[name]); !ok {
			return claims{}, refuse(TextUnparsable, name+" is not a string")
		}
	}
	for name, target := range map[string]*int64{"iat": &c.issuedAt, "exp": &c.expires} {
		if *target, ok = seconds(values[name]); !ok {
			return claims{}, refuse(TextUnparsable, name+" is not a number of seconds")
		}
	}
	if value, found := values["hd"]; found {
		if c.hostedDomain, ok = text(value); !ok {
			return claims{}, refuse(TextUnparsable, "hd is not a string")
		}
	}
	if _, found := values["nbf"]; found {
		return claims{}, refuse(TextUnparsable, "it has nbf, which we do not mint")
	}
	c.emailVerified = string(values["email_verified"]) == "true"
	return c, nil
}

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
