package googleendpoints

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/certauthority"
)

// world is a relay with a server that stands for the real host, and what it has logged.
type world struct {
	relay *Relay
	front *httptest.Server
	log   *bytes.Buffer
}

// relayTo relays to a server that proves to be host.
func relayTo(t *testing.T, host string, real http.HandlerFunc) *world {
	t.Helper()
	authority, err := certauthority.New(host, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := authority.Issue(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(real)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Certificate.Raw}, PrivateKey: leaf.Key}}}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(authority.Certificate)
	return newWorld(t, RelayOptions{Address: server.Listener.Addr().String(), Roots: roots})
}

func newWorld(t *testing.T, o RelayOptions) *world {
	t.Helper()
	w := &world{log: &bytes.Buffer{}}
	o.Log = slog.New(slog.NewTextHandler(w.log, nil))
	w.relay = NewRelay(o)
	w.front = httptest.NewUnstartedServer(w.relay)
	w.front.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	w.front.Start()
	t.Cleanup(w.front.Close)
	return w
}

func (w *world) get(t *testing.T, method, path string, header http.Header) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.front.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	response, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

func TestTheRelayHandsOnWhatTheRealHostSays(t *testing.T) {
	t.Parallel()
	var seen *http.Request
	w := relayTo(t, GStaticHost, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Clone(context.Background())
		h := w.Header()
		h.Set("Content-Encoding", "br")
		h.Set("Cache-Control", "public, max-age=86400")
		h.Set("Alt-Svc", `h3=":443"`)
		h.Set("Set-Cookie", "a=1")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, "part")
	})
	response, body, err := w.get(t, "GET", "/a%2Fb/c.js?x=%zz", http.Header{
		"Accept-Encoding": {"br"}, "Range": {"bytes=0-3"}, "Cookie": {"session=1"}, "Authorization": {"Bearer x"},
		"X-Goog-Iap-Jwt-Assertion": {"y"}, "X-Forwarded-For": {"192.0.2.1"}, "Referer": {"https://private.example/"},
		"Connection": {"X-Hop"}, "X-Hop": {"1"},
	})
	if err != nil || response.StatusCode != http.StatusPartialContent || body != "part" {
		t.Fatalf("%v %q %v", response, body, err)
	}
	if h := response.Header; h.Get("Content-Encoding") != "br" || h.Get("Cache-Control") == "" || h.Get("Alt-Svc") != "" || h.Get("Set-Cookie") != "" {
		t.Errorf("the client received %v", response.Header)
	}
	if seen.Host != GStaticHost || seen.RequestURI != "/a%2Fb/c.js?x=%zz" || seen.TLS.ServerName != GStaticHost {
		t.Errorf("the real host was asked for %s %s", seen.Host, seen.RequestURI)
	}
	for name := range seen.Header {
		if name != "Accept-Encoding" && name != "Range" && name != "User-Agent" && name != "Via" {
			t.Errorf("the real host was told %s: %q", name, seen.Header[name])
		}
	}
}

func TestTheRelayFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	w := relayTo(t, GStaticHost, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://internal.example/", http.StatusFound)
	})
	response, _, err := w.get(t, "HEAD", "/", nil)
	if err != nil || response.StatusCode != http.StatusFound || response.Header.Get("Location") != "https://internal.example/" {
		t.Errorf("%v %v", response, err)
	}
}

func TestAStrangerIsNotTakenForTheRealHost(t *testing.T) {
	t.Parallel()
	asked := false
	handler := func(http.ResponseWriter, *http.Request) { asked = true }
	byRoots := relayTo(t, GStaticHost, handler)
	byRoots.relay.transport.(*http.Transport).TLSClientConfig.RootCAs = x509.NewCertPool()
	for name, w := range map[string]*world{"a certificate for another host": relayTo(t, "www.example.com", handler), "a certificate of nobody's": byRoots} {
		response, body, err := w.get(t, "GET", "/", nil)
		if err != nil || response.StatusCode != http.StatusBadGateway || !strings.Contains(body, "cannot prove") || asked {
			t.Errorf("%s: %v %q %v", name, response, body, err)
		}
	}
}

func TestWhatComesBackInACircleIsRefused(t *testing.T) {
	t.Parallel()
	var w *world
	rounds := 0
	w = relayTo(t, GStaticHost, func(rw http.ResponseWriter, r *http.Request) {
		rounds++
		w.relay.ServeHTTP(rw, r) // a network that leads the relay to itself, by ways that addresses do not show
	})
	response, body, err := w.get(t, "GET", "/", nil)
	if err != nil || response.StatusCode != http.StatusLoopDetected || rounds != 1 || !strings.Contains(body, "googleEndpoints.relay.resolver") {
		t.Errorf("after %d rounds: %v %q %v", rounds, response, body, err)
	}
}

