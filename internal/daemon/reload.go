package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/config"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/manifest"
)

// part is one of the things that are read again while the server runs: configuration, certificates, manifests, the
// files of upstreams, templates.
type part struct {
	name    string
	told    bool      // whoever reads it logs what comes of that
	taken   time.Time // when it was last taken up
	problem error     // why what is there now is not in force
	since   time.Time // when the problem was found
}

// note keeps and counts what became of a reading.
func (d *daemon) note(p *part, err error, atStart bool) {
	now := time.Now()
	d.mu.Lock()
	if err == nil {
		p.taken, p.problem = now, nil
	} else {
		p.problem, p.since = err, now
	}
	d.mu.Unlock()
	d.metrics.Reloaded(p.name, now, err == nil, atStart)
	if p.told {
		return
	}
	if err != nil {
		for _, line := range faultLines(err) {
			d.log.Error("fault", "in", p.name, "fault", line)
		}
		d.log.Error(p.name+": what is there now cannot be used, and what was there before stays in force until it is put right", "faults", len(faultLines(err)))
	} else if !atStart {
		d.log.Info("reloaded", "what", p.name)
	}
}

// maxFaultLines is how many faults are logged and shown of one reading.
const maxFaultLines = 20

// faultLines takes an error with many causes apart.
func faultLines(err error) (lines []string) {
	var faults admin.Faults
	if errors.As(err, &faults) {
		for _, f := range faults {
			lines = append(lines, f.String())
		}
	} else {
		lines = strings.Split(err.Error(), "\n")
	}
	if more := len(lines) - maxFaultLines; more > 0 {
		lines = append(lines[:maxFaultLines], fmt.Sprintf("and %d more", more))
	}
	return lines
}

// report is what /readyz tells about the parts.
func (d *daemon) report() map[string]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	report := map[string]any{}
	for _, p := range d.parts() {
		state := map[string]any{"state": "current", "since": p.taken.UTC().Format(time.RFC3339)}
		if p.problem != nil {
			state["state"], state["faults"], state["faultsSince"] = "kept", faultLines(p.problem), p.since.UTC().Format(time.RFC3339)
		}
		report[p.name] = state
	}
	return report
}

// reloadAll reads everything again, whether it has changed or not.
func (d *daemon) reloadAll(ctx context.Context) {
	d.watched[d.reading].begin()
	d.note(d.reading, d.takeConfig(), false)
	for _, e := range d.entrances {
		if e.certificates != nil {
			_ = e.certificates.Reload() // the store keeps the problem
		}
	}
	d.note(d.certificates, d.certificateProblems(), false)
	d.watched[d.manifests].begin()
	d.note(d.manifests, d.apply(ctx, d.server.Admin()), false)
	d.watched[d.pages].begin()
	d.note(d.pages, d.takePages(), false)
	d.server.ReloadFiles()
	d.reopenSinks()
}

// reloadChanged reads again what has changed and has come to rest.
func (d *daemon) reloadChanged(ctx context.Context) {
	if d.watched[d.reading].changed() {
		d.reload(d.reading, d.takeConfig())
	}
	d.refreshCertificates()
	if d.watched[d.upstreams].changed() {
		d.server.ReloadFiles()
	}
	if d.watched[d.pages].changed() {
		d.reload(d.pages, d.takePages())
	}
	d.noteUpstreams(false)
	changed, secrets := d.watched[d.manifests].changed(), d.secrets.changed()
	if changed || secrets {
		err := d.apply(ctx, d.server.Admin())
		d.reload(d.manifests, err)
		var faults admin.Faults
		if err != nil && !errors.As(err, &faults) {
			d.watched[d.manifests].retry() // nothing in the files is wrong: another time it may work
		}
	}
}

// reload notes what became of reading a changed part. The same problem again is not told again.
func (d *daemon) reload(p *part, err error) {
	if err != nil && p.problem != nil && err.Error() == p.problem.Error() {
		return
	}
	d.note(p, err, false)
	d.tell(d.Notifier.Status(d.status()))
}

// noteUpstreams takes over what the builder of the snapshot has found about the files of upstreams.
func (d *daemon) noteUpstreams(atStart bool) {
	var err error
	if faults := d.server.UpstreamFaults(); len(faults) > 0 {
		err = errors.New(strings.Join(faults, "\n"))
	}
	switch {
	case atStart:
		d.note(d.upstreams, err, true)
	case err != nil || d.upstreams.problem != nil:
		d.reload(d.upstreams, err)
	}
}

