package reverseproxy

import (
	"net/netip"

	"github.com/gatehouse-iap/gatehouse/internal/listener"
)

var forwardedNames = [...]string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"}

// setForwarded tells the application where the request came from: the client, then the trusted proxies on the
// way. What the client wrote in front of that is not passed on, so that the first address is always the client's.
func (o *outgoing) setForwarded(host string, client listener.Client, scheme string) {
	if !client.Addr.IsValid() {
		return
	}
	if client.Scheme != "" {
		scheme = client.Scheme
	}
	var space [512]byte
	list := client.Addr.AppendTo(space[:0])
	for i := len(client.Via) - 1; i >= 0; i-- {
		list = client.Via[i].AppendTo(append(list, ", "...))
	}
	end := len(list)
	text := string(appendForwarded(list, host, client, scheme)) // one string for both
	o.forwarded = [...]string{text[:end], scheme, host, text[end:]}
}

// appendForwarded appends the same as RFC 7239 has it.
func appendForwarded(b []byte, host string, client listener.Client, scheme string) []byte {
	b = appendNode(b, client.Addr)
	b = append(b, `;host="`...)
	b = append(b, host...)
	b = append(b, `";proto=`...)
	b = append(b, scheme...)
	for i := len(client.Via) - 1; i >= 0; i-- {
		b = appendNode(append(b, ", "...), client.Via[i])
	}
	return b
}

func appendNode(b []byte, address netip.Addr) []byte {
	b = append(b, "for="...)
	if !address.Is6() {
		return address.AppendTo(b)
	}
	return append(address.AppendTo(append(b, `"[`...)), `]"`...)
}
