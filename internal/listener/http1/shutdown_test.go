package http1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// shutdown begins the end of the pipe's server, and returns what tells of it.
func (p *pipe) shutdown(after time.Duration) <-chan error {
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), after)
		defer cancel()
		ended <- p.server.Shutdown(ctx)
	}()
	synctest.Wait()
	return ended
}

// stillOpen fails the test when Shutdown has ended.
func stillOpen(t *testing.T, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		t.Errorf("it has ended with %v", err)
	default:
	}
}

// held answers when it is released, or when the client has gone.
func held(release *chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/1" {
			flush(w)
		}
		select {
		case <-*release:
		case <-r.Context().Done():
		}
		paths(w, r)
	})
}

func TestShutdownEndsAnIdleConnectionAtOnce(t *testing.T) {
	for _, requests := range []int{0, 1} {
		onPipe(t, paths, func(p *pipe) {
			for i := range requests {
				p.asks(fmt.Sprintf(asked, i))
				p.wants(fmt.Sprintf("/%d", i), false)
			}
			synctest.Wait()
			ended := p.shutdown(time.Hour)
			p.endsAfter(0, 0)
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestShutdownWaitsForWhatIsUnderWay(t *testing.T) {
	for name, c := range map[string]struct {
		before, after string
		answer        string
		told          bool // that the connection ends
	}{
		"a request":                       {fmt.Sprintf(asked, 2), "", "/2", true},
		"a request that is half answered": {fmt.Sprintf(asked, 1), "", "/1", false},
		"a request that comes":            {"GET /2 HTT", "P/1.1\r\nHost: a\r\n\r\n", "/2", true},
		"the first of two":                {fmt.Sprintf(asked, 2) + fmt.Sprintf(asked, 3), "", "/2", true},
	} {
		t.Run(name, func(t *testing.T) {
			var release chan struct{}
			onPipe(t, held(&release), func(p *pipe) {
				release = make(chan struct{}) // within the bubble
				p.asks(c.before)
				time.Sleep(time.Second)
				ended := p.shutdown(time.Hour)
				if c.after != "" {
					p.asks(c.after)
				}
				time.Sleep(time.Second)
				stillOpen(t, ended)
				close(release)
				p.wants(c.answer, c.told)
				p.endsAfter(0, 0)
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestShutdownWaitsUntilAConnectionIsGivenAway(t *testing.T) {
	onPipe(t, paths, func(p *pipe) {
		taken := make(chan struct{})
		p.server.Other = func(c net.Conn, _ []byte) {
			<-taken
			_ = c.Close()
		}
		p.asks("POST")
		synctest.Wait()
		ended := p.shutdown(time.Hour)
		stillOpen(t, ended)
		close(taken)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestShutdownCutsOffWhatTakesTooLong(t *testing.T) {
	for name, text := range map[string]string{"a request": fmt.Sprintf(asked, 2), "half a head": "GET"} {
		t.Run(name, func(t *testing.T) {
			onPipe(t, held(new(chan struct{})), func(p *pipe) {
				p.asks(text)
				time.Sleep(time.Second)
				ended := p.shutdown(time.Second)
				p.endsAfter(time.Second, time.Second)
				if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("it ends with %v", err)
				}
			})
		})
	}
}

func TestAConnectionThatBeginsBeforeShutdownIsAnsweredAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t, paths)
		p.server.LastAnswers()
		p.serve(t.Context(), nil)
		p.asks(fmt.Sprintf(asked, 1))
		p.wants("/1", true)
		<-p.ended
		if err := <-p.shutdown(time.Hour); err != nil {
			t.Error(err)
		}
		p.ended = make(chan struct{})
		p.serve(t.Context(), nil)
		p.asks(fmt.Sprintf(asked, 1))
		p.wants("", true)
		<-p.ended
	})
}

// unnamed is a connection whose client is not known before it has said something.
type unnamed struct {
	net.Conn
	closed chan struct{}
	once   sync.Once
}

func (u *unnamed) RemoteAddr() net.Addr {
	<-u.closed
	return &net.TCPAddr{}
}

func (u *unnamed) Close() error {
	u.once.Do(func() { close(u.closed) })
	return u.Conn.Close()
}

func TestShutdownEndsAConnectionWhoseClientIsNotKnownYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t, paths)
		p.serve(t.Context(), func(c net.Conn) net.Conn { return &unnamed{Conn: c, closed: make(chan struct{})} })
		synctest.Wait()
		ended := p.shutdown(time.Hour)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		p.endsAfter(0, 0)
		if _, err := p.Read(make([]byte, 1)); err != io.EOF {
			t.Error(err)
		}
	})
}
