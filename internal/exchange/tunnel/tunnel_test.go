package tunnel_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/exchange/framing"
	"github.com/gatehouse-iap/gatehouse/internal/exchange/tunnel"
	"github.com/gatehouse-iap/gatehouse/internal/socket/sockettest"
)

// dig runs a tunnel between a client and an application.
func dig(t testing.TB, change func(*tunnel.Tunnel)) (tun *tunnel.Tunnel, client, app *net.TCPConn, ended <-chan error) {
	t.Helper()
	nearClient, client := sockettest.Pair(t)
	nearApp, app := sockettest.Pair(t)
	tun = &tunnel.Tunnel{Client: nearClient, App: nearApp}
	change(tun)
	done := make(chan error, 1)
	go func() { done <- tun.Run() }()
	return tun, client, app, done
}

func asItIs(*tunnel.Tunnel) {}

func write(t *testing.T, to io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(to, s); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, from io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(from, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q", got, err, want)
	}
}

func mustEnd(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(5 * time.Second):
		t.Fatal("the tunnel did not end")
		return nil
	}
}

func TestBothDirectionsPassUnchanged(t *testing.T) {
	t.Parallel()
	tun, client, app, ended := dig(t, func(tun *tunnel.Tunnel) { tun.Early = []byte("early") })
	large := "\x82\x7f\x00\x00\x00\x00\x00\x01\x11\x70" + strings.Repeat("y", 70_000)
	mustRead(t, app, "early")
	write(t, client, "\x81\x85maskhello"+strings.Repeat("z", 9000)) // whatever it is: the application judges it
	mustRead(t, app, "\x81\x85maskhello"+strings.Repeat("z", 9000))
	for _, frames := range []string{"\x81\x02hi", large, "\x89\x00", "\x01\x01a\x8a\x00\x80\x01b"} {
		write(t, app, frames)
		mustRead(t, client, frames)
	}
	if !tun.Used() || tun.Used() {
		t.Error("Used does not say that the client has sent something, once")
	}
	write(t, app, "\x88\x02\x03\xe8")
	mustRead(t, client, "\x88\x02\x03\xe8")
	_ = client.Close()
	_ = app.Close()
	if err := mustEnd(t, ended); err != nil {
		t.Error(err)
	}
}

func TestCloseIsSaidBetweenFramesAndNothingPassesAfterwards(t *testing.T) {
	t.Parallel()
	want := string(framing.Close(framing.PolicyViolation, "session_ended"))
	for name, test := range map[string]struct{ before, after, seen string }{
		"while nothing is under way":               {"\x81\x02hi", "", "\x81\x02hi" + want},
		"before the first frame":                   {"", "", want},
		"in the midst of a message, between two":   {"\x01\x02hi", "", "\x01\x02hi" + want},
		"in the midst of a frame, behind it":       {"\x81\x05he", "llo\x81\x02no", "\x81\x05hello" + want},
		"in the midst of the header of a frame":    {"\x81", "\x05hello\x81\x02no", "\x81\x05hello" + want},
		"when the application has said so before":  {"\x88\x02\x03\xe8", "", "\x88\x02\x03\xe8"},
		"in the midst of the application's own":    {"\x88\x02\x03", "\xe8", "\x88\x02\x03\xe8"},
		"when the frame that is under way goes on": {"\x81\x7e\x10\x00abc", "", "\x81\x7e\x10\x00abc"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tun, client, app, ended := dig(t, asItIs)
			write(t, app, test.before)
			mustRead(t, client, test.before)
			tun.End(framing.PolicyViolation, "session_ended")
			write(t, client, "too late")
			if test.after != "" {
				write(t, app, test.after)
			}
			rest, _ := io.ReadAll(client)
			if got := test.before + string(rest); got != test.seen {
				t.Errorf("the client read %q, want %q", got, test.seen)
			}
			_ = client.Close()
			if err := mustEnd(t, ended); err != nil {
				t.Error(err)
			}
			if late, _ := io.ReadAll(app); bytes.Contains(late, []byte("late")) {
				t.Errorf("the application read %q after the end", late)
			}
		})
	}
}

func TestAnApplicationThatSendsNoFramesIsCutOff(t *testing.T) {
	t.Parallel()
	_, client, app, ended := dig(t, asItIs)
	write(t, app, "HTTP/1.1 200 OK\r\n\r\n")
	if got, _ := io.ReadAll(client); len(got) != 0 {
		t.Errorf("the client read %q", got)
	}
	if err := mustEnd(t, ended); !errors.Is(err, framing.ErrWebSocket) {
		t.Errorf("ended with %v", err)
	}
}

func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	tun, client, app, ended := dig(t, asItIs)
	_ = client.SetReadBuffer(4 << 10)
	frame := "\x82\x7f\x00\x00\x00\x00\x10\x00\x00\x00" + strings.Repeat("y", 1<<20)
	stuck := make(chan struct{})
	go func() {
		defer close(stuck)
		for range 64 {
			if _, err := io.WriteString(app, frame); err != nil {
				return
			}
		}
	}()
	mustRead(t, client, "\x82")
	tun.End(framing.PolicyViolation, "")
	start := time.Now()
	if err := mustEnd(t, ended); err != nil || time.Since(start) > 3*time.Second {
		t.Errorf("ended with %v after %s", err, time.Since(start))
	}
	<-stuck
}

func TestWhoeverGoesTakesTheOtherAlong(t *testing.T) {
	t.Parallel()
	t.Run("the client", func(t *testing.T) {
		t.Parallel()
		_, client, app, ended := dig(t, asItIs)
		_ = client.Close()
		if _, err := io.ReadAll(app); err != nil {
			t.Error(err)
		}
		_ = app.Close()
		if err := mustEnd(t, ended); err != nil {
			t.Error(err)
		}
	})
	t.Run("the application", func(t *testing.T) {
		t.Parallel()
		_, client, app, ended := dig(t, asItIs)
		_ = app.Close()
		if _, err := io.ReadAll(client); err != nil {
			t.Error(err)
		}
		_ = client.Close()
		if err := mustEnd(t, ended); err != nil {
			t.Error(err)
		}
	})
}
