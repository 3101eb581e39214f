package emulator

import (
	"net/netip"
	"strings"
	"testing"
)

func TestTheTableOfSockets(t *testing.T) {
	t.Parallel()
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 0100007F:0001 01 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   1: 0200007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 2 1 0 100 0 0 10 0
   2: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 3 1 0 100 0 0 10 0
   3: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4 1 0 100 0 0 10 0
   4: 00000000000000000000000001000000:1F92 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 7 0 5 1 0 100 0 0 10 0
   5: nonsense
   6: XX:1F93 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 6 1 0 100 0 0 10 0
`
	for address, want := range map[string]string{
		"127.0.0.1:8080": "3", // connections and other addresses do not hold it
		"127.0.0.1:8081": "4", // who listens everywhere does
		"[::1]:8082":     "5",
		"127.0.0.1:8083": "",
	} {
		inode, _, err := findListener(strings.NewReader(table), netip.MustParseAddrPort(address))
		if inode != want || (err == nil) != (want != "") {
			t.Errorf("%s is held by socket %q (%v), want %q", address, inode, err, want)
		}
	}
}

func TestZombiesAreNotAlive(t *testing.T) {
	t.Parallel()
	for stat, want := range map[string]bool{
		"7 (app) S 1 42 42 0":             true,
		"7 (app) Z 1 42 42 0":             false,
		"7 (a) Z 1 42 (app) R 1 42 42":    true, // the command is what the process says
		"7 (app) S 42 7 42 0":             false,
		"7 (app)":                         false,
		"":                                false,
		"7 (app) S 1 420 42 0":            false,
		"7 (two words) sh) T 1 42 42 0 0": true,
	} {
		if got := aliveInGroup([]byte(stat), 42); got != want {
			t.Errorf("%q: %t, want %t", stat, got, want)
		}
	}
}
