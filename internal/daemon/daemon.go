// Package daemon is `gatehouse serve`: the server with the inputs that a file names. It owns the process around the
// server: the log, the listeners, what is read again while it runs and what became of that, and what the service
// manager is told. It decides nothing about requests, and reads no document itself.
package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit/sink"
	"github.com/gatehouse-iap/gatehouse/internal/config"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/metrics"
	"github.com/gatehouse-iap/gatehouse/internal/requestid"
	"github.com/gatehouse-iap/gatehouse/internal/sealing"
	"github.com/gatehouse-iap/gatehouse/internal/server"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
	"github.com/gatehouse-iap/gatehouse/internal/systemd"
	"github.com/gatehouse-iap/gatehouse/internal/tracing"
)

// Options are the inputs of a run.
type Options struct {
	ConfigFile string
	Version    string
	// Log is where the server's own log goes.
	Log io.Writer
	// Stdout is where lines of the records go when the configuration says so; nil for nowhere.
	Stdout io.Writer
	// LookupEnv is os.LookupEnv.
	LookupEnv func(string) (string, bool)
	// Inherited are the sockets that came with the process; nil for none.
	Inherited *listener.Inherited
	Notifier  systemd.Notifier
	// Hangup asks for everything to be read again.
	Hangup <-chan os.Signal
	// Tick is when to look whether files have changed; nil looks a few times a second.
	Tick <-chan time.Time
}

// daemon is one run.
type daemon struct {
	Options
	log     *slog.Logger
	level   *slog.LevelVar
	metrics *metrics.Metrics
	server  *server.Server
	tracer  *tracing.Tracer // nil without a collector

	sinks     []*sink.Sink // of config
	entrances []*entrance
	health    *server.Health
	google    *server.GoogleEndpoints
	proxies   *listener.TrustedProxies
	limits    *listener.Counts

	config       *config.Config // in force; only the loop changes it
	reading      *part
	certificates *part
	manifests    *part
	upstreams    *part
	pages        *part
	watched      map[*part]*watch
	secrets      *watch     // the files that documents of the manifests name, which are read with them
	secretFiles  []string   // of the documents that were read last
	mu           sync.Mutex // guards the parts' states, which /readyz reads
}

// Run serves until the context ends, then drains. Its error is config.Faults when the file is at fault.
func Run(ctx context.Context, o Options) error {
	c, err := config.Read(o.ConfigFile, config.Source{LookupEnv: o.LookupEnv})
	if err != nil {
		return err
	}
	d := newDaemon(o, c)
	if err := d.openTracer(); err != nil {
		return err
	}
	defer d.tracer.Close()
	if err := d.open(ctx); err != nil {
		return err
	}
	d.sinks = d.openSinks(c.Audit)
	if d.server, err = server.New(ctx, d.serverOptions()); err != nil {
		d.close()
		return err
	}
	d.startPages()
	serving, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- d.server.Serve(serving) }()
	select {
	case err := <-ended:
		return err
	case <-d.ready(ctx):
	}
	d.watched[d.upstreams] = &watch{paths: d.server.UpstreamFiles}
	d.watched[d.upstreams].begin()
	d.noteUpstreams(true)
	d.greet(ctx)
	defer reserveHeap(o.LookupEnv, os.DirFS("/"))()
	return d.loop(ctx, ended)
}

func newDaemon(o Options, c *config.Config) *daemon {
	level := new(slog.LevelVar)
	level.Set(c.Log.Level)
	d := &daemon{
		Options: o, config: c, level: level, log: newLog(o.Log, level, c.Log.JSON), metrics: metrics.New(o.Version),
		reading: &part{name: "config"}, certificates: &part{name: "certificates"}, manifests: &part{name: "manifests"},
		upstreams: &part{name: "upstreams", told: true}, pages: &part{name: "pages"},
	}
	d.secrets = &watch{paths: func() []string { return d.secretFiles }}
	d.proxies, d.limits = listener.NewTrustedProxies(c.TrustedProxies, d.log), listener.NewCounts()
	d.metrics.ObserveLimits(metrics.LimitCounts{Open: d.limits.Open, Connections: d.limits.Connections, Requests: d.limits.Requests, Ended: d.limits.Ended})
	d.watched = map[*part]*watch{
		d.reading:   {paths: func() []string { return []string{o.ConfigFile} }},
		d.manifests: {paths: func() []string { return d.config.Manifests }},
		d.pages:     {paths: d.pagePaths},
	}
	d.watched[d.reading].begin() // a change from here on is noticed
	d.note(d.reading, nil, true)
	return d
}

// pagePaths is the directory of templates, if there is one.
func (d *daemon) pagePaths() []string {
	if d.config.Pages.Templates == "" {
		return nil
	}
	return []string{d.config.Pages.Templates}
}

