package reverseproxy

import (
	"net/http"
	"net/netip"

	"github.com/gatehouse-iap/gatehouse/internal/listener"
)

// setForwarded tells the application where the request came from: the client, then the trusted proxies on the
// way. What the client wrote in front of that is not passed on, so that the first address is always the client's.
func setForwarded(h http.Header, host string, client listener.Client, scheme string) {
	if !client.Addr.IsValid() {
		return
	}
	if client.Scheme != "" {
		scheme = client.Scheme
	}
	var space [256]byte
	list := client.Addr.AppendTo(space[:0])
	for i := len(client.Via) - 1; i >= 0; i-- {
		list = client.Via[i].AppendTo(append(list, ", "...))
	}
	chain := string(list)
	values := [...]string{chain, scheme, host, forwarded(space[:0], host, client, scheme)}
	for i, name := range [...]string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"} {
		h[name] = values[i : i+1 : i+1]
	}
}

// forwarded writes the same as RFC 7239 has it.
func forwarded(b []byte, host string, client listener.Client, scheme string) string {
	b = appendNode(b, client.Addr)
	b = append(b, `;host="`...)
	b = append(b, host...)
	b = append(b, `";proto=`...)
	b = append(b, scheme...)
	for i := len(client.Via) - 1; i >= 0; i-- {
		b = appendNode(append(b, ", "...), client.Via[i])
	}
	return string(b)
}

func appendNode(b []byte, address netip.Addr) []byte {
	b = append(b, "for="...)
	if !address.Is6() {
		return address.AppendTo(b)
	}
	return append(address.AppendTo(append(b, `"[`...)), `]"`...)
}
