//go:build unix && (!linux || !(amd64 || arm64) || race || msan || asan)

package socket

import "syscall"

// Read is one attempt to read from a descriptor that does not block. Without anything to read it returns EAGAIN, and at
// the end of what comes neither bytes nor an error.
func Read(fd uintptr, p []byte) (int, error) { return call(syscall.Read, fd, p) }

// Write is one attempt to write to a descriptor that does not block. What it takes may be a part.
func Write(fd uintptr, p []byte) (int, error) { return call(syscall.Write, fd, p) }

func call(make func(int, []byte) (int, error), fd uintptr, p []byte) (int, error) {
	for {
		n, err := make(int(fd), p)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
