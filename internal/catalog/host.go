package catalog

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// errHost reports a host that has no canonical form.
var errHost = errors.New("malformed host name")

// CanonicalHost returns the form in which hosts are compared: lower case, punycode, without port and trailing
// dot. IP literals keep their brackets off. It refuses what does not survive the round trip through IDNA.
func CanonicalHost(host string) (string, error) {
	name, err := withoutPort(host)
	if err != nil {
		return "", err
	}
	if mayBeAddress(name) {
		if address, err := netip.ParseAddr(name); err == nil {
			if address.Zone() != "" {
				return "", errHost
			}
			return address.String(), nil
		}
	}
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > 253 {
		return "", errHost
	}
	if isPlainHost(name) {
		return strings.ToLower(name), nil
	}
	ascii, err := idna.Lookup.ToASCII(name)
	if err != nil || slices.Contains(strings.Split(ascii, "."), "") {
		return "", errHost
	}
	back, err := idna.Lookup.ToUnicode(ascii)
	if err != nil {
		return "", errHost
	}
	again, err := idna.Lookup.ToASCII(back)
	if err != nil || again != ascii {
		return "", errHost
	}
	return ascii, nil
}

// mayBeAddress keeps names from being read as addresses: what that fails with is made for people, every time.
func mayBeAddress(name string) bool {
	return name != "" && name[len(name)-1] >= '0' && name[len(name)-1] <= '9' || strings.Contains(name, ":")
}

// isPlainHost reports whether IDNA has nothing to say: letters, digits, hyphens and dots, no empty label, and
// no label that claims to be punycode.
func isPlainHost(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || len(label) >= 4 && label[2:4] == "--" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			c := label[i]
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}

func withoutPort(host string) (string, error) {
	if bracketed, found := strings.CutPrefix(host, "["); found {
		name, rest, closed := strings.Cut(bracketed, "]")
		if !closed || !validPortSuffix(rest) || !strings.Contains(name, ":") {
			return "", errHost
		}
		return name, nil
	}
	name, port, found := strings.Cut(host, ":")
	if found && !validPortSuffix(":"+port) {
		return "", errHost
	}
	return name, nil
}

func validPortSuffix(s string) bool {
	if s == "" || s == ":" {
		return true
	}
	if s[0] != ':' || len(s) > 6 {
		return false
	}
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
