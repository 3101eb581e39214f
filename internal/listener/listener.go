// Package listener owns the server side of connections: protocols, limits, time-outs and drain. It knows
// nothing of what is served.
package listener

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of every connection.
const (
	maxHeaderBytes    = 64 << 10
	readHeaderTimeout = 10 * time.Second
	// readTimeout bounds a request with its body: net/http reads what is left of a body before it sends an answer,
	// and whoever announces one and does not send it would hold the connection for ever. Whoever
	// forwards a request to an application takes the deadline off.
	readTimeout = 30 * time.Second
	idleTimeout = 2 * time.Minute
	// DrainTimeout is how long exchanges under way may go on once a server in production is asked to stop.
	DrainTimeout = 10 * time.Second
)

// Serve answers HTTP/1.1 and HTTP/2 without TLS (h2c, prior knowledge) on l until the context ends; then it takes
// no new connections and gives exchanges under way the drain time. A drained end is nil.
func Serve(ctx context.Context, l net.Listener, handler http.Handler, logger *slog.Logger, drainTime time.Duration) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler: handler,
		// OPTIONS * is the application's to answer, like every other request.
		DisableGeneralOptionsHandler: true,
		Protocols:                    protocols,
		MaxHeaderBytes:               maxHeaderBytes,
		ReadHeaderTimeout:            readHeaderTimeout,
		ReadTimeout:                  readTimeout,
		IdleTimeout:                  idleTimeout,
		ErrorLog:                     log.New(warnings{logger}, "", 0),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		_ = server.Close()
		if !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("stopping %s: %w", l.Addr(), err)
		}
		logger.Warn("some exchanges were cut off at the end of the drain", "listener", l.Addr().String(), "after", drainTime)
	}
	return nil
}

// warnings turns net/http's own lines into records.
type warnings struct{ log *slog.Logger }

func (w warnings) Write(p []byte) (int, error) {
	w.log.Debug("connection", "detail", string(p))
	return len(p), nil
}
