package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// live is the whole run but its end.
func (r *run) live(ctx context.Context) error {
	for _, step := range []func(context.Context) error{r.open, r.makeAuthorities, r.startHello, r.startGate, r.startInterception, r.startChild, r.awaitReady, r.announce} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	return r.awaitEnd(ctx)
}

// awaitReady returns nil when the gate answers and the app accepts connections, and otherwise what came first.
func (r *run) awaitReady(ctx context.Context) error {
	becoming, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan error, 1)
	go func() { ready <- r.becomeReady(becoming) }()

	timeout := r.After(r.ReadyTimeout)
	select {
	case err := <-ready:
		return err
	case <-r.child.ended():
		if status := r.child.exitCode(); status != 0 {
			return &ending{status, fmt.Errorf("%s ended with exit status %d before it accepted connections on port %d",
				r.child.name, status, r.port)}
		}
		return fmt.Errorf("%s ended before it accepted connections on port %d: does it listen on $PORT, and stay in the foreground?",
			r.child.name, r.port)
	case <-r.gateDone:
		return r.gateEnded()
	case <-timeout:
		return r.notReady()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *run) becomeReady(ctx context.Context) error {
	if err := r.gate.Ready(ctx); err != nil {
		return fmt.Errorf("the gate is not ready: %w", err)
	}
	if err := awaitHealth(ctx, r.info.URLs.Machine); err != nil {
		return err
	}
	if r.waitsForUpstream() {
		return r.awaitUpstream(ctx)
	}
	if r.child == nil {
		return nil
	}
	found, err := awaitAccept(ctx, loopbacks(r.port))
	if err != nil {
		return err
	}
	if upstream := "http://" + found.String(); upstream != r.service.Upstream {
		r.service.Upstream = upstream
		_, err = seeder{admin: r.admin, service: r.service}.apply(ctx)
		return err
	}
	return nil
}

// awaitHealth asks the gate, as everybody will, through its listener.
func awaitHealth(ctx context.Context, origin string) error {
	transport := &http.Transport{} // no proxy: this never leaves the machine
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, origin+"/healthz", http.NoBody)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// waitsForUpstream reports whether the app that runs already must accept connections before we say that all is ready.
// Programs rely on that; a person is told that it does not yet, and may start it later.
func (r *run) waitsForUpstream() bool { return r.Upstream != "" && (r.ReadyFile != "" || r.Exec != "") }

// awaitUpstream waits for the app that runs already.
func (r *run) awaitUpstream(ctx context.Context) error {
	if r.upstreamAccepts(ctx) {
		return nil
	}
	fmt.Fprintf(r.Stderr, "gatehouse: nothing answers at %s yet; waiting until it accepts connections\n", r.Upstream)
	tick := time.NewTicker(20 * time.Millisecond) // nothing tells us when a program of somebody else listens
	defer tick.Stop()
	for !r.upstreamAccepts(ctx) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func (r *run) upstreamAccepts(ctx context.Context) bool { return accepts(ctx, hostPort(r.Upstream)) }

// isReady is what /readyz says: an app of somebody else's may come and go.
func (r *run) isReady(ctx context.Context) bool {
	return r.answers.Load() && (r.Upstream == "" || r.upstreamAccepts(ctx))
}

func (r *run) notReady() error {
	if r.Upstream != "" {
		return fmt.Errorf("nothing accepts connections at %s within %s: start the app that --upstream names, or give it more time with --ready-timeout", r.Upstream, r.ReadyTimeout)
	}
	if r.child == nil {
		return fmt.Errorf("the gate was not ready within %s (--ready-timeout)", r.ReadyTimeout)
	}
	said := "It printed nothing."
	if lines := r.lines.String(); lines != "" {
		said = "Its last lines:\n" + lines
	}
	return fmt.Errorf("%s did not accept connections on 127.0.0.1:%d within %s: let it listen on $PORT, or give it more time with --ready-timeout. %s",
		r.child.name, r.port, r.ReadyTimeout, said)
}

func (r *run) gateEnded() error {
	if r.gateErr != nil {
		return fmt.Errorf("the gate has ended: %w", r.gateErr)
	}
	return errors.New("the gate has ended by itself")
}

// announce tells people and programs that everything is ready, and starts what waits for that.
func (r *run) announce(ctx context.Context) error {
	if err := r.control.remember(ctx); err != nil {
		return err
	}
	r.answers.Store(true)
	if err := r.ready.write(r.info); err != nil {
		return err
	}
	notice := ""
	if r.Upstream != "" && !r.upstreamAccepts(ctx) {
		notice = "Nothing answers at " + r.Upstream + " yet: requests get an error until it does."
	}
	if err := r.banner(notice).write(r.Stderr); err != nil {
		return fmt.Errorf("cannot write to standard error: %w", err)
	}
	if r.Exec == "" {
		return nil
	}
	env, err := r.around.execEnvironment(r.Environ, r.port)
	if err != nil {
		return err
	}
	r.exec, err = startProcess(command{
		name: "the --exec command", args: []string{"/bin/sh", "-c", r.Exec}, env: env, stdout: r.Stdout, stderr: r.Stderr,
	})
	return err
}

// awaitEnd returns what ends the run.
func (r *run) awaitEnd(ctx context.Context) error {
	select {
	case <-r.exec.ended():
		return &ending{r.exec.exitCode(), nil}
	case <-r.child.ended():
		return r.childEnded()
	case <-r.gateDone:
		return r.gateEnded()
	case <-ctx.Done():
	}
	if r.exec == nil {
		return &ending{0, nil}
	}
	// The command has been interrupted with us, and how it took that is its answer.
	r.exec.stop(stopping{grace: r.After(processGrace), hurry: r.Hurry})
	return &ending{r.exec.exitCode(), nil}
}

// childEnded makes the end of the app's process ours. While --exec runs it is a failure in any case: what
// the command found out about the app is not worth a success.
func (r *run) childEnded() error {
	code := r.child.exitCode()
	if code == 0 && r.exec == nil {
		fmt.Fprintf(r.Stderr, "gatehouse: %s has ended\n", r.child.name)
		return &ending{0, nil}
	}
	reason := fmt.Errorf("%s ended with exit status %d", r.child.name, code)
	if r.exec != nil {
		reason = fmt.Errorf("%w while the --exec command ran", reason)
	}
	return &ending{max(code, 1), reason}
}
