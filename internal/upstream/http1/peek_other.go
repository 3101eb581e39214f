//go:build !unix

package http1

// look cannot look here, so that each request gets a connection of its own.
func (c *conn) look(uintptr) bool { return true }
