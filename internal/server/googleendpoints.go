package server

import (
	"context"
	"net"
	"net/http"

	"github.com/gatehouse-iap/gatehouse/internal/googleendpoints"
	"github.com/gatehouse-iap/gatehouse/internal/metadataserver"
)

// GoogleEndpoints are the listeners at which we answer in the place of hosts of Google's. They have nothing of the
// gate: no host is routed, nobody signs in, nothing is decided there.
type GoogleEndpoints struct {
	// GStatic answers for www.gstatic.com, with a certificate for it; nil for nobody.
	GStatic net.Listener
	// Relay says how the real one is found. Ports and log are filled in.
	Relay googleendpoints.RelayOptions
	// Metadata answers for metadata.google.internal, and says that we are in Zone; nil for nobody.
	Metadata net.Listener
	Zone     string
}

type googleEndpoint struct {
	listener net.Listener
	handler  http.Handler
}

// googleEndpoints lists what answers where. What waits there for a change is answered once ctx ends.
func (s *Server) googleEndpoints(ctx context.Context) (list []googleEndpoint) {
	g := s.options.GoogleEndpoints
	if g == nil {
		return nil
	}
	if g.GStatic != nil {
		list = append(list, googleEndpoint{g.GStatic, s.gstatic(g)})
	}
	if g.Metadata != nil {
		metadata := metadataserver.New(metadataserver.Options{ProjectID: s.options.ProjectID, ProjectNumber: s.options.ProjectNumber, Zone: g.Zone})
		context.AfterFunc(ctx, metadata.Close)
		list = append(list, googleEndpoint{g.Metadata, metadata})
	}
	return list
}

func (s *Server) gstatic(g *GoogleEndpoints) http.Handler {
	relay := g.Relay
	relay.Log = s.options.Log
	relay.OwnPorts = []string{"443"} // where applications find us, whatever leads from there to our listener
	if _, port, err := net.SplitHostPort(g.GStatic.Addr().String()); err == nil {
		relay.OwnPorts = append(relay.OwnPorts, port)
	}
	return &googleendpoints.GStatic{Keys: s.AssertionKeys(), Relay: googleendpoints.NewRelay(relay)}
}
