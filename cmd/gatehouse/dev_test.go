package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/emulator"
)

// seen is what the emulator would be opened with.
type seen struct {
	options emulator.GateOptions
	opened  bool
}

var errSeen = errors.New("seen enough")

func (s *seen) parts() devParts {
	return devParts{
		newGate: func(_ context.Context, o emulator.GateOptions) (emulator.Gate, emulator.Administration, error) {
			s.options, s.opened = o, true
			return nil, nil, errSeen
		},
		hello: func(string, string) (http.Handler, error) { return http.NotFoundHandler(), nil },
	}
}

func execute(cmd *cobra.Command, args ...string) (stdout string, err error) {
	var out, errOut bytes.Buffer
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&errOut)
	err = cmd.ExecuteContext(context.Background())
	return out.String(), err
}

func TestTheFlagsOfDev(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args   []string
		number int64
		fails  string
	}{
		"nothing to configure":            {nil, 123456789012, ""},
		"a project":                       {[]string{"--project", "my-project:42"}, 42, ""},
		"Cloud Run without a name":        {[]string{"--cloud-run"}, 123456789012, ""},
		"Cloud Run with one":              {[]string{"--cloud-run=europe-west1/web"}, 123456789012, ""},
		"an audience":                     {[]string{"--audience", "/projects/7/apps/other-app"}, 7, ""},
		"a command after the dashes":      {[]string{"--", "npm", "start", "--port", "1"}, 123456789012, ""},
		"a command without dashes":        {[]string{"npm", "start"}, 0, "gatehouse dev -- npm start"},
		"a word before the dashes":        {[]string{"oops", "--", "npm"}, 0, `unexpected "oops"`},
		"command and upstream":            {[]string{"--upstream", "http://127.0.0.1:1", "--", "npm"}, 0, "give one of them"},
		"two kinds of service":            {[]string{"--app-engine", "--cloud-run"}, 0, "--app-engine and --cloud-run"},
		"an address that is not loopback": {[]string{"--listen", "0.0.0.0:0"}, 0, "not a loopback address"},
		"a flag that nobody understands":  {[]string{"--no-such-flag"}, 0, "no-such-flag"},
		"a time that is none":             {[]string{"--ready-timeout", "soon"}, 0, "ready-timeout"},
		"no time at all":                  {[]string{"--ready-timeout", "0"}, 0, "no time to start"},
		"without interception":            {[]string{"--no-intercept"}, 123456789012, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s seen
			_, err := execute(newDevCommand(s.parts()), append([]string{"--listen", "127.0.0.1:0"}, test.args...)...)
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) || s.opened {
					t.Errorf("error %v, opened %t", err, s.opened)
				}
				return
			}
			if !errors.Is(err, errSeen) || s.options.ProjectNumber != test.number {
				t.Errorf("error %v, options %+v", err, s.options)
			}
			if _, err := os.Stat(s.options.DataDir); !os.IsNotExist(err) {
				t.Errorf("the directory of the failed run is still there (%v)", err)
			}
		})
	}
}

func TestTheSecondInterruptIsHurry(t *testing.T) {
	hurry, release := secondSignal()
	defer release()
	first := make(chan os.Signal, 2)
	notify(t, first)
	for range 2 {
		if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		<-first // signals of one kind that wait are one
	}
	select {
	case <-hurry:
	case <-time.After(time.Minute):
		t.Fatal("two interrupts are not in a hurry")
	}
}

func TestPrintIdentityToken(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Audience string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Header.Get("X-Gatehouse-Emulator") != "1" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"token": r.Method + r.URL.Path + "?" + body.Audience})
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	endpoint := "http://" + listener.Addr().String()

	for name, test := range map[string]struct {
		args   []string
		getenv string
		prints string
		fails  string
	}{
		"the token and a line feed":      {[]string{"a@b.c", "--endpoint", endpoint}, "", "POST/emulator/v1/accounts/a@b.c:generateIdToken?\n", ""},
		"for an audience":                {[]string{"a@b.c", "--endpoint", endpoint, "--audiences=x"}, "", "POST/emulator/v1/accounts/a@b.c:generateIdToken?x\n", ""},
		"the endpoint of --exec":         {[]string{"a@b.c"}, endpoint, "POST/emulator/v1/accounts/a@b.c:generateIdToken?\n", ""},
		"the flag is stronger":           {[]string{"a@b.c", "--endpoint", endpoint}, "http://127.0.0.1:1", "POST/emulator/v1/accounts/a@b.c:generateIdToken?\n", ""},
		"without an account":             {nil, "", "", "name one account"},
		"for two accounts":               {[]string{"a@b.c", "d@e.f"}, "", "", "unexpected argument"},
		"for two audiences":              {[]string{"a@b.c", "--audiences=x,y"}, "", "", "one audience"},
		"with an endpoint that is a hat": {[]string{"a@b.c", "--endpoint", "hat"}, "", "", "--endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			auth := authCommands{getenv: func(name string) string {
				return map[string]string{"GATEHOUSE_ENDPOINT": test.getenv, "XDG_CONFIG_HOME": t.TempDir()}[name]
			}}
			stdout, err := execute(auth.printIdentityToken(), test.args...)
			if stdout != test.prints || (err != nil) != (test.fails != "") || err != nil && !strings.Contains(err.Error(), test.fails) {
				t.Errorf("printed %q, error %v", stdout, err)
			}
		})
	}
}

// notify delivers interrupts to the test as well, so that it knows when each has been taken.
func notify(t *testing.T, signals chan<- os.Signal) {
	t.Helper()
	signal.Notify(signals, os.Interrupt)
	t.Cleanup(func() { signal.Stop(signals) })
}
