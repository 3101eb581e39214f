package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/gatehouse-iap/gatehouse/internal/config"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/server"
)

// entrance is one listener for clients, with what may change about it.
type entrance struct {
	listener     net.Listener
	certificates *listener.CertificateStore // nil for plain HTTP
	toHTTPS      atomic.Bool
	healthPath   string
	google       bool // answers in the place of a host of Google's; such ones stand after all others
}

// open opens every listener of the configuration, or none.
func (d *daemon) open(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	for i, l := range d.config.Listeners {
		e, err := d.openOne(ctx, i, l)
		if err != nil {
			return err
		}
		d.entrances = append(d.entrances, e)
	}
	if d.config.Admin.Address != "" {
		l, err := listener.Open(ctx, listener.Spec{Name: "admin", Address: d.config.Admin.Address, Log: d.log}, d.Inherited)
		if err != nil {
			return err
		}
		d.health = &server.Health{Listener: l, Metrics: d.metrics, Report: d.report}
	}
	if err := d.openGoogleEndpoints(ctx); err != nil {
		return err
	}
	if d.Inherited != nil {
		if left := d.Inherited.Left(); len(left) > 0 {
			return fmt.Errorf("the service manager passes sockets that no listener has the address of: %s; add listeners for them, or take them out of the socket unit",
				strings.Join(left, ", "))
		}
	}
	d.note(d.certificates, d.certificateProblems(), true)
	d.metrics.ObserveCertificates(d.shownCertificates)
	return nil
}

func (d *daemon) openOne(ctx context.Context, i int, l config.Listener) (*entrance, error) {
	e := &entrance{}
	e.toHTTPS.Store(l.RedirectToHTTPS)
	spec := listener.Spec{Name: fmt.Sprintf("listeners[%d] (%s)", i, l.Address), Address: l.Address, Limits: l.Limits, Trusted: d.proxies, Counts: d.limits, Log: d.log}
	if l.TLS != nil {
		var err error
		if e.certificates, err = listener.LoadCertificates(certificateFiles(l), d.log); err != nil {
			return nil, err
		}
		spec.Certificates = e.certificates
	}
	if l.HealthCheck != nil {
		e.healthPath = l.HealthCheck.Path
	}
	spec.ProxyFrom = proxyFrom(l)
	var err error
	e.listener, err = listener.Open(ctx, spec, d.Inherited)
	return e, err
}

func certificateFiles(l config.Listener) (files []listener.CertificateFiles) {
	for _, pair := range l.TLS.Certificates {
		files = append(files, listener.CertificateFiles{CertFile: pair.CertFile, KeyFile: pair.KeyFile, MinVersion: pair.MinVersion})
	}
	return files
}

// proxyFrom lists who begins connections with a PROXY protocol header.
func proxyFrom(l config.Listener) []netip.Prefix {
	if l.ProxyProtocol == nil {
		return nil
	}
	return l.ProxyProtocol.From
}

// close closes what open opened, when the server does not do it.
func (d *daemon) close() {
	for _, e := range d.entrances {
		_ = e.listener.Close()
	}
	if d.health != nil {
		_ = d.health.Listener.Close()
	}
	if d.Inherited != nil {
		_ = d.Inherited.Close()
	}
	for _, s := range d.sinks {
		_ = s.Close()
	}
}

// certificateProblems says which certificates are not those that their files hold now.
func (d *daemon) certificateProblems() error {
	var problems []error
	for _, e := range d.entrances {
		if e.certificates == nil {
			continue
		}
		for _, c := range e.certificates.Certificates() {
			if c.Problem != "" {
				problems = append(problems, errors.New(c.Problem))
			}
		}
	}
	return errors.Join(problems...)
}
