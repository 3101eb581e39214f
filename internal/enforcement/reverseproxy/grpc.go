package reverseproxy

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/exchange"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

// Status codes of gRPC.
const (
	grpcDeadlineExceeded  = 4
	grpcResourceExhausted = 8
	grpcUnavailable       = 14
	grpcUnauthenticated   = 16
)

// isGRPC reports whether the header of a request over HTTP/2 is that of a call of gRPC. gRPC-Web is another protocol.
func isGRPC(h http.Header) bool {
	types := h["Content-Type"]
	if len(types) == 0 {
		return false
	}
	rest, found := strings.CutPrefix(types[0], "application/grpc")
	return found && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// isCall reports whether the exchange is a call of gRPC. Over HTTP/1 there is none: whoever writes its name there reads
// pages.
func (p *passage) isCall() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kind == exchange.GRPC
}

// failCall answers a call that was let in and got no answer from its application, for which a page would have status.
// A refusal stays HTTP's 401 or 403, as at IAP; what is reported here is what the application should have answered.
func failCall(h http.Header, status int, reason policy.Reason, id string) {
	beginCall(h)
	code := grpcUnavailable
	switch status {
	case http.StatusGatewayTimeout:
		code = grpcDeadlineExceeded
	case http.StatusRequestEntityTooLarge:
		code = grpcResourceExhausted
	}
	endCall(h, "", code, string(reason)+": "+reason.Describe().Title+" ("+id+")")
}

// beginCall makes an answer of our own one of gRPC, whose HTTP status is 200 whatever has happened.
func beginCall(h http.Header) {
	h["Content-Type"] = []string{"application/grpc"}
	h["X-Goog-Iap-Generated-Response"] = []string{"true"}
}

// endCall sets the status of a call: in the header where there is no body, which is what gRPC calls trailers only, else
// behind http.TrailerPrefix.
func endCall(h http.Header, prefix string, code int, message string) {
	h[prefix+"Grpc-Status"] = []string{strconv.Itoa(code)}
	h[prefix+"Grpc-Message"] = []string{url.PathEscape(message)}
}

func grpcStatus(why exchange.Ending) int {
	if why.Reason == "" {
		return grpcUnavailable
	}
	return grpcUnauthenticated
}
