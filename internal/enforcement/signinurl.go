package enforcement

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// maxContinue bounds the address that specialurl.SignIn goes on to.
const maxContinue = 2 << 10

// signInURL is where a page can have its person sign in, in this window or another one. It says nothing of the
// request that was refused, and begins nothing: the attempt begins when somebody goes there.
func (c *check) signInURL() string {
	v := c.verdict
	if v.Served == nil || v.Host == "" {
		return ""
	}
	path := "/"
	if prefixes := v.Served.Service.PathPrefixes; len(prefixes) > 0 {
		path = strings.TrimSuffix(prefixes[0], "/") + "/"
	}
	return c.Origin(v.Host) + path + "?" + specialurl.Parameter + "=" + string(specialurl.SignIn)
}

// signInOnly answers somebody who only wants to be signed in (specialurl.SignIn). What it asks for is read before
// anybody is sent to sign in. Where IAP stands in our place it is a mode that IAP does not know: an ordinary request,
// for which people sign in all the same.
func (c *check) signInOnly(ctx context.Context) {
	address, ok := c.returnTo()
	if !ok {
		c.verdict.refuse(http.StatusBadRequest, policy.ReturnRefused)
		return
	}
	if c.known(ctx) {
		c.answer(SignedIn, http.StatusOK)
		c.verdict.ReturnTo = address
	}
}

// returnTo reads the rest of the query of specialurl.SignIn: nothing, or one address to go on to. It must be an address of
// the same host, or of an origin that the service names in corsOrigins.
func (c *check) returnTo() (string, bool) {
	address, given := "", false
	for parameter := range strings.SplitSeq(c.verdict.Target.Query, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		switch {
		case name == specialurl.Parameter: // there is one, as has been seen
			continue
		case name != specialurl.ContinueParameter || given:
			return "", false
		}
		plain, err := url.QueryUnescape(value)
		if err != nil {
			return "", false
		}
		address, given = plain, true
	}
	if !given {
		return "", true
	}
	return c.ownAddress(address)
}

// ownAddress returns an address in absolute form, if it leads to the host of the request or to one of corsOrigins.
//
// The proof is in the bytes, not in a parser's opinion of them: behind one of those origins follows nothing, or a
// slash; and there is no byte that some program drops, turns or stops at.
func (c *check) ownAddress(address string) (string, bool) {
	v := c.verdict
	if address == "" || len(address) > maxContinue || !isPlainAddress(address) {
		return "", false
	}
	own := c.Origin(v.Host)
	if address[0] == '/' {
		if strings.HasPrefix(address, "//") {
			return "", false
		}
		return own + address, true
	}
	for _, origin := range append([]string{own}, v.Served.Service.CORSOrigins...) {
		if rest, found := strings.CutPrefix(address, origin); found && (rest == "" || rest[0] == '/') {
			if rest == "" {
				address += "/"
			}
			return address, true
		}
	}
	return "", false
}

// isPlainAddress reports whether an address has only bytes that every program reads alike. A fragment may end it.
func isPlainAddress(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>' {
			return false
		}
	}
	u, err := url.Parse(s)
	return err == nil && u.User == nil
}

// preflight reports whether a request is a browser's question whether a page of one of corsOrigins may send another.
// The gate answers it: such questions carry no credentials, so nobody could be recognised, and the application
// stays out of reach of everybody else. Where allow_http_options is set, the application answers all of them.
func (c *check) preflight() bool {
	h := c.request.Header
	return c.request.Method == http.MethodOptions && sole(h["Access-Control-Request-Method"]) != "" &&
		slices.Contains(c.verdict.Served.Service.CORSOrigins, sole(h["Origin"]))
}
