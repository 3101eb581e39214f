// Package emulator is `gatehouse dev`: the real server with a fixed project and accounts, one command's app
// behind it, and a few routes by path for programs. It owns the names of that project, the life of the app's
// process, the ready file and the banner. It does not decide, sign in or forward: the gate in it is the one
// that production runs, handed in as a Gate.
package emulator

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// Options say what `gatehouse dev` was asked for.
type Options struct {
	Listen    string // loopback address; empty means DefaultListen
	Protected Protected
	// Upstream is the http:// URL of an app that runs already; Command starts one. With neither, the
	// built-in app is served.
	Upstream string
	Command  []string
	// DataDir keeps state between runs. Empty means a private directory that ends with the run.
	DataDir      string
	ReadyFile    string
	ReadyTimeout time.Duration // zero means DefaultReadyTimeout
	Exec         string        // shell command to run once ready, whose end is the end
	// Declared is what manifests add to the seeded store; nil for nothing.
	Declared *Declared
	// Account is signed in without a question where nobody is; empty for none. One that is not there is created.
	Account string
	// TLS is the loopback address at which browsers come in over https; empty leaves them http.
	TLS string
	// NoIntercept leaves the app's process to find Google's hosts by itself.
	NoIntercept bool

	// NewGate makes the real server on the listener.
	NewGate func(ctx context.Context, o GateOptions) (Gate, Administration, error)
	// Hello makes the built-in app, which fetches the keys of assertions from keysURL.
	Hello func(keysURL, audience string) (http.Handler, error)

	Environ        []string // what processes inherit
	Stdout, Stderr io.Writer
	// Hurry is closed when whoever runs us does not want to wait for the app's own clean end any longer.
	Hurry <-chan struct{}
	Log   *slog.Logger
	// After is time.After where it is nil.
	After func(time.Duration) <-chan time.Time
}

// Declared is what manifests say.
type Declared struct {
	// Accounts are the addresses of people who are declared: they sign in with one click.
	Accounts []string
	// Hosts are where the services answer that are not the app.
	Hosts []string
	// Policy says that they have a policy for the app, so that who may use it is not what a new store grants.
	Policy bool
	// Apply writes what they declare.
	Apply func(ctx context.Context, admin Administration) error
}

// DefaultReadyTimeout is how long an app may take to accept connections.
const DefaultReadyTimeout = 60 * time.Second

// Patience with what we end. The app's is less than the ten seconds that container runtimes grant us.
const (
	processGrace = 5 * time.Second
	gateGrace    = 3 * time.Second
	// gateDrain is the part of gateGrace for exchanges under way: a stream that never ends must leave the gate the
	// time to write what is in memory and close the store.
	gateDrain = time.Second
)

// Run serves until ctx ends, the app's process or the --exec command does, or something fails, and leaves
// nothing behind. The exit code is 0 when ctx ended it, that of the --exec command or of the app's process
// (128 + signal) when one of these did, and 1 for failures. An error says what to tell the person.
func Run(ctx context.Context, o Options) (exitCode int, err error) {
	r := &run{Options: o.withDefaults()}
	if err := r.check(); err != nil {
		return 1, err
	}
	err = r.live(ctx)
	closeErr := r.close()
	var end *ending
	switch {
	case errors.As(err, &end) && (end.code != 0 || closeErr == nil):
		return end.code, end.reason
	case ctx.Err() != nil && r.Exec != "" && end == nil:
		return 1, errors.New("interrupted before the --exec command could run")
	case end == nil && ctx.Err() == nil:
		return 1, err
	case closeErr != nil:
		return 1, closeErr
	default:
		return 0, nil
	}
}

// ending is the end of a run with an exit code of its own.
type ending struct {
	code   int
	reason error // what to tell the person; nil when the code says it all
}

func (e *ending) Error() string { return "the run has ended" }

func (o Options) withDefaults() Options {
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.ReadyTimeout == 0 {
		o.ReadyTimeout = DefaultReadyTimeout
	}
	if o.After == nil {
		o.After = time.After
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Stdout == nil {
		o.Stdout = io.Discard
	}
	if o.Stderr == nil {
		o.Stderr = io.Discard
	}
	return o
}
