package adminclient_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/admin/adminclient"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/sealing"
	"github.com/gatehouse-iap/gatehouse/internal/storage/sqlite"
	"github.com/gatehouse-iap/gatehouse/internal/storage/sqlite/sqlitetest"
)

// server runs a real server on a data directory of its own.
func server(t *testing.T) (dataDir string) {
	t.Helper()
	return serverThatSettles(t, func(context.Context, int64) error { return nil })
}

// serverThatSettles runs one whose requests see a change when settle returns.
func serverThatSettles(t *testing.T, settle func(context.Context, int64) error) (dataDir string) {
	t.Helper()
	dataDir, err := os.MkdirTemp("", "gh") // short enough for a socket, which t.TempDir may not be
	if err != nil {
		t.Fatal(err)
	}
	sqlitetest.Fill(t, dataDir)
	db, err := sqlite.Open(t.Context(), dataDir)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := sealing.NewRing(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	a := &admin.Admin{
		Store: db, Entries: db, Keys: ring.Sealer("issuer"), Settle: settle,
		ProjectID: "dev-project", ProjectNumber: 123456789012, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	listener, err := admin.Listen(dataDir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.ServeListener(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, db.Close(), os.RemoveAll(dataDir)); err != nil {
			t.Error(err)
		}
	})
	return dataDir
}

func open(t *testing.T, dataDir string) *adminclient.Client {
	t.Helper()
	client, err := adminclient.Find(t.Context(), adminclient.Where{DataDir: dataDir})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

const web = "projects/dev-project/iap_web"

func TestBindingsThatManyAddAtOnceAreAllThere(t *testing.T) {
	t.Parallel()
	dataDir := server(t)
	const many = 6
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			if _, err := open(t, dataDir).AddBinding(t.Context(), web, iam.RoleHTTPSResourceAccessor, fmt.Sprintf("user:u%d@example.com", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	policy, err := open(t, dataDir).IamPolicy(t.Context(), web)
	if err != nil || len(policy.Bindings) != 1 || len(policy.Bindings[0].Members) != many {
		t.Errorf("the policy is %+v, %v", policy, err)
	}
}

func TestBindingsAreAddedOnceAndRemovedInAnySpelling(t *testing.T) {
	t.Parallel()
	client := open(t, server(t))
	ctx := t.Context()
	for _, member := range []string{"user:alice@example.com", "user:Alice@Example.com", "user:bob@example.com"} {
		if _, err := client.AddBinding(ctx, web, iam.RoleHTTPSResourceAccessor, member); err != nil {
			t.Fatal(err)
		}
	}
	policy, err := client.RemoveBinding(ctx, web, iam.RoleHTTPSResourceAccessor, "user:BOB@example.com")
	if err != nil || !slices.Equal(policy.Bindings[0].Members, []string{"user:alice@example.com"}) {
		t.Errorf("the policy is %+v, %v", policy, err)
	}
	if _, err := client.RemoveBinding(ctx, web, iam.RoleHTTPSResourceAccessor, "user:bob@example.com"); !errors.Is(err, adminclient.ErrNoBinding) {
		t.Errorf("removing what is not there: %v", err)
	}
	policy, err = client.RemoveBinding(ctx, web, iam.RoleHTTPSResourceAccessor, "user:alice@example.com")
	if err != nil || len(policy.Bindings) != 0 {
		t.Errorf("without its last member the binding is %+v, %v", policy, err)
	}
}

func TestAServerOfSomebodyElseGetsNothing(t *testing.T) {
	t.Parallel()
	client, err := adminclient.Open(server(t), func(uint32) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Project(t.Context()); err == nil || !strings.Contains(err.Error(), "neither this user nor root") {
		t.Errorf("the error is %v", err)
	}
}

func TestErrorsAreTheServers(t *testing.T) {
	t.Parallel()
	client := open(t, server(t))
	_, err := client.SetIamPolicy(t.Context(), web, iam.Policy{Etag: "b2xk"})
	if !adminclient.HasReason(err, admin.ReasonEtagMismatch) {
		t.Errorf("an old etag: %v", err)
	}
	_, err = client.Account(t.Context(), adminclient.Users, "a/b:c@example.com")
	var answered *adminclient.Error
	if !errors.As(err, &answered) || answered.Status != "INVALID_ARGUMENT" {
		t.Errorf("a malformed address: %v", err)
	}
}

func TestTheDevServerSaysWhereItsDataIs(t *testing.T) {
	t.Parallel()
	dataDir := server(t)
	dev := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/emulator/v1/info" || r.Header.Get("X-Gatehouse-Emulator") != "1" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if err := json.NewEncoder(w).Encode(map[string]string{"data_dir": dataDir, "project": "dev-project"}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(dev.Close)
	client, err := adminclient.Find(t.Context(), adminclient.Where{Endpoint: dev.URL + "/"})
	if err != nil {
		t.Fatal(err)
	}
	if project, err := client.Project(t.Context()); err != nil || project.ProjectID != "dev-project" || client.DataDir() != dataDir {
		t.Errorf("%+v at %s, %v", project, client.DataDir(), err)
	}
}

func TestWithoutAServerTheErrorSaysHowToNameOne(t *testing.T) {
	t.Parallel()
	answering := func(code int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(code)
			if _, err := io.WriteString(w, body); err != nil {
				t.Error(err)
			}
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, endpoint := range map[string]string{
		"nobody listens":          closed.URL,
		"another program answers": answering(http.StatusNotFound, "what?"),
		"it redirects":            answering(http.StatusFound, ""),
		"a relative directory":    answering(http.StatusOK, `{"data_dir":"data"}`),
	} {
		if _, err := adminclient.Find(t.Context(), adminclient.Where{Endpoint: endpoint}); err == nil || !strings.Contains(err.Error(), "--data DIR") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := adminclient.Find(t.Context(), adminclient.Where{Endpoint: "8080"}); err == nil || !strings.Contains(err.Error(), "--endpoint") {
		t.Errorf("an endpoint that is no URL: %v", err)
	}
	client := open(t, t.TempDir())
	if _, err := client.Project(t.Context()); err == nil || !strings.Contains(err.Error(), "no server is running") {
		t.Errorf("a directory without a server: %v", err)
	}
}