func (d *daemon) refreshCertificates() {
	before := d.certificatesNow()
	for _, e := range d.entrances {
		if e.certificates != nil {
			_ = e.certificates.Refresh() // the store keeps the problem
		}
	}
	if problems := d.certificateProblems(); problems != nil || d.certificates.problem != nil || before != d.certificatesNow() {
		d.reload(d.certificates, problems)
	}
}

// certificatesNow tells one state of the certificates from another.
func (d *daemon) certificatesNow() string {
	var b strings.Builder
	for _, e := range d.entrances {
		if e.certificates != nil {
			for _, c := range e.certificates.Certificates() {
				fmt.Fprintln(&b, c.CertFile, c.NotBefore.UnixNano(), c.NotAfter.UnixNano(), c.Names)
			}
		}
	}
	return b.String()
}

// takeConfig reads the file again and takes up what a running server can. It is all or nothing: a file with a
// fault, or with a change that needs a restart, changes nothing.
func (d *daemon) takeConfig() error {
	next, err := config.Read(d.ConfigFile, config.Source{LookupEnv: d.LookupEnv})
	if err != nil {
		return err
	}
	if keys := d.config.NeedsRestart(next); len(keys) > 0 {
		return fmt.Errorf("%s: a running server does not take up a change of %s: restart it, or take the change back", d.ConfigFile, strings.Join(keys, ", "))
	}
	stores, err := loadAgain(d.entrances, next, d.log)
	if err != nil {
		return err
	}
	for i, e := range d.entrances {
		if stores[i] != nil {
			e.certificates.Replace(stores[i])
		}
		if e.google {
			continue
		}
		l := next.Listeners[i]
		e.toHTTPS.Store(l.RedirectToHTTPS)
		if own, ok := e.listener.(*listener.Listener); ok {
			own.SetProxyFrom(proxyFrom(l))
		}
	}
	d.proxies.Set(next.TrustedProxies)
	d.level.Set(next.Log.Level)
	d.takeRecords(next.Audit)
	d.config = next
	return nil
}

// loadAgain reads the certificates that the next configuration names, for each entrance that has any.
func loadAgain(entrances []*entrance, next *config.Config, log *slog.Logger) ([]*listener.CertificateStore, error) {
	stores := make([]*listener.CertificateStore, len(entrances))
	for i, e := range entrances {
		var files []listener.CertificateFiles
		switch {
		case e.certificates == nil:
			continue
		case e.google:
			files = gstaticFiles(next.GoogleEndpoints.GStatic)
		default:
			files = certificateFiles(next.Listeners[i])
		}
		var err error
		if stores[i], err = listener.LoadCertificates(files, log); err != nil {
			return nil, err
		}
	}
	return stores, nil
}

// secretFiles lists the files from which the server takes over what documents only name.
func secretFiles(documents []manifest.Document) (files []string) {
	for _, document := range documents {
		if user := document.User; user != nil && user.PasswordHash != nil && user.PasswordHash.File != "" {
			files = append(files, user.PasswordHash.File)
		}
	}
	return files
}

// apply brings what the manifests declare about, all of it or nothing.
func (d *daemon) apply(ctx context.Context, a *admin.Admin) error {
	if len(d.config.Manifests) == 0 {
		return nil
	}
	documents, err := manifest.Load(d.config.Manifests...)
	if err != nil || len(documents) == 0 {
		return err
	}
	d.secretFiles = secretFiles(documents)
	d.secrets.begin()
	plan, err := a.Apply(ctx, admin.System("manifests"), documents, admin.ApplyOptions{})
	if err != nil && !errors.Is(err, admin.ErrNotSettled) {
		return err
	}
	if err != nil {
		d.log.Warn("the manifests are stored, and requests do not see them yet", "error", err)
	}
	for _, c := range plan.Changes {
		d.log.Info("applied", "action", string(c.Action), "kind", string(c.Kind), "name", c.Name)
	}
	for _, note := range plan.Notes {
		d.log.Warn(note)
	}
	for _, document := range documents {
		if document.Service != nil && onAuthHost(d.config, *document.Service) >= 0 {
			d.log.Warn("a service has the auth host, at which people sign in, and is never reached there: give it another host", "service", document.Name, "host", d.config.AuthHost)
		}
	}
	return nil
}
