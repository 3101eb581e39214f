package listener

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
)

// codes answers every request with the code for its Host.
var codes = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, strconv.Itoa(HostCode(r, r.Host)))
})

func TestAHostBelongsOnConnectionsWhoseCertificateNamesIt(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	strict := a.write("strict", order{names: []string{"strict.apps.test"}})
	strict.MinVersion = tls.VersionTLS13
	address := serve(t, Spec{Certificates: load(t,
		a.write("default", order{names: []string{"gate.test", "192.0.2.7"}}),
		a.write("wild", order{names: []string{"*.apps.test"}}),
		a.write("other", order{names: []string{"other.test"}}),
		strict,
	)}, codes)
	for _, c := range []struct {
		sni, host string
		want      int
	}{
		{"one.apps.test", "one.apps.test", 0},
		{"one.apps.test", "two.apps.test", 0}, // one wildcard certificate: HTTP/2 coalesces
		{"one.apps.test", "a.two.apps.test", CodeNoCertificate},
		{"one.apps.test", "apps.test", CodeNoCertificate},
		{"one.apps.test", "other.test", CodeOtherConnection},
		{"one.apps.test", "gate.test", CodeOtherConnection},
		{"one.apps.test", "evil.test", CodeNoCertificate},
		{"one.apps.test", "strict.apps.test", CodeOtherConnection}, // its own handshake would demand TLS 1.3
		{"strict.apps.test", "one.apps.test", CodeOtherConnection},
		{"", "gate.test", 0},
		{"", "192.0.2.7", 0},
		{"", "192.0.2.8", CodeNoCertificate},
		{"", "one.apps.test", CodeOtherConnection},
		{"evil.test", "gate.test", 0},
		{"evil.test", "evil.test", CodeNoCertificate},
	} {
		for _, protocol := range []string{"http/1.1", "h2"} {
			if got := codeFor(t, address, c.sni, c.host, protocol); got != c.want {
				t.Errorf("SNI %q, Host %q over %s: code %d", c.sni, c.host, protocol, got)
			}
		}
	}
}

func TestAResumedSessionKnowsItsCertificate(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	address := serve(t, Spec{Certificates: load(t,
		a.write("default", order{names: []string{"gate.test"}}), a.write("other", order{names: []string{"other.test"}}),
	)}, codes)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{ServerName: "other.test", RootCAs: a.pool, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
		for i, want := range []bool{false, true} {
			for host, code := range map[string]string{"other.test": "0", "gate.test": "51"} {
				c := tls.Client(dial(t, address), config)
				if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host); err != nil {
					t.Fatal(err)
				}
				response, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(response.Body)
				if resumed := c.ConnectionState().DidResume; string(body) != code || want && !resumed {
					t.Errorf("round %d of version %x: resumed %v, code %s for %s", i, version, resumed, body, host)
				}
			}
		}
	}
}

func TestWithoutTLSOfOursEveryHostMayBeAskedFor(t *testing.T) {
	t.Parallel()
	address := serve(t, Spec{}, codes)
	response, err := http.Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); string(body) != "0" {
		t.Errorf("code %s", body)
	}
}

func codeFor(t *testing.T, address, sni, host, protocol string) int {
	t.Helper()
	c := tls.Client(dial(t, address), &tls.Config{ServerName: sni, InsecureSkipVerify: true, NextProtos: []string{protocol}})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	transport := &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{}, DialTLSContext: dialed(c)}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+host+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatalf("SNI %q, Host %q over %s: %v", sni, host, protocol, err)
	}
	defer response.Body.Close()
	if want := map[string]int{"h2": 2, "http/1.1": 1}[protocol]; response.ProtoMajor != want {
		t.Fatalf("the server speaks %s", response.Proto)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	code, err := strconv.Atoi(string(body))
	if err != nil {
		t.Fatal(err)
	}
	return code
}
