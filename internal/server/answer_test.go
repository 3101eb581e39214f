package server_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// answer sends a GET to the application whose gate is off and returns every byte that comes back.
func (g *gate) answer(lines ...string) string {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.address)
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: open.test\r\nConnection: close\r\n"+joinLines(lines)+"\r\n"); err != nil {
		g.t.Fatal(err)
	}
	all, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		g.t.Fatal(err)
	}
	return string(all)
}

// ours are header lines with which an application would speak as the gate. Each has the word "mallory" in it.
const ours = "X-Goog-Iap-Generated-Response: mallory\r\nX_Goog_Iap_Mallory: mallory\r\nSet-Cookie: GCP_IAP_UID=mallory\r\n" +
	"Set-Cookie: \t__Host-GCP_IAP_AUTH_TOKEN_0123456789abcdef =mallory; Path=/; Secure\r\n"

func TestTheAppCannotSpeakAsTheGateInInformationalResponses(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	g.app.say(func(*http.Request) string {
		return "HTTP/1.1 103 Early Hints\r\nLink: </own.css>; rel=preload\r\n" + ours + "\r\n" +
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	})
	if seen := g.answer(); strings.Contains(seen, "mallory") || !strings.Contains(seen, "103 Early Hints\r\nLink: </own.css>") {
		t.Errorf("the client received:\n%s", seen)
	}
}

func TestTheAppCannotSpeakAsTheGateInTrailers(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for name, announced := range map[string]string{
		"announced": "Trailer: X-Sum, X-Goog-Iap-Generated-Response, X_Goog_Iap_Mallory, Set-Cookie\r\n", "unannounced": "", "some announced": "Trailer: X-Sum\r\n",
	} {
		g.app.say(func(*http.Request) string {
			return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n" + announced + "\r\n" +
				"2\r\nhi\r\n0\r\nX-Sum: 42\r\n" + ours + "\r\n"
		})
		if seen := g.answer("TE: trailers"); strings.Contains(seen, "mallory") || strings.Contains(seen, "Mallory") || !strings.Contains(seen, "\r\nX-Sum: 42\r\n") {
			t.Errorf("%s: the client received:\n%s", name, seen)
		}
	}
}

// A browser keeps "=NAME=VALUE" as a cookie without a name, and sends it as NAME=VALUE (RFC 6265bis, section 5.7).
func TestTheAppCannotSetOurCookiesInAnySpelling(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	for _, cookie := range []string{
		"GCP_IAP_UID=mallory", "gcp_iap_uid=mallory", " GCP_IAP_UID =mallory", "\tGCP_IAP_UID\t=mallory", "GCP_IAP_UID=mallory; Domain=test",
		"=GCP_IAP_UID=mallory", " = GCP_IAP_UID=mallory", "==GCP_IAP_UID=mallory", "=__Host-GCP_IAP_AUTH_TOKEN_0=mallory; Path=/; Secure", "GCP_IAP_UID_mallory",
	} {
		g.app.say(func(*http.Request) string {
			return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\nSet-Cookie: own==GCP_IAP_UID=1\r\nSet-Cookie: " + cookie + "\r\n\r\n"
		})
		if seen := g.answer(); strings.Contains(seen, "mallory") || !strings.Contains(seen, "Set-Cookie: own==GCP_IAP_UID=1\r\n") {
			t.Errorf("%q: the client received:\n%s", cookie, seen)
		}
	}
}
