package listener

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// The PROXY protocol, versions 1 and 2 (haproxy.org/download/2.8/doc/proxy-protocol.txt).
const (
	proxyV1Start  = "PROXY "
	proxyV1Max    = 107 // with its line end
	proxyV2Start  = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV2Head   = 16
	maxProxyBytes = 4096 // more than any header with its extensions has
)

// errMore reports that the bytes so far begin a header and do not end it.
var errMore = errors.New("the PROXY header is not complete")

// proxyError says what is wrong with a header.
type proxyError string

func (e proxyError) Error() string { return string(e) }

const (
	errNotProxy      = proxyError("the connection does not begin with a PROXY header")
	errProxyLine     = proxyError("the PROXY line is malformed")
	errProxyAddress  = proxyError("the PROXY header has a malformed address")
	errProxyCommand  = proxyError("the PROXY header has an unknown version or command")
	errProxyFamily   = proxyError("the PROXY header is not about a TCP connection")
	errProxyTooLarge = proxyError("the PROXY header is too large")
)

// parseProxyHeader reads a header at the start of b. It returns the client's address and the header's length;
// the address is not valid when the header names none. More bytes are asked for with errMore.
func parseProxyHeader(b []byte) (netip.AddrPort, int, error) {
	switch {
	case startsAs(b, proxyV1Start):
		return parseProxyV1(b)
	case startsAs(b, proxyV2Start):
		return parseProxyV2(b)
	}
	return netip.AddrPort{}, 0, errNotProxy
}

// startsAs reports whether b begins, as far as it goes, with start.
func startsAs(b []byte, start string) bool {
	n := min(len(b), len(start))
	return string(b[:n]) == start[:n]
}

func parseProxyV1(b []byte) (netip.AddrPort, int, error) {
	var none netip.AddrPort
	end := bytes.Index(b[:min(len(b), proxyV1Max)], []byte("\r\n"))
	switch {
	case end >= 0:
	case len(b) >= proxyV1Max:
		return none, 0, errProxyLine
	default:
		return none, 0, errMore
	}
	length := end + len("\r\n")
	fields := strings.Split(string(b[:end]), " ")
	if fields[1] == "UNKNOWN" {
		return none, length, nil // what follows on the line says nothing
	}
	if len(fields) != 6 || fields[1] != "TCP4" && fields[1] != "TCP6" {
		return none, 0, errProxyLine
	}
	source, ok := v1Endpoint(fields[2], fields[4], fields[1] == "TCP4")
	if _, toOK := v1Endpoint(fields[3], fields[5], fields[1] == "TCP4"); !ok || !toOK {
		return none, 0, errProxyAddress
	}
	return source, length, nil
}

func v1Endpoint(host, port string, is4 bool) (netip.AddrPort, bool) {
	address, err := netip.ParseAddr(host)
	if err != nil || address.Zone() != "" || address.Is4() != is4 {
		return netip.AddrPort{}, false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(number, 10) != port {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(address.Unmap(), uint16(number)), true
}

// The second and third octet of version 2's header.
const (
	proxyLocal = 0x20 // the proxy speaks for itself, as in a health check
	proxyProxy = 0x21

	familyUnspecified = 0x00
	familyTCP4        = 0x11
	familyTCP6        = 0x21
	familyUnix        = 0x31
)

func parseProxyV2(b []byte) (netip.AddrPort, int, error) {
	var none netip.AddrPort
	if len(b) < proxyV2Head {
		return none, 0, errMore
	}
	length := proxyV2Head + int(binary.BigEndian.Uint16(b[14:]))
	command, family := b[12], b[13]
	switch {
	case command != proxyLocal && command != proxyProxy:
		return none, 0, errProxyCommand
	case length > maxProxyBytes:
		return none, 0, errProxyTooLarge
	case len(b) < length:
		return none, 0, errMore
	case command == proxyLocal:
		return none, length, nil
	}
	body := b[proxyV2Head:length]
	switch family {
	case familyUnspecified, familyUnix:
		return none, length, nil
	case familyTCP4:
		return v2Source(body, net.IPv4len, length)
	case familyTCP6:
		return v2Source(body, net.IPv6len, length)
	}
	return none, 0, errProxyFamily
}

// v2Source reads the first of two addresses of a size, which two ports follow.
func v2Source(body []byte, size, length int) (netip.AddrPort, int, error) {
	if len(body) < 2*size+4 {
		return netip.AddrPort{}, 0, errProxyAddress
	}
	address, _ := netip.AddrFromSlice(body[:size])
	return netip.AddrPortFrom(address.Unmap(), binary.BigEndian.Uint16(body[2*size:])), length, nil
}
