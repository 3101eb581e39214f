package accepted

import (
	"errors"
	"net"
	"testing"
)

func TestWhatIsGivenIsAccepted(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	defer there.Close()
	l := NewListener(here.LocalAddr())
	go l.Give(here)
	if conn, err := l.Accept(); conn != here || err != nil {
		t.Errorf("accepted %v, %v", conn, err)
	}
	if l.Addr() != here.LocalAddr() {
		t.Errorf("it is said to be at %v", l.Addr())
	}
}

func TestNothingIsAcceptedOfAListenerThatIsClosed(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	defer there.Close()
	l := NewListener(here.LocalAddr())
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l.Give(here)
	if _, err := here.Write([]byte("x")); err == nil {
		t.Error("what is given then stays open")
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepting fails with %v", err)
	}
}
