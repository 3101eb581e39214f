package listener

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// v2 builds a header of version 2.
func v2(command, family byte, body string) string {
	return proxyV2Start + string([]byte{command, family}) + string(binary.BigEndian.AppendUint16(nil, uint16(len(body)))) + body
}

const (
	v2Body4 = "\xcb\x00\x71\x09\xc0\x00\x02\x01\x12\x67\x01\xbb" // 203.0.113.9:4711 to 192.0.2.1:443
	v2Body6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x12\x67\x01\xbb"
)

var proxyHeaders = map[string]struct {
	bytes string
	want  string // the client; empty for none
	err   error
}{
	"v1 over IPv4":                      {"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n", "203.0.113.9:4711", nil},
	"v1 over IPv6":                      {"PROXY TCP6 2001:db8::9 2001:db8::1 4711 443\r\n", "[2001:db8::9]:4711", nil},
	"v1 over mapped IPv6":               {"PROXY TCP6 ::ffff:203.0.113.9 ::ffff:192.0.2.1 4711 443\r\n", "203.0.113.9:4711", nil},
	"v1 that does not know":             {"PROXY UNKNOWN\r\n", "", nil},
	"v1 that does not know, and talks":  {"PROXY UNKNOWN 203.0.113.9 192.0.2.1 4711 443\r\n", "", nil},
	"v1 with a host name":               {"PROXY TCP4 client.test 192.0.2.1 4711 443\r\n", "", errProxyAddress},
	"v1 with the other family":          {"PROXY TCP4 2001:db8::9 2001:db8::1 4711 443\r\n", "", errProxyAddress},
	"v1 with a zone":                    {"PROXY TCP6 fe80::1%eth0 2001:db8::1 4711 443\r\n", "", errProxyAddress},
	"v1 with a large port":              {"PROXY TCP4 203.0.113.9 192.0.2.1 65536 443\r\n", "", errProxyAddress},
	"v1 with a padded port":             {"PROXY TCP4 203.0.113.9 192.0.2.1 04711 443\r\n", "", errProxyAddress},
	"v1 with a signed port":             {"PROXY TCP4 203.0.113.9 192.0.2.1 +4711 443\r\n", "", errProxyAddress},
	"v1 without ports":                  {"PROXY TCP4 203.0.113.9 192.0.2.1\r\n", "", errProxyLine},
	"v1 with two spaces":                {"PROXY TCP4  203.0.113.9 192.0.2.1 4711 443\r\n", "", errProxyLine},
	"v1 with more":                      {"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443 x\r\n", "", errProxyLine},
	"v1 about UDP":                      {"PROXY UDP4 203.0.113.9 192.0.2.1 4711 443\r\n", "", errProxyLine},
	"v1 with a bare line feed":          {"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\nGET / HTTP/1.1\r\n", "", errProxyLine},
	"v1 in small letters":               {"proxy TCP4 203.0.113.9 192.0.2.1 4711 443\r\n", "", errNotProxy},
	"v1 longer than allowed":            {"PROXY UNKNOWN " + strings.Repeat("x", proxyV1Max) + "\r\n", "", errProxyLine},
	"v1 that ends too soon":             {"PROXY TCP4 203.0.113.9", "", errMore},
	"v2 over IPv4":                      {v2(proxyProxy, familyTCP4, v2Body4), "203.0.113.9:4711", nil},
	"v2 over IPv6":                      {v2(proxyProxy, familyTCP6, v2Body6), "[2001:db8::9]:4711", nil},
	"v2 with extensions":                {v2(proxyProxy, familyTCP4, v2Body4+"\x04\x00\x03abc"), "203.0.113.9:4711", nil},
	"v2 for itself":                     {v2(proxyLocal, familyTCP4, v2Body4), "", nil},
	"v2 unspecified":                    {v2(proxyProxy, familyUnspecified, ""), "", nil},
	"v2 over a Unix socket":             {v2(proxyProxy, familyUnix, strings.Repeat("/", 216)), "", nil},
	"v2 about UDP":                      {v2(proxyProxy, 0x12, v2Body4), "", errProxyFamily},
	"v2 too short for its family":       {v2(proxyProxy, familyTCP6, v2Body4), "", errProxyAddress},
	"v2 with an unknown command":        {v2(0x22, familyTCP4, v2Body4), "", errProxyCommand},
	"v2 of version 1":                   {v2(0x11, familyTCP4, v2Body4), "", errProxyCommand},
	"v2 of version 3":                   {v2(0x31, familyTCP4, v2Body4), "", errProxyCommand},
	"v2 larger than anybody's":          {v2(proxyProxy, familyTCP4, strings.Repeat("x", maxProxyBytes)), "", errProxyTooLarge},
	"v2 that ends too soon":             {v2(proxyProxy, familyTCP4, v2Body4)[:20], "", errMore},
	"v2 that ends within its beginning": {proxyV2Start[:5], "", errMore},
	"an HTTP request":                   {"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "", errNotProxy},
	"a TLS handshake":                   {"\x16\x03\x01\x02\x00\x01", "", errNotProxy},
}

func TestPROXYHeaders(t *testing.T) {
	t.Parallel()
	for name, c := range proxyHeaders {
		source, length, err := parseProxyHeader([]byte(c.bytes))
		if !errors.Is(err, c.err) || (c.err == nil && length != len(c.bytes)) || source.IsValid() != (c.want != "") || c.want != "" && source.String() != c.want {
			t.Errorf("%s: %v, %d, %v", name, source, length, err)
		}
	}
}

// Whatever comes, the parser neither reads past what it was given nor changes its mind when more comes.
func FuzzPROXYHeader(f *testing.F) {
	for _, c := range proxyHeaders {
		f.Add([]byte(c.bytes))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		source, length, err := parseProxyHeader(b)
		switch {
		case err == nil && (length <= 0 || length > len(b) || length > maxProxyBytes):
			t.Fatalf("a header of %d in %d bytes", length, len(b))
		case err != nil && (length != 0 || source.IsValid()):
			t.Fatalf("an error with a result: %v, %d, %v", source, length, err)
		case errors.Is(err, errMore):
			if len(b) >= maxProxyBytes {
				t.Fatal("more is asked for without end")
			}
			return
		}
		again, sameLength, sameErr := parseProxyHeader(append(b[:len(b):len(b)], "GET / HTTP/1.1\r\n\r\n"...))
		if again != source || sameLength != length || sameErr != err {
			t.Fatalf("with more bytes %v, %d, %v becomes %v, %d, %v", source, length, err, again, sameLength, sameErr)
		}
		if err == nil {
			for i := range length {
				if _, _, err := parseProxyHeader(b[:i]); !errors.Is(err, errMore) {
					t.Fatalf("%d of %d bytes: %v", i, length, err)
				}
			}
		}
	})
}

