package longlived

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// livePage shows what comes over a WebSocket and as events, and how both end. It connects again once after events have
// ended, as EventSource does by itself, and shows that it may not.
const livePage = `<!doctype html><title>live</title><p id=socket>socket: </p><p id=events>events: </p>
<script>
const say = (id, text) => document.getElementById(id).append(text + " ");
const socket = new WebSocket(location.origin.replace("http", "ws") + "/socket");
socket.onmessage = e => { say("socket", e.data); if (e.data == "hello") socket.send("you there") };
socket.onclose = e => say("socket", "closed " + e.code + " [" + e.reason + "] clean " + e.wasClean);
const events = new EventSource("/events");
events.onmessage = e => say("events", e.data);
events.onerror = () => say("events", events.readyState == EventSource.CLOSED ? "refused" : "ended");
</script>`

func live(t *testing.T) string {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, livePage)
		case "/socket":
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, harness.WebSocketAnswer(r)+"\x81\x05hello")
			masked := make([]byte, 2+4+len("you there"))
			if _, err := io.ReadFull(conn, masked); err != nil {
				return
			}
			_, _ = io.WriteString(conn, "\x81\x04I am")
			_, _ = io.Copy(io.Discard, conn)
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "retry: 10\ndata: happened\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(func() { app.CloseClientConnections(); app.Close() })
	return app.URL
}

// What a browser makes of it: the page hears that the WebSocket has been closed, with the reason, and its events end
// and do not come again. Over TLS all of it goes over one HTTP/2 connection.
func TestAPageHearsThatItsPersonIsOut(t *testing.T) {
	t.Parallel()
	browser, err := harness.LaunchBrowser(chromedp.Flag("ignore-certificate-errors", true)) // the run's own authority
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(browser.Close)
	for _, test := range []struct {
		name, tls string
		handshake int64
	}{
		{"over HTTP/1.1", "", http.StatusSwitchingProtocols},
		{"over HTTP/2", "--tls=127.0.0.1:0", http.StatusOK},
	} {
		t.Run(test.name, func(t *testing.T) {
			arguments := []string{"--upstream", live(t)}
			if test.tls != "" {
				arguments = append(arguments, test.tls)
			}
			gate := harness.Start(t, arguments...)
			page := browser.NewPage(t)
			network := page.Watch()
			page.Open(gate.App + "/")
			page.Click(harness.Alice)
			page.See("socket: hello I am", "events: happened")
			gate.CLI(t, "sessions", "revoke", "--user", harness.Alice)
			page.See("closed 1008 [session_ended: Signed out] clean true", "events: happened ended refused")
			if !slices.ContainsFunc(network.Responses(), func(r harness.Response) bool { return r.Method == "WEBSOCKET" && r.Status == test.handshake }) {
				t.Errorf("no handshake was answered with %d: %v", test.handshake, network.Responses())
			}
			if text := page.Text(); strings.Count(text, "hello") != 1 {
				t.Errorf("the page shows\n%s", text)
			}
		})
	}
}
