package sink

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Address is where syslog messages go.
type Address struct {
	Network string // "unix", "udp", "tcp" or "tls"
	Target  string // a path, or host and port
}

// String writes the address as ParseAddress reads it.
func (a Address) String() string { return a.Network + "://" + a.Target }

// ParseAddress reads unix:///dev/log, udp://HOST[:514], tcp://HOST[:601] or tls://HOST[:6514].
func ParseAddress(s string) (Address, error) {
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return Address{}, errAddress
	}
	port, overIP := map[string]string{"udp": "514", "tcp": "601", "tls": "6514"}[u.Scheme]
	switch {
	case u.Scheme == "unix" && u.Host == "" && path.IsAbs(u.Path):
		return Address{"unix", u.Path}, nil
	case !overIP || u.Hostname() == "" || u.Path != "" && u.Path != "/":
		return Address{}, errAddress
	}
	if u.Port() != "" {
		port = u.Port()
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return Address{}, errAddress
		}
	}
	return Address{u.Scheme, net.JoinHostPort(u.Hostname(), port)}, nil
}

var errAddress = errors.New("is not unix:///PATH, udp://HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT")

const (
	// dialPatience and writePatience bound how long a collector that hangs keeps the sink.
	dialPatience, writePatience = 5 * time.Second, 5 * time.Second
	// The priorities of RFC 5424: facility 10, security and authorization; severity 6, informational, and 5, notice.
	informational, notice = 10*8 + 6, 10*8 + 5
)

// syslog sends messages of RFC 5424: on datagrams one each (RFC 5426), over TCP and TLS with their length before
// them (RFC 6587, octet counting; RFC 5425), on a local stream with a line break after them.
type syslog struct {
	address Address
	caFile  string
	host    string // in messages
	conn    net.Conn
	gone    chan error // tells that the collector has ended conn; nil where that cannot be heard
	stream  bool
	message []byte
}

func newSyslog(a Address, caFile string) *syslog {
	host, err := os.Hostname()
	if err != nil || host == "" || len(host) > 255 || strings.ContainsFunc(host, func(c rune) bool { return c <= ' ' || c > '~' }) {
		host = "-"
	}
	return &syslog{address: a, caFile: caFile, host: host}
}

func (s *syslog) write(b batch) (refused int, err error) {
	if err := s.leaveDead(); err != nil {
		return 0, err
	}
	if err := s.dial(); err != nil {
		return 0, err
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return 0, errors.Join(err, s.close())
	}
	s.message = s.message[:0]
	for line := range bytes.Lines(b.lines) {
		start := len(s.message)
		s.message = s.append(s.message, bytes.TrimSuffix(line, []byte{'\n'}), b)
		if s.stream {
			continue // a batch goes in one piece
		}
		_, err := s.conn.Write(s.message[start:])
		s.message = s.message[:0]
		if errors.Is(err, syscall.EMSGSIZE) { // no datagram is that large
			refused++
		} else if err != nil {
			return 0, errors.Join(err, s.close())
		}
	}
	if s.stream {
		if _, err := s.conn.Write(s.message); err != nil {
			return 0, errors.Join(err, s.close())
		}
	}
	return refused, nil
}

// append appends one message, framed as the connection has it.
func (s *syslog) append(to, line []byte, b batch) []byte {
	priority := notice
	if b.passed {
		priority = informational
	}
	header := fmt.Appendf(nil, "<%d>1 %s %s gatehouse %d %s - ", priority, b.at.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), s.host, os.Getpid(), b.kind)
	if s.counts() {
		to = strconv.AppendInt(to, int64(len(header)+len(line)), 10)
		to = append(to, ' ')
	}
	to = append(append(to, header...), line...)
	if s.address.Network == "unix" && s.stream {
		to = append(to, '\n')
	}
	return to
}

// counts reports whether messages are framed by their length.
func (s *syslog) counts() bool { return s.address.Network == "tcp" || s.address.Network == "tls" }

func (s *syslog) dial() error {
	if s.conn != nil {
		return nil
	}
	var err error
	switch s.address.Network {
	case "unix":
		s.stream = false
		if s.conn, err = net.DialTimeout("unixgram", s.address.Target, dialPatience); errors.Is(err, syscall.EPROTOTYPE) {
			s.stream = true
			s.conn, err = net.DialTimeout("unix", s.address.Target, dialPatience)
		}
	case "tls":
		s.stream = true
		s.conn, err = s.dialTLS()
	default:
		s.stream = s.address.Network == "tcp"
		s.conn, err = net.DialTimeout(s.address.Network, s.address.Target, dialPatience)
	}
	if err != nil {
		s.conn = nil // not an interface that holds nil
	} else if s.counts() {
		s.gone = hear(s.conn)
	}
	return err
}

func (s *syslog) reopen() { _ = s.close() }

func (s *syslog) close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn, s.gone = nil, nil
	return err
}
