package upstream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// TimeoutError is an application that took too long.
type TimeoutError struct {
	Address string
	Setting string // the field of the service that bounds the time
	Limit   time.Duration
	what    string
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s %s within %s: find out why, or raise %s", e.Address, e.what, e.Limit, e.Setting)
}

// Timeout makes it a timeout in the words of package net.
func (e *TimeoutError) Timeout() bool { return true }

// The fields of a service that bound times.
const (
	settingConnect   = "upstreamTimeouts.connectSec"
	settingFirstByte = "upstreamTimeouts.firstByteSec"
	settingIdle      = "upstreamTimeouts.idleSec"
)

// UnavailableError is an upstream of which no address could be connected to lately, so that nothing was tried.
type UnavailableError struct {
	After time.Duration // when the next attempt is due
	cause string
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("nothing was sent: %s; the next attempt is due in %s", e.cause, e.After.Round(100*time.Millisecond))
}

// errNotTaken is a request that the application has refused or reset, and that is not sent again.
var errNotTaken = errors.New("the application gave the request back, and one of its method is not sent twice")

// connectError is a failure before anything of the request was sent.
type connectError struct{ err error }

func (e *connectError) Error() string { return e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// notSent reports whether an error of an address says that nothing of the request was sent.
func notSent(err error) bool {
	var connect *connectError
	return errors.As(err, &connect)
}

// isOurs reports whether we could not connect for want of something of our own: files, memory, or ports. Somebody who
// is let through can use these up, and that says nothing about an address. For IPv6, no address to connect from may be
// all that a machine without it has to say.
func isOurs(err error) bool {
	for _, errno := range [...]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	var operation *net.OpError
	if !errors.Is(err, syscall.EADDRNOTAVAIL) || !errors.As(err, &operation) {
		return false
	}
	to, known := operation.Addr.(*net.TCPAddr)
	return known && to.IP.To4() != nil
}

// refusedHandshake reports whether we found the other end's part of a TLS handshake wanting.
func refusedHandshake(err error) bool {
	var certificate *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	return errors.As(err, &certificate) || errors.As(err, &notTLS)
}

// handshakeTimeout knows net/http's error for that, which has no name.
func handshakeTimeout(err error) bool {
	return isTimeout(err) && strings.Contains(err.Error(), "TLS handshake timeout")
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// Answer is what a client is told about a request that failed with an error of RoundTrip: the status, and when it may
// come back; zero for nothing. Where nothing was tried, 503 and a time say that it is worth asking again, and when.
func Answer(err error) (status int, retryAfter time.Duration) {
	var unavailable *UnavailableError
	switch {
	case errors.As(err, &unavailable):
		return http.StatusServiceUnavailable, max(time.Second, unavailable.After.Round(time.Second))
	case isTimeout(err):
		return http.StatusGatewayTimeout, 0
	}
	return http.StatusBadGateway, 0
}
