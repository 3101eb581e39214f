package emulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// helloServer serves the built-in app on a loopback port of its own: it is an upstream like any other, and sees
// nothing of the gate but requests and public keys.
type helloServer struct {
	listener net.Listener
	server   *http.Server
	done     chan error
}

func startHello(handler http.Handler) (*helloServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot start the built-in app: %w", err)
	}
	h := &helloServer{
		listener: listener,
		server:   &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute},
		done:     make(chan error, 1),
	}
	go func() { h.done <- h.server.Serve(listener) }()
	return h, nil
}

func (h *helloServer) url() string { return "http://" + h.listener.Addr().String() }

// stop ends the app; requests that it still answers get a second.
func (h *helloServer) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := h.server.Shutdown(ctx); err != nil {
		h.server.Close()
	}
	if err := <-h.done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the built-in app: %w", err)
	}
	return nil
}
