package reverseproxy

import (
	"io"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
)

// The identity headers that IAP sets. All start with X-Goog-, so that what clients send
// under these names or any name that folds to one is gone before they are set.
const (
	headerAssertion = "X-Goog-Iap-Jwt-Assertion"
	headerEmail     = "X-Goog-Authenticated-User-Email"
	headerUserID    = "X-Goog-Authenticated-User-Id"
)

// reservedPrefixes are the beginnings, folded, of headers that only the gate may set: identity, the client's
// certificate (RFC 9440), and what says where a request came from and went to. A value from a client would be
// believed.
var reservedPrefixes = []string{
	"x_goog_", "ingress_authorization", "x_serverless_authorization", "client_cert", "x_forwarded", "forwarded", "x_original_", "x_rewrite_url", "x_real_ip",
}

// clientCertificate are the headers of RFC 9440, which a trusted proxy that ends TLS may set, in this spelling only.
var clientCertificate = [...]string{"Client-Cert", "Client-Cert-Chain"}

// appEnginePrefixes are those that App Engine apps believe besides.
var appEnginePrefixes = append(slices.Clip(reservedPrefixes), "x_appengine_", "x_google_")

// trailerPrefixes are those that no trailer may have: all of these, and the fields that authenticate, which have no
// place behind a body (RFC 9110, section 6.5.1) and which some servers would add to the header.
var trailerPrefixes = append(slices.Clip(appEnginePrefixes), "cookie", "authorization", "proxy_authorization")

// cleanHeader removes everything that could pass for a word of ours and sets ours. It runs on the outgoing copy,
// after hop-by-hop headers are gone: Connection cannot take out what is set here.
func cleanHeader(h http.Header, identity Identity) {
	prefixes := reservedPrefixes
	if identity.AppEngine {
		prefixes = appEnginePrefixes
	}
	for name := range h {
		if (reserved(name, prefixes) || isExact(name, identity.Exact)) && !(identity.Client.Trusted && slices.Contains(clientCertificate[:], name)) {
			delete(h, name)
		}
	}
	if identity.StripAuthorization {
		delete(h, "Authorization")
	}
	cleanUpgrade(h)
	if cookies, found := h["Cookie"]; found {
		if kept := cleanCookies(cookies); len(kept) == 0 {
			delete(h, "Cookie")
		} else {
			h["Cookie"] = kept
		}
	}
	if p := identity.Prepared; p != nil {
		setPrepared(h, headerAssertion, p.Assertion)
		setPrepared(h, headerEmail, p.Email)
		setPrepared(h, headerUserID, p.UserID)
	}
	for _, header := range identity.Headers {
		h[header.Name] = header.Values
	}
}

// cleanUpgrade keeps a connection to the application from becoming one on which the client speaks HTTP with it
// past the gate, as "Upgrade: h2c" would have it: requests that nobody decided on, with identity headers of the
// client's own. WebSocket is the one protocol that IAP upgrades to, and no HTTP. Without these headers the
// application answers the request as if no upgrade had been asked for (RFC 9110, section 7.8).
func cleanUpgrade(h http.Header) {
	delete(h, "Http2-Settings")
	if values := h["Upgrade"]; len(values) != 1 || !strings.EqualFold(values[0], "websocket") {
		delete(h, "Upgrade")
		delete(h, "Connection") // by now it can only say upgrade
	}
}

func setPrepared(h http.Header, name string, values []string) {
	if len(values) > 0 {
		h[name] = values
	}
}

// reserved reports whether a header name, folded as CGI and WSGI fold names, starts like one of ours.
func reserved(name string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if foldedHasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// isExact reports whether a header name folds to one that the settings hand an attribute on in.
func isExact(name string, exact []string) bool {
	for _, one := range exact {
		if len(name) == len(one) && foldedEqual(name, one) {
			return true
		}
	}
	return false
}

func foldedEqual(a, b string) bool {
	for i := range len(a) {
		if fold(a[i]) != fold(b[i]) {
			return false
		}
	}
	return true
}

func foldedHasPrefix(name, prefix string) bool {
	if len(name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if fold(name[i]) != prefix[i] {
			return false
		}
	}
	return true
}

// fold maps every byte as CGI does: letters to one case, all but letters and digits to _.
func fold(c byte) byte {
	switch {
	case c >= 'A' && c <= 'Z':
		return c + 'a' - 'A'
	case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
		return c
	}
	return '_'
}

// ourCookies are the beginnings of the names of IAP's cookies; the application never sees them.
var ourCookies = [...]string{"GCP_IAP_", "__Host-GCP_IAP_", "GCP_IAAP_"}

func isOurCookie(name string) bool {
	for _, prefix := range ourCookies {
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}

// cleanCookies removes our cookies from Cookie lines and leaves all other bytes as they are.
func cleanCookies(lines []string) []string {
	dirty := false
	for _, line := range lines {
		dirty = dirty || holdsOurCookie(line)
	}
	if !dirty {
		return lines
	}
	var kept []string
	for _, line := range lines {
		var pairs []string
		for pair := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(pair, "=")
			if !isOurCookie(strings.TrimSpace(name)) {
				pairs = append(pairs, pair)
			}
		}
		if rest := strings.TrimLeft(strings.Join(pairs, ";"), " "); rest != "" {
			kept = append(kept, rest)
		}
	}
	return kept
}

func holdsOurCookie(line string) bool {
	for pair := range strings.SplitSeq(line, ";") {
		name, _, _ := strings.Cut(pair, "=")
		if isOurCookie(strings.TrimSpace(name)) {
			return true
		}
	}
	return false
}

// cleanTrailer applies the rules of headers to the trailers that the client announced. Values come with the end
// of the body, and are copied then.
func cleanTrailer(pr *httputil.ProxyRequest, exact []string) {
	if len(pr.In.Trailer) == 0 {
		return
	}
	if pr.Out.Body == nil {
		// HTTP/2 lets a request announce trailers and end with its header: there is nothing that they could follow.
		pr.Out.Trailer = nil
		return
	}
	announced := http.Header{}
	for name := range pr.In.Trailer {
		if !reserved(name, trailerPrefixes) && !isExact(name, exact) {
			announced[name] = nil
		}
	}
	pr.Out.Trailer = announced
	if len(announced) == 0 {
		pr.Out.Trailer = nil
		return
	}
	pr.Out.Body = &trailerBody{ReadCloser: pr.Out.Body, from: pr.In, to: announced}
}

type trailerBody struct {
	io.ReadCloser
	from *http.Request
	to   http.Header
}

func (b *trailerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		for name := range b.to {
			b.to[name] = b.from.Trailer[name]
		}
	}
	return n, err
}
