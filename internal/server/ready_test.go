package server_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/server"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// The path of a socket has some 100 bytes: below a directory with a longer name the server opens, and cannot serve.
func TestWhoeverWaitsForAServerThatCannotServeIsTold(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(t.Context(), server.Options{
		DataDir: t.TempDir() + "/" + strings.Repeat("d", 100), External: signin.External{Scheme: "http", Port: 80}, AuthHost: "auth.test",
		ProjectID: "dev-project", ProjectNumber: 123456789012, Log: slog.New(slog.DiscardHandler), Now: time.Now, Listener: l,
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(t.Context()) }()
	waiting, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Ready(waiting); err == nil || waiting.Err() != nil {
		t.Errorf("Ready: %v", err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "socket") {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still takes connections")
	}
}
