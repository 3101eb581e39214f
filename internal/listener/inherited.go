package listener

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// Inherited are listening sockets that a service manager opened before it started the process (systemd's socket
// activation). Because the manager keeps them open, connections wait while the process restarts, and none is
// refused.
type Inherited struct {
	sockets []inheritedSocket
}

type inheritedSocket struct {
	name string
	net.Listener
}

// firstInherited is where systemd puts the first socket.
const firstInherited = 3

// Inherit takes the sockets that LISTEN_FDS speaks of, and takes the variables out of the environment, so that no
// child believes them. Without sockets its result is empty.
func Inherit() (*Inherited, error) {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	if pid != strconv.Itoa(os.Getpid()) {
		return &Inherited{}, nil // they are not meant for this process
	}
	for _, variable := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if err := os.Unsetenv(variable); err != nil {
			return nil, err
		}
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > 1000 {
		return nil, fmt.Errorf("LISTEN_FDS is %q, not a number of sockets", count)
	}
	in := &Inherited{}
	named := strings.Split(names, ":")
	for i := range n {
		name := "socket " + strconv.Itoa(i)
		if i < len(named) && named[i] != "" {
			name = named[i]
		}
		l, err := inherit(firstInherited+i, name)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("inherited %s: %w", name, err), in.Close())
		}
		in.sockets = append(in.sockets, inheritedSocket{name, l})
	}
	return in, nil
}

func inherit(fd int, name string) (net.Listener, error) {
	file := os.NewFile(uintptr(fd), name)
	defer file.Close() // the listener has a copy, which no child gets
	l, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("it is no listening socket: %w", err)
	}
	if _, ok := l.Addr().(*net.TCPAddr); !ok {
		return nil, errors.Join(fmt.Errorf("it listens on %s, and only TCP is served", l.Addr()), l.Close())
	}
	return l, nil
}

// take hands out the socket for an address, once; nil where there is none.
func (in *Inherited) take(address string) (net.Listener, error) {
	if in == nil || len(in.sockets) == 0 {
		return nil, nil
	}
	want, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	for i, socket := range in.sockets {
		if sameEndpoint(want, socket.Addr().(*net.TCPAddr)) {
			in.sockets = append(in.sockets[:i:i], in.sockets[i+1:]...)
			return socket.Listener, nil
		}
	}
	return nil, nil
}

func sameEndpoint(a, b *net.TCPAddr) bool {
	everywhere := func(t *net.TCPAddr) bool { return len(t.IP) == 0 || t.IP.IsUnspecified() }
	return a.Port == b.Port && (a.IP.Equal(b.IP) || everywhere(a) && everywhere(b))
}

// Left lists the sockets that no listener took, by name and address. Somebody expects answers there.
func (in *Inherited) Left() []string {
	var left []string
	for _, socket := range in.sockets {
		left = append(left, fmt.Sprintf("%s (%s)", socket.name, socket.Addr()))
	}
	return left
}

// Close closes the sockets that nobody took.
func (in *Inherited) Close() error {
	var faults []error
	for _, socket := range in.sockets {
		faults = append(faults, socket.Close())
	}
	in.sockets = nil
	return errors.Join(faults...)
}
