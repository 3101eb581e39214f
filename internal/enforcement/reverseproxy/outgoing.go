package reverseproxy

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/upstream"
)

// outgoing is the header that the application gets: without what belongs to the client's connection, without
// everything that could pass for a word of ours, and then with ours, which Connection cannot take out any more.
// It can be gone through without being made. Values are shared with the client's header: nobody writes into them.
type outgoing struct {
	in        *http.Request
	identity  Identity
	prefixes  *prefixes
	named     []string // what Connection names, in order
	cookies   []string // what is left of the client's
	trailers  bool     // the application may want to know that they pass
	anonymous bool     // nobody says with what program the client asks
	upgrades  bool
	forwarded [4]string // values of forwardedNames; empty for none
	hints     *hints
}

var _ upstream.Outgoing = (*outgoing)(nil)

// Values of headers, which nobody writes into.
var (
	teTrailers        = []string{"trailers"}
	noUserAgent       = []string{""}
	connectionUpgrade = []string{"Upgrade"}
)

// of prepares the header for a request.
func (o *outgoing) of(in *http.Request, identity *Identity, scheme string) {
	o.in, o.identity, o.prefixes = in, *identity, reservedPrefixes
	if identity.AppEngine {
		o.prefixes = appEnginePrefixes
	}
	o.named = namedBy(in.Header["Connection"])
	o.cookies = cleanCookies(in.Header["Cookie"])
	o.trailers = hasToken(in.Header["Te"], "trailers")
	_, named := in.Header["User-Agent"]
	o.anonymous = !isAmong(identity.Headers, "User-Agent") && (!named || !o.passes("User-Agent"))
	o.upgrades = mayUpgrade(in)
	o.setForwarded(in.Host, identity.Client, scheme)
}

// passes reports whether a field of the client's is passed on.
func (o *outgoing) passes(name string) bool {
	if isHopByHop(name) || o.prefixes.begin(name) && !(o.identity.Client.Trusted && slices.Contains(clientCertificate[:], name)) {
		return false
	}
	if isExact(name, o.identity.Exact) || o.identity.StripAuthorization && name == "Authorization" {
		return false
	}
	_, named := slices.BinarySearch(o.named, name)
	return !named
}

// Fields implements upstream.Outgoing.
func (o *outgoing) Fields(yield func(name string, values []string) bool) {
	for name, values := range o.in.Header {
		if !o.passes(name) || isAmong(o.identity.Headers, name) {
			continue
		}
		if name == "Cookie" {
			if values = o.cookies; len(values) == 0 {
				continue
			}
		}
		if !yield(name, values) {
			return
		}
	}
	for i, header := range o.identity.Headers { // the last one of a name counts
		if !isAmong(o.identity.Headers[i+1:], header.Name) && !yield(header.Name, header.Values) {
			return
		}
	}
	_ = o.ours(yield)
}

// ours goes through the fields that are set for every request. It reports whether all of them were wanted.
func (o *outgoing) ours(yield func(name string, values []string) bool) bool {
	if o.trailers && !yield("Te", teTrailers) {
		return false
	}
	if o.anonymous && !yield("User-Agent", noUserAgent) { // or net/http would name itself
		return false
	}
	if o.upgrades && !(yield("Upgrade", o.in.Header["Upgrade"]) && yield("Connection", connectionUpgrade)) {
		return false
	}
	if p := o.identity.Prepared; p != nil {
		told := [...][]string{p.Assertion, p.Email, p.UserID}
		for i, name := range [...]string{headerAssertion, headerEmail, headerUserID} {
			if len(told[i]) > 0 && !yield(name, told[i]) {
				return false
			}
		}
	}
	if o.forwarded[0] == "" {
		return true
	}
	for i, name := range forwardedNames {
		if !yield(name, o.forwarded[i:i+1:i+1]) {
			return false
		}
	}
	return true
}

// Inform implements upstream.Outgoing.
func (o *outgoing) Inform(code int, header http.Header) error { return o.hints.pass(code, header) }

func isAmong(headers []enforcement.Header, name string) bool {
	for i := range headers {
		if headers[i].Name == name {
			return true
		}
	}
	return false
}

// namedBy are the names of fields, in canonical form and in order, that the values of Connection name: a header has room
// for so many that nobody should look through all of them for each field. What clients say most of the time names none.
func namedBy(connection []string) (names []string) {
	if len(connection) == 1 && strings.EqualFold(connection[0], "keep-alive") {
		return nil // Keep-Alive belongs to the connection in any case
	}
	for _, line := range connection {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.Trim(name, " \t"); name != "" {
				names = append(names, http.CanonicalHeaderKey(name))
			}
		}
	}
	slices.Sort(names)
	return names
}

// mayUpgrade reports whether the client asks for WebSocket, the one protocol whose asking is passed on. Any other could
// make the connection to the application one on which the client speaks HTTP with it past the gate, as "Upgrade: h2c"
// would have it: requests that nobody decided on, with identity headers of the client's own. WebSocket is the one
// protocol that IAP upgrades to, and no HTTP. Without these headers the application answers the request as if no upgrade
// had been asked for (RFC 9110, section 7.8). WebSocket begins with a GET that has no body.
func mayUpgrade(in *http.Request) bool {
	return len(in.Header["Upgrade"]) > 0 && in.Method == http.MethodGet && in.ContentLength == 0 && in.ProtoAtLeast(1, 1) &&
		strings.EqualFold(upgradeOf(in.Header), "websocket")
}