func TestANameThatLeadsBackToUsIsRefusedBeforeAnyConnection(t *testing.T) {
	t.Parallel()
	own := func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.IPv4(203, 0, 113, 7), Mask: net.CIDRMask(24, 32)}, &net.IPNet{IP: net.ParseIP("2001:db8::7"), Mask: net.CIDRMask(64, 128)}}, nil
	}
	for name, c := range map[string]struct {
		address string
		found   []string
		want    string // where it connects to; empty is nowhere
	}{
		"this machine's loopback":            {"", []string{"127.0.0.1", "127.0.0.2", "::1"}, ""},
		"this machine's loopback in IPv6":    {"", []string{"::ffff:127.0.0.1"}, ""},
		"this machine's address":             {"", []string{"203.0.113.7"}, ""},
		"this machine's address of IPv6":     {"", []string{"2001:db8::7"}, ""},
		"no address at all":                  {"", []string{"0.0.0.0"}, ""},
		"a cluster's service":                {"", []string{"10.96.0.10"}, ""},
		"a private network":                  {"", []string{"192.168.1.5", "fd00::1", "169.254.169.254", "100.64.0.1"}, ""},
		"the real host":                      {"", []string{"142.250.0.1"}, "142.250.0.1:443"},
		"us and the real host":               {"", []string{"127.0.0.1", "142.250.0.1"}, "142.250.0.1:443"},
		"a neighbour":                        {"", []string{"203.0.113.8"}, "203.0.113.8:443"},
		"an address that is given":           {"10.0.0.9:8443", nil, "10.0.0.9:8443"},
		"an address of ours, another port":   {"127.0.0.1:9443", nil, "127.0.0.1:9443"},
		"an address of ours and our port":    {"127.0.0.1:8443", nil, ""},
		"another address of ours, our port":  {"203.0.113.7:8443", nil, ""},
		"a name that is given, of ours":      {"egress.example:8443", []string{"203.0.113.7"}, ""},
		"a name that is given, of a private": {"egress.example:8443", []string{"10.0.0.1"}, "10.0.0.1:8443"},
	} {
		connected := ""
		d := newDialer(RelayOptions{Address: c.address, OwnPorts: []string{"8443"}})
		d.own = own
		d.lookup = func(context.Context, string) (list []netip.Addr, err error) {
			for _, address := range c.found {
				list = append(list, netip.MustParseAddr(address))
			}
			return list, nil
		}
		d.connect = func(_ context.Context, address string) (net.Conn, error) {
			connected = address
			return nil, io.EOF
		}
		_, err := d.dial(t.Context(), "tcp", GStaticHost+":443")
		if connected != c.want || (err == errLoop) != (c.want == "") {
			t.Errorf("%s: connected to %q, %v", name, connected, err)
		}
	}
}

func TestTheLoopIsNamedToClientAndLogOnceAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t, RelayOptions{Address: "127.0.0.1:8443", OwnPorts: []string{"8443"}})
	for range 3 {
		response, body, err := w.get(t, "GET", "/", nil)
		if err != nil || response.StatusCode != http.StatusLoopDetected || !strings.Contains(body, "leads back to this server") {
			t.Fatalf("%v %q %v", response, body, err)
		}
	}
	if n := strings.Count(w.log.String(), "leads back"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, w.log)
	}
}

func TestAnAnswerThatIsTooLargeIsNeverTakenForAWhole(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		size   int
		length bool
		fine   bool
	}{
		"as large as allowed":         {100, true, true},
		"as large, length not said":   {100, false, true},
		"larger, and it says so":      {101, true, false},
		"larger, and it does not say": {101, false, false},
	} {
		w := relayTo(t, GStaticHost, func(w http.ResponseWriter, _ *http.Request) {
			if c.length {
				w.Header().Set("Content-Length", fmt.Sprint(c.size))
			}
			_, _ = io.WriteString(w, strings.Repeat("x", c.size-1))
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "x")
		})
		w.relay.maxBody = 100
		response, body, err := w.get(t, "GET", "/", nil)
		if fine := err == nil && response.StatusCode == 200 && len(body) == c.size; fine != c.fine {
			t.Errorf("%s: %v, %d bytes, %v", name, response, len(body), err)
		}
	}
}

func TestAnAnswerThatBreaksOffIsNeverTakenForAWhole(t *testing.T) {
	t.Parallel()
	w := relayTo(t, GStaticHost, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	if response, body, err := w.get(t, "GET", "/", nil); err == nil {
		t.Errorf("%v %q", response, body)
	}
}

func TestARealHostThatSaysNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	w := relayTo(t, GStaticHost, func(http.ResponseWriter, *http.Request) { <-end })
	defer close(end)
	w.relay.timeout = 50 * time.Millisecond
	response, _, err := w.get(t, "GET", "/", nil)
	if err != nil || response.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("%v %v", response, err)
	}
}

func TestNoMoreThanSoManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, RelayOptions{Address: "127.0.0.1:1"})
	for range relayAtOnce {
		w.relay.places <- struct{}{}
	}
	response, _, err := w.get(t, "GET", "/", nil)
	if err != nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%v %v", response, err)
	}
}
