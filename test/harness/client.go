package harness

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Client returns an HTTP client that resolves *.localhost as browsers do, follows no redirect and, with a jar,
// keeps cookies.
func Client(jar http.CookieJar) *http.Client {
	transport := Connections()
	transport.DisableKeepAlives = true // a gate that was killed leaves none behind
	return clientOver(transport, jar)
}

// Connections are those of one browser. They resolve *.localhost as browsers do.
func Connections() *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err == nil && (host == "localhost" || strings.HasSuffix(host, ".localhost")) {
				address = net.JoinHostPort("127.0.0.1", port)
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
}

func clientOver(transport *http.Transport, jar http.CookieJar) *http.Client {
	return &http.Client{
		Jar: jar, Timeout: Patience, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Answer is a response whose body has been read.
type Answer struct {
	*http.Response
	Text string
}

// Get sends a GET with headers given as name and value in turn.
func Get(t testing.TB, client *http.Client, url string, headers ...string) Answer {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	return Do(t, client, request)
}

// Do sends a request and reads its answer.
func Do(t testing.TB, client *http.Client, request *http.Request) Answer {
	t.Helper()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{Response: response, Text: string(body)}
}
