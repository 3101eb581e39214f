package emulator

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// realOne is the emulator as people run it.
func realOne(t *testing.T, o Options) *running {
	t.Helper()
	o.NewGate, o.Hello = NewServer, NewHello
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	return start(t, o)
}

func bearer(t *testing.T, info Info, email string) string {
	t.Helper()
	token, err := FetchIDToken(t.Context(), info.URLs.Machine, email, "")
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + token
}

func TestTheRealGateLetsAliceInAndNotBob(t *testing.T) {
	t.Parallel()
	info := realOne(t, Options{}).ready()
	for email, want := range map[string]int{"alice@example.com": 200, "bob@example.com": 403, "admin@example.com": 403} {
		status, body := get(t, info, "app.localhost", "/", "Authorization", bearer(t, info, email))
		if status != want || strings.Contains(body, "Hello") != (want == 200) || want == 200 && !strings.Contains(body, email) {
			t.Errorf("%s gets %d:\n%s", email, status, body)
		}
	}
	if status, _ := get(t, info, "app.localhost", "/"); status != http.StatusFound {
		t.Errorf("nobody gets %d", status)
	}
	if status, body := get(t, info, "other.localhost", "/emulator/v1/info", markHeader, "1"); status != http.StatusMisdirectedRequest {
		t.Errorf("an unknown host gets %d %s", status, body)
	}
	if status, body := get(t, info, "app.localhost", "/emulator/v1/info", markHeader, "1"); status != http.StatusFound {
		t.Errorf("the app's host answers for the emulator: %d %s", status, body)
	}
	if status, body := get(t, info, "127.0.0.1", "/iap/verify/public_key-jwk"); status != http.StatusOK || !strings.Contains(body, `"alg":"ES256"`) {
		t.Errorf("the keys' URL answers %d %s", status, body)
	}
}

func TestATokenOutlivesARestartOnKeptData(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	// The issuer of a token carries the port, so both runs need the same one.
	free := listenLoopback(t)
	o := Options{DataDir: data, Listen: free.Addr().String()}
	free.Close()

	first := realOne(t, o)
	info := first.ready()
	token := bearer(t, info, "alice@example.com")
	first.interrupt()
	first.ends(0)

	info = realOne(t, o).ready()
	if status, body := get(t, info, "app.localhost", "/", "Authorization", token); status != http.StatusOK {
		t.Errorf("the token of the first run gets %d:\n%s", status, body)
	}
}

func TestADataDirectoryInUseIsRefused(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	realOne(t, Options{DataDir: data}).ready()
	if err := realOne(t, Options{DataDir: data}).ends(1); err == nil {
		t.Error("two runs share a data directory")
	}
}
