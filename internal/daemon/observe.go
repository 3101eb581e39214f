package daemon

import (
	"github.com/gatehouse-iap/gatehouse/internal/metrics"
	"github.com/gatehouse-iap/gatehouse/internal/tracing"
)

// openTracer makes what sends traces, where a collector is configured.
func (d *daemon) openTracer() error {
	t := d.config.Tracing
	if t.Endpoint == "" {
		return nil
	}
	header, err := t.Header(d.LookupEnv)
	if err != nil {
		return err
	}
	d.tracer = tracing.New(tracing.Config{Endpoint: t.Endpoint, Ratio: t.SampleRatio, Headers: header, Version: d.Version, Log: d.log})
	return nil
}

// shownCertificates are those that clients are shown now, for the metrics.
func (d *daemon) shownCertificates() []metrics.Certificate {
	var shown []metrics.Certificate
	for _, e := range d.entrances {
		if e.certificates == nil {
			continue
		}
		for _, c := range e.certificates.Certificates() {
			shown = append(shown, metrics.Certificate{File: c.CertFile, NotAfter: c.NotAfter, Kept: c.Problem != ""})
		}
	}
	return shown
}
