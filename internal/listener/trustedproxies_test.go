package listener

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// asked makes a request with header lines from a peer.
func asked(peer string, headers ...string) *http.Request {
	r := httptest.NewRequest("GET", "http://gate.test/", nil)
	r.RemoteAddr = peer
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header[http.CanonicalHeaderKey(name)] = append(r.Header[http.CanonicalHeaderKey(name)], value)
	}
	return r
}

// The trusted proxies of these tests are 10.0.0.0/8 and 2001:db8:aaaa::/48.
func proxiesFor(t testing.TB) *TrustedProxies {
	return NewTrustedProxies(prefixes(t, "10.0.0.0/8", "2001:db8:aaaa::/48"), nil)
}

func TestWhoTheClientIs(t *testing.T) {
	t.Parallel()
	proxies := proxiesFor(t)
	for name, c := range map[string]struct {
		peer    string
		headers []string
		want    string // address, scheme, host, proxies
	}{
		"a stranger's words count for nothing": {"203.0.113.5:4711", []string{
			"X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.test", "Forwarded: for=10.0.0.1;proto=https;host=evil.test",
		}, "203.0.113.5  gate.test []"},
		"a proxy that says nothing":               {"10.0.0.1:4711", nil, "10.0.0.1  gate.test []"},
		"one proxy":                               {"10.0.0.1:4711", []string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: app.test:8443"}, "203.0.113.9 https app.test:8443 [10.0.0.1]"},
		"what the client wrote":                   {"10.0.0.1:4711", []string{"X-Forwarded-For: 1.1.1.1, 203.0.113.9"}, "203.0.113.9  gate.test [10.0.0.1]"},
		"garbage that the client wrote":           {"10.0.0.1:4711", []string{"X-Forwarded-For: <script>,,unknown, 203.0.113.9"}, "203.0.113.9  gate.test [10.0.0.1]"},
		"a proxy's address that the client wrote": {"10.0.0.1:4711", []string{"X-Forwarded-For: 10.0.0.7, 203.0.113.9"}, "203.0.113.9  gate.test [10.0.0.1]"},
		"two proxies":                             {"10.0.0.1:4711", []string{"X-Forwarded-For: 1.1.1.1, 203.0.113.9, 10.0.0.2"}, "203.0.113.9  gate.test [10.0.0.1 10.0.0.2]"},
		"two lines":                               {"10.0.0.1:4711", []string{"X-Forwarded-For: 1.1.1.1, 203.0.113.9", "X-Forwarded-For: 10.0.0.2"}, "203.0.113.9  gate.test [10.0.0.1 10.0.0.2]"},
		"a client among the proxies":              {"10.0.0.1:4711", []string{"X-Forwarded-For: 10.0.0.3, 10.0.0.2"}, "10.0.0.3  gate.test [10.0.0.1 10.0.0.2]"},
		"with a port":                             {"10.0.0.1:4711", []string{"X-Forwarded-For: 203.0.113.9:1234"}, "203.0.113.9  gate.test [10.0.0.1]"},
		"IPv6":                                    {"[2001:db8:aaaa::1]:4711", []string{"X-Forwarded-For: 2001:db8::9"}, "2001:db8::9  gate.test [2001:db8:aaaa::1]"},
		"IPv6 in brackets, with a port":           {"[2001:db8:aaaa::1]:4711", []string{"X-Forwarded-For: [2001:db8::9]:1234"}, "2001:db8::9  gate.test [2001:db8:aaaa::1]"},
		"IPv4 in IPv6, both ends":                 {"[::ffff:10.0.0.1]:4711", []string{"X-Forwarded-For: ::ffff:203.0.113.9"}, "203.0.113.9  gate.test [10.0.0.1]"},
		"a proxy that does not know":              {"10.0.0.1:4711", []string{"X-Forwarded-For: unknown"}, "10.0.0.1  gate.test []"},
		"a WebSocket's scheme":                    {"10.0.0.1:4711", []string{"X-Forwarded-Proto: wss"}, "10.0.0.1 https gate.test []"},
		"schemes that agree":                      {"10.0.0.1:4711", []string{"X-Forwarded-Proto: https, https", "X-Forwarded-Proto: https"}, "10.0.0.1 https gate.test []"},
		"Forwarded":                               {"10.0.0.1:4711", []string{"Forwarded: for=1.1.1.1;proto=http;host=x.test, for=203.0.113.9;proto=https;host=app.test;by=10.0.0.1"}, "203.0.113.9 https app.test [10.0.0.1]"},
		"Forwarded, quoted":                       {"10.0.0.1:4711", []string{`forwarded: For="[2001:db8::9]:1234" ; Proto=HTTPS;host="app.test:8443"`}, "2001:db8::9 https app.test:8443 [10.0.0.1]"},
		"Forwarded, two proxies": {"10.0.0.1:4711", []string{
			"Forwarded: for=203.0.113.9;proto=https;host=app.test", "Forwarded: for=10.0.0.2;proto=http;host=inner.test",
		}, "203.0.113.9 https app.test [10.0.0.1 10.0.0.2]"},
		"Forwarded, kept secret":                         {"10.0.0.1:4711", []string{"Forwarded: for=1.1.1.1;proto=http, for=_hidden;proto=https"}, "10.0.0.1 https gate.test []"},
		"Forwarded without for":                          {"10.0.0.1:4711", []string{"Forwarded: for=1.1.1.1;proto=http, proto=https"}, "10.0.0.1 https gate.test []"},
		"both kinds, agreeing":                           {"10.0.0.1:4711", []string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "Forwarded: for=203.0.113.9;proto=https"}, "203.0.113.9 https gate.test [10.0.0.1]"},
		"both kinds, complementary":                      {"10.0.0.1:4711", []string{"X-Forwarded-For: 203.0.113.9", "Forwarded: proto=https;host=app.test"}, "203.0.113.9 https app.test [10.0.0.1]"},
		"a name with an underscore is no header of ours": {"10.0.0.1:4711", []string{"X_forwarded_for: 203.0.113.9"}, "10.0.0.1  gate.test []"},
	} {
		client, err := proxies.Client(asked(c.peer, c.headers...))
		got := fmt.Sprintf("%s %s %s %v", client.Addr, client.Scheme, client.Host, client.Via)
		if err != nil || got != c.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func TestAProxyThatContradictsItselfIsRefused(t *testing.T) {
	t.Parallel()
	proxies := proxiesFor(t)
	for name, headers := range map[string][]string{
		"two clients":              {"X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.8"},
		"a client and a secret":    {"X-Forwarded-For: 203.0.113.9", "Forwarded: for=unknown"},
		"two schemes":              {"X-Forwarded-Proto: https", "Forwarded: proto=http"},
		"two hosts":                {"X-Forwarded-Host: a.test", "Forwarded: host=b.test"},
		"two schemes in one":       {"X-Forwarded-Proto: https, http"},
		"two schemes in two":       {"X-Forwarded-Proto: https", "X-Forwarded-Proto: http"},
		"two hosts in one":         {"X-Forwarded-Host: a.test,b.test"},
		"another scheme":           {"X-Forwarded-Proto: gopher"},
		"no address":               {"X-Forwarded-For: client.test"},
		"an empty place":           {"X-Forwarded-For: 203.0.113.9,"},
		"an address with a zone":   {"X-Forwarded-For: fe80::1%eth0"},
		"a large port":             {"X-Forwarded-For: 203.0.113.9:65536"},
		"Forwarded, no address":    {"Forwarded: for=client.test"},
		"Forwarded, no pair":       {"Forwarded: for"},
		"Forwarded, empty":         {"Forwarded: "},
		"Forwarded, twice for":     {"Forwarded: for=203.0.113.9;for=203.0.113.8"},
		"Forwarded, empty for":     {"Forwarded: for="},
		"Forwarded, an open quote": {`Forwarded: for="203.0.113.8, for=203.0.113.9`},
		// A client that leaves a quote open swallows what a careless proxy appends.
		"Forwarded, a quote across elements": {`Forwarded: for=203.0.113.8;x=", for="[2001:db8::9]"`},
		"Forwarded, an escape":               {`Forwarded: for="203.0.113\.9"`},
		"Forwarded, another scheme":          {"Forwarded: proto=gopher"},
		"many proxies":                       {"X-Forwarded-For: " + strings.Repeat("10.0.0.2,", 40) + "10.0.0.2"},
		"many elements":                      {"Forwarded: " + strings.Repeat("for=10.0.0.2,", 40) + "for=10.0.0.2"},
	} {
		if client, err := proxies.Client(asked("10.0.0.1:4711", headers...)); !errors.Is(err, ErrForwarded) {
			t.Errorf("%s: %+v, %v", name, client, err)
		}
		if _, err := proxies.Client(asked("203.0.113.5:4711", headers...)); err != nil {
			t.Errorf("%s, from a stranger: %v", name, err)
		}
	}
}

func TestNobodyIsTrustedUnlessNamed(t *testing.T) {
	t.Parallel()
	for name, proxies := range map[string]*TrustedProxies{"nothing": nil, "an empty set": NewTrustedProxies(nil, nil)} {
		for _, peer := range []string{"127.0.0.1:1", "10.0.0.1:1", "[::1]:1", "@"} {
			client, err := proxies.Client(asked(peer, "X-Forwarded-For: 203.0.113.9", "X-Forwarded-Host: evil.test"))
			if err != nil || client.Trusted || client.Host != "gate.test" || client.Addr == netip.MustParseAddr("203.0.113.9") {
				t.Errorf("%s, peer %s: %+v, %v", name, peer, client, err)
			}
		}
	}
}

func TestWhoIsTrustedCanChange(t *testing.T) {
	t.Parallel()
	proxies := NewTrustedProxies(nil, nil)
	r := asked("10.0.0.1:1", "X-Forwarded-For: 203.0.113.9")
	proxies.Set(prefixes(t, "10.0.0.0/8"))
	if client, _ := proxies.Client(r); client.Addr.String() != "203.0.113.9" {
		t.Errorf("after the change: %v", client.Addr)
	}
}

func TestOverTLSTheSchemeIsOursUnlessAProxySays(t *testing.T) {
	t.Parallel()
	proxies := proxiesFor(t)
	for peer, want := range map[string]string{"203.0.113.5:1": "https", "10.0.0.1:1": "http"} {
		r := asked(peer, "X-Forwarded-Proto: http")
		r.TLS = &tls.ConnectionState{}
		if client, _ := proxies.Client(r); client.Scheme != want {
			t.Errorf("from %s: %s", peer, client.Scheme)
		}
	}
}

func TestAForgottenProxyIsNamedOnceWithTheLineToAdd(t *testing.T) {
	t.Parallel()
	var log lines
	proxies := NewTrustedProxies(prefixes(t, "10.0.0.0/8"), log.logger())
	for range 3 {
		for _, peer := range []string{"203.0.113.5:1", "203.0.113.5:2", "203.0.113.6:1", "[2001:db8::5]:1", "[2001:db8::6]:1"} {
			_, _ = proxies.Client(asked(peer, "X-Forwarded-For: 192.0.2.1"))
		}
		_, _ = proxies.Client(asked("203.0.113.7:1"))
		_, _ = proxies.Client(asked("10.0.0.1:1", "X-Forwarded-For: 192.0.2.1"))
	}
	for what, want := range map[string]int{
		"level=WARN": 3, "trustedProxies: [203.0.113.5/32]": 1, "trustedProxies: [203.0.113.6/32]": 1, "trustedProxies: [2001:db8::5/128]": 1,
	} {
		if got := log.count(what); got != want {
			t.Errorf("%q stands there %d times:\n%s", what, got, log.buf.String())
		}
	}
}

func TestStrangersCannotFillTheLog(t *testing.T) {
	t.Parallel()
	var log lines
	proxies := NewTrustedProxies(nil, log.logger())
	for i := range 3 * maxRemembered {
		peer := netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})
		_, _ = proxies.Client(asked(netip.AddrPortFrom(peer, 1).String(), "Forwarded: for=192.0.2.1"))
	}
	if got := log.count("level=WARN"); got != maxRemembered {
		t.Errorf("%d lines", got)
	}
}

