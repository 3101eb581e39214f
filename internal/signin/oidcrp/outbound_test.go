package oidcrp

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
)

func TestAddressesThatAreReached(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"8.8.8.8", "93.184.215.14", "2606:4700::1111", "172.32.0.1"} {
		if !isPublic(netip.MustParseAddr(address)) {
			t.Errorf("%s is not public", address)
		}
	}
	for _, address := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.1.2.3", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8",
		"192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fc00::1", "fd12::1", "fe80::1", "ff02::1",
		"64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "fec0::1",
	} {
		if isPublic(netip.MustParseAddr(address)) {
			t.Errorf("%s is public", address)
		}
	}
}

func TestPrivateAddressesAreReachedWhereTheConfigurationSaysSo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config  identityprovider.OIDCConfig
		address string
		reached bool
	}{
		"a public one":                              {identityprovider.OIDCConfig{Issuer: "https://idp.example"}, "8.8.8.8:443", true},
		"a private one":                             {identityprovider.OIDCConfig{Issuer: "https://idp.example"}, "10.0.0.1:443", false},
		"a mapped private one":                      {identityprovider.OIDCConfig{Issuer: "https://idp.example"}, "[::ffff:10.0.0.1]:443", false},
		"a private one that is allowed":             {identityprovider.OIDCConfig{Issuer: "https://idp.example", AllowPrivateAddresses: true}, "10.0.0.1:443", true},
		"loopback for an issuer on loopback":        {identityprovider.OIDCConfig{Issuer: "http://127.0.0.1:5556"}, "127.0.0.1:5556", true},
		"loopback for an issuer by local name":      {identityprovider.OIDCConfig{Issuer: "http://dex.localhost:5556"}, "[::1]:5556", true},
		"a private one for an issuer on loopback":   {identityprovider.OIDCConfig{Issuer: "http://127.0.0.1:5556"}, "10.0.0.1:80", false},
		"loopback for a name that only looks local": {identityprovider.OIDCConfig{Issuer: "https://localhost.evil.test"}, "127.0.0.1:443", false},
		"an address that is none":                   {identityprovider.OIDCConfig{Issuer: "https://idp.example"}, "socket", false},
	} {
		if err := addressGuard(test.config)("tcp", test.address, nil); (err == nil) != test.reached {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPromptsAreJoined(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ configured, wanted, want string }{
		{"", "", ""}, {"login", "", "login"}, {"", "select_account", "select_account"}, {"login", "select_account", "login select_account"},
		{"select_account", "select_account", "select_account"}, {"login", "none", "none"},
	} {
		if got := prompts(test.configured, test.wanted); got != test.want {
			t.Errorf("%q and %q: %q, want %q", test.configured, test.wanted, got, test.want)
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, seed := range []string{"", "a.b.c", "eyJhbGciOiJub25lIn0..", "e30.e30.", "....", `{"payload":"x"}`, "eyJqa3UiOiJ4In0.e30.x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if err := checkHeader(token, "JWT"); err == nil && (strings.Count(token, ".") != 2 || len(token) > maxToken) {
			t.Errorf("%q is taken", token)
		}
	})
}

// A provider that sends a byte now and then would hold a sign-in, and what it takes, for ever.
func TestAProviderThatDripsIsGivenUp(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		for {
			if _, err := w.Write([]byte(" ")); err != nil || r.Context().Err() != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
		}
	}))
	defer server.Close()
	client := newHTTPClient(identityprovider.OIDCConfig{Issuer: server.URL}, nil)
	if client.Timeout != requestTimeout {
		t.Fatalf("the bound is %v", client.Timeout)
	}
	client.Timeout = 50 * time.Millisecond
	if body, err := getJSON(t.Context(), client, server.URL); err == nil {
		t.Errorf("%d bytes", len(body))
	}
	<-ended
}

func TestACAFileIsReadOnlyWhereItHoldsCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "", "text": "no certificate", "endless": strings.Repeat("x", maxCAFile+1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"empty", "text", "endless", "missing", "pipe", ""} {
		if name != "" {
			name = filepath.Join(dir, name)
		}
		if roots, err := readCAFile(name); roots != nil || (err == nil) != (name == "") {
			t.Errorf("%s: %d bytes, %v", name, len(roots), err)
		}
	}
}
