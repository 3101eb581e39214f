package server_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/requestid"
)

// garbage is the address of an application that speaks nothing that anybody knows.
func garbage(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<h1>What?</h1>")
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// half is an application that breaks off in the midst of a message.
func half(t *testing.T) string {
	t.Helper()
	app := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		_, _ = io.WriteString(w, "\x00\x00\x00\x00\x09half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	app.Config.Protocols = new(http.Protocols)
	app.Config.Protocols.SetUnencryptedHTTP2(true)
	app.Start()
	t.Cleanup(app.Close)
	return app.Listener.Addr().String()
}

// call sends one of the given content type over HTTP/2, with a body of ten bytes.
func call(t *testing.T, e *endless, contentType string) (*http.Response, string) {
	t.Helper()
	r := request(t, http.MethodPost, "http://open.test/pkg.Service/Method", "Te: trailers", strings.NewReader("\x00\x00\x00\x00\x05hello"))
	r.Header.Set("Content-Type", contentType)
	response, err := e.client(t, true).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response, readRest(response.Body)
}

func TestACallThatItsApplicationDoesNotAnswerGetsAStatusOfGRPC(t *testing.T) {
	t.Parallel()
	e := &endless{gate: startGate(t)}
	broken := func(upstream string, edit func(*catalog.Service)) {
		e.reach(open, func(s *catalog.Service) {
			s.Upstream = upstream
			if edit != nil {
				edit(s)
			}
		})
	}
	impatient := func(s *catalog.Service) {
		s.UpstreamTimeouts = &catalog.UpstreamTimeouts{ConnectSec: 1, FirstByteSec: 1}
	}
	expect := func(t *testing.T, code, reason string) *http.Response {
		t.Helper()
		response, body := call(t, e, "application/grpc+proto")
		h := response.Header
		if response.StatusCode != http.StatusOK || h.Get("Content-Type") != "application/grpc" || h.Get("Grpc-Status") != code || body != " EOF" {
			t.Fatalf("%d %v %q", response.StatusCode, h, body)
		}
		if message := h.Get("Grpc-Message"); !strings.HasPrefix(message, reason+":%20") || !strings.HasSuffix(message, "%20%28"+h.Get(requestid.Header)+"%29") {
			t.Errorf("the message is %q, and the request is called %q", message, h.Get(requestid.Header))
		}
		if h.Get("X-Goog-IAP-Generated-Response") != "true" {
			t.Error("nothing says that the answer is the gate's")
		}
		return response
	}

	t.Run("an application that is down", func(t *testing.T) {
		broken("h2c://"+refusing(t), nil)
		expect(t, "14", "upstream_failed")
	})
	t.Run("one that speaks another protocol", func(t *testing.T) {
		broken("h2c://"+garbage(t), nil)
		expect(t, "14", "upstream_failed")
	})
	t.Run("one that does not answer in time", func(t *testing.T) {
		broken("h2c://"+mute(t), impatient)
		expect(t, "4", "upstream_failed")
	})
	t.Run("one that is left alone, because it could not be connected to", func(t *testing.T) {
		broken("https://"+mute(t), impatient)
		var together sync.WaitGroup
		for range 5 {
			together.Go(func() { expect(t, "4", "upstream_failed") })
		}
		together.Wait()
		if after := expect(t, "14", "upstream_failed").Header.Get("Retry-After"); after == "" {
			t.Error("nothing says when to call again")
		}
	})
	t.Run("a message that is longer than the service takes", func(t *testing.T) {
		broken("h2c://"+half(t), func(s *catalog.Service) { s.MaxBodyBytes = 9 })
		expect(t, "8", "body_too_large")
	})
	t.Run("an answer that has begun is reset", func(t *testing.T) {
		broken("h2c://"+half(t), nil)
		response, body := call(t, e, "application/grpc")
		if response.StatusCode != http.StatusOK || body != "\x00\x00\x00\x00\x09half reset" || response.Trailer.Get("Grpc-Status") != "" {
			t.Errorf("%d %q %v", response.StatusCode, body, response.Trailer)
		}
	})
	t.Run("what is no call of gRPC gets a page", func(t *testing.T) {
		broken("h2c://"+refusing(t), nil)
		for _, contentType := range []string{"application/grpc-web", "application/json"} {
			response, body := call(t, e, contentType)
			if response.StatusCode != http.StatusBadGateway || response.Header.Get("Grpc-Status") != "" || !strings.Contains(body, "upstream_failed") {
				t.Errorf("%s: %d %q", contentType, response.StatusCode, body)
			}
		}
		response, body := e.raw("POST / HTTP/1.1\r\nHost: open.test\r\nContent-Type: application/grpc\r\nContent-Length: 1\r\n\r\nx")
		if response.StatusCode != http.StatusBadGateway || !strings.Contains(body, "upstream_failed") {
			t.Errorf("over HTTP/1.1: %d %q", response.StatusCode, body)
		}
	})
}