// Whatever a header says, the client is either an address that the chain leads to, or the request is refused.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{
		"for=203.0.113.9;proto=https;host=app.test", `for="[2001:db8::9]:1", for=10.0.0.2`, `for="a\"b"`, "for=_x;;", "a=b,for=unknown", `host="a;b,c"`,
		"203.0.113.9, 10.0.0.2", "1.1.1.1:80,[::1]:80", ",", "",
	} {
		f.Add(seed, "https", "app.test")
	}
	proxies := NewTrustedProxies([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil)
	f.Fuzz(func(t *testing.T, chain, proto, host string) {
		for _, headers := range [][]string{
			{"Forwarded: " + chain}, {"X-Forwarded-For: " + chain, "X-Forwarded-Proto: " + proto, "X-Forwarded-Host: " + host},
		} {
			client, err := proxies.Client(asked("10.0.0.1:1", headers...))
			if err != nil {
				continue
			}
			switch {
			case !client.Trusted || !client.Addr.IsValid() || client.Addr.Zone() != "" || client.Addr.Is4In6():
				t.Fatalf("%q: %+v", headers, client)
			case client.Scheme != "" && client.Scheme != "http" && client.Scheme != "https":
				t.Fatalf("%q: scheme %q", headers, client.Scheme)
			}
			for i, hop := range client.Via {
				if hop.As4()[0] != 10 || i == 0 && hop != netip.MustParseAddr("10.0.0.1") {
					t.Fatalf("%q: hop %s", headers, hop)
				}
			}
		}
	})
}

func BenchmarkClient(b *testing.B) {
	for name, r := range map[string]*http.Request{
		"untrusted": asked("203.0.113.5:1", "Accept: */*"),
		"trusted":   asked("10.0.0.1:1", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: gate.test"),
	} {
		proxies := proxiesFor(b)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = proxies.Client(r)
			}
		})
	}
}
