package catalog

import (
	"errors"
	"strings"
)

// Target is a request target in the three forms that different programs make of it. They are computed once;
// whatever is decided on a path must hold for all three (docs/decisions/0006-request-targets.md).
type Target struct {
	Raw        string // the path as received
	Normalized string // IAP's: parameters dropped, dot segments resolved, nothing decoded
	Decoded    string // with unreserved octets decoded and runs of / merged besides, before dots are resolved
	Query      string // as received, without the ?
	HasQuery   bool   // there was a ?, even with nothing behind it
	// EncodedSlash says that the path holds %2f or %5c, which hosts with path rules refuse.
	EncodedSlash bool
}

// ErrTarget reports a request target that is refused whatever it leads to.
var ErrTarget = errors.New("request target refused")

type targetError string

func (e targetError) Error() string   { return string(e) }
func (e targetError) Is(t error) bool { return t == ErrTarget }

// The ways in which a target is refused.
const (
	errTargetForm       = targetError("the request target must start with /")
	errTargetByte       = targetError("the request target holds a control byte, a backslash or a #")
	errTargetEscape     = targetError("the path holds an incomplete percent escape")
	errTargetNUL        = targetError("the path holds an encoded NUL byte")
	errTargetDotSegment = targetError("the path holds an encoded dot segment")
	errTargetDotParam   = targetError("the path holds a segment that starts with ..;")
)

// ParseTarget reads the request target of a request line, or :path. "*" is accepted for OPTIONS only.
func ParseTarget(method, target string) (Target, error) {
	if target == "*" && method == "OPTIONS" {
		return Target{Raw: "*", Normalized: "*", Decoded: "*"}, nil
	}
	if !strings.HasPrefix(target, "/") {
		return Target{}, errTargetForm
	}
	path, query, hasQuery := strings.Cut(target, "?")
	if err := checkBytes(target); err != nil {
		return Target{}, err
	}
	t := Target{Raw: path, Query: query, HasQuery: hasQuery}
	if plainPath(path) {
		t.Normalized, t.Decoded = path, path
		return t, nil
	}
	if err := t.checkEscapes(); err != nil {
		return Target{}, err
	}
	plain := dropParameters(path)
	t.Normalized = resolveDots(plain)
	// Slashes are merged before dots are resolved, as nginx does it: /a//../b is /b there, and /a/b for the others.
	t.Decoded = resolveDots(mergeSlashes(decodeUnreserved(plain)))
	return t, nil
}

// plainPath reports whether all three forms are the same: no escape, parameter, dot segment or double slash.
func plainPath(path string) bool {
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '%', ';':
			return false
		case '/':
			if i+1 < len(path) && (path[i+1] == '.' || path[i+1] == '/') {
				return false
			}
		}
	}
	return true
}

func checkBytes(target string) error {
	for i := 0; i < len(target); i++ {
		if c := target[i]; c <= ' ' || c == 0x7f || c == '\\' || c == '#' {
			return errTargetByte
		}
	}
	return nil
}

func (t *Target) checkEscapes() error {
	for rest := t.Raw; ; {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			break
		}
		octet, ok := escapedOctet(rest[i:])
		switch {
		case !ok:
			return errTargetEscape
		case octet == 0:
			return errTargetNUL
		case octet == '/' || octet == '\\':
			t.EncodedSlash = true
		}
		rest = rest[i+3:]
	}
	for segment := range strings.SplitSeq(t.Raw[1:], "/") {
		if strings.HasPrefix(segment, "..;") {
			return errTargetDotParam
		}
		if !strings.Contains(segment, "%") {
			continue
		}
		if hidesDots(segment) {
			return errTargetDotSegment
		}
	}
	return nil
}

// hidesDots reports whether a segment with escapes is, for a program that decodes it, a dot segment, alone or
// before a parameter or an encoded slash.
func hidesDots(segment string) bool {
	decoded := decodeAll(segment)
	for part := range strings.FieldsFuncSeq(decoded, func(r rune) bool { return r == '/' || r == '\\' }) {
		name, _, _ := strings.Cut(part, ";")
		if name == "." || name == ".." {
			return true
		}
	}
	return false
}

// dropParameters removes ;parameters up to the next slash.
func dropParameters(path string) string {
	if !strings.Contains(path, ";") {
		return path
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(path, ';')
		if i < 0 {
			b.WriteString(path)
			return b.String()
		}
		b.WriteString(path[:i])
		next := strings.IndexByte(path[i:], '/')
		if next < 0 {
			return b.String()
		}
		path = path[i+next:]
	}
}

// resolveDots resolves . and .. segments as RFC 3986 section 5.2.4 does; .. above the root stays at the root.
func resolveDots(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	segments := strings.Split(path[1:], "/")
	out := segments[:0]
	for i, segment := range segments {
		last := i == len(segments)-1
		switch segment {
		case ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, segment)
			continue
		}
		if last {
			out = append(out, "") // a path that ends in a dot segment ends in a slash
		}
	}
	return "/" + strings.Join(out, "/")
}

func mergeSlashes(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return path
}

func decodeUnreserved(path string) string { return decode(path, isUnreserved) }

func decodeAll(path string) string { return decode(path, func(byte) bool { return true }) }

func decode(s string, which func(byte) bool) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if octet, ok := escapedOctet(s[i:]); ok && which(octet) {
			out = append(out, octet)
			i += 3
			continue
		}
		out = append(out, s[i])
		i++
	}
	return string(out)
}

func escapedOctet(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	high, ok1 := hexDigit(s[1])
	low, ok2 := hexDigit(s[2])
	return high<<4 | low, ok1 && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// isUnreserved is RFC 3986's set: what an escape never changes the meaning of.
func isUnreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}
