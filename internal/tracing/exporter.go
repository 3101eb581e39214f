package tracing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

const (
	exportTimeout = 15 * time.Second // for one batch, with all tries
	tryTimeout    = 5 * time.Second
	maxTries      = 3
	retryPause    = time.Second
	warnEvery     = time.Minute
	maxAnswer     = 64 << 10
)

// exporter sends spans by OTLP over HTTP, as protobuf. Its errors go to our log and nowhere else: the library would
// print them.
type exporter struct {
	endpoint         string
	header           http.Header
	client           *http.Client
	log              *slog.Logger
	pause            time.Duration
	exported, failed atomic.Uint64
	warned           atomic.Int64 // Unix nanoseconds of the last warning
}

func newExporter(c Config) *exporter {
	header := c.Headers.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/x-protobuf")
	header.Set("User-Agent", "gatehouse/"+c.Version)
	return &exporter{
		endpoint: c.Endpoint, header: header, log: c.Log, pause: retryPause,
		client: &http.Client{
			// The headers are for this collector and for nobody that it points to.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DialContext: (&net.Dialer{Timeout: tryTimeout}).DialContext, TLSHandshakeTimeout: tryTimeout,
				ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxAnswer,
			},
		},
	}
}

// ExportSpans sends one batch. It never fails toward the library.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	all := uint64(len(spans))
	rejected := all
	body, err := proto.Marshal(exportRequest(spans))
	if err == nil {
		if rejected, err = e.send(ctx, body); err != nil {
			rejected = all
		}
	}
	rejected = min(rejected, all)
	e.exported.Add(all - rejected)
	e.failed.Add(rejected)
	if err == nil && rejected > 0 {
		err = fmt.Errorf("it refused %d of %d spans", rejected, all)
	}
	if err != nil {
		e.warn(err)
	}
	return nil
}

// Shutdown ends the sending.
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

func (e *exporter) warn(err error) {
	now := time.Now().UnixNano()
	if last := e.warned.Load(); now-last < int64(warnEvery) || !e.warned.CompareAndSwap(last, now) {
		return
	}
	e.log.Warn("traces do not reach the collector; they are dropped until they do, and nothing else is affected", "endpoint", e.endpoint, "error", err)
}

// send posts a batch, again where the standard says that this may help. It returns how many spans were refused.
func (e *exporter) send(ctx context.Context, body []byte) (rejected uint64, err error) {
	for try := 1; ; try++ {
		var again bool
		if rejected, again, err = e.post(ctx, body); err == nil || !again || try == maxTries {
			return rejected, err
		}
		timer := time.NewTimer(e.pause * time.Duration(try))
		select {
		case <-ctx.Done():
			timer.Stop()
			return 0, err
		case <-timer.C:
		}
	}
}

func (e *exporter) post(ctx context.Context, body []byte) (rejected uint64, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.endpoint, bytes.NewReader(body))
	if err != nil {
		return 0, false, err
	}
	r.Header = e.header.Clone()
	response, err := e.client.Do(r)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err // without the address, which the line has already
		}
		return 0, true, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case response.StatusCode == http.StatusTooManyRequests, response.StatusCode == http.StatusBadGateway,
		response.StatusCode == http.StatusServiceUnavailable, response.StatusCode == http.StatusGatewayTimeout:
		return 0, true, fmt.Errorf("it answers %s", response.Status)
	case response.StatusCode != http.StatusOK:
		return 0, false, fmt.Errorf("it answers %s", response.Status)
	case err != nil:
		return 0, false, nil // taken; what it said besides was cut off
	}
	var said collector.ExportTraceServiceResponse
	if proto.Unmarshal(answer, &said) != nil {
		return 0, false, nil // taken; some answer with JSON or nothing
	}
	return uint64(max(0, said.GetPartialSuccess().GetRejectedSpans())), false, nil
}
