// Package googleendpoints answers in the place of www.gstatic.com, where applications written for IAP fetch the keys of
// assertions. It owns what is said there and the relay to the real host. It owns neither keys nor certificates, opens
// no listener, and redirects nobody: hosts that are to be answered here are pointed here by whoever runs them.
package googleendpoints

import (
	"net"
	"net/http"
	"strings"
)

// GStaticHost is the host in whose place we answer.
const GStaticHost = "www.gstatic.com"

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
