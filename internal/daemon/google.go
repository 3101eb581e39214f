package daemon

import (
	"context"

	"github.com/gatehouse-iap/gatehouse/internal/config"
	"github.com/gatehouse-iap/gatehouse/internal/googleendpoints"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
	"github.com/gatehouse-iap/gatehouse/internal/server"
)

// openGoogleEndpoints opens the listeners at which we answer in the place of hosts of Google's, after all others.
func (d *daemon) openGoogleEndpoints(ctx context.Context) error {
	c := d.config.GoogleEndpoints
	if c.GStatic == nil && c.Metadata == nil {
		return nil
	}
	g := &server.GoogleEndpoints{Relay: googleendpoints.RelayOptions{Address: c.Relay.Address, Resolver: c.Relay.Resolver}}
	if c.GStatic != nil {
		certificates, err := listener.LoadCertificates(gstaticFiles(c.GStatic), d.log)
		if err != nil {
			return err
		}
		spec := listener.Spec{Name: "googleEndpoints.gstatic", Address: c.GStatic.Address, Certificates: certificates, Log: d.log}
		if g.GStatic, err = d.listen(ctx, spec); err != nil {
			return err
		}
		d.entrances = append(d.entrances, &entrance{listener: g.GStatic, certificates: certificates, google: true})
	}
	if c.Metadata != nil {
		var err error
		spec := listener.Spec{Name: "googleEndpoints.metadata", Address: c.Metadata.Address, Log: d.log}
		if g.Metadata, err = d.listen(ctx, spec); err != nil {
			return err
		}
		d.entrances = append(d.entrances, &entrance{listener: g.Metadata, google: true})
		g.Zone = c.Metadata.Zone
	}
	d.google = g
	return nil
}

func gstaticFiles(g *config.GStatic) []listener.CertificateFiles {
	return []listener.CertificateFiles{{CertFile: g.CertFile, KeyFile: g.KeyFile}}
}
