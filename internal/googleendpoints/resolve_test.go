package googleendpoints

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsServer answers questions over UDP and TCP at one address until the test ends.
func dnsServer(t *testing.T, answer func(network string, query dnsmessage.Message) dnsmessage.Message) string {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tcp.Close() })
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = udp.Close() })
	respond := func(network string, query []byte) []byte {
		var m dnsmessage.Message
		if err := m.Unpack(query); err != nil {
			t.Errorf("a malformed question: %v", err)
			return nil
		}
		a := answer(network, m)
		b, err := a.Pack()
		if err != nil {
			t.Error(err)
		}
		return b
	}
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := udp.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = udp.WriteTo(respond("udp", buffer[:n]), from)
		}
	}()
	go func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			var length [2]byte
			if _, err := io.ReadFull(conn, length[:]); err == nil {
				query := make([]byte, binary.BigEndian.Uint16(length[:]))
				if _, err := io.ReadFull(conn, query); err == nil {
					b := respond("tcp", query)
					_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
				}
			}
			_ = conn.Close()
		}
	}()
	return tcp.Addr().String()
}

// reply answers with addresses at the end of an alias.
func reply(query dnsmessage.Message) dnsmessage.Message {
	q := query.Questions[0]
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: query.ID, Response: true}, Questions: query.Questions}
	alias := dnsmessage.MustNewName("alias.example.")
	head := func(name dnsmessage.Name, kind dnsmessage.Type) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: name, Type: kind, Class: dnsmessage.ClassINET, TTL: 1}
	}
	m.Answers = append(m.Answers, dnsmessage.Resource{Header: head(q.Name, dnsmessage.TypeCNAME), Body: &dnsmessage.CNAMEResource{CNAME: alias}})
	if q.Type == dnsmessage.TypeA {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: head(alias, dnsmessage.TypeA), Body: &dnsmessage.AResource{A: [4]byte{142, 250, 0, 1}}})
	} else {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: head(alias, dnsmessage.TypeAAAA), Body: &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr("2a00:1450::1").As16()}})
	}
	return m
}

func TestTheResolverAsksTheServerThatItWasGiven(t *testing.T) {
	t.Parallel()
	server := dnsServer(t, func(network string, query dnsmessage.Message) dnsmessage.Message {
		if network == "udp" && query.Questions[0].Type == dnsmessage.TypeAAAA {
			return dnsmessage.Message{Header: dnsmessage.Header{ID: query.ID, Response: true, Truncated: true}, Questions: query.Questions}
		}
		return reply(query)
	})
	// localhost stands in every hosts file, which must not be looked into.
	for _, host := range []string{GStaticHost, "localhost"} {
		found, err := (&resolver{server}).lookup(t.Context(), host)
		want := []netip.Addr{netip.MustParseAddr("142.250.0.1"), netip.MustParseAddr("2a00:1450::1")}
		if err != nil || !slices.Equal(found, want) {
			t.Errorf("%s: %v %v", host, found, err)
		}
	}
}

func TestTheResolverTakesNoAnswerToAnotherQuestion(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(*dnsmessage.Message){
		"another id":        func(m *dnsmessage.Message) { m.ID++ },
		"no answer":         func(m *dnsmessage.Message) { m.Response = false },
		"another question":  func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeTXT },
		"another name":      func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("evil.example.") },
		"no question":       func(m *dnsmessage.Message) { m.Questions = nil },
		"a failure":         func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeServerFailure },
		"no such name":      func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeNameError },
		"nothing in it":     func(m *dnsmessage.Message) { m.Answers = nil },
		"always truncated":  func(m *dnsmessage.Message) { m.Truncated = true },
		"an alias and dust": func(m *dnsmessage.Message) { m.Answers = m.Answers[:1] },
	} {
		server := dnsServer(t, func(_ string, query dnsmessage.Message) dnsmessage.Message {
			m := reply(query)
			bend(&m)
			return m
		})
		if found, err := (&resolver{server}).lookup(t.Context(), GStaticHost); err == nil {
			t.Errorf("%s: %v", name, found)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	question := dnsmessage.Question{Name: dnsmessage.MustNewName(GStaticHost + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	m := reply(dnsmessage.Message{Questions: []dnsmessage.Question{question}})
	seed, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, answer []byte) {
		found, truncated, err := readAnswer(answer, 0, question)
		if (err != nil || truncated) && found != nil {
			t.Errorf("%v and %v", found, err)
		}
	})
}
