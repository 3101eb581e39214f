// Package socket reads and writes connections of TCP as package net does, for less. Descriptors of package net never
// block, so a system call on one is over at once: there is no need to tell Go's scheduler of each, which then watches for
// those that last, and hands the processor to another thread when one seems to (decision 0022).
package socket

import (
	"net"
	"os"
)

// Failure makes an error of the system what package net makes of it.
func Failure(c net.Conn, operation string, err error) error {
	return &net.OpError{Op: operation, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(operation, err)}
}
