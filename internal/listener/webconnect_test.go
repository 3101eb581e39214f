package listener

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// A client may send an extended CONNECT only to a server that says that it takes it (RFC 8441, section 3).
func TestWebSocketOverHTTP2IsOfferedAndNoProgramThatIsStartedHearsOfTheSetting(t *testing.T) {
	t.Parallel()
	if strings.Contains(os.Getenv("GODEBUG"), "http2xconnect") {
		t.Errorf("GODEBUG is %q", os.Getenv("GODEBUG"))
	}
	conn := dial(t, serve(t, Spec{}, http.NotFoundHandler()))
	framer := http2.NewFramer(conn, conn)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	frame, err := framer.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("the first frame is %v", frame)
	}
	if value, _ := settings.Value(http2.SettingEnableConnectProtocol); value != 1 {
		t.Error("extended CONNECT is not offered")
	}
}
