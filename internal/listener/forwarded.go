package listener

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// maxHops bounds a chain of proxies.
const maxHops = 32

var errHops = fmt.Errorf("more than %d proxies", maxHops)

// walk goes from the peer toward the client. Every step takes the word of a hop that is trusted, about the one
// before it.
type walk struct {
	addr     netip.Addr
	via      []netip.Addr
	prefixes []netip.Prefix
}

// step takes one hop's word and reports whether to go on: the one that it names is trusted too.
func (w *walk) step(node string) (bool, error) {
	address, known, err := parseNode(node)
	switch {
	case err != nil:
		return false, err
	case !known:
		return false, nil // the nearest that is known stands for the client
	case len(w.via) >= maxHops:
		return false, errHops
	}
	w.via = append(w.via, w.addr)
	w.addr = address
	return contains(w.prefixes, address), nil
}

// parseNode reads a node name (RFC 7239, section 6): an address with or without port, or one that is kept secret.
func parseNode(node string) (address netip.Addr, known bool, err error) {
	if node == "unknown" || strings.HasPrefix(node, "_") {
		return netip.Addr{}, false, nil
	}
	bare := node
	if rest, bracketed := strings.CutPrefix(node, "["); bracketed && strings.HasSuffix(rest, "]") {
		bare = rest[:len(rest)-1]
	}
	if address, err = netip.ParseAddr(bare); err != nil {
		withPort, portErr := netip.ParseAddrPort(node)
		address, err = withPort.Addr(), portErr
	}
	if err != nil || address.Zone() != "" {
		return netip.Addr{}, false, fmt.Errorf("%q is no address", truncate(node))
	}
	return address.Unmap(), true, nil
}

func truncate(s string) string { return s[:min(len(s), 64)] }

// readXForwarded reads X-Forwarded-For from the right, and the two beside it. The second result is whether it
// names anybody.
func readXForwarded(h http.Header, peer netip.Addr, prefixes []netip.Prefix) (claims, bool, error) {
	w := walk{addr: peer, prefixes: prefixes}
	lines := h[headerFor]
	more, named := true, false
	for i := len(lines) - 1; i >= 0 && more; i-- {
		for rest := lines[i]; rest != "" && more; {
			comma := strings.LastIndexByte(rest, ',')
			node := strings.TrimSpace(rest[comma+1:])
			rest = rest[:max(comma, 0)]
			var err error
			if more, err = w.step(node); err != nil {
				return claims{}, false, fmt.Errorf("X-Forwarded-For: %w", err)
			}
			named = true
		}
	}
	scheme, err := sole(h[headerProto])
	if err == nil {
		scheme, err = schemeOf(scheme)
	}
	if err != nil {
		return claims{}, false, fmt.Errorf("X-Forwarded-Proto: %w", err)
	}
	host, err := sole(h[headerHost])
	if err != nil {
		return claims{}, false, fmt.Errorf("X-Forwarded-Host: %w", err)
	}
	return claims{addr: w.addr, via: w.via, scheme: scheme, host: host}, named, nil
}

var errSeveral = errors.New("several values that differ; let the proxy nearest the client set it, and the others leave it")

// sole returns the one value of a header that may be repeated, or be a list, only if all say the same.
func sole(lines []string) (string, error) {
	value, found := "", false
	for _, line := range lines {
		for {
			part, rest, more := strings.Cut(line, ",")
			if part = strings.TrimSpace(part); !found {
				value, found = part, true
			} else if part != value {
				return "", errSeveral
			}
			if !more {
				break
			}
			line = rest
		}
	}
	return value, nil
}

// schemeOf reads a scheme, among them those that some proxies write for WebSocket.
func schemeOf(value string) (string, error) {
	switch {
	case value == "":
		return "", nil
	case strings.EqualFold(value, "http"), strings.EqualFold(value, "ws"):
		return "http", nil
	case strings.EqualFold(value, "https"), strings.EqualFold(value, "wss"):
		return "https", nil
	}
	return "", fmt.Errorf("%q is neither http nor https", truncate(value))
}

// readForwarded reads Forwarded (RFC 7239). Scheme and host are those that the hop which named the client saw.
// The second result is whether anybody is named.
func readForwarded(lines []string, peer netip.Addr, prefixes []netip.Prefix) (claims, bool, error) {
	var space [4]element
	elements := space[:0]
	for _, line := range lines {
		var err error
		if elements, err = appendElements(elements, line); err != nil {
			return claims{}, false, fmt.Errorf("header Forwarded: %w", err)
		}
	}
	w := walk{addr: peer, prefixes: prefixes}
	var nearest element
	named := false
	for i, more := len(elements)-1, true; i >= 0 && more; i-- {
		nearest = elements[i]
		if nearest.node == "" {
			break // the hop does not say whom it spoke for
		}
		var err error
		if more, err = w.step(nearest.node); err != nil {
			return claims{}, false, fmt.Errorf("header Forwarded: %w", err)
		}
		named = true
	}
	scheme, err := schemeOf(nearest.scheme)
	if err != nil {
		return claims{}, false, fmt.Errorf("header Forwarded: proto: %w", err)
	}
	return claims{addr: w.addr, via: w.via, scheme: scheme, host: nearest.host}, named, nil
}

// element is what one proxy adds to Forwarded.
type element struct{ node, scheme, host string }

var errElement = errors.New("it is malformed")

// appendElements reads a line of Forwarded. Quoted strings with escapes are refused: neither address nor host
// needs them.
func appendElements(elements []element, line string) ([]element, error) {
	var e element
	for rest := line; ; {
		name, value, after, err := cutPair(rest)
		if err != nil {
			return nil, err
		}
		if !e.set(name, value) {
			return nil, errElement
		}
		after = strings.TrimLeft(after, " \t")
		switch {
		case after == "" || after[0] == ',':
			if elements = append(elements, e); len(elements) > maxHops {
				return nil, errHops
			}
			if after == "" {
				return elements, nil
			}
			e = element{}
		case after[0] != ';':
			return nil, errElement
		}
		rest = after[1:]
	}
}

// set keeps a parameter; one that is given twice is refused, an unknown one is passed over.
func (e *element) set(name, value string) bool {
	var field *string
	switch {
	case strings.EqualFold(name, "for"):
		field = &e.node
	case strings.EqualFold(name, "proto"):
		field = &e.scheme
	case strings.EqualFold(name, "host"):
		field = &e.host
	default:
		return true
	}
	if *field != "" || value == "" {
		return false
	}
	*field = value
	return true
}

// cutPair reads name=value at the start of s.
func cutPair(s string) (name, value, rest string, err error) {
	s = strings.TrimLeft(s, " \t")
	name, s, found := strings.Cut(s, "=")
	if !found || !isToken(name) {
		return "", "", "", errElement
	}
	if quoted, isQuoted := strings.CutPrefix(s, `"`); isQuoted {
		if value, rest, found = strings.Cut(quoted, `"`); !found || strings.Contains(value, `\`) {
			return "", "", "", errElement
		}
		return name, value, rest, nil
	}
	end := strings.IndexAny(s, ";, \t")
	if end < 0 {
		end = len(s)
	}
	if value = s[:end]; !isToken(value) && !isNodeLike(value) {
		return "", "", "", errElement
	}
	return name, value, s[end:], nil
}

// isNodeLike admits what RFC 7239 wants quoted and some proxies write bare: an address or host with a port.
func isNodeLike(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_:[]") == ""
}

// isToken reports whether s is a token of RFC 9110.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}
