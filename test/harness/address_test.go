package harness_test

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

func TestAFreeAddressIsGivenToOneTestAtATime(t *testing.T) {
	t.Parallel()
	given := map[string]bool{}
	t.Run("while others run", func(t *testing.T) {
		for range 500 {
			address := harness.FreeAddress(t)
			if given[address] {
				t.Fatalf("%s is given twice", address)
			}
			given[address] = true
		}
	})
	for address := range given {
		_, port, _ := net.SplitHostPort(address)
		held, err := net.ListenPacket("udp", "127.0.0.2:"+port)
		if err != nil {
			t.Fatalf("%s is not given back when its test ends: %v", address, err)
		}
		_ = held.Close()
	}
}

func TestAFreeAddressCanBeHadForTCPAndForUDP(t *testing.T) {
	t.Parallel()
	address := harness.FreeAddress(t)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
}

func TestTheKernelGivesAFreeAddressToNobodyWhoAsksForAnyPort(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		t.Fatal(err)
	}
	var first, last, port int
	if _, err := fmt.Sscan(string(text), &first, &last); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(harness.FreePort(t), &port); err != nil {
		t.Fatal(err)
	}
	if port >= first && port <= last {
		t.Errorf("port %d is among those from %d to %d that the kernel gives to anybody", port, first, last)
	}
}
