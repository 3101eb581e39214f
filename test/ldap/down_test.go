package ldap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/signin/ldapbind"
	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// steps is how many requests one check sends: bind, search, bind as the person, bind again, search for groups.
const steps = 5

func TestADirectoryThatDiesMidwayLetsNobodyIn(t *testing.T) {
	t.Parallel()
	for step := range steps {
		t.Run(fmt.Sprintf("at request %d", step+1), func(t *testing.T) {
			t.Parallel()
			s := start(t)
			cfg := s.config()
			cfg.URL = "ldap://" + relay(t, strings.TrimPrefix(s.Plain, "ldap://"), step, s.Process)
			var log bytes.Buffer
			if person, err := binder(&log).Check(t.Context(), cfg, "alice@corp.example", "alice-password"); !errors.Is(err, ldapbind.ErrUnavailable) {
				t.Errorf("%+v, %v", person, err)
			}
			if person, err := binder(&log).Check(t.Context(), s.config(), "alice@corp.example", "alice-password"); !errors.Is(err, ldapbind.ErrUnavailable) {
				t.Errorf("once it is dead: %+v, %v", person, err)
			}
		})
	}
}

func TestADirectoryThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	s := start(t)
	if err := syscall.Kill(s.Process.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(s.Process.PID(), syscall.SIGCONT) })
	plain := s.config()
	plain.URL = s.Plain
	startTLS := plain
	startTLS.StartTLS = true
	var log bytes.Buffer
	b := binder(&log)
	b.Timeout = 300 * time.Millisecond
	for name, cfg := range map[string]struct {
		check func(context.Context) error
	}{
		"plain": {func(ctx context.Context) error {
			_, err := b.Check(ctx, plain, "alice@corp.example", "alice-password")
			return err
		}},
		"TLS": {func(ctx context.Context) error {
			_, err := b.Check(ctx, s.config(), "alice@corp.example", "alice-password")
			return err
		}},
		"StartTLS": {func(ctx context.Context) error {
			_, err := b.Check(ctx, startTLS, "alice@corp.example", "alice-password")
			return err
		}},
	} {
		began := time.Now()
		if err := cfg.check(t.Context()); !errors.Is(err, ldapbind.ErrUnavailable) || time.Since(began) > 5*time.Second {
			t.Errorf("%s: %v after %s", name, err, time.Since(began))
		}
	}
}

// relay passes requests on to a directory, and kills it when one comes after as many as are let through.
func relay(t *testing.T, to string, through int, victim *harness.Process) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer server.Close()
		go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
		request := make([]byte, 64<<10)
		for {
			n, err := client.Read(request) // one request: the next is sent once this one is answered
			if err != nil {
				return
			}
			if through == 0 {
				victim.Kill(t)
			}
			through--
			if _, err := server.Write(request[:n]); err != nil {
				return
			}
		}
	}()
	return listener.Addr().String()
}
