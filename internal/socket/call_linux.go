//go:build linux && (amd64 || arm64) && !race && !msan && !asan

package socket

import (
	"syscall"
	"unsafe"
)

// Read is one attempt to read from a descriptor that does not block. Without anything to read it returns EAGAIN, and at
// the end of what comes neither bytes nor an error.
func Read(fd uintptr, p []byte) (int, error) { return call(syscall.SYS_RECVFROM, 0, fd, p) }

// Write is one attempt to write to a descriptor that does not block. What it takes may be a part.
func Write(fd uintptr, p []byte) (int, error) {
	return call(syscall.SYS_SENDTO, syscall.MSG_NOSIGNAL, fd, p)
}

// most is how much one call moves. A collection that begins waits for calls under way: with so little, for no more than
// some tens of microseconds.
const most = 64 << 10

// call makes a system call of which the scheduler does not know. For a socket, recvfrom and sendto do what read and write
// do, without the kernel's layer for files. The memory of p stays where it is: the compiler keeps alive what is converted
// within the call's arguments.
func call(number, flags, fd uintptr, p []byte) (int, error) {
	p = p[:min(len(p), most)]
	for {
		n, _, failed := syscall.RawSyscall6(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
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
