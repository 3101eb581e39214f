//go:build linux || darwin

package admin

import "net"

// PeerUID returns the effective uid that the other end of a connection had when it connected or listened.
func PeerUID(conn *net.UnixConn) (uint32, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var uid uint32
	var uidErr error
	if err := raw.Control(func(fd uintptr) { uid, uidErr = peerUID(int(fd)) }); err != nil {
		return 0, err
	}
	return uid, uidErr
}
