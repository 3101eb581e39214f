package config

import (
	"net/url"
	"os"
	"strings"
	"testing"
)

func TestInitAsksForARefreshTokenWhereTheScopeIsKnown(t *testing.T) {
	t.Parallel()
	for issuer, asks := range map[string]bool{
		"https://login.example.com": true, "http://127.0.0.1:5556/dex": true, "https://corp.okta.com": true,
		"https://login.microsoftonline.com/3a1f0000-0000-0000-0000-00000000beef/v2.0": true,
		"https://accounts.google.com": false, "https://gitlab.com": false, "https://gitlab.corp.example": false, "https://id.corp.example/realms/corp": false,
	} {
		u, err := url.Parse(issuer)
		if err != nil {
			t.Fatal(err)
		}
		if asksForRefresh(u) != asks {
			t.Errorf("%s: %v", issuer, !asks)
		}
		initial, err := Initial{Host: "app.example.com", Upstream: "http://127.0.0.1:3000", Issuer: issuer}.Complete()
		if err != nil {
			t.Fatal(err)
		}
		_, manifest, err := initial.Write(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(manifest)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(text), "scopes: [offline_access]"); got != asks {
			t.Errorf("%s: the manifest asks for offline_access: %v", issuer, got)
		}
	}
}
