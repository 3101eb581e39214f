package secrets

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// collectors keep what the gate sends to others about requests: traces, and the records' lines.
type collectors struct {
	traces, syslog harness.Buffer
	// config has the gate send there, with a credential of its own for the first.
	config string
}

func startCollectors(t *testing.T, credential string) *collectors {
	t.Helper()
	c := &collectors{}
	// Names and values are plain text in what OTLP sends.
	otlp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(&c.traces, r.Body)
		if r.Header.Get("X-Customer") != credential {
			t.Error("the collector is not told whose the traces are")
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(otlp.Close)
	lines := harness.Accept(t, func(conn net.Conn) { _, _ = io.Copy(&c.syslog, conn) })
	c.config = fmt.Sprintf("audit: {lines: {stdout: true, file: audit.jsonl, syslog: \"tcp://%s\"}}\n"+
		"tracing: {endpoint: \"%s\", sampleRatio: 1, headers: [{name: X-Customer, file: collector}]}\n", lines, otlp.URL)
	return c
}

// look looks for every secret in what was collected.
func (c *collectors) look(w *world) {
	w.t.Helper()
	for name, collected := range map[string]struct{ text, expected string }{
		"a trace": {c.traces.String(), appHost}, "a line for syslog": {c.syslog.String(), `"type":"decision"`},
	} {
		if !strings.Contains(collected.text, collected.expected) {
			w.t.Errorf("%s with %s has not come, so nothing is proved about it", name, collected.expected)
		}
		w.search(name, collected.text, false)
	}
}
