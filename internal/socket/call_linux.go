//go:build linux && !race && !msan && !asan

package socket

import (
	"syscall"
	"unsafe"
)

// Read is one attempt to read from a descriptor that does not block. Without anything to read it returns EAGAIN, and at
// the end of what comes neither bytes nor an error.
func Read(fd uintptr, p []byte) (int, error) { return call(syscall.SYS_READ, fd, p) }

// Write is one attempt to write to a descriptor that does not block. What it takes may be a part.
func Write(fd uintptr, p []byte) (int, error) { return call(syscall.SYS_WRITE, fd, p) }

// most is how much one call moves. A collection that begins waits for calls under way: with so little, for no more than
// some tens of microseconds.
const most = 64 << 10

// call makes a system call of which the scheduler does not know. The memory of p stays where it is: the compiler keeps
// alive what is converted within the call's arguments.
func call(number, fd uintptr, p []byte) (int, error) {
	p = p[:min(len(p), most)]
	for {
		n, _, failed := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch failed {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, syscall.EAGAIN // as a constant it takes no memory
		default:
			return 0, failed
		}
	}
}
