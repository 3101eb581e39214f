package longlived

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	calls "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// silent is the address of an application that takes connections and says nothing, or what it is given to say.
func silent(t *testing.T, says string) string {
	t.Helper()
	return harness.Accept(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, says)
		_, _ = io.Copy(io.Discard, conn)
	})
}

// specOf returns the manifest of the gate's own service, without its upstream.
func specOf(t *testing.T, gate *harness.Gate) string {
	t.Helper()
	for document := range strings.SplitSeq(gate.CLI(t, "export"), "\n---\n") {
		if before, rest, found := strings.Cut(document, "  upstream: "); found && strings.Contains(document, "  name: app\n") {
			_, after, _ := strings.Cut(rest, "\n")
			return strings.TrimSuffix(before+after, "\n") + "\n"
		}
	}
	t.Fatal("the gate has no service of its own")
	return ""
}

// What the client of a call is told when its application fails it, by the library that most of them use.
func TestCallsOfGRPCFailWithAStatus(t *testing.T) {
	t.Parallel()
	app := serveCalls(t)
	gate := harness.Start(t, "--upstream", "h2c://"+app.address)
	client := dialCalls(t, gate)
	spec, file := specOf(t, gate), filepath.Join(t.TempDir(), "app.yaml")
	large := &calls.SimpleRequest{Payload: &calls.Payload{Body: make([]byte, 100_000)}}
	for _, c := range []struct {
		name, upstream, more string
		request              *calls.SimpleRequest
		code                 codes.Code
		says                 string
	}{
		{"a message that is too large", app.address, "  maxBodyBytes: 10000\n", large, codes.ResourceExhausted, "body_too_large: Too much was sent ("},
		{"an application that is slow", silent(t, ""), "  upstreamTimeouts: {firstByteSec: 1}\n", &calls.SimpleRequest{}, codes.DeadlineExceeded, "upstream_failed: The application did not answer ("},
		{"an application that answers in another protocol", silent(t, "HTTP/1.1 200 OK\r\n\r\n"), "", &calls.SimpleRequest{}, codes.Unavailable, "upstream_failed: The application did not answer ("},
		{"an application that is down", "127.0.0.1:1", "", &calls.SimpleRequest{}, codes.Unavailable, "upstream_failed: The application did not answer ("},
		{"an application that is back", app.address, "", &calls.SimpleRequest{}, codes.OK, ""},
	} {
		t.Run(c.name, func(t *testing.T) { // in this order: it is one service
			if err := os.WriteFile(file, []byte(spec+"  upstream: h2c://"+c.upstream+"\n"+c.more), 0o600); err != nil {
				t.Fatal(err)
			}
			gate.CLI(t, "apply", "-f", file)
			var trailer metadata.MD
			_, err := client.UnaryCall(deadline(t), c.request, grpc.Trailer(&trailer))
			mustFail(t, err, c.code, c.says)
			if id := strings.Join(trailer["x-request-id"], ""); err != nil && (id == "" || !strings.Contains(err.Error(), id)) {
				t.Errorf("the request is called %q: %v", id, err)
			}
		})
	}
}
