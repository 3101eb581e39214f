package oauthserver

import (
	"crypto/sha256"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
)

func TestRedirectURIsLeadToThisMachineOnly(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]bool{
		"http://127.0.0.1": true, "http://127.0.0.1/": true, "http://127.0.0.1:8085/": true, "http://localhost:4444": true,
		"http://[::1]:1/": true, "http://127.0.0.1:65535/oauth2/callback": true, "http://localhost/a.b_c~d-e/": true,

		"": false, "http://": false, "https://127.0.0.1/": false, "HTTP://127.0.0.1/": false, "http://127.0.0.1:0/": false,
		"http://127.0.0.1:65536/": false, "http://127.0.0.1:08/": false, "http://127.0.0.1:/": false, "http://127.0.0.2/": false,
		"http://0.0.0.0/": false, "http://LOCALHOST/": false, "http://localhost./": false, "http://app.localhost/": false,
		"http://::1/": false, "http://[::ffff:127.0.0.1]/": false, "http://127.1/": false, "http://user@127.0.0.1/": false,
		"http://127.0.0.1@evil.example/": false, "http://127.0.0.1.evil.example/": false, "http://127.0.0.1:80@evil.example/": false,
		`http://127.0.0.1\@evil.example/`: false, "http://127.0.0.1/?x=y": false, "http://127.0.0.1/#x": false,
		"http://127.0.0.1/../x": false, "http://127.0.0.1/a/./b": false, "http://127.0.0.1//evil.example": false, "http://127.0.0.1/a//b": false,
		"http://127.0.0.1/%2e%2e/": false, "http://127.0.0.1/a b": false, "http://127.0.0.1/\r\nX: y": false, "http://127.0.0.1/ü": false,
		"http://127.0.0.1\n/": false, " http://127.0.0.1/": false, "http://127.0.0.1/" + strings.Repeat("a", 300): false,
		"javascript://127.0.0.1/": false, "com.example.app:/callback": false, "urn:ietf:wg:oauth:2.0:oob": false,
	} {
		if got := checkRedirectURI(uri, "desktop"); got != want {
			t.Errorf("%q: %v", uri, got)
		}
	}
	if checkRedirectURI("http://127.0.0.1:8085/other", catalog.CommandLineClientID) {
		t.Error("the command line listens on / only")
	}
}

func TestPKCETakesTheVerifierAndNothingElse(t *testing.T) {
	t.Parallel()
	verifier := strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	challenge := encoding.EncodeToString(sum[:])
	if !isChallenge(challenge) || !provesChallenge(verifier, challenge) {
		t.Fatal("the verifier does not prove its challenge")
	}
	for name, v := range map[string]string{
		"empty": "", "the challenge": challenge, "short": "v", "another": strings.Repeat("w", 43), "one more": verifier + "v",
		"of bytes that verifiers do not have": strings.Repeat("v", 42) + "=", "too long": strings.Repeat("v", 129),
	} {
		if provesChallenge(v, challenge) {
			t.Errorf("%s proves the challenge", name)
		}
	}
	for _, c := range []string{"", "x", challenge + "=", challenge + "AA", strings.Repeat("A", 44)} {
		if isChallenge(c) {
			t.Errorf("%q is taken for a challenge", c)
		}
	}
}

func TestTheLimitIsOfEachNetworkAndForgives(t *testing.T) {
	t.Parallel()
	var l limiter
	now := time.Unix(1_000_000, 0)
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for range int(burst) {
		if wait := l.take(one, 1, now); wait > 0 {
			t.Fatalf("wait %v", wait)
		}
	}
	if l.take(one, 1, now) <= 0 {
		t.Error("no limit")
	}
	if l.take(other, 1, now) > 0 {
		t.Error("another network waits, too")
	}
	if l.take(one, 1, now.Add(time.Second)) > 0 {
		t.Error("it is not forgiven")
	}
	six := netip.MustParseAddr("2001:db8::1")
	l.charge(six, burst, now)
	if l.take(netip.MustParseAddr("2001:db8::2"), 1, now) <= 0 {
		t.Error("one customer of IPv6 has many allowances")
	}
	for i := range 3 * maxNetworks {
		l.take(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1, now)
	}
	if len(l.networks) > maxNetworks {
		t.Errorf("%d networks are counted", len(l.networks))
	}
	if l.take(six, 1, now) <= 0 {
		t.Error("a flood of addresses has made it forget the one that had used its allowance up")
	}
}

// Whatever is asked for: an address that is taken is one of this machine, in the eyes of Go's parser too.
func FuzzRedirectURI(f *testing.F) {
	for _, seed := range []string{"http://127.0.0.1:1/", "http://localhost", "http://[::1]:2/a", `http://127.0.0.1\@x/`, "http://127.0.0.1:1/?a", "http://127.0.0.1:00/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if !checkRedirectURI(uri, "desktop") {
			return
		}
		u, err := url.Parse(back(uri, url.Values{"code": {"x"}}))
		if err != nil || u.Scheme != "http" || u.User != nil || u.Fragment != "" || u.Query().Get("code") != "x" {
			t.Fatalf("%q: %v, %v", uri, u, err)
		}
		if host := u.Hostname(); host != "127.0.0.1" && host != "localhost" && host != "::1" {
			t.Fatalf("%q leads to %q", uri, host)
		}
	})
}
