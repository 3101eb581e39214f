package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/emulator"
)

// banner closes ready when the emulator says that it is.
type banner struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ready chan struct{}
	once  sync.Once
}

func (b *banner) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Write(p)
	if strings.Contains(b.text.String(), "Ready ") {
		b.once.Do(func() { close(b.ready) })
	}
	return len(p), nil
}

// dev runs the emulator with the real server until stop is called.
func dev(t *testing.T, o emulator.Options) (info emulator.Info, stop func()) {
	t.Helper()
	parts, out := productionParts(), &banner{ready: make(chan struct{})}
	o.NewGate, o.Hello, o.Stderr = parts.newGate, parts.hello, out
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	o.ReadyFile = filepath.Join(t.TempDir(), "ready.json")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := emulator.Run(ctx, o)
		done <- err
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the run ended with %v", err)
		}
	})
	select {
	case <-out.ready:
	case err := <-done:
		t.Fatalf("the run ended before it was ready: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("the run does not become ready")
	}
	t.Cleanup(stop)
	content, err := os.ReadFile(o.ReadyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &info); err != nil {
		t.Fatal(err)
	}
	return info, stop
}

// ask sends a request to a host of the emulator, with a bearer token where there is one.
func ask(t *testing.T, info emulator.Info, host, path, token string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, info.URLs.Machine+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	request.Header.Set("X-Gatehouse-Emulator", "1")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func tokenOf(t *testing.T, info emulator.Info, account string) string {
	t.Helper()
	token, err := emulator.FetchIDToken(t.Context(), info.URLs.Machine, account, "")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTheRealGateOfDevLetsAliceInAndNotBob(t *testing.T) {
	t.Parallel()
	info, _ := dev(t, emulator.Options{Listen: "127.0.0.1:0"})
	for account, want := range map[string]int{"alice@example.com": 200, "bob@example.com": 403, "admin@example.com": 403} {
		status, body := ask(t, info, "app.localhost", "/", tokenOf(t, info, account))
		if status != want || (want == 200) != strings.Contains(body, "Hello") || want == 200 && !strings.Contains(body, account) {
			t.Errorf("%s gets %d:\n%s", account, status, body)
		}
	}
	for name, test := range map[string]struct {
		host, path string
		status     int
	}{
		"nobody is sent to sign in":                    {"app.localhost", "/", 302},
		"an unknown host is misdirected":               {"other.localhost", "/emulator/v1/info", 421},
		"the app's host does not answer as emulator":   {"app.localhost", "/emulator/v1/info", 302},
		"the auth host does not answer as emulator":    {"auth.localhost", "/emulator/v1/info", 404},
		"the machine's address does":                   {"localhost", "/emulator/v1/info", 200},
		"the keys are there by path":                   {"127.0.0.1", "/iap/verify/public_key-jwk", 200},
		"and on the auth host":                         {"auth.localhost", "/iap/verify/public_key", 200},
		"other ways to write the address work as well": {"LOCALHOST.", "/healthz", 200},
	} {
		if status, body := ask(t, info, test.host, test.path, ""); status != test.status {
			t.Errorf("%s: %d, want %d:\n%s", name, status, test.status, body)
		}
	}
}

func TestATokenOutlivesARestartOfDevOnKeptData(t *testing.T) {
	t.Parallel()
	o := emulator.Options{Listen: "127.0.0.1:0", DataDir: filepath.Join(t.TempDir(), "data")}
	info, stop := dev(t, o)
	token := tokenOf(t, info, "alice@example.com")
	stop()
	o.Listen = strings.TrimPrefix(info.URLs.Machine, "http://") // the issuer of a token carries the port
	info, _ = dev(t, o)
	if status, body := ask(t, info, "app.localhost", "/", token); status != http.StatusOK {
		t.Errorf("the token of the first run gets %d:\n%s", status, body)
	}
}

// A page with server-sent events is open when the developer presses Ctrl-C. Its end must not cost the exit code, nor
// what the gate still has to write.
func TestAStreamThatNeverEndsDoesNotKeepDevFromEndingCleanly(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(app.Close)
	info, stop := dev(t, emulator.Options{Listen: "127.0.0.1:0", Upstream: app.URL})
	request, err := http.NewRequest(http.MethodGet, info.URLs.Machine+"/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "app.localhost"
	request.Header.Set("Authorization", "Bearer "+tokenOf(t, info, "alice@example.com"))
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("the stream: %v, %v", response, err)
	}
	defer response.Body.Close()
	stop() // fails the test when the run ends with an error
}

func TestTwoRunsOfDevDoNotShareData(t *testing.T) {
	t.Parallel()
	o := emulator.Options{Listen: "127.0.0.1:0", DataDir: filepath.Join(t.TempDir(), "data")}
	dev(t, o)
	o.NewGate, o.Hello = newDevGate, newHello
	if code, err := emulator.Run(t.Context(), o); code != 1 || err == nil {
		t.Errorf("the second run ends with %d, %v", code, err)
	}
}
