package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/sealing"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/storage"
	"github.com/gatehouse-iap/gatehouse/internal/storage/sqlite"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gatehouse": main})
}

// TestStories runs the sessions in testdata/*.txt. Each has the commands of this binary, and:
//
//	server       starts the administration of a server on $GATEHOUSE_DATA: a project, the service app, and alice
//	sign-in WHO  opens a session of a user, and one of app under it
//	decide WHO   notes that a user was refused behind a proxy that names requests; the decision's id is in $DECISION
func TestStories(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			dir, err := os.MkdirTemp("", "gh") // a socket's path has little room, and that of the story is long
			if err != nil {
				return err
			}
			env.Defer(func() {
				if err := os.RemoveAll(dir); err != nil {
					t.Error(err)
				}
			})
			env.Values["server"] = &storyServer{dir: filepath.Join(dir, "data")}
			env.Setenv("GATEHOUSE_DATA", filepath.Join(dir, "data"))
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else every command of a -race build ends a second late
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"server":  func(ts *testscript.TestScript, _ bool, _ []string) { storyOf(ts).start(ts) },
			"sign-in": func(ts *testscript.TestScript, _ bool, args []string) { storyOf(ts).signIn(ts, args[0]) },
			"decide":  func(ts *testscript.TestScript, _ bool, args []string) { storyOf(ts).decide(ts, args[0]) },
		},
	})
}

func storyOf(ts *testscript.TestScript) *storyServer { return ts.Value("server").(*storyServer) }

// storyServer is the administration of a server, over a real store and a real socket.
type storyServer struct {
	dir       string
	admin     *admin.Admin
	db        *storage.DB
	decisions *audit.Log
}

var storyApp = catalog.Service{
	Service: resource.Service{Kind: resource.BackendService, ProjectID: "dev-project", ProjectNumber: 123456789012, ID: "1234567890123456789"},
	Name:    "app", Hosts: []string{"app.localhost"}, Upstream: "http://127.0.0.1:9", OAuthClientID: "123456789012-app.apps.googleusercontent.com",
}

func (s *storyServer) start(ts *testscript.TestScript) {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, s.dir)
	ts.Check(err)
	ring, err := sealing.NewRing(bytes.Repeat([]byte{7}, 32))
	ts.Check(err)
	s.db = db
	s.decisions, err = audit.OpenLog(filepath.Join(s.dir, audit.LogDir), audit.LogOptions{})
	ts.Check(err)
	s.admin = &admin.Admin{
		Store: db, Entries: db, Keys: ring.Sealer("issuer"), Decisions: s.decisions,
		Settle:       func(context.Context, int64) error { return nil },
		HashPassword: func(_ context.Context, password string) (string, error) { return "hash of " + password, nil },
		ProjectID:    storyApp.ProjectID, ProjectNumber: storyApp.ProjectNumber, AuthURL: "http://auth.localhost:8080",
		Now: time.Now, Log: slog.New(slog.DiscardHandler), UpstreamStates: storyUpstreams,
	}
	ts.Check(s.admin.EnsureKeys(ctx, admin.System("bootstrap"), admin.Purposes()...))
	ts.Check(s.admin.PutService(ctx, admin.System("bootstrap"), storyApp))
	alice := directory.Account{Kind: principal.User, Email: "alice@example.com", HostedDomain: "example.com"}
	_, err = s.admin.CreateAccount(ctx, admin.System("bootstrap"), alice, "gatehouse-dev")
	ts.Check(err)

	listener, err := admin.Listen(s.dir)
	ts.Check(err)
	serving, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.admin.ServeListener(serving, listener) }()
	ts.Defer(func() {
		cancel()
		if err := errors.Join(<-ended, s.decisions.Close(), db.Close()); err != nil {
			ts.Logf("ending the server: %v", err)
		}
	})
}

// storyUpstreams is what the story's server knows of its applications.
func storyUpstreams() []admin.UpstreamAddress {
	return []admin.UpstreamAddress{
		{Service: storyApp.Name, Resource: storyApp.Service.Name(), Address: storyApp.Upstream, Circuit: "closed", InFlight: 3},
		{Service: "other", Address: "http://10.0.0.2:80", HealthState: "UNHEALTHY", Circuit: "open", Problem: "it answered GET / with 401"},
	}
}

func (s *storyServer) identity(ts *testscript.TestScript, email string) principal.Identity {
	account, err := s.admin.Account(context.Background(), principal.User, email)
	ts.Check(err)
	return principal.Identity{Kind: principal.User, Provider: directory.LocalProvider, Subject: account.Subject, Email: account.Email}
}

func (s *storyServer) signIn(ts *testscript.TestScript, email string) {
	now := time.Now()
	parent := session.Record{
		ID: session.NewID(), Identity: s.identity(ts, email), AuthTime: now, Created: now, LastSeen: now, Expires: now.Add(16 * time.Hour),
	}
	child := parent
	child.ID, child.Parent, child.Resource = session.NewID(), parent.ID, storyApp.Service.Name()
	ts.Check(s.db.OpenSession(context.Background(), parent))
	ts.Check(s.db.OpenSession(context.Background(), child))
	ts.Setenv("SESSION", parent.ID.String())
}

func (s *storyServer) decide(ts *testscript.TestScript, email string) {
	now := time.Now()
	decision := &audit.Decision{
		ID: audit.NewDecisionID(now, 1), Time: now, Reason: policy.NotGranted, Status: 403,
		Method: "GET", Host: "app.localhost", Path: "/report\x1b[2J", Peer: netip.MustParseAddr("127.0.0.1"),
		Resource: storyApp.Service.Name(), Identity: s.identity(ts, email), Credential: audit.SessionCookie,
		SessionID: "00112233445566778899aabbccddeeff", RequestID: "7f9c24e8-3b12-4c6e-9d0a-1f2e3d4c5b6a", Position: 17,
		Tried: []audit.Tried{
			{Resource: storyApp.Service.Name(), Etag: "AAAAAAAAABE=", Bindings: []audit.TriedBinding{
				{Role: iam.RoleHTTPSResourceAccessor, Members: 1, Why: "names other members"},
			}},
			{Resource: resource.Web(storyApp.ProjectNumber)},
		},
	}
	s.decisions.Record(decision)
	ts.Setenv("DECISION", decision.ID.String())
}

func TestTextThatATerminalWouldActOnIsShownHarmless(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain Ünïcode": "plain Ünïcode", "\x1b[2J": `\x1b[2J`, "a\nb": `a\nb`, "\u202egnp": `\u202egnp`, "\xff": `\xff`,
	} {
		if got := printable(in); got != want {
			t.Errorf("%q is shown as %q, not %q", in, got, want)
		}
	}
}

func TestEveryCommandSaysWhatItDoesAndShowsAnExample(t *testing.T) {
	t.Parallel()
	for _, cmd := range walk(newRootCommand()) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: the short text is %q; say what it does, without a full stop", cmd.CommandPath(), cmd.Short)
		}
		if !cmd.HasSubCommands() && !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s has no example of itself", cmd.CommandPath())
		}
	}
}

func walk(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{}
	for _, sub := range cmd.Commands() {
		all = append(append(all, sub), walk(sub)...)
	}
	return all
}
