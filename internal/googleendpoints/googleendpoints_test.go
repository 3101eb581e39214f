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

func TestMetadataAnswersDetectionAndAudience(t *testing.T) {
	t.Parallel()
	m := NewMetadata("my-project", 123456789012, "europe-west1-b")
	const flavor = "Metadata-Flavor: Google"
	const v1 = "/computeMetadata/v1"
	for name, c := range map[string]struct {
		method, target, host string
		lines                []string
		status               int
		body                 string
	}{
		"detection":                             {"GET", "/", MetadataHost, nil, 200, "computeMetadata/\n"},
		"detection with the header":             {"GET", "/", MetadataHost, []string{flavor}, 200, "computeMetadata/\n"},
		"detection by address":                  {"GET", "/", "169.254.169.254", nil, 200, "computeMetadata/\n"},
		"detection by address and port":         {"GET", "/", "[::1]:8080", nil, 200, "computeMetadata/\n"},
		"the project's id":                      {"GET", v1 + "/project/project-id", MetadataHost, []string{flavor}, 200, "my-project"},
		"the project's number":                  {"GET", v1 + "/project/numeric-project-id", MetadataHost, []string{flavor}, 200, "123456789012"},
		"the zone":                              {"GET", v1 + "/instance/zone", MetadataHost, []string{flavor}, 200, "projects/123456789012/zones/europe-west1-b"},
		"a directory":                           {"GET", v1 + "/instance/", MetadataHost, []string{flavor}, 200, "zone\n"},
		"the short name":                        {"GET", v1 + "/project/project-id", "metadata", []string{flavor}, 200, "my-project"},
		"without the header":                    {"GET", v1 + "/project/project-id", MetadataHost, nil, 403, ""},
		"the header with another value":         {"GET", v1 + "/project/project-id", MetadataHost, []string{"Metadata-Flavor: Other"}, 403, ""},
		"the header twice":                      {"GET", v1 + "/project/project-id", MetadataHost, []string{flavor, flavor}, 403, ""},
		"through a proxy":                       {"GET", v1 + "/project/project-id", MetadataHost, []string{flavor, "X-Forwarded-For: 192.0.2.1"}, 403, ""},
		"through a proxy that names nobody":     {"GET", v1 + "/project/project-id", MetadataHost, []string{flavor, "X-Forwarded-For: "}, 403, ""},
		"detection through a proxy":             {"GET", "/", MetadataHost, []string{"X-Forwarded-For: 192.0.2.1"}, 403, ""},
		"a directory without its slash":         {"GET", v1 + "/instance", MetadataHost, []string{flavor}, 301, ""},
		"a value that is not there":             {"GET", v1 + "/project/attributes/", MetadataHost, []string{flavor}, 404, ""},
		"a token":                               {"GET", v1 + "/instance/service-accounts/default/token", MetadataHost, []string{flavor}, 404, ""},
		"an unknown path without the header":    {"GET", "/x", MetadataHost, nil, 403, ""},
		"all at once":                           {"GET", v1 + "/instance/?recursive=true", MetadataHost, []string{flavor}, 404, ""},
		"a wait":                                {"GET", v1 + "/instance/zone?wait_for_change=true", MetadataHost, []string{flavor}, 404, ""},
		"POST":                                  {"POST", "/", MetadataHost, []string{flavor}, 405, ""},
		"a name that leads here by somebody":    {"GET", v1 + "/project/project-id", "evil.example", []string{flavor}, 421, ""},
		"the other host":                        {"GET", "/", GStaticHost, nil, 421, ""},
		"a request that a forward proxy passes": {"GET", "http://metadata.google.internal/", MetadataHost, nil, 400, ""},
	} {
		w := ask(m, c.method, c.target, c.host, c.lines...)
		h := w.Header()
		if w.Code != c.status || c.status == 200 && w.Body.String() != c.body {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
		if h.Get("Metadata-Flavor") != "Google" || h.Get("Server") != "Metadata Server for VM" {
			t.Errorf("%s: headers %v", name, h)
		}
		if c.status == 200 && (h.Get("Content-Type") != "application/text" || len(h.Get("ETag")) != 16) {
			t.Errorf("%s: headers %v", name, h)
		}
		if w.Code == 301 && h.Get("Location") != c.target+"/" {
			t.Errorf("%s: sent to %q", name, h.Get("Location"))
		}
	}
}

func TestHeadersOnlyAreAnsweredToHEAD(t *testing.T) {
	t.Parallel()
	w := ask(NewMetadata("my-project", 1, "z"), "HEAD", "/computeMetadata/v1/project/project-id", MetadataHost, "Metadata-Flavor: Google")
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "10" {
		t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
	}
}
