// Package gotest tests an app behind the gate; `gatehouse dev --exec` tells it where that is. It has tests only.
package gotest

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/emulator"
)

const (
	alice = "alice@example.com"
	bob   = "bob@example.com"
)

// start returns a client of the emulator. What the test changes with it ends with the test.
func start(t *testing.T) *emulator.Client {
	t.Helper()
	gate := emulator.FromEnvironment()
	t.Cleanup(func() {
		if err := gate.Reset(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return gate
}

// get asks the app through the gate as somebody, and returns status and text. Go does not resolve *.localhost: the host
// is named in the request.
func get(t *testing.T, gate *emulator.Client, email string) (int, string) {
	t.Helper()
	info, err := gate.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	token, err := gate.IDToken(t.Context(), email, "")
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, info.URLs.Machine+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = strings.TrimPrefix(info.URLs.App, "http://")
	request.Header.Set("Authorization", "Bearer "+token)
	return send(t, request)
}

// getDirectly asks the app around the gate.
func getDirectly(t *testing.T, gate *emulator.Client, a emulator.Assertion) (int, string) {
	t.Helper()
	signed, err := gate.SignAssertion(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+os.Getenv("PORT")+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Goog-IAP-JWT-Assertion", signed)
	return send(t, request)
}

func send(t *testing.T, request *http.Request) (int, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestAliceIsGreeted(t *testing.T) {
	if status, text := get(t, start(t), alice); text != "Hello "+alice+"\n" {
		t.Errorf("%d %q", status, text)
	}
}

func TestBobIsRefusedUntilThePolicyNamesHim(t *testing.T) {
	gate := start(t)
	if status, _ := get(t, gate, bob); status != http.StatusForbidden {
		t.Errorf("at first: %d", status)
	}
	err := gate.SetPolicy(t.Context(), emulator.Policy{Bindings: []emulator.Binding{{Role: emulator.RoleAccessor, Members: []string{"user:" + bob}}}})
	if err != nil {
		t.Fatal(err)
	}
	if status, text := get(t, gate, bob); text != "Hello "+bob+"\n" {
		t.Errorf("with the policy: %d %q", status, text)
	}
}

func TestKeysThatRotateAreFollowed(t *testing.T) {
	gate := start(t)
	if status, _ := get(t, gate, alice); status != http.StatusOK {
		t.Fatalf("before: %d", status)
	}
	if _, err := gate.RotateKeys(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	// An app asks for keys again every few seconds at most, lest strangers make it ask for ever.
	deadline, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		status, _ := get(t, gate, alice)
		if status == http.StatusOK {
			return
		}
		select {
		case <-look.C:
		case <-deadline.Done():
			t.Fatalf("a minute later: %d", status)
		}
	}
}

func TestWrongAssertionsAreRefused(t *testing.T) {
	gate := start(t)
	if status, text := getDirectly(t, gate, emulator.Assertion{Email: alice}); status != http.StatusOK {
		t.Fatalf("a good one: %d %q", status, text)
	}
	for name, wrong := range map[string]emulator.Assertion{
		"expired":             {Email: alice, Age: 11 * time.Minute},
		"of the future":       {Email: alice, Age: -time.Hour},
		"for another app":     {Email: alice, Audience: "/projects/1/apps/another"},
		"from another issuer": {Email: alice, Claims: map[string]any{"iss": "https://accounts.google.com"}},
	} {
		if status, text := getDirectly(t, gate, wrong); status != http.StatusUnauthorized {
			t.Errorf("%s: %d %q", name, status, text)
		}
	}
}
