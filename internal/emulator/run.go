package emulator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/certauthority"
	"github.com/gatehouse-iap/gatehouse/internal/interception"
	"github.com/gatehouse-iap/gatehouse/internal/metadataserver"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// run is one run of the emulator: what it was asked for, and what it has opened so far.
type run struct {
	Options
	address netip.AddrPort // where to listen
	// tlsAddress is where browsers come in; invalid without --tls.
	tlsAddress netip.AddrPort
	service    catalog.Service
	info       Info
	fresh      bool // the store was new

	listener    net.Listener
	tlsListener net.Listener
	ready       readyFile
	temporary   string   // the data directory when it ends with the run
	lock        *os.File // of that directory
	gate        Gate
	admin       Administration
	stopGate    context.CancelFunc
	gateDone    chan struct{}
	gateErr     error // valid after gateDone

	// authorities are those of this run; certificate is what --tls presents.
	authorities          []*certauthority.Authority
	certificate, gstatic tls.Certificate
	metadata             *metadataserver.Server
	proxy                *interception.Proxy
	control              *control
	around               surroundings

	hello   *helloServer
	child   *process
	port    int // the child's
	lines   tail
	exec    *process
	answers atomic.Bool // everything is ready
}

const (
	appHost  = "app.localhost"
	authHost = "auth.localhost"
)

// check refuses what can be refused before anything is opened.
func (r *run) check() error {
	if r.Upstream != "" && len(r.Command) > 0 {
		return errors.New("--upstream names an app that runs already, and a command starts one: give one of them")
	}
	service, err := r.Protected.catalogService()
	if err != nil {
		return err
	}
	r.service = service
	r.service.Hosts, r.service.Upstream = []string{appHost}, "http://127.0.0.1:1" // until the app's own is known
	if r.Upstream != "" {
		r.service.Upstream = r.Upstream
		if r.service.Validate() != nil {
			return fmt.Errorf("--upstream %q must be http://HOST:PORT, https:// or h2c:// with the same, without a path, such as http://127.0.0.1:3000", r.Upstream)
		}
	}
	if r.Account != "" {
		if r.Account, err = principal.ParseAddress(r.Account); err != nil {
			return fmt.Errorf("--account: %w", err)
		}
	}
	if r.TLS != "" {
		if r.tlsAddress, err = parseListen(r.TLS); err != nil {
			return fmt.Errorf("--tls: %w", err)
		}
	}
	r.address, err = parseListen(r.Listen)
	return err
}

// open listens, prepares the directories and finds out where the app will be.
func (r *run) open(ctx context.Context) (err error) {
	if r.listener, err = listen(ctx, r.address); err != nil {
		return err
	}
	r.address = r.listener.Addr().(*net.TCPAddr).AddrPort()
	r.address = netip.AddrPortFrom(r.address.Addr().Unmap(), r.address.Port())
	if r.tlsAddress.IsValid() {
		if r.tlsListener, err = listen(ctx, r.tlsAddress); err != nil {
			return fmt.Errorf("--tls: %w", err)
		}
		r.tlsAddress = r.tlsListener.Addr().(*net.TCPAddr).AddrPort()
	}
	if r.upstreamIsUs() {
		return fmt.Errorf("--upstream %s is the emulator itself: name the app's own port, or choose another --listen", r.Upstream)
	}
	r.ready.path = r.ReadyFile
	if err := errors.Join(r.ready.prepare(), r.openDataDir()); err != nil {
		return err
	}
	r.describe()
	if len(r.Command) > 0 {
		if r.port, err = freePort(); err != nil {
			return err
		}
		r.service.Upstream = "http://" + loopbacks(r.port)[0].String()
	}
	return nil
}

func (r *run) upstreamIsUs() bool {
	u, err := url.Parse(r.Upstream)
	if err != nil || u.Port() != strconv.Itoa(int(r.address.Port())) {
		return false
	}
	address, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && address.Unmap() == r.address.Addr()
}

func (r *run) openDataDir() (err error) {
	if r.DataDir == "" {
		removeStale()
		// Made 0700, and with a name that nobody can guess.
		if r.temporary, err = os.MkdirTemp("", temporaryPrefix); err == nil {
			r.lock, err = lockTemporary(r.temporary)
		}
		r.DataDir = r.temporary
	}
	if err == nil {
		r.DataDir, err = filepath.Abs(r.DataDir)
	}
	if err != nil {
		return fmt.Errorf("cannot make a data directory: %w", err)
	}
	return nil
}

// describe fills in what this run is, now that its port is known.
func (r *run) describe() {
	machineURL := "http://" + r.address.String()
	r.info = Info{
		PID: os.Getpid(), Audience: r.service.Audience(), ClientID: r.service.OAuthClientID,
		Project: r.service.ProjectID, ProjectNumber: strconv.FormatInt(r.service.ProjectNumber, 10), DataDir: r.DataDir,
		ServiceAccount: serviceAccount(r.service.Service),
		URLs: URLs{
			App: r.origin(appHost), Auth: r.origin(authHost), Metadata: plainOrigin(metadataHost, r.address.Port()),
			Keys: machineURL + "/iap/verify/public_key-jwk", Machine: machineURL,
		},
	}
	for _, account := range seededAccounts() {
		r.info.Accounts = append(r.info.Accounts, Account{account.email, account.subject, Password, account.access})
	}
	if r.Declared != nil {
		for _, email := range r.Declared.Accounts {
			r.info.Accounts = append(r.info.Accounts, Account{Email: email, Access: "from a manifest: one click, no password"})
		}
	}
	if !r.NoIntercept || r.TLS != "" {
		r.info.CAFile = filepath.Join(filepath.Dir(environmentFile(r.DataDir)), "ca.pem")
	}
	r.around.info = r.info
}

