package http1

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/fieldline"
)

// mayBecome reports whether what has come may be the beginning of a head that is answered here; what stands before
// searched has been looked at. It keeps nobody waiting for the end of a head that has ended in a way that net/http knows.
func mayBecome(begun []byte, searched int) bool {
	if begun[0] != 'G' && begun[0] != 'H' {
		return false
	}
	for i := max(1, searched); i < len(begun); i++ {
		if begun[i] == '\n' && begun[i-1] != '\r' {
			return false
		}
	}
	return true
}

// mostFields bounds the room that is made for fields before any of them is looked at.
const mostFields = 100

// parse makes a request of a head that ends with an empty line; u is room for its URL. It returns false for whatever is
// not plain: what has a body or could have one, what wants something of the connection, what some read in one way and
// some in another, and what is no HTTP. None of it is refused here.
func parse(text string, r *http.Request, u *url.URL) (plain bool) {
	line, fields, _ := strings.Cut(text, "\r\n")
	if !parseLine(strings.Clone(line), r, u) { // which records keep, and should not keep cookies by
		return false
	}
	r.URL, r.Proto, r.ProtoMajor, r.ProtoMinor, r.Body = u, "HTTP/1.1", 1, 1, http.NoBody
	count := strings.Count(fields, "\r\n") - 1
	if count > mostFields {
		return false
	}
	r.Header = make(http.Header, count)
	values := make([]string, 0, count)
	for range count {
		line, fields, _ = strings.Cut(fields, "\r\n")
		name, value, found := strings.Cut(line, ":")
		if !found {
			return false
		}
		if valid, canonical := fieldline.Name(name); !valid {
			return false
		} else if !canonical {
			name = http.CanonicalHeaderKey(name)
		}
		if value = fieldline.Trim(value); !fieldline.PlainValue(value) {
			return false
		}
		switch name {
		case "Host":
			if r.Host != "" || !isHost(value) {
				return false
			}
			r.Host = strings.Clone(value) // as with the line
			continue
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return false
			}
		case "Content-Length", "Transfer-Encoding", "Trailer", "Expect", "Upgrade", "Http2-Settings":
			return false
		}
		if there, found := r.Header[name]; found {
			r.Header[name] = append(there, value) // which moves it: there is no room behind the first
			continue
		}
		values = append(values, value)
		r.Header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	if pragma := r.Header["Pragma"]; len(pragma) > 0 && pragma[0] == "no-cache" && r.Header["Cache-Control"] == nil {
		r.Header["Cache-Control"] = []string{"no-cache"} // as net/http has it (RFC 9111, section 5.4)
	}
	return r.Host != "" && fields == "\r\n"
}

// parseLine takes the request line: a method without a body, a target in origin form, HTTP/1.1.
func parseLine(line string, r *http.Request, u *url.URL) bool {
	var found bool
	if r.Method, line, found = strings.Cut(line, " "); !found || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if r.RequestURI, found = strings.CutSuffix(line, " HTTP/1.1"); !found || !isTarget(r.RequestURI) {
		return false
	}
	if path, query, asked := strings.Cut(r.RequestURI, "?"); isPlainPath(path) {
		*u = url.URL{Path: path, RawQuery: query, ForceQuery: asked && query == ""}
		return true
	}
	parsed, err := url.ParseRequestURI(r.RequestURI)
	if err != nil {
		return false
	}
	*u = *parsed
	return true
}

// isPlainPath reports whether a path means what it says: nothing in it is escaped, or would be by package url.
func isPlainPath(path string) bool {
	for i := range len(path) {
		if c := path[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c == '/' || c == '-' || c == '.' || c == '_') {
			return false
		}
	}
	return true
}

// isTarget reports whether a target is in origin form and of visible characters. What begins with two slashes names a
// host to some.
func isTarget(target string) bool {
	if target == "" || target[0] != '/' || strings.HasPrefix(target, "//") {
		return false
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// isHost reports whether a Host is a name or an address, with a port or without one; which one is not decided here.
func isHost(host string) bool {
	for i := range len(host) {
		c := host[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._:[]", c) >= 0) {
			return false
		}
	}
	return host != ""
}
