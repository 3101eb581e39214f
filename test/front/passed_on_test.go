package front

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// passesTLS is HAProxy as a load balancer that opens no TLS, with a version of the PROXY protocol.
func passesTLS(send string) program {
	return program{
		example: "haproxy-passes-tls",
		gate: func(w *world) []string {
			return []string{"127.0.0.1:8443", "127.0.0.1:0", "/etc/gatehouse/tls.crt", w.certFile, "/etc/gatehouse/tls.key", w.keyFile}
		},
		command: func(w *world) (check, run *exec.Cmd) {
			w.plain = harness.FreePort(w.t)
			file := w.write("haproxy.cfg", w.example("haproxy-passes-tls", "haproxy.cfg",
				"bind :80", "bind 127.0.0.1:"+w.plain, "bind :443", "bind 127.0.0.1:"+w.port,
				"gatehouse 127.0.0.1:8443", "gatehouse "+w.listeners[0], "gatehouse 127.0.0.1:8080", "gatehouse "+w.listeners[1],
				" send-proxy-v2", " "+send))
			return checkAndRunHAProxy(w, file)
		},
	}
}

func TestBehindALoadBalancerThatPassesTLSOn(t *testing.T) {
	t.Parallel()
	app := application(t)
	for name, send := range map[string]string{"version 1": "send-proxy", "version 2": "send-proxy-v2"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, passesTLS(send), app)
			for version, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
				client := w.client(http2)
				t.Run("people sign in over "+version, func(*testing.T) { w.signIn(client) })
				t.Run("the client's own address counts over "+version, func(t *testing.T) { w.addresses(t, client) })
				t.Run("lies stay outside over "+version, func(t *testing.T) { w.lies(t, client) })
				t.Run("targets and bodies pass as they are over "+version, func(t *testing.T) { w.targets(t, client) })
			}
			t.Run("a person signs in with a browser", w.browse)
			t.Run("a WebSocket is opened", w.webSocket)
			t.Run("plain HTTP is sent to https", w.plainHTTP)
			t.Run("nobody writes the load balancer's header", w.forgedHeaders)
		})
	}
}

func (w *world) plainHTTP(t *testing.T) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientAddress)}}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: redirectTo(dialer, "127.0.0.1:"+w.plain)}
	client := &http.Client{Transport: transport, Timeout: harness.Patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer := harness.Get(t, client, "http://app.example.com/a?b=1")
	if location := answer.Header.Get("Location"); answer.StatusCode != http.StatusMovedPermanently || location != w.url("/a?b=1") {
		t.Errorf("%d, to %q", answer.StatusCode, location)
	}
}

// forgedHeaders has clients write a PROXY header of their own: through the load balancer, whose own stands before it,
// and past it. And the load balancer's address alone opens nothing.
func (w *world) forgedHeaders(t *testing.T) {
	const forged = "PROXY TCP4 6.6.6.6 127.0.0.1 1000 443\r\n"
	for name, c := range map[string]struct {
		address, from, first string
		works                bool
	}{
		"through the load balancer":                    {"127.0.0.1:" + w.port, clientAddress, "", true},
		"through it, with a header":                    {"127.0.0.1:" + w.port, clientAddress, forged, false},
		"past it":                                      {w.gate, clientAddress, "", true},
		"past it, with a header":                       {w.gate, clientAddress, forged, false},
		"from the load balancer's address, without":    {w.gate, "127.0.0.1", "", false},
		"from the load balancer's address, with noise": {w.gate, "127.0.0.1", "PROXY TCP4 mallory\r\n", false},
	} {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.from)}, Timeout: harness.Patience}
		conn, err := dialer.Dial("tcp", c.address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(harness.Patience))
		fmt.Fprint(conn, c.first)
		secured := tls.Client(conn, w.tls())
		if err := secured.Handshake(); (err == nil) != c.works {
			t.Errorf("%s: %v", name, err)
		}
		if c.works {
			fmt.Fprint(secured, "GET / HTTP/1.1\r\nHost: app.example.com\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n")
			if answer, err := io.ReadAll(secured); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 302 ") {
				t.Errorf("%s: %v\n%s", name, err, answer)
			}
		}
		conn.Close()
	}
	w.served.AwaitLine(t, "a connection without a valid PROXY protocol header was closed")
}
