package googleendpoints

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// resolver asks one DNS server, and nothing else. Go's own reads the hosts file first whatever server it is given, and
// the hosts file is where the name is pointed at us. Answers need no more trust than their form: whoever is
// reached must still prove over TLS to be the host.
type resolver struct {
	server string // HOST:PORT
}

// resolveTimeout bounds one question. It is asked over UDP first.
const (
	resolveTimeout = 3 * time.Second
	maxUDPAnswer   = 1232
)

var errNoAddress = errors.New("the DNS server knows no address")

// lookup returns the addresses of a host, IPv4 first.
func (s *resolver) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	name, err := dnsmessage.NewName(host + ".")
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	var faults []error
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		found, err := s.ask(ctx, dnsmessage.Question{Name: name, Type: kind, Class: dnsmessage.ClassINET})
		all = append(all, found...)
		faults = append(faults, err)
	}
	if len(all) > 0 {
		return all, nil
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("DNS server %s: %w", s.server, err)
	}
	return nil, fmt.Errorf("DNS server %s: %w", s.server, errNoAddress)
}

func (s *resolver) ask(ctx context.Context, question dnsmessage.Question) ([]netip.Addr, error) {
	for _, network := range []string{"udp", "tcp"} {
		found, truncated, err := s.askOver(ctx, network, question)
		if err != nil || !truncated {
			return found, err
		}
	}
	return nil, errors.New("the answer is truncated over TCP too")
}

func (s *resolver) askOver(ctx context.Context, network string, question dnsmessage.Question) (found []netip.Addr, truncated bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, s.server)
	if err != nil {
		return nil, false, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, false, err
	}
	var id [2]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, false, err
	}
	header := dnsmessage.Header{ID: binary.BigEndian.Uint16(id[:]), RecursionDesired: true}
	query, err := (&dnsmessage.Message{Header: header, Questions: []dnsmessage.Question{question}}).Pack()
	if err != nil {
		return nil, false, err
	}
	exchange := overUDP
	if network == "tcp" {
		exchange = overTCP
	}
	answer, err := exchange(conn, query)
	if err != nil {
		return nil, false, err
	}
	return readAnswer(answer, header.ID, question)
}

func overUDP(conn net.Conn, query []byte) ([]byte, error) {
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	answer := make([]byte, maxUDPAnswer)
	n, err := conn.Read(answer)
	return answer[:n], err
}

func overTCP(conn net.Conn, query []byte) ([]byte, error) {
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	answer := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(conn, answer)
	return answer, err
}

// readAnswer takes the addresses out of an answer, those at the end of a chain of aliases included.
func readAnswer(answer []byte, id uint16, question dnsmessage.Question) (found []netip.Addr, truncated bool, err error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(answer)
	if err != nil {
		return nil, false, err
	}
	asked, err := parser.Question()
	switch {
	case err != nil:
		return nil, false, err
	case header.ID != id || !header.Response || asked.Type != question.Type || asked.Class != question.Class ||
		!strings.EqualFold(asked.Name.String(), question.Name.String()):
		return nil, false, errors.New("the answer is to another question")
	case header.RCode != dnsmessage.RCodeSuccess:
		return nil, false, fmt.Errorf("it answers %s", header.RCode)
	case header.Truncated:
		return nil, true, nil
	}
	if err := parser.SkipAllQuestions(); err != nil {
		return nil, false, err
	}
	resources, err := parser.AllAnswers()
	if err != nil {
		return nil, false, err
	}
	for _, r := range resources {
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			found = append(found, netip.AddrFrom4(body.A))
		case *dnsmessage.AAAAResource:
			found = append(found, netip.AddrFrom16(body.AAAA))
		}
	}
	return found, false, nil
}
