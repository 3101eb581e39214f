package reverseproxy

import (
	"crypto/rand"
	"encoding/base64"
	"maps"
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/requestid"
)

// headerProtocol is where net/http puts the protocol of an extended CONNECT (RFC 8441). No header that a client sends
// can be called so.
const headerProtocol = ":protocol"

// bridge makes of an HTTP/2 stream that asks to become a WebSocket the request that asks the same over HTTP/1.1. That
// is what is decided on and what the application gets. It returns false when it has refused. Whatever else CONNECT may
// ask for is for the decision to refuse.
func (h *Handler) bridge(w http.ResponseWriter, in *Incoming) bool {
	protocols, extended := in.Header[headerProtocol]
	if !extended {
		return true
	}
	r := in.Request
	if r.Method != http.MethodConnect {
		v := h.Point.Refuse(&enforcement.Request{
			Method: r.Method, Host: r.Host, Target: r.RequestURI, Peer: in.Client.Addr, TLS: in.Client.Scheme == "https",
		}, http.StatusBadRequest, policy.MethodRefused)
		w.Header().Set(requestid.Header, v.ID.String())
		text := v.Reason.Describe()
		h.Pages.Error(w, r, pages.Error{Status: v.Status, Title: text.Title, Text: text.Text, Reason: string(v.Reason), ID: v.ID.String()})
		return false
	}
	bridged := *r
	bridged.Header = maps.Clone(r.Header)
	delete(bridged.Header, headerProtocol)
	in.Request = &bridged
	if len(protocols) != 1 || !strings.EqualFold(protocols[0], "websocket") {
		return true
	}
	key := make([]byte, 16)
	rand.Read(key) // never fails (crypto/rand)
	bridged.Method = http.MethodGet
	bridged.Header["Connection"], bridged.Header["Upgrade"] = connectionUpgrade, []string{"websocket"}
	bridged.Header[headerKey] = []string{base64.StdEncoding.EncodeToString(key)}
	in.socket = r.Body
	bridged.Body, bridged.ContentLength = http.NoBody, 0
	return true
}
