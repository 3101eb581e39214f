package googleendpoints

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// errLoop says what is wrong when the name leads back to us, and what to do.
var errLoop = errors.New(GStaticHost + " leads back to this server or into a private network: the hosts file or the DNS of this machine points the name here; " +
	"set googleEndpoints.relay.resolver to a DNS server that knows the real address, or googleEndpoints.relay.address to that address")

// dialer finds the real www.gstatic.com. The name may be pointed at ourselves on this very machine, and a relay that
// followed it would call itself for ever.
type dialer struct {
	address  string   // HOST:PORT to connect to in place of the name
	ownPorts []string // at which we listen
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)
	connect  func(ctx context.Context, address string) (net.Conn, error)
	own      func() ([]net.Addr, error) // this machine's
}

func newDialer(o RelayOptions) *dialer {
	plain := &net.Dialer{Timeout: 10 * time.Second}
	d := &dialer{
		address: o.Address, ownPorts: o.OwnPorts,
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		connect: func(ctx context.Context, address string) (net.Conn, error) {
			return plain.DialContext(ctx, "tcp", address)
		},
		own: net.InterfaceAddrs,
	}
	if o.Resolver != "" {
		d.lookup = (&resolver{o.Resolver}).lookup
	}
	return d
}

// dial connects to the real host. The address that net/http gives is the name's.
func (d *dialer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	host, port := GStaticHost, "443"
	if d.address != "" {
		var err error
		if host, port, err = net.SplitHostPort(d.address); err != nil {
			return nil, fmt.Errorf("googleEndpoints.relay.address: %w", err)
		}
	}
	addresses, err := d.addresses(ctx, host, port)
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, address := range addresses {
		conn, err := d.connect(ctx, net.JoinHostPort(address.String(), port))
		if err == nil {
			return conn, nil
		}
		faults = append(faults, err)
	}
	return nil, errors.Join(faults...)
}

// addresses looks a host up and leaves out what is not the real one. Where the name leads, that is this machine and
// private networks, into which Google's public host never falls. Where an address is configured, it is only
// our own listeners: somebody may have a good reason for the rest.
func (d *dialer) addresses(ctx context.Context, host, port string) ([]netip.Addr, error) {
	found := []netip.Addr{}
	if address, err := netip.ParseAddr(host); err == nil {
		found = append(found, address)
	} else if found, err = d.lookup(ctx, host); err != nil {
		return nil, fmt.Errorf("looking up %s: %w", host, err)
	}
	own, err := d.own()
	if err != nil {
		return nil, fmt.Errorf("this machine's addresses: %w", err)
	}
	var usable []netip.Addr
	for _, address := range found {
		address = address.Unmap()
		loops := isOwn(address, own)
		if d.address == "" {
			loops = loops || !isPublic(address)
		} else {
			loops = loops && slices.Contains(d.ownPorts, port)
		}
		if !loops {
			usable = append(usable, address)
		}
	}
	if len(usable) == 0 {
		return nil, errLoop
	}
	return usable, nil
}

func isOwn(address netip.Addr, own []net.Addr) bool {
	if address.IsLoopback() || address.IsUnspecified() {
		return true
	}
	for _, o := range own {
		if prefix, err := netip.ParsePrefix(o.String()); err == nil && prefix.Addr().Unmap() == address.WithZone("") {
			return true
		}
	}
	return false
}

func isPublic(address netip.Addr) bool {
	return address.IsGlobalUnicast() && !address.IsPrivate() && !shared.Contains(address)
}

// shared is the space between carriers and their customers (RFC 6598), which clusters use as private.
var shared = netip.MustParsePrefix("100.64.0.0/10")
