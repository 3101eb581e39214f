//go:build unix

package socket_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/gatehouse-iap/gatehouse/internal/socket"
	"github.com/gatehouse-iap/gatehouse/internal/socket/sockettest"
)

func TestAConnectionDoesWhatEveryConnectionDoes(t *testing.T) {
	t.Parallel()
	nettest.TestConn(t, func() (one, other net.Conn, stop func(), err error) {
		a, b := sockettest.Pair(t)
		one, other = socket.Wrap(a), socket.Wrap(b)
		return one, other, func() { _, _ = one.Close(), other.Close() }, nil
	})
}

func TestErrorsAreThoseOfPackageNet(t *testing.T) {
	t.Parallel()
	read := func(c net.Conn) error {
		_, err := c.Read(make([]byte, 1))
		return err
	}
	write := func(c net.Conn) (err error) {
		for err == nil { // until the other end has said what it has to say
			_, err = c.Write(make([]byte, 1<<10))
		}
		return err
	}
	for name, c := range map[string]struct {
		happens func(own, other *net.TCPConn)
		does    func(net.Conn) error
		is      error
	}{
		"a read after the end":                   {func(_, other *net.TCPConn) { other.Close() }, read, io.EOF},
		"a read after a reset":                   {func(_, other *net.TCPConn) { _, _ = other.SetLinger(0), other.Close() }, read, syscall.ECONNRESET},
		"a read when the time is over":           {func(own, _ *net.TCPConn) { _ = own.SetReadDeadline(time.Unix(1, 0)) }, read, os.ErrDeadlineExceeded},
		"a read of what is closed":               {func(own, _ *net.TCPConn) { own.Close() }, read, net.ErrClosed},
		"a write to somebody who has gone":       {func(_, other *net.TCPConn) { _, _ = other.SetLinger(0), other.Close() }, write, nil},
		"a write when the time is over":          {func(own, _ *net.TCPConn) { _ = own.SetWriteDeadline(time.Unix(1, 0)) }, write, os.ErrDeadlineExceeded},
		"a write to what is closed":              {func(own, _ *net.TCPConn) { own.Close() }, write, net.ErrClosed},
		"a write after the end of what it sends": {func(own, _ *net.TCPConn) { _ = own.CloseWrite() }, write, syscall.EPIPE},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := func(wrap func(net.Conn) net.Conn) (string, error) {
				own, other := sockettest.Pair(t)
				c.happens(own, other)
				err := c.does(wrap(own))
				var o *net.OpError
				if !errors.As(err, &o) {
					return fmt.Sprint(err), err
				}
				return fmt.Sprint(o.Op, o.Net, o.Source.String() == own.LocalAddr().String(), o.Addr.String() == own.RemoteAddr().String(), o.Timeout(), o.Err), err
			}
			theirs, _ := said(func(c net.Conn) net.Conn { return c })
			ours, err := said(socket.Wrap)
			if c.is == nil { // which of two errors it is depends on who is quicker
				if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("it fails with %v", err)
				}
				return
			}
			if ours != theirs || !errors.Is(err, c.is) {
				t.Errorf("it fails with %s, and in package net with %s", ours, theirs)
			}
		})
	}
}

func TestWhatIsLargeIsWrittenWholeHoweverSlowItIsTaken(t *testing.T) {
	t.Parallel()
	a, b := sockettest.Pair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<19) // more than the system buffers
	written := make(chan error, 1)
	go func() {
		n, err := socket.Wrap(a).Write(sent)
		if n != len(sent) && err == nil {
			err = fmt.Errorf("%d bytes of %d were written", n, len(sent))
		}
		written <- err
		a.Close()
	}()
	got, err := io.ReadAll(io.LimitReader(socket.Wrap(b), int64(len(sent))+1))
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes of %d came, %v", len(got), len(sent), err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func TestAWriteWhoseTimeIsOverSaysHowMuchWasTaken(t *testing.T) {
	t.Parallel()
	a, b := sockettest.Pair(t)
	_ = a.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	n, err := socket.Wrap(a).Write(make([]byte, 64<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
	a.Close()
	if got, err := io.Copy(io.Discard, b); got != int64(n) || err != nil {
		t.Errorf("%d bytes were said to be taken, and %d came, %v", n, got, err)
	}
}

func TestWhatIsNoConnectionOfTCPStaysAsItIs(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if socket.Wrap(a) != a {
		t.Error("it was wrapped")
	}
}
