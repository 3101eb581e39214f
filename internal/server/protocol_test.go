package server_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestHTTP2WithoutTLSObeysTheSameRules(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, g.address)
	}}
	defer transport.CloseIdleConnections()
	send := func(target string, lines ...string) *http.Response {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), "GET", "http://app.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.URL.Opaque = target
		for _, line := range append(lines, g.as("alice@example.com", private)) {
			name, value, _ := strings.Cut(line, ": ")
			request.Header[name] = append(request.Header[name], value)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response
	}
	response := send("/a%2Fb?x=%zz", "x-goog-iap-jwt-assertion: mallory", "x_goog_iap_jwt_assertion: mallory", "x-forwarded-for: mallory")
	seen := g.app.last()
	line, _, _ := strings.Cut(seen, "\r\n")
	if response.ProtoMajor != 2 || response.StatusCode != 200 || strings.Contains(seen, "mallory") || line != "GET /a%2Fb?x=%zz HTTP/1.1" {
		t.Errorf("%s %d; the app received:\n%s", response.Proto, response.StatusCode, seen)
	}
	if response := send("/a/%2e%2e/b"); response.StatusCode != 400 || g.app.last() != "" {
		t.Errorf("an encoded dot segment: status %d", response.StatusCode)
	}
}

func TestTwoHostsInOneRequestAreRefused(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for _, hosts := range [][2]string{{"open.test", "app.test"}, {"open.test", "evil.test"}, {"open.test", "OPEN.test"}} {
		status := g.frames(":method", "GET", ":scheme", "http", ":authority", hosts[0], ":path", "/", "host", hosts[1])
		if status != http.StatusBadRequest || g.app.last() != "" {
			t.Errorf("%q: status %d", hosts, status)
		}
	}
	if status := g.frames(":method", "GET", ":scheme", "http", ":authority", "open.test", ":path", "/", "host", "open.test"); status != http.StatusOK {
		t.Errorf("the same host twice: status %d", status)
	}
	if response, _ := g.raw("GET / HTTP/1.1\r\nHost: open.test\r\nHost: app.test\r\nConnection: close\r\n\r\n"); response.StatusCode != http.StatusBadRequest {
		t.Errorf("HTTP/1.1: status %d", response.StatusCode)
	}
}

func TestAnUpgradeCarriesTheAssertionAndNothingOfTheClients(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.app.say(func(*http.Request) string {
		return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x12hello from the app"
	})
	conn, err := net.Dial("tcp", g.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, err = io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade, X-Goog-Iap-Jwt-Assertion\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
		"X-Goog-Iap-Jwt-Assertion: mallory\r\nX_Goog_Iap_Jwt_Assertion: mallory\r\n"+g.as("alice@example.com", private)+"\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	hello := make([]byte, len("\x81\x12hello from the app"))
	if _, err := io.ReadFull(reader, hello); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d, %q, %v", response.StatusCode, hello, err)
	}
	seen := g.app.last()
	if strings.Contains(seen, "mallory") || len(headerOf(seen, "X-Goog-Iap-Jwt-Assertion")) != 1 {
		t.Errorf("the app received:\n%s", seen)
	}
}

func TestAnAppThatDoesNotAnswerIsAPageWithTheReason(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.app.say(func(*http.Request) string { return "garbage\r\n\r\n" })
	response, body := g.get("app.test", "/", g.as("alice@example.com", private), "Accept: text/html")
	if response.StatusCode != http.StatusBadGateway || response.Header.Get("X-Goog-IAP-Generated-Response") != "true" || !strings.Contains(body, "upstream_failed") {
		t.Errorf("status %d:\n%s", response.StatusCode, body)
	}
}

func TestBodiesPassInBothDirections(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.app.say(func(*http.Request) string {
		return "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	})
	response, body := g.raw("POST /p HTTP/1.1\r\nHost: open.test\r\nConnection: close\r\nContent-Length: 5\r\n\r\nworld")
	if seen := g.app.last(); !strings.HasSuffix(seen, "\r\n\r\nworld") || body != "hello" || response.StatusCode != 201 {
		t.Errorf("status %d, body %q, the app received:\n%s", response.StatusCode, body, seen)
	}
}

// Every route that the listener answers besides applications is listed with what guards it, for review.
func TestTheRoutesOfTheAuthHostAreTheReviewedOnes(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/routes.golden")
	if err != nil {
		t.Fatal(err)
	}
	g := startGate(t)
	if got := g.server.Routes(); got != string(want) {
		t.Errorf("the routes are\n%s\nreview them, then write them to testdata/routes.golden", got)
	}
}

func TestEveryAnswerOfTheAuthHostIsMarkedAsOurs(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for _, target := range []string{
		"/", "//", "//signin", "//evil.test", "/signin/", "/./signin", "/o/../signin", "/iap/verify", "/iap/verify/", "/iap/verify/x",
		"/iap/verify/../verify/public_key", "/_gcp_iap/static", "/_gcp_iap/static/", "/_gcp_iap/static/../x", "/.well-known/openid-configuration/",
		"/nothing", "/oauth2/v3/certs", "/signin/account",
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			response, body := g.raw(method + " " + target + " HTTP/1.1\r\nHost: auth.test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			if response.Header.Get("X-Goog-IAP-Generated-Response") != "true" || response.Header.Get("Location") != "" {
				t.Errorf("%s %s: %s, %v:\n%.100s", method, target, response.Status, response.Header, body)
			}
		}
	}
}
