//go:build unix

package http1

import "syscall"

// look asks the kernel whether there is anything to read, without waiting and without taking it. It is called by
// syscall.RawConn, and never wants to be called again.
func (c *conn) look(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	c.quiet = err == syscall.EAGAIN
	return true
}
