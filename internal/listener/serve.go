package listener

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// What holds for every connection, besides its Limits.
const (
	// readTimeout bounds a request with its body: net/http reads what is left of a body before it sends an answer,
	// and whoever announces one and does not send it would hold the connection for ever. Whoever
	// forwards a request to an application takes the deadline off.
	readTimeout = 30 * time.Second
	// AnswerTimeout bounds the time from a request's header to the end of our answer: whoever asks for pages and does
	// not read them, or gives an HTTP/2 stream no room to be answered in, would hold their memory for ever. It is
	// longer than anything that we fetch for an answer may take. Whoever forwards a request to an application takes
	// it off.
	AnswerTimeout = 75 * time.Second
	// pingAfter and pingPatience end a connection of HTTP/2 whose client is gone, or has sent half a frame: HTTP/2 has
	// no deadline for a header, and one that never ends is answered with no ping.
	pingAfter    = 30 * time.Second
	pingPatience = 15 * time.Second
	// frameBytes is the longest frame of HTTP/2 that is taken, the least that there may be. A connection keeps room
	// for the longest one that it has seen.
	frameBytes = 16 << 10
	// DrainTimeout is how long exchanges under way may go on once a server in production is asked to stop.
	DrainTimeout = 10 * time.Second
	// arrivalTime is for how long the first request of a connection is waited for then.
	arrivalTime = time.Second
)

// Serve answers on l until the context ends; then it takes no new connections and gives exchanges under way
// the drain time. A drained end is nil. On a listener with certificates it speaks HTTP/1.1 and HTTP/2 over TLS, on
// any other HTTP/1.1 and HTTP/2 without TLS (h2c, prior knowledge).
func Serve(ctx context.Context, l net.Listener, handler http.Handler, logger *slog.Logger, drainTime time.Duration) error {
	own, ok := l.(*Listener)
	if !ok {
		var err error
		if own, err = (Spec{Log: logger}).listener(); err != nil {
			return err
		}
		own.Listener = l
	}
	serving := newServing(own, noting(handler), logger)
	ended := make(chan error, 1)
	go func() { ended <- serving.run(context.WithoutCancel(ctx)) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	_ = own.Close() // a socket that the service manager holds goes on taking connections, for the next process
	<-ended
	serving.lastAnswers()
	own.arrivals.await(min(arrivalTime, drainTime/2))
	if err := serving.shutdown(drain); err != nil {
		if !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("stopping %s: %w", l.Addr(), err)
		}
		logger.Warn("some exchanges were cut off at the end of the drain", "listener", l.Addr().String(), "after", drainTime)
	}
	return nil
}

func newServer(l *Listener, handler http.Handler, logger *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(l.TLS())
	protocols.SetUnencryptedHTTP2(!l.TLS())
	return &http.Server{
		Handler: handler,
		// OPTIONS * is the application's to answer, like every other request.
		DisableGeneralOptionsHandler: true,
		Protocols:                    protocols,
		TLSConfig:                    l.tls,
		ConnContext:                  withConn,
		ConnState:                    tracking,
		MaxHeaderBytes:               l.spec.Limits.hardHeaderBytes(),
		ReadHeaderTimeout:            l.spec.Limits.HeaderTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 AnswerTimeout,
		IdleTimeout:                  l.spec.Limits.IdleTimeout,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: l.spec.Limits.MaxStreams, MaxReadFrameSize: frameBytes,
			SendPingTimeout: pingAfter, PingTimeout: pingPatience, CountError: l.spec.Counts.ofHTTP2,
		},
		ErrorLog: log.New(warnings{logger, l.spec.Counts}, "", 0),
	}
}

// warnings turns net/http's own lines into records, and counts those that say why a connection of HTTP/2 ended: it
// tells nobody else.
type warnings struct {
	log    *slog.Logger
	counts *Counts
}

func (w warnings) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("http2: server connection error from ")) {
		w.counts.connections[HTTP2Broken].Add(1)
	}
	w.log.Debug("connection", "detail", string(p))
	return len(p), nil
}
