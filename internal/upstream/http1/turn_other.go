//go:build !unix

package http1

// canAsk says that connections cannot be asked here, so that each request gets one of its own.
const canAsk = false

func (c *conn) turn(uintptr) bool { return true }
