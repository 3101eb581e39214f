package signin

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// maxTarget bounds path and query that a state carries. The whole redirect to the auth host then has less than
// 4 KiB of headers, which is what common proxies in front of us allow a response by default. Rather than fail
// there, a longer address loses its query, and if still too long its path: people arrive at the right
// application and have to find their page again.
const maxTarget = 1536

// maxLocation bounds path and query of a redirect to the same host. No state is with it, so it may be longer.
const maxLocation = 3 << 10

// target returns path and query of a request, as received, as something that can follow an origin in a
// Location header without changing that origin. What no honest request has makes it "/".
//
// That the result begins with "/" and follows scheme and host is the whole proof that nobody is sent elsewhere:
// whatever stands after the first slash, the authority has ended there (RFC 3986, 3.2; and for browsers the WHATWG
// URL standard, whose authority state ends at "/", "\", "?" and "#" alike). The checks below are for the rest:
// a header that ends early, a parser that drops bytes.
func target(r *http.Request) string { return rewritten(r, maxTarget, specialurl.Resume) }

// stripped returns the address of a special URL without what made it one, within the application's origin.
func (s *SignIn) stripped(r *http.Request, app App) string {
	return s.origin(app.Host, rewritten(r, maxLocation, specialurl.Strip))
}

// rewritten is target with a bound and a way to deal with special URLs.
func rewritten(r *http.Request, limit int, rewrite func(path, query string) (string, string)) string {
	raw := r.RequestURI
	if !strings.HasPrefix(raw, "/") { // absolute form, or a request that was never on a wire
		raw = r.URL.RequestURI()
	}
	if !strings.HasPrefix(raw, "/") {
		return "/"
	}
	escaped, ok := escapeNonASCII(raw)
	if !ok {
		return "/"
	}
	path, query, _ := strings.Cut(escaped, "?")
	path, query = rewrite(path, query)
	if query != "" && len(path)+1+len(query) <= limit {
		path += "?" + query
	}
	if len(path) > limit || !keepsOrigin(path) {
		return "/"
	}
	return path
}

// escapeNonASCII percent-encodes bytes above ASCII. It refuses control bytes, spaces, backslashes and
// fragments: programs differ in what they make of those.
func escapeNonASCII(s string) (string, bool) {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ' || c == 0x7f || c == '\\' || c == '#':
			return "", false
		case c > 0x7f:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// keepsOrigin asks Go's parser as well.
func keepsOrigin(target string) bool {
	u, err := url.Parse("https://origin.example" + target)
	return err == nil && u.Scheme == "https" && u.Host == "origin.example" && u.User == nil && u.Fragment == ""
}

// origin returns the address that the person of an attempt wanted.
func (s *SignIn) origin(host, target string) string { return s.External.URL(host) + target }

// handoffURL returns the address that hands a token to the application host. It keeps the path, by which a
// host may lead to several services.
func (s *SignIn) handoffURL(a attempt, token string) string {
	path, _, _ := strings.Cut(a.Target, "?")
	return s.origin(a.Host, path) + "?" + specialurl.Parameter + "=" + string(specialurl.Authenticating) + "&" + specialurl.TokenParameter + "=" + token
}
