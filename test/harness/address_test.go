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
	var address string
	t.Run("while it runs", func(t *testing.T) {
		address = harness.FreeAddress(t)
		if held, err := net.ListenPacket("udp", address); err == nil {
			_ = held.Close()
			t.Errorf("nothing keeps %s from another test", address)
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatalf("the test itself cannot listen: %v", err)
		}
		_ = l.Close()
	})
	held, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatalf("after the test it is not given back: %v", err)
	}
	_ = held.Close()
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
