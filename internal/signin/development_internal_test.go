package signin

import (
	"net/url"
	"strings"
	"testing"
)

func developing() *SignIn {
	return &SignIn{
		External: External{Scheme: "http", Port: 8080}, AuthHost: "auth.localhost",
		HasHost: func(host string) bool { return host == "app.localhost" },
	}
}

func TestASignedInBrowserGoesOnToHostsOfOursOnly(t *testing.T) {
	t.Parallel()
	const app = "http://app.localhost:8080"
	for raw, want := range map[string]string{
		app:                                app + "/",
		app + "/":                          app + "/",
		app + "/a%2Fb/../c?x=1&y=%20#frag": app + "/a%2Fb/../c?x=1&y=%20#frag",
		app + "//evil.example/":            app + "//evil.example/", // the host has ended before
		app + "/ü":                         app + "/%C3%BC",
		"http://auth.localhost:8080/":      "http://auth.localhost:8080/",
		"":                                 "",
		"/":                                "",
		"//app.localhost:8080/":            "",
		"app.localhost:8080/":              "",
		"https://app.localhost:8080/":      "",
		"http://app.localhost/":            "",
		"http://app.localhost:80/":         "",
		"http://app.localhost:08080/":      "",
		"http://APP.localhost:8080/":       "",
		"http://app.localhost.:8080/":      "",
		"http://evil.example/":             "",
		"http://evil.example:8080/":        "",
		"http://app.localhost:8080@evil.example/":  "",
		"http://u@app.localhost:8080/":             "",
		"http://app.localhost:8080.evil.example/":  "",
		"http://evil.example#@app.localhost:8080/": "",
		`http://app.localhost:8080\@evil.example/`: "",
		`http://evil.example\@app.localhost:8080/`: "",
		"http://app.localhost:8080/\\evil":         app + "/%5Cevil",
		"http:///app.localhost:8080/":              "",
		"http:app.localhost:8080":                  "",
		"javascript:alert(1)":                      "",
		"data:text/html,x":                         "",
		" " + app:                                  "",
		"\t" + app:                                 "",
		app + "/\r\nSet-Cookie: x=1":               "",
		app + "/\x00":                              "",
		"http://[::1]:8080/":                       "",
		"http://127.0.0.1:8080/":                   "",
	} {
		got, err := developing().ownAddress(raw)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v, want %q", raw, got, err, want)
		}
	}
}

func FuzzNobodyIsLedAwayFromOurHosts(f *testing.F) {
	for _, seed := range []string{"http://app.localhost:8080/x?y#z", "http://auth.localhost:8080@evil.example", "//evil", "http://app.localhost:8080\\.evil.example/", "http://app.localhost:8080/%0d%0a"} {
		f.Add(seed)
	}
	s := developing()
	f.Fuzz(func(t *testing.T, raw string) {
		address, err := s.ownAddress(raw)
		if err != nil {
			return
		}
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" || u.Host != "app.localhost:8080" && u.Host != "auth.localhost:8080" || u.User != nil {
			t.Errorf("%q leads to %q", raw, address)
		}
		if strings.ContainsAny(address, "\r\n\\ \t") {
			t.Errorf("%q is written as %q", raw, address)
		}
	})
}