func newLog(out io.Writer, level slog.Leveler, json bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if json {
		return slog.New(requestid.LogHandler(slog.NewJSONHandler(out, options)))
	}
	return slog.New(requestid.LogHandler(slog.NewTextHandler(out, options)))
}

func (d *daemon) serverOptions() server.Options {
	c := d.config
	o := server.Options{
		DataDir: c.DataDir, RootKey: server.RootKey{File: c.RootKey.File}, Health: d.health, GoogleEndpoints: d.google,
		External: signin.External{Scheme: c.ExternalURL.Scheme, Port: c.ExternalURL.Port}, AuthHost: c.AuthHost,
		ProjectID: c.Project.ID, ProjectNumber: c.Project.Number, TrustedProxies: d.proxies,
		Bootstrap: d.bootstrap, Records: recordsOf(c.Audit, d.sinks), Log: d.log, Tracer: d.tracer,
	}
	for _, e := range d.entrances {
		if e.google {
			continue
		}
		o.Endpoints = append(o.Endpoints, server.Endpoint{Listener: e.listener, ToHTTPS: &e.toHTTPS, HealthPath: e.healthPath})
	}
	if c.RootKey.Env != "" {
		value, _ := d.LookupEnv(c.RootKey.Env)
		o.RootKey.Keys, _ = sealing.ParseKeys(value) // config.Read has seen that it can be read
		if o.RootKey.Keys == nil {
			o.RootKey.Keys = [][]byte{} // gone since: refused, not replaced by a file
		}
	}
	return o
}

// bootstrap applies the manifests before the first request. A server that has served before starts with what its
// store holds when they are at fault; a new one has nothing to serve and does not start.
func (d *daemon) bootstrap(ctx context.Context, a *admin.Admin) error {
	d.watched[d.manifests].begin()
	err := d.apply(ctx, a)
	if err != nil {
		if services, listErr := a.Services(ctx); listErr != nil || len(services) == 0 {
			return fmt.Errorf("the manifests cannot be applied:\n%w", err)
		}
	}
	d.note(d.manifests, err, true)
	return nil
}

// ready is closed when the server answers.
func (d *daemon) ready(ctx context.Context) <-chan struct{} {
	ready := make(chan struct{})
	go func() {
		if d.server.Ready(ctx) == nil {
			close(ready)
		}
	}()
	return ready
}

// greet says that and where the server answers.
func (d *daemon) greet(ctx context.Context) {
	if os.Geteuid() == 0 {
		d.log.Warn("the server runs as root and does not need to: run it as a user of its own, and let the service manager open ports below 1024")
	}
	for _, e := range d.entrances {
		d.log.Info("listening", "address", e.listener.Addr().String(), "tls", e.certificates != nil, "redirectToHTTPS", e.toHTTPS.Load())
	}
	if d.health != nil {
		d.log.Info("listening for health and metrics", "address", d.health.Listener.Addr().String())
	}
	d.tellRegistrations(ctx)
	d.log.Info("ready", "auth", d.origin(), "project", d.config.Project.ID, "version", d.Version)
	d.tell(d.Notifier.Ready(d.status()))
}

// status is what people see of the server in `systemctl status`.
func (d *daemon) status() string {
	status := "answers for " + d.origin()
	for _, p := range d.parts() {
		if p.problem != nil {
			status += "; " + p.name + ": what is there now has faults and is not in force, see the log"
		}
	}
	return status
}

// parts lists what is read again.
func (d *daemon) parts() []*part {
	return []*part{d.reading, d.certificates, d.manifests, d.upstreams, d.pages}
}

func (d *daemon) origin() string {
	return signin.External{Scheme: d.config.ExternalURL.Scheme, Port: d.config.ExternalURL.Port}.URL(d.config.AuthHost)
}

// tell logs when the service manager cannot be told.
func (d *daemon) tell(err error) {
	if err != nil {
		d.log.Warn("the service manager was not reached", "error", err)
	}
}

// loop waits for the end, and reads again what changes until then.
func (d *daemon) loop(ctx context.Context, ended <-chan error) error {
	look := newLooker(d.Tick)
	defer look.stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			d.log.Info("stopping: no new connections, those under way are finished", "within", listener.DrainTimeout)
			d.tell(d.Notifier.Stopping())
			err := <-ended
			d.log.Info("stopped")
			return err
		case <-d.Hangup:
			d.tell(d.Notifier.Reloading())
			d.reloadAll(ctx)
			d.tell(d.Notifier.Ready(d.status()))
		case <-look.now():
			look.again(func() { d.reloadChanged(ctx) })
		}
	}
}
