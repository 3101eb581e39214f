package server_test

import (
	"net/http"
	"strings"
	"testing"
)

// After any other upgrade than WebSocket the client might speak HTTP with the application on the same connection,
// past the gate: requests that nobody decided on, with identity headers of its own making.
func TestOnlyWebSocketIsUpgradedTo(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.app.say(func(r *http.Request) string {
		if protocol := r.Header.Get("Upgrade"); protocol != "" {
			return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n"
		}
		return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	})
	for _, lines := range [][]string{
		{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"},
		{"Connection: upgrade", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"},
		{"Connection: upgrade", "Upgrade: H2C"},
		{"Connection: upgrade", "Upgrade: websocket, h2c"},
		{"Connection: upgrade", "Upgrade: HTTP/2.0"},
		{"Connection: upgrade", "Upgrade: TLS/1.2, HTTP/1.1"},
		{"Connection: upgrade", "Upgrade: websocket/13"},
	} {
		request := "GET / HTTP/1.1\r\nHost: app.test\r\n" + g.as("alice@example.com", private) + "\r\n" + joinLines(lines) + "\r\n"
		response, _ := g.raw(request)
		seen := g.app.last()
		if response.StatusCode != http.StatusOK || strings.Contains(seen, "Upgrade") || strings.Contains(seen, "upgrade") || strings.Contains(strings.ToLower(seen), "http2-settings") {
			t.Errorf("%q: status %d, the app received:\n%s", lines, response.StatusCode, seen)
		}
	}
}

// The Accept below is that to the client's key (RFC 6455, section 1.3). What answers with it without having been told
// the key has not made it, and need not speak WebSocket.
func TestAnAppProvesThatItSpeaksWebSocketWithAKeyThatItWasSent(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.app.say(func(*http.Request) string {
		return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	})
	for connection, want := range map[string]int{"Upgrade": http.StatusSwitchingProtocols, "Upgrade, sec-websocket-key": http.StatusBadGateway} {
		response, _ := g.raw("GET / HTTP/1.1\r\nHost: app.test\r\n" + g.as("alice@example.com", private) + "\r\nConnection: " + connection +
			"\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		if sent := len(headerOf(g.app.last(), "Sec-Websocket-Key")) == 1; response.StatusCode != want || sent != (want == http.StatusSwitchingProtocols) {
			t.Errorf("Connection: %s: status %d, the key was sent: %v", connection, response.StatusCode, sent)
		}
	}
}
