package reverseproxy

import (
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
// certificate (RFC 9440), what says where a request came from and went to, and what it is called. A value from a
// client would be believed. The last lines are the names under which frameworks and networks look for the client's
// address besides X-Forwarded-For; also what a trusted proxy sends under them is gone, since few replace what their
// clients sent.
var reservedPrefixes = prefixesOf(
	"x_goog_", "ingress_authorization", "x_serverless_authorization", "client_cert", "x_forwarded", "forwarded", "x_original_", "x_rewrite_url",
	"x_request_id", "x_real_ip", "true_client_ip", "x_client_ip", "x_cluster_client_ip", "cf_connecting_ip", "fastly_client_ip",
	"x_envoy_external_address", "x_azure_clientip",
)

// clientCertificate are the headers of RFC 9440, which a trusted proxy that ends TLS may set, in this spelling only.
var clientCertificate = [...]string{"Client-Cert", "Client-Cert-Chain"}

// appEnginePrefixes are those that App Engine apps believe besides.
var appEnginePrefixes = reservedPrefixes.and("x_appengine_", "x_google_")

// trailerPrefixes are those that no trailer may have: all of these, and the fields that authenticate, which have no
// place behind a body (RFC 9110, section 6.5.1) and which some servers would add to the header.
var trailerPrefixes = appEnginePrefixes.and("cookie", "authorization", "proxy_authorization")

// noTrailers are the names of no trailer besides, nor are those that belong to one connection: they say where a request
// goes and how its body is read, and some servers would add them to the header when that has been acted on.
var noTrailers = [...]string{"Host", "Expect", "Max-Forwards", "Content-Type", "Content-Encoding", "Content-Range"}

func isTrailer(name string, exact []string) bool {
	return !trailerPrefixes.begin(name) && !isExact(name, exact) && !isHopByHop(name) && !slices.Contains(noTrailers[:], name)
}

// isHopByHop reports whether a header belongs to one connection (RFC 9110, section 7.6.1); some do of older times.
func isHopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Http2-Settings":
		return true
	}
	return false
}

// hasToken reports whether a list of tokens holds one.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for one := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(one, " \t"), token) {
				return true
			}
		}
	}
	return false
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
