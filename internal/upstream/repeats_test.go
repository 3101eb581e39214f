package upstream_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gatehouse-iap/gatehouse/internal/upstream"
)

// multiplexer is an application that speaks HTTP/2 as no library does: the first request stumbles, and what comes later is
// answered. It returns its address, and counts requests and the bodies that have come whole.
func multiplexer(t *testing.T, config *tls.Config, stumble func(f *http2.Framer, stream uint32) (goesOn bool), requests, bodies *atomic.Int64) (address string) {
	t.Helper()
	return accept(t, config, func(conn net.Conn) { multiplex(conn, stumble, requests, bodies) })
}

func multiplex(conn net.Conn, stumble func(f *http2.Framer, stream uint32) bool, requests, bodies *atomic.Int64) {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	f := http2.NewFramer(conn, conn)
	_ = f.WriteSettings()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		if settings, is := frame.(*http2.SettingsFrame); is && !settings.IsAck() {
			_ = f.WriteSettingsAck()
		}
		if !frame.Header().Flags.Has(http2.FlagDataEndStream) || frame.Header().Type > http2.FrameHeaders {
			continue
		}
		if frame.Header().Type == http2.FrameData {
			bodies.Add(1)
		}
		if requests.Add(1) == 1 {
			if !stumble(f, frame.Header().StreamID) {
				return
			}
			continue
		}
		var block bytes.Buffer
		_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "200"}) // into memory
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: frame.Header().StreamID, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	}
}

// net/http sends again what was refused, and what met an error of the protocol, which says nothing of what the application
// has done.
func TestARequestOverHTTP2ThatMayHaveBeenTakenIsNotSentAgainWhereThatWouldMatter(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t, "ours")
	trust := upstream.TLS{CAFile: ours.file(), ServerName: "app.internal"}
	secure := &tls.Config{Certificates: []tls.Certificate{ours.issue("app.internal", time.Time{})}, NextProtos: []string{"h2"}}
	reset := func(code http2.ErrCode) func(f *http2.Framer, stream uint32) bool {
		return func(f *http2.Framer, stream uint32) bool { return f.WriteRSTStream(stream, code) == nil }
	}
	for reaction, stumble := range map[string]struct {
		does  func(f *http2.Framer, stream uint32) (goesOn bool)
		again bool // a request that may be repeated is
	}{
		"meets an error of the protocol": {reset(http2.ErrCodeProtocol), true},
		"is refused":                     {reset(http2.ErrCodeRefusedStream), true},
		"comes as the connection is given up": {func(f *http2.Framer, _ uint32) bool {
			_ = f.WriteGoAway(0, http2.ErrCodeNo, nil)
			return false
		}, true},
		"meets an error of the application":     {reset(http2.ErrCodeInternal), false},
		"comes before the connection is closed": {func(*http2.Framer, uint32) bool { return false }, false},
	} {
		for request, c := range map[string]struct {
			method, body string
			again        bool
		}{
			"a GET":              {"GET", "", true},
			"a POST":             {"POST", "", false},
			"a POST with a body": {"POST", "body", false},
			"a PUT with a body":  {"PUT", "body", false},
			"a DELETE":           {"DELETE", "", false},
		} {
			for _, scheme := range []string{"h2c", "https"} {
				t.Run(request+" that "+reaction+", "+scheme, func(t *testing.T) {
					t.Parallel()
					var requests, bodies atomic.Int64
					config, behind := upstream.Config{}, (*tls.Config)(nil)
					if scheme == "https" {
						config.TLS, behind = trust, secure
					}
					config.URL = scheme + "://" + multiplexer(t, behind, stumble.does, &requests, &bodies)
					up := one(t, &upstream.Pools{}, config)
					response, err := send(t, up, c.method, c.body)
					if err == nil {
						read(t, response)
					} else if status, _ := upstream.Answer(err); status != 502 {
						t.Errorf("status %d: %v", status, err)
					}
					if again := c.again && stumble.again; (err == nil) != again {
						t.Errorf("answered: %v, and should be: %v (%v)", err == nil, again, err)
					}
					if requests.Load() > 1 && !c.again || bodies.Load() > 1 {
						t.Errorf("the application saw %d requests and %d bodies", requests.Load(), bodies.Load())
					}
				})
			}
		}
	}
}
