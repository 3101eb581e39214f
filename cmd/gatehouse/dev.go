package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/emulator"
)

const devLong = `dev runs the real gate on this machine, with a project, three accounts and nothing to configure. It stands in
front of COMMAND, which is started with PORT set; or of an app that runs already at URL; or of a built-in app
that says hello.

An app that was written for Google Cloud runs unchanged: what its process asks of www.gstatic.com/iap/verify/ and
metadata.google.internal is answered here. Variables lead it there (--no-intercept leaves all but the metadata
server's address out); gatehouse dev env prints them for programs that you start yourself.

The app's process sees PORT, IAP_AUDIENCE and GOOGLE_CLOUD_PROJECT (its own value is kept), and with --cloud-run
or --app-engine the variables by which these say what runs (K_SERVICE, GAE_SERVICE, …). It reads nothing from
standard input, and dies with gatehouse dev, together with everything that it starts and that does not detach
itself (setsid). Its death ends gatehouse dev, with its exit status.

The command of --exec sees the same, and GATEHOUSE_APP_URL, GATEHOUSE_AUTH_URL, GATEHOUSE_KEYS_URL,
GATEHOUSE_CLIENT_ID, and GATEHOUSE_ENDPOINT and GATEHOUSE_DATA, by which gatehouse's own commands find this run.`

// devParts are what the emulator is assembled from.
type devParts struct {
	newGate func(ctx context.Context, o emulator.GateOptions) (emulator.Gate, emulator.Administration, error)
	hello   func(keysURL, audience string) (http.Handler, error)
}

func newDevCommand(parts devParts) *cobra.Command {
	var o emulator.Options
	var documents devDocuments
	cmd := &cobra.Command{
		Use:   "dev [flags] [--upstream URL | -- COMMAND…]",
		Short: "Run the gate on this machine, with accounts and policy ready to use",
		Long:  devLong,
		Example: `  gatehouse dev
  gatehouse dev --upstream http://127.0.0.1:3000
  gatehouse dev -- npm start
  gatehouse dev --account alice@example.com -- npm start
  gatehouse dev --manifest deploy/gatehouse/ --service wiki -- npm start
  gatehouse dev --listen 127.0.0.1:0 --exec 'npm test' -- npm start`,
		Args: func(cmd *cobra.Command, args []string) error {
			if before := cmd.ArgsLenAtDash(); len(args) > 0 && before != 0 {
				return fmt.Errorf("unexpected %q: write the app's command after --, as in: gatehouse dev -- %s", args[0], strings.Join(args, " "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.ReadyTimeout <= 0 {
				return fmt.Errorf("--ready-timeout %s leaves the app no time to start: give it some, such as 60s", o.ReadyTimeout)
			}
			o.Command = args
			o.NewGate, o.Hello = parts.newGate, parts.hello
			o.Environ, o.Stdout, o.Stderr = os.Environ(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
			notes, err := documents.apply(&o)
			if err != nil {
				return err
			}
			for _, note := range notes {
				say(cmd, "note: %s", note)
			}
			return runDev(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Listen, "listen", emulator.DefaultListen, "loopback `address` to listen on; port 0 takes any free one")
	flags.StringVar(&o.Upstream, "upstream", "", "`URL` of an app that runs already, such as http://127.0.0.1:3000, or h2c://127.0.0.1:50051 for gRPC")
	flags.StringVar(&o.Protected.Project, "project", "", "`ID:NUMBER` of the project (default "+emulator.DefaultProject+")")
	flags.BoolVar(&o.Protected.AppEngine, "app-engine", false, "make the app the project's App Engine app")
	flags.StringVar(&o.Protected.CloudRun, "cloud-run", "", "make the app the Cloud Run service `REGION/NAME`")
	flags.Lookup("cloud-run").NoOptDefVal = emulator.DefaultCloudRun
	flags.StringVar(&o.Protected.Audience, "audience", "", "take project number and service from this `audience`, in any of IAP's three forms")
	flags.StringVar(&o.DataDir, "data", "", "keep state in this `directory` between runs")
	flags.StringVar(&o.ReadyFile, "ready-file", "", "write this JSON `file` once everything is ready; removed at the end")
	flags.DurationVar(&o.ReadyTimeout, "ready-timeout", emulator.DefaultReadyTimeout, "how long the app may take to accept connections")
	flags.StringArrayVar(&documents.manifests, "manifest", nil, "load the manifests of production in this `path`, a file or a directory; may be repeated")
	flags.StringVar(&documents.service, "service", "", "`name` of the service in the manifests that the app is, where there are several")
	flags.StringVar(&documents.policy, "policy", "", "`file` with the app's IAM policy, as gcloud prints it or as a manifest")
	flags.StringVar(&documents.settings, "settings", "", "`file` with the app's IapSettings, as gcloud prints them or as a manifest")
	flags.StringVar(&o.Account, "account", "", "sign every browser in as this `email` address, without a question; one that is not there is created")
	flags.StringVar(&o.TLS, "tls", "", "let browsers come in over https at this loopback `address`, with a certificate of the run's own authority (for Safari)")
	flags.Lookup("tls").NoOptDefVal = emulator.DefaultTLS
	flags.BoolVar(&o.NoIntercept, "no-intercept", false, "let the app's process reach Google's hosts by itself")
	flags.StringVar(&o.Exec, "exec", "", "run this shell `command` once ready, then end everything with its exit code")
	cmd.AddCommand(newDevEnvCommand(os.Getenv, os.Environ))
	return cmd
}

// runDev runs the emulator and turns its end into ours.
func runDev(ctx context.Context, o emulator.Options) error {
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP) // the terminal is gone: end as cleanly as on Ctrl-C
		defer stop()
	}
	hurry, release := secondSignal()
	defer release()
	o.Hurry = hurry
	code, err := emulator.Run(ctx, o)
	switch {
	case err != nil && code > 1:
		fmt.Fprintf(o.Stderr, "gatehouse: %v\n", err)
		return exitError{code}
	case err != nil:
		return err
	case code != 0:
		return exitError{code}
	}
	return nil
}

// secondSignal is closed when a person presses Ctrl-C again. The first one ends the command's context.
func secondSignal() (second <-chan struct{}, release func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	hurry, done := make(chan struct{}), make(chan struct{})
	go func() {
		for range 2 {
			select {
			case <-signals:
			case <-done:
				return
			}
		}
		close(hurry)
	}()
	return hurry, func() { signal.Stop(signals); close(done) }
}
