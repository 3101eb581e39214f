package googleendpoints

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func ask(h http.Handler, method, target, host string, lines ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = host
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
}

func TestKeysAreOursAndAllElseIsRelayed(t *testing.T) {
	t.Parallel()
	g := &GStatic{Keys: says("keys"), Relay: says("relay")}
	for name, c := range map[string]struct {
		method, target, host string
		status               int
		body                 string
	}{
		"the keys":                       {"GET", "/iap/verify/public_key", GStaticHost, 200, "keys"},
		"the keys as a set":              {"GET", "/iap/verify/public_key-jwk", GStaticHost, 200, "keys"},
		"an unknown path beside them":    {"GET", "/iap/verify/other", GStaticHost, 200, "keys"},
		"their directory":                {"GET", "/iap/verify", GStaticHost, 200, "keys"},
		"a letter encoded":               {"GET", "/iap/verify/public%5Fkey", GStaticHost, 200, "keys"},
		"the slash encoded":              {"GET", "/iap%2fverify/public_key", GStaticHost, 200, "keys"},
		"a slash too many":               {"GET", "//iap/verify/public_key", GStaticHost, 200, "keys"},
		"a way round":                    {"GET", "/x/../iap/verify/public_key", GStaticHost, 200, "keys"},
		"a file":                         {"GET", "/firebasejs/app.js", GStaticHost, 200, "relay"},
		"a path that begins like ours":   {"GET", "/iap/verifyx", GStaticHost, 200, "relay"},
		"HEAD":                           {"HEAD", "/x", GStaticHost, 200, "relay"},
		"the host with a port":           {"GET", "/x", GStaticHost + ":443", 200, "relay"},
		"the host in capitals":           {"GET", "/x", "WWW.GSTATIC.COM", 200, "relay"},
		"the host with a dot":            {"GET", "/x", GStaticHost + ".", 200, "relay"},
		"POST":                           {"POST", "/x", GStaticHost, 405, ""},
		"CONNECT":                        {"CONNECT", "/x", GStaticHost, 405, ""},
		"another host":                   {"GET", "/x", "www.google.com", 421, ""},
		"no host":                        {"GET", "/x", "", 421, ""},
		"the address":                    {"GET", "/x", "127.0.0.1", 421, ""},
		"a host that ends like ours":     {"GET", "/x", "evil" + GStaticHost, 421, ""},
		"a request of a forward proxy's": {"GET", "http://www.gstatic.com/x", GStaticHost, 400, ""},
	} {
		w := ask(g, c.method, c.target, c.host)
		if w.Code != c.status || c.status == 200 && w.Body.String() != c.body {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
}
