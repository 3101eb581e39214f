// Package inprocess runs the gate inside a test: for what `gatehouse dev` has one of (an application, a clock that
// tells the time) and a story needs otherwise.
package inprocess

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/server"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const (
	projectID = "test-project"
	authHost  = "auth.localhost"
	// ProjectNumber is the number of the gate's one project.
	ProjectNumber = 42
)

// App is one application behind the gate.
type App struct {
	Name     string
	Host     string // such as wiki.localhost
	Upstream string // URL of the application
}

// Gate is a gate that runs in the test's own process.
type Gate struct {
	*server.Server
	// Auth is the auth host's origin.
	Auth     string
	external signin.External
	ahead    atomic.Int64 // how far its clock is ahead, in nanoseconds
}

// Start runs a gate in front of applications that Alice may use, until the test ends.
func Start(t testing.TB, apps ...App) *Gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{external: signin.External{Scheme: "http", Port: listener.Addr().(*net.TCPAddr).Port}}
	g.Auth = g.external.URL(authHost)
	ctx, cancel := context.WithCancel(context.Background())
	g.Server, err = server.New(ctx, server.Options{
		DataDir: filepath.Join(t.TempDir(), "data"), Listener: listener, External: g.external, AuthHost: authHost,
		QuickAccounts: []string{harness.Alice}, ProjectID: projectID, ProjectNumber: ProjectNumber,
		Bootstrap: func(ctx context.Context, a *admin.Admin) error { return bootstrap(ctx, a, apps) },
		Log:       slog.New(slog.NewTextHandler(io.Discard, nil)), Now: g.now,
	})
	if err != nil {
		cancel()
		listener.Close()
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		served <- g.Serve(ctx)
		cancel() // a gate that cannot serve never gets ready
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("the gate ended with: %v", err)
		}
	})
	if err := g.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return g
}

// URL returns the origin of a host.
func (g *Gate) URL(host string) string { return g.external.URL(host) }

// Advance moves the gate's clock, and has the gate confirm its view at the new time: a view that was confirmed an
// hour ago would close it.
func (g *Gate) Advance(t testing.TB, d time.Duration) {
	t.Helper()
	now := g.ahead.Add(int64(d))
	group := directory.Group{Email: fmt.Sprintf("at-%d@example.com", now)}
	if _, err := g.Admin().CreateGroup(t.Context(), admin.System("test"), group); err != nil {
		t.Fatal(err)
	}
}

func (g *Gate) now() time.Time { return time.Now().Add(time.Duration(g.ahead.Load())) }

// ClientID is the OAuth client id of an application.
func ClientID(app string) string {
	return fmt.Sprintf("%d-%s.apps.googleusercontent.com", ProjectNumber, app)
}

func bootstrap(ctx context.Context, a *admin.Admin, apps []App) error {
	actor := admin.System("test")
	account := directory.Account{
		Kind: principal.User, Email: harness.Alice, Subject: "100000000000000000001",
		HostedDomain: harness.Alice[strings.Index(harness.Alice, "@")+1:],
	}
	if _, err := a.CreateAccount(ctx, actor, account, harness.Password); err != nil {
		return err
	}
	for i, app := range apps {
		service := catalog.Service{
			Service: resource.Service{
				Kind: resource.BackendService, ProjectID: projectID, ProjectNumber: ProjectNumber, ID: fmt.Sprint(1001 + i),
			},
			Name: app.Name, Hosts: []string{app.Host}, Upstream: app.Upstream, OAuthClientID: ClientID(app.Name),
		}
		if err := a.PutService(ctx, actor, service); err != nil {
			return err
		}
	}
	_, err := a.SetIamPolicy(ctx, actor, resource.Web(ProjectNumber), iam.Policy{Bindings: []iam.Binding{
		{Role: iam.RoleHTTPSResourceAccessor, Members: []string{"user:" + harness.Alice}},
	}})
	return err
}
