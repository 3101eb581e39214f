// Package googleendpoints answers in the place of two hosts of Google's that applications written for IAP ask by
// name: www.gstatic.com, where they fetch the keys of assertions, and metadata.google.internal, where they find out
// which project they are in. It owns what is said there and the relay to the real www.gstatic.com. Of the metadata
// server it has what audience discovery and detection need; service accounts, tokens and attributes are not
// there. It owns neither keys nor certificates, opens no listener, and redirects nobody: hosts that are
// to be answered here are pointed here by whoever runs them.
package googleendpoints

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// The hosts in whose place we answer.
const (
	GStaticHost  = "www.gstatic.com"
	MetadataHost = "metadata.google.internal"
)

// isHost reports whether a request names a host, with or without port and the dot of a complete name.
func isHost(r *http.Request, host string) bool {
	return strings.EqualFold(strings.TrimSuffix(withoutPort(r.Host), "."), host)
}

func withoutPort(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// isAddress reports whether a request names the server by its address.
func isAddress(r *http.Request) bool {
	_, err := netip.ParseAddr(strings.Trim(withoutPort(r.Host), "[]"))
	return err == nil
}

// readOnly refuses what is neither GET nor HEAD, and forms of a request that no client of these hosts sends.
func readOnly(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case !strings.HasPrefix(r.RequestURI, "/"):
		refuse(w, http.StatusBadRequest, "the request target must be a path")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "use GET")
	default:
		return true
	}
	return false
}

// refuse answers in words. Nothing of the request is repeated in them.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, "gatehouse: "+text, status)
}
