package emulator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/googleendpoints"
	"github.com/gatehouse-iap/gatehouse/internal/interception"
	"github.com/gatehouse-iap/gatehouse/internal/metadataserver"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// metadataHost is where browsers and curl reach the metadata server.
const metadataHost = "metadata.localhost"

// zone is where the app's machine is. Cloud Run names no zone, and numbers them instead.
func zone(service resource.Service) string {
	if service.Kind == resource.CloudRunService {
		return service.Region + "-1"
	}
	return "us-central1-a"
}

// startMetadata makes the metadata server of the machine that the app believes to be on.
func (r *run) startMetadata() {
	i := &instance{gate: r.gate, service: r.service.Service, log: r.Log, now: time.Now, started: time.Now()}
	r.metadata = metadataserver.New(metadataserver.Options{
		ProjectID: r.service.ProjectID, ProjectNumber: r.service.ProjectNumber, Zone: zone(r.service.Service), Instance: instanceName,
		Account: &metadataserver.ServiceAccount{
			Email: r.info.ServiceAccount, Scopes: []string{"https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/userinfo.email"},
		},
		Minter: i, Hosts: []string{"localhost", metadataHost},
	})
	i.id = r.metadata.InstanceID()
}

// startInterception opens the proxy through which the app's process asks for what is Google's.
func (r *run) startInterception(context.Context) (err error) {
	if r.NoIntercept {
		return nil
	}
	outside, err := interception.NewOutside(r.Environ)
	if err != nil {
		return err
	}
	r.proxy, err = interception.Start(interception.Options{
		GStatic: &googleendpoints.GStatic{
			Keys: r.gate.AssertionKeys(), Relay: googleendpoints.NewRelay(googleendpoints.RelayOptions{Dial: outside.Dial, Log: r.Log}),
		},
		Certificate: r.gstatic,
		Metadata:    r.metadata, Outside: outside, Log: r.Log,
	})
	if err != nil {
		return fmt.Errorf("cannot open the proxy for Google's hosts: %w", err)
	}
	r.around.interception = &interception.Environment{Proxy: r.proxy.URL(), CAFile: r.info.CAFile}
	if err := writeEnvironment(r.DataDir, *r.around.interception); err != nil {
		return fmt.Errorf("cannot write the environment for `gatehouse dev env`: %w", err)
	}
	return nil
}

// closeGoogle ends what answers in the place of Google's hosts, and takes away what would lead to a proxy that is gone.
func (r *run) closeGoogle() error {
	if r.metadata != nil {
		r.metadata.Close()
	}
	var err error
	if r.proxy != nil {
		err = r.proxy.Close()
	}
	if r.info.CAFile != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Dir(r.info.CAFile)))
	}
	return err
}
