package emulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// DefaultListen is where the emulator listens.
const DefaultListen = "127.0.0.1:8080"

// DefaultTLS is where browsers come in with --tls.
const DefaultTLS = "127.0.0.1:8443"

// parseListen reads --listen. Only loopback addresses are allowed: the passwords are public, and accounts
// sign in with one click. Names other than localhost are refused, because what they resolve to may change.
func parseListen(listen string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("--listen %q must be HOST:PORT, such as %s", listen, DefaultListen)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("--listen %q: the port must be a number from 0 to 65535; 0 takes any free one", listen)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	address, err := netip.ParseAddr(host)
	if err != nil || address.Zone() != "" || !address.Unmap().IsLoopback() {
		return netip.AddrPort{}, fmt.Errorf("--listen %q is not a loopback address: anyone who reaches the emulator can sign in as anyone, "+
			"so it listens on this machine only; use 127.0.0.1:%d or [::1]:%d", listen, number, number)
	}
	return netip.AddrPortFrom(address.Unmap(), uint16(number)), nil
}

// listen opens the one listener, or says who holds the port.
func listen(ctx context.Context, address netip.AddrPort) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address.String())
	switch {
	case err == nil:
		return listener, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is taken%s: end that program, or choose another port with --listen %s (port 0 takes any free one)",
			address, byHolder(portHolder(address)), netip.AddrPortFrom(address.Addr(), nextPort(address.Port())))
	default:
		return nil, fmt.Errorf("cannot listen on %s: %w; choose another address with --listen", address, err)
	}
}

func nextPort(port uint16) uint16 {
	if port == 65535 {
		return 0
	}
	return port + 1
}

func byHolder(holder string) string {
	if holder == "" {
		return ""
	}
	return " by " + holder
}
