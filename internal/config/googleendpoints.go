package config

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
)

// GoogleEndpoints are the listeners at which the server answers in the place of hosts of Google's. What is nil
// is not answered.
type GoogleEndpoints struct {
	GStatic  *GStatic
	Metadata *MetadataServer
	Relay    Relay
}

// GStatic is the TLS listener for www.gstatic.com.
type GStatic struct{ Address, CertFile, KeyFile string }

// MetadataServer is the plain listener for metadata.google.internal.
type MetadataServer struct{ Address, Zone string }

// Relay says how the real www.gstatic.com is found.
type Relay struct{ Address, Resolver string }

// DefaultZone is where applications are told that they run.
const DefaultZone = "us-central1-a"

func googleEndpointsKeys(g *GoogleEndpoints) []key {
	return []key{
		{name: "gstatic", restart: true, standard: "no such listener", value: optional[GStatic]{&g.GStatic, gstaticKeys},
			meaning: "The listener that answers for www.gstatic.com: the keys of assertions are ours, all other paths are relayed."},
		{name: "metadata", restart: true, standard: "no such listener", value: optional[MetadataServer]{&g.Metadata, metadataKeys},
			meaning: "The listener that answers for metadata.google.internal: detection, the project's id and number, the zone. No credentials are given out."},
		{name: "relay", restart: true, value: section[Relay]{&g.Relay, relayKeys},
			meaning: "How the real www.gstatic.com is found. Needed where this machine's own hosts file or DNS points the name here."},
	}
}

func gstaticKeys(g *GStatic) []key {
	return []key{
		{name: "address", required: true, restart: true, example: `"127.0.0.2:443"`, value: address(&g.Address),
			meaning: "HOST:PORT. Applications always connect to port 443."},
		{name: "certFile", required: true, example: "/etc/gatehouse/ca/www.gstatic.com.crt", value: text(&g.CertFile, "a file"),
			meaning: "The certificate that `gatehouse ca init` wrote. It is read again when it changes."},
		{name: "keyFile", required: true, example: "/etc/gatehouse/ca/www.gstatic.com.key", value: text(&g.KeyFile, "a file"),
			meaning: "Its private key. It is refused when everybody on the machine may read it."},
	}
}

func metadataKeys(m *MetadataServer) []key {
	if m.Zone == "" {
		m.Zone = DefaultZone
	}
	return []key{
		{name: "address", required: true, restart: true, example: `"127.0.0.2:80"`, value: address(&m.Address),
			meaning: "HOST:PORT. Applications connect to port 80, or to what GCE_METADATA_HOST names."},
		{name: "zone", restart: true, standard: DefaultZone, example: "europe-west1-b", value: zone(&m.Zone),
			meaning: "The zone in which applications are told that they run."},
	}
}

func relayKeys(r *Relay) []key {
	return []key{
		{name: "address", restart: true, standard: "looked up", example: "proxy.internal:443", value: target(&r.Address, ""),
			meaning: "HOST:PORT to connect to in the place of www.gstatic.com. It must prove to be www.gstatic.com all the same."},
		{name: "resolver", restart: true, standard: "the system's", example: "8.8.8.8", value: target(&r.Resolver, "53"),
			meaning: "The DNS server, IP or IP:PORT, that is asked for the address. The hosts file is not looked into then."},
	}
}

var zoneForm = regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)+$`)

func zone(target *string) value {
	return scalar[string]{target: target, what: "a zone", parse: func(s string) (string, error) {
		if len(s) > 63 || !zoneForm.MatchString(s) {
			return "", wrong("is not the name of a zone", "write it as Google Cloud does, such as europe-west1-b")
		}
		return s, nil
	}}
}

var hostForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)

// target is where to connect to. With a default port it is a server that is named by its address alone.
func target(t *string, defaultPort string) value {
	return scalar[string]{target: t, what: "an address to connect to", parse: func(s string) (string, error) {
		if defaultPort != "" {
			if ip, err := netip.ParseAddr(s); err == nil {
				return net.JoinHostPort(ip.String(), defaultPort), nil
			}
		}
		at, port, err := net.SplitHostPort(s)
		if err != nil {
			return "", wrong("is not HOST:PORT", `write an address such as "192.0.2.1:443" or "[2001:db8::1]:443"`)
		}
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			return "", wrong("has no port from 1 to 65535", "write it as a number")
		}
		if _, err := netip.ParseAddr(at); err != nil && (defaultPort != "" || !hostForm.MatchString(at)) {
			return "", wrong("does not begin with an address that can be connected to", "write an IP address")
		}
		return s, nil
	}}
}

func (c *Config) deriveGoogleEndpoints(r *reader) {
	g := &c.GoogleEndpoints
	if g.GStatic != nil {
		g.GStatic.CertFile, g.GStatic.KeyFile = c.resolve(g.GStatic.CertFile), c.resolve(g.GStatic.KeyFile)
	} else if g.Relay != (Relay{}) {
		r.fault("googleEndpoints.relay", "nothing is relayed without googleEndpoints.gstatic", "add gstatic, or take relay out")
	}
	if g.Relay.Address != "" && g.Relay.Resolver != "" {
		if at, _, _ := net.SplitHostPort(g.Relay.Address); net.ParseIP(at) != nil {
			r.fault("googleEndpoints.relay.resolver", "relay.address is an IP address, so nothing is looked up", "keep one of the two")
		}
	}
}
