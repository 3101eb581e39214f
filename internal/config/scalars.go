package config

import (
	"crypto/tls"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
)

func text(target *string, what string) scalar[string] {
	return scalar[string]{target: target, what: what, parse: func(s string) (string, error) {
		if s == "" || strings.ContainsRune(s, 0) {
			return "", wrong("names nothing", "write "+what)
		}
		return s, nil
	}}
}

func optionalBoolean(target **bool) value {
	return scalar[*bool]{target: target, what: "true or false", tags: []string{"!!bool"}, parse: func(s string) (*bool, error) {
		b := strings.EqualFold(s, "true")
		return &b, nil
	}}
}

func positive(target *int64) value {
	return scalar[int64]{target: target, what: "a number", tags: []string{"!!int"}, parse: func(s string) (int64, error) {
		n, err := strconv.ParseInt(s, 10, 64) // YAML's other notations are not what people mean here
		if err != nil || n <= 0 {
			return 0, wrong("is not a positive number", "write it in decimal digits")
		}
		return n, nil
	}}
}

// choice is one word of a few.
func choice[T any](target *T, what string, words map[string]T) value {
	list := strings.Join(slices.Sorted(maps.Keys(words)), ", ")
	return scalar[T]{target: target, what: what, parse: func(s string) (T, error) {
		v, found := words[s]
		if !found {
			return v, wrong("is not "+what, "write one of "+list)
		}
		return v, nil
	}}
}

func tlsVersion(target *uint16) value {
	return scalar[uint16]{target: target, what: "a version of TLS", tags: []string{"!!str", "!!float"}, parse: func(s string) (uint16, error) {
		switch s {
		case "1.2":
			return tls.VersionTLS12, nil
		case "1.3":
			return tls.VersionTLS13, nil
		}
		return 0, wrong("is not a version of TLS that is offered", `write "1.2" or "1.3"; older ones are broken`)
	}}
}

var projectIDForm = regexp.MustCompile(`^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$`)

func projectID(target *string) value {
	return scalar[string]{target: target, what: "a project id", parse: func(s string) (string, error) {
		if !projectIDForm.MatchString(s) {
			return "", wrong("is not a project id", "write 6 to 30 lower-case letters, digits and hyphens, starting with a letter")
		}
		return s, nil
	}}
}

var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

func variable(target *string) value {
	return scalar[string]{target: target, what: "a variable's name", secret: true, parse: func(s string) (string, error) {
		if !variableForm.MatchString(s) {
			return "", wrong("is not the name of a variable", "write its name alone, such as GATEHOUSE_ROOT_KEY, never the secret")
		}
		return s, nil
	}}
}

func host(target *string) value {
	return scalar[string]{target: target, what: "a host name", parse: func(s string) (string, error) {
		canonical, err := catalog.CanonicalHost(s)
		if err != nil || strings.Contains(s, ":") && canonical != s {
			return "", wrong("is not a host name", "write it without scheme, port and path, such as auth.example.com")
		}
		return canonical, nil
	}}
}

// plainPath is one path that every program reads alike.
func plainPath(target *string) value {
	return scalar[string]{target: target, what: "a path", parse: func(s string) (string, error) {
		plain := len(s) > 1 && s[0] == '/' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-_.~") == ""
		switch {
		case !plain || strings.Contains(s, "//") || strings.Contains(s, "/."):
			return "", wrong("is not a path", "write / and letters, digits, - and _, such as /-/healthz")
		case strings.HasPrefix(s, "/_gcp_"):
			return "", wrong("is one of IAP's own paths", "choose another, such as /-/healthz")
		}
		return s, nil
	}}
}

// address is where to listen.
func address(target *string) value {
	return scalar[string]{target: target, what: "an address to listen on", tags: []string{"!!str", "!!int"}, parse: func(s string) (string, error) {
		at, port, err := net.SplitHostPort(s)
		if err != nil {
			return "", wrong("is not HOST:PORT", `write an address such as ":443", "127.0.0.1:8080" or "[::1]:8080"`)
		}
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 && port != "0" {
			return "", wrong("has no port from 0 to 65535", `write it as a number, such as ":443"`)
		}
		if at == "" || at == "localhost" {
			return s, nil
		}
		// A name may resolve to several addresses, or to others tomorrow.
		if _, err := netip.ParseAddr(at); err != nil {
			return "", wrong("does not begin with an IP address", `write the address itself, localhost, or nothing for all addresses`)
		}
		return s, nil
	}}
}

func parseNetwork(s string) (netip.Prefix, error) {
	if single, err := netip.ParseAddr(s); err == nil && single.Zone() == "" {
		single = single.Unmap()
		return netip.PrefixFrom(single, single.BitLen()), nil
	}
	network, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return netip.Prefix{}, wrong("is not a network", "write ADDRESS/BITS, such as 10.0.0.0/8, or one address")
	case network.Masked() != network:
		return netip.Prefix{}, wrong("has bits beyond its length", "write "+network.Masked().String())
	case network.Addr().Is4In6():
		return netip.Prefix{}, wrong("is an IPv4 network in IPv6 clothes", "write it as IPv4, such as 10.0.0.0/8")
	case network.Bits() == 0:
		return netip.Prefix{}, wrong("holds everybody's addresses", "name the networks of your own proxies: whoever is trusted here may claim to be anyone")
	}
	return network, nil
}

func externalURL(target *ExternalURL) value {
	const fix = "write https://HOST or https://HOST:PORT"
	return scalar[ExternalURL]{target: target, what: "a URL", parse: func(s string) (ExternalURL, error) {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || u.User != nil || strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") {
			return ExternalURL{}, wrong("is not the URL of a host", fix)
		}
		if u.Scheme != "https" && u.Scheme != "http" {
			return ExternalURL{}, wrong("has another scheme than https", fix)
		}
		canonical, err := catalog.CanonicalHost(u.Host)
		if err != nil {
			return ExternalURL{}, wrong("has a malformed host", fix)
		}
		if u.Scheme == "http" && !isLocal(canonical) {
			return ExternalURL{}, wrong("is http: browsers keep no secure cookie there, so nobody could sign in", "write https, also when a proxy in front ends TLS")
		}
		e := ExternalURL{Scheme: u.Scheme, Host: canonical}
		if port := u.Port(); port != "" {
			if e.Port, err = strconv.Atoi(port); err != nil || e.Port < 1 || e.Port > 65535 {
				return ExternalURL{}, wrong("has no port from 1 to 65535", fix)
			}
		}
		return e, nil
	}}
}

// isLocal reports whether browsers treat a host as secure without TLS.
func isLocal(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && address.IsLoopback()
}
