package specialurl

import (
	"slices"
	"strings"
)

// maxMode is the longest value that is taken for the name of a mode.
const maxMode = 64

// Parse returns what an address asks of the gate: path and query as received, and further forms of the path that
// programs may see in it. Without an error and without a mode it is an ordinary request.
//
// The rule for the parameter: a name counts as ours if it reads gcp-iap-mode in any case and percent-encoding. There
// is at most one such parameter; it is spelled gcp-iap-mode; and its value is 1 to 64 letters, digits, _ and -,
// nothing encoded. Anything else is ErrInvalid. A value that is a mode in another case is ErrInvalid too; one that
// is no mode in any case is an ordinary request, as with IAP.
//
// The rule for the path: if any form of it, decoded or not, in any case, begins with /_gcp_iap or /_gcp_gatekeeper,
// then it is the gate's. It has to be one of the older paths to the byte, and not to come with the parameter as well.
func Parse(path, query string, forms ...string) (Call, error) {
	call, err := parseQuery(query)
	if err != nil {
		return Call{}, err
	}
	if !reserved(path) && !slices.ContainsFunc(forms, reserved) {
		return call, nil
	}
	if call.Mode != "" || slices.ContainsFunc(forms, func(form string) bool { return form != path }) {
		return Call{}, ErrInvalid
	}
	return parsePath(path)
}

func parseQuery(query string) (Call, error) {
	value, count, exact := find(query, Parameter)
	switch {
	case count == 0:
		return Call{}, nil
	case count > 1, !exact, !isModeForm(value):
		return Call{}, ErrInvalid
	}
	mode, known := exactly(Modes(), value)
	switch {
	case !known:
		return Call{}, nil
	case mode == "":
		return Call{}, ErrInvalid
	case mode != SecureTokenTest:
		return Call{Mode: mode}, nil
	}
	value, count, exact = find(query, TestParameter)
	test, known := exactly(Tests(), value)
	// A missing type is refused like an unknown one. Taken for NOT_SET, it would let somebody who forgot the type see
	// their application accept a "bad" assertion.
	if count != 1 || !exact || !known || test == "" {
		return Call{}, ErrInvalid
	}
	return Call{Mode: mode, Test: test}, nil
}

// exactly returns the word that is spelled as the value. A word that is spelled in another case is known but empty.
func exactly[W ~string](words []W, value string) (word W, known bool) {
	for _, word := range words {
		if strings.EqualFold(string(word), value) {
			if string(word) == value {
				return word, true
			}
			return "", true
		}
	}
	return "", false
}

// isModeForm reports whether a value could name a mode, of ours or of a later IAP.
func isModeForm(value string) bool {
	if value == "" || len(value) > maxMode {
		return false
	}
	for i := range len(value) {
		switch c := value[i]; {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// find looks for the parameters of a raw query whose name, decoded, is name in any case. It returns the value of the
// first as it stands, how many there are, and whether the first one's name is spelled exactly.
func find(query, name string) (value string, count int, exact bool) {
	for query != "" {
		var parameter string
		parameter, query, _ = strings.Cut(query, "&")
		if !named(parameter, name) {
			continue
		}
		if count++; count == 1 {
			var written string
			written, value, _ = strings.Cut(parameter, "=")
			exact = written == name
		}
	}
	return value, count, exact
}

// named reports whether a parameter's name, decoded, is name in any case.
func named(parameter, name string) bool {
	written, _, _ := strings.Cut(parameter, "=")
	switch {
	case len(written) < len(name) || len(written) > 3*len(name):
		return false
	case len(written) == len(name):
		return strings.EqualFold(written, name)
	}
	return strings.EqualFold(decode(written), name)
}

// reserved reports whether a path, read as carelessly as a program may read it, begins with one of the gate's
// prefixes.
func reserved(path string) bool {
	if strings.IndexByte(path, '%') >= 0 {
		path = decode(path)
	}
	path = strings.TrimLeft(path, "/\\")
	if len(path) < len(prefixIAP) || path[0] != '_' {
		return false
	}
	if end := strings.IndexAny(path, "/\\;"); end >= 0 {
		path = path[:end]
	}
	return strings.EqualFold(path, prefixIAP) || strings.EqualFold(path, prefixGatekeeper)
}

// parsePath reads a path that is reserved.
func parsePath(path string) (Call, error) {
	if mode, found := byPath[path]; found {
		return Call{Mode: mode, ByPath: true}, nil
	}
	if written, found := strings.CutPrefix(path, testPath); found {
		if test, known := exactly(Tests(), written); known && test != "" {
			return Call{Mode: SecureTokenTest, Test: test, ByPath: true}, nil
		}
		return Call{}, ErrInvalid
	}
	for _, prefix := range [...]string{prefixIAP, prefixGatekeeper} {
		if rest, found := strings.CutPrefix(path, "/"+prefix); found && (rest == "" || isPlain(rest)) {
			return Call{}, ErrUnknown
		}
	}
	return Call{}, ErrInvalid
}

// isPlain reports whether the rest of a path starts a new segment and can be read in one way only: lower case, as
// all of IAP's paths are, and nothing encoded.
func isPlain(rest string) bool {
	return rest[0] == '/' && !strings.ContainsAny(rest, "%;\\") && !strings.Contains(rest, "//") && !strings.Contains(rest, "/.") &&
		rest == strings.ToLower(rest)
}

// decode decodes percent-escapes and leaves alone what is none.
func decode(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if high, low := hexDigit(s[i+1]), hexDigit(s[i+2]); high < 16 && low < 16 {
				out = append(out, high<<4|low)
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// hexDigit returns the value of a hexadecimal digit, or something larger.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}