// whence answers with what the server takes for the client's address, and whether a proxy at that address
// would be believed.
var whence = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	everybody := NewTrustedProxies([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}, nil)
	client, _ := everybody.Client(r)
	_, _ = io.WriteString(w, client.Addr.String())
	if !client.Trusted {
		_, _ = io.WriteString(w, " untrusted")
	}
	w.Header().Set("X-Remote", r.RemoteAddr)
})

const getRoot = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"

// answerTo sends bytes in two pieces and returns the body of the answer, or "closed".
func answerTo(t *testing.T, address, first, second string) string {
	t.Helper()
	c := dial(t, address)
	if _, err := io.WriteString(c, first); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, second) // a refused header may have closed the connection by now
	return bodyFrom(t, c)
}

func bodyFrom(t *testing.T, c net.Conn) string {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "closed"
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		return response.Status
	}
	return string(body)
}

func TestAConfiguredPeerNamesTheClient(t *testing.T) {
	t.Parallel()
	var log lines
	address := serve(t, Spec{ProxyFrom: prefixes(t, "127.0.0.0/8"), Log: log.logger()}, whence)
	for name, c := range map[string]struct{ first, second, want string }{
		"v1":                              {"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n" + getRoot, "", "203.0.113.9"},
		"v1 in two pieces":                {"PROXY TCP4 203.0.1", "13.9 192.0.2.1 4711 443\r\n" + getRoot, "203.0.113.9"},
		"v1, the request apart":           {"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n", getRoot, "203.0.113.9"},
		"v2 over IPv6":                    {v2(proxyProxy, familyTCP6, v2Body6) + getRoot, "", "2001:db8::9"},
		"v2 with many extensions":         {v2(proxyProxy, familyTCP4, v2Body4+"\x04\x08\x00"+strings.Repeat("x", 2048)), getRoot, "203.0.113.9"},
		"for itself":                      {v2(proxyLocal, familyUnspecified, "") + getRoot, "", "127.0.0.1 untrusted"},
		"that does not know":              {"PROXY UNKNOWN\r\n" + getRoot, "", "127.0.0.1 untrusted"},
		"without a header":                {getRoot, "", "closed"},
		"with a malformed one":            {"PROXY TCP4 x\r\n" + getRoot, "", "closed"},
		"two headers: the second is HTTP": {"PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n" + getRoot, "", "400 Bad Request"},
	} {
		if got := answerTo(t, address, c.first, c.second); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if n := log.count("without a valid PROXY protocol header"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

func TestALookAtThePortIsNoFault(t *testing.T) {
	t.Parallel()
	l := listenTCP(t)
	dial(t, l.Addr().String()).Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := &proxyConn{Conn: accepted, refused: func(err error) { t.Errorf("refused: %v", err) }}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
}

func TestTheBytesOfOtherPeersAreNoPROXYHeader(t *testing.T) {
	t.Parallel()
	address := serve(t, Spec{ProxyFrom: prefixes(t, "192.0.2.0/24")}, whence)
	// In one piece: what comes when the connection is closed already resets it, and the answer is lost.
	if got := answerTo(t, address, "PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n"+getRoot, ""); got != "400 Bad Request" {
		t.Errorf("a header from a stranger: %s", got)
	}
	if got := answerTo(t, address, getRoot, ""); got != "127.0.0.1" {
		t.Errorf("a stranger's request: %s", got)
	}
}

func TestThePROXYHeaderComesBeforeTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	address := serve(t, Spec{Certificates: load(t, a.write("a", order{names: []string{"a.test"}})), ProxyFrom: prefixes(t, "127.0.0.1/32")}, whence)
	c := dial(t, address)
	if _, err := io.WriteString(c, "PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n"); err != nil {
		t.Fatal(err)
	}
	secured := tls.Client(c, &tls.Config{ServerName: "a.test", RootCAs: a.pool})
	if _, err := io.WriteString(secured, getRoot); err != nil {
		t.Fatal(err)
	}
	if got := bodyFrom(t, secured); got != "203.0.113.9" {
		t.Error(got)
	}
}

// A peer that is slow with its header holds up nobody else.
func TestOthersAreServedWhileAPeerIsSilent(t *testing.T) {
	t.Parallel()
	address := serve(t, Spec{ProxyFrom: prefixes(t, "127.0.0.1/32")}, whence)
	if _, err := io.WriteString(dial(t, address), "PROXY TCP4"); err != nil {
		t.Fatal(err)
	}
	if got := answerTo(t, address, "PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n", getRoot); got != "203.0.113.9" {
		t.Errorf("another gets %s", got)
	}
}

func TestASilentPeerIsCutOffAndADoneOneMayBeSlow(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{"PROXY TCP4": false, "PROXY UNKNOWN\r\n": true} {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			var refusal error
			c := &proxyConn{Conn: server, refused: func(err error) { refusal = err }}
			go func() {
				_, _ = io.WriteString(client, header)
				time.Sleep(2 * proxyTimeout)
				_, _ = io.WriteString(client, "x")
			}()
			n, err := c.Read(make([]byte, 1))
			if done := n == 1 && err == nil; done != want || want != (refusal == nil) {
				t.Errorf("after %q: %d bytes, %v, refused with %v", header, n, err, refusal)
			}
			time.Sleep(3 * proxyTimeout)
		})
	}
}
