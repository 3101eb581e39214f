package emulator

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// freePort asks the system for a loopback port that nobody holds. The command binds it a moment later; what
// takes it in between makes the command fail to bind, which it will say itself.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("cannot find a free loopback port for the command: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// loopbacks are where a server bound to "localhost" may be; which of the two depends on its language.
func loopbacks(port int) []netip.AddrPort {
	return []netip.AddrPort{
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)),
		netip.AddrPortFrom(netip.IPv6Loopback(), uint16(port)),
	}
}

// awaitAccept returns the first address that accepts connections, or ctx's error. Nothing tells us when a
// program of somebody else listens, so this asks again and again.
func awaitAccept(ctx context.Context, addresses []netip.AddrPort) (netip.AddrPort, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, address := range addresses {
			if accepts(ctx, address.String()) {
				return address, nil
			}
		}
		select {
		case <-ctx.Done():
			return netip.AddrPort{}, ctx.Err()
		case <-tick.C:
		}
	}
}

func accepts(ctx context.Context, address string) bool {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// commandLine names a command in messages.
func commandLine(args []string) string { return strconv.Quote(shorten(strings.Join(args, " "))) }

func shorten(s string) string {
	const enough = 60
	if len(s) > enough {
		return strings.ToValidUTF8(s[:enough], "") + "…"
	}
	return s
}

// isTerminal reports whether colours have a reader.
func isTerminal(w any) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