// origin returns the URL of a host as browsers write it: without the port that is the default one.
func (r *run) origin(host string) string {
	switch {
	case !r.tlsAddress.IsValid():
		return plainOrigin(host, r.address.Port())
	case r.tlsAddress.Port() == 443:
		return "https://" + host
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(int(r.tlsAddress.Port())))
}

func plainOrigin(host string, port uint16) string {
	if port == 80 {
		return "http://" + host
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// startHello starts the built-in app, unless there is another.
func (r *run) startHello(context.Context) error {
	if r.Upstream != "" || len(r.Command) > 0 {
		return nil
	}
	handler, err := r.Hello(r.info.URLs.Keys, r.info.Audience)
	if err != nil {
		return fmt.Errorf("cannot make the built-in app: %w", err)
	}
	if r.hello, err = startHello(handler); err != nil {
		return err
	}
	r.service.Upstream = r.hello.url()
	return nil
}

func (r *run) startGate(ctx context.Context) (err error) {
	keys, heard := newKeyEndpoint(), &decisions{}
	options := GateOptions{
		Account: r.Account, WrapKeys: keys.wrap, Decision: heard.hear,
		DataDir: r.DataDir, Listener: r.listener, Port: int(r.address.Port()), AuthHost: authHost, TokenURL: r.info.URLs.Machine + tokenEndpointPath,
		ProjectID: r.service.ProjectID, ProjectNumber: r.service.ProjectNumber, Drain: gateDrain, Log: r.Log,
		Bootstrap: func(ctx context.Context, admin Administration) (err error) {
			seed := seeder{admin: admin, service: r.service}
			if r.fresh, err = seed.apply(ctx); err != nil {
				return err
			}
			if r.Declared != nil {
				if err := r.Declared.Apply(ctx, admin); err != nil {
					return err
				}
			}
			if r.Account == "" {
				return nil
			}
			return seed.ensure(ctx, r.Account)
		},
	}
	for _, account := range r.info.Accounts {
		options.QuickAccounts = append(options.QuickAccounts, account.Email)
	}
	if r.tlsListener != nil {
		options.TLS, options.Certificate, options.Port = r.tlsListener, r.certificate, int(r.tlsAddress.Port())
	}
	if r.gate, r.admin, err = r.NewGate(ctx, options); err != nil {
		return err
	}
	r.startMetadata()
	r.control = &control{
		info: r.info, gate: r.gate, admin: r.admin, service: r.service.Service, metadata: r.metadata,
		keys: keys, heard: heard, now: time.Now,
	}
	byPath := &machine{info: r.info, gate: r.gate, metadata: r.metadata, control: r.control, ready: r.isReady, log: r.Log}
	local := map[string]http.Handler{
		metadataHost: forPrograms(r.metadata), metadataserver.Host: forPrograms(r.metadata), // the latter where the hosts file leads it here
		authHost + signInPath: http.HandlerFunc(r.control.signIn),
	}
	for _, host := range []string{"127.0.0.1", "localhost", "::1", r.address.Addr().String()} {
		local[host] = byPath
	}
	r.gate.SetLocal(local)

	// The gate outlives ctx: the app may still want it while it ends.
	gateContext, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stopGate, r.gateDone = stop, make(chan struct{})
	go func() {
		defer close(r.gateDone)
		r.gateErr = r.gate.Serve(gateContext)
	}()
	return nil
}

// startChild starts the app's command. The gate listens by then, so that an app may fetch its keys at once.
func (r *run) startChild(context.Context) (err error) {
	if len(r.Command) == 0 {
		return nil
	}
	env, notes, err := r.around.appEnvironment(r.Environ, r.port)
	if err != nil {
		return err
	}
	for _, note := range notes {
		fmt.Fprintf(r.Stderr, "gatehouse: %s\n", note)
	}
	r.child, err = startProcess(command{
		name: commandLine(r.Command), args: r.Command, env: env,
		stdout: io.MultiWriter(&r.lines, r.Stdout), stderr: io.MultiWriter(&r.lines, r.Stderr),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(r.Stderr, "gatehouse: started %s with PORT=%d; waiting until it accepts connections\n", r.child.name, r.port)
	return nil
}

// close ends what has been opened, in the order in which nobody misses it: first what says that we are ready,
// then the processes, then the gate.
func (r *run) close() error {
	r.answers.Store(false)
	r.ready.remove()
	for _, p := range []*process{r.exec, r.child} {
		if p != nil {
			p.stop(stopping{grace: r.After(processGrace), hurry: r.Hurry})
		}
	}
	errs := []error{r.closeGoogle(), r.closeGate()}
	if r.hello != nil {
		errs = append(errs, r.hello.stop())
	}
	for _, l := range []net.Listener{r.listener, r.tlsListener} {
		if l != nil {
			l.Close() // the gate has closed it, if there was one
		}
	}
	if r.temporary != "" {
		errs = append(errs, os.RemoveAll(r.temporary))
	}
	if r.lock != nil {
		r.lock.Close()
	}
	return errors.Join(errs...)
}

func (r *run) closeGate() error {
	if r.gateDone == nil {
		return nil
	}
	r.stopGate()
	select {
	case <-r.gateDone:
	case <-r.Hurry:
		return nil
	case <-time.After(gateGrace):
		return fmt.Errorf("the gate did not end within %s", gateGrace)
	}
	if err := r.gateErr; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the gate: %w", err)
	}
	return nil
}
