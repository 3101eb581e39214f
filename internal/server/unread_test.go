package server_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/server"
)

// A client of HTTP/2 that gives a stream no room takes nothing of it, however lively its connection is.
func TestAStreamWithoutRoomIsNotHeldForEver(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/short" {
			_, _ = io.WriteString(w, "short")
			return
		}
		for err := error(nil); err == nil; {
			_, err = io.WriteString(w, strings.Repeat("more", 8<<10))
		}
	}))
	t.Cleanup(app.Close)
	g := startGate(t, func(o *server.Options) {
		var err error
		spec := listener.Spec{Address: "127.0.0.1:0", Limits: listener.Limits{SendTimeout: 200 * time.Millisecond}}
		if o.Listener, err = listener.Open(t.Context(), spec, nil); err != nil {
			t.Fatal(err)
		}
	})
	service := open
	service.Upstream, service.IAPDisabled = app.URL, true
	if err := g.server.Admin().PutService(t.Context(), admin.System("test"), service); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/short", "/endless"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", g.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
			var block bytes.Buffer
			encoder := hpack.NewEncoder(&block)
			for _, field := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "open.test"}, {":path", path}} {
				_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}) // into memory
			}
			if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
				t.Fatal(err)
			}
			framer := http2.NewFramer(conn, conn)
			_ = framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
			for {
				frame, err := framer.ReadFrame()
				if err != nil {
					t.Fatalf("the stream is not reset: %v", err)
				}
				if _, reset := frame.(*http2.RSTStreamFrame); reset {
					return
				}
			}
		})
	}
}
