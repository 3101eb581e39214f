package emulator

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// portHolder says which process listens where we wanted to, or "" when the system does not tell.
func portHolder(address netip.AddrPort) string {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		file, err := os.Open(table)
		if err != nil {
			continue
		}
		inode, uid, err := findListener(file, address)
		file.Close()
		if err != nil {
			continue
		}
		if pid, found := socketOwner(inode); found {
			return "pid " + strconv.Itoa(pid) + commandOf(pid)
		}
		return "a process of user " + uid
	}
	return ""
}

var errNoListener = errors.New("no such listener")

// findListener reads a table in the form of /proc/net/tcp.
func findListener(table io.Reader, address netip.AddrPort) (inode, uid string, err error) {
	const stateListen = "0A"
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != stateListen {
			continue
		}
		local, ok := parseTableAddress(fields[1])
		if !ok || local.Port() != address.Port() {
			continue
		}
		if local.Addr().IsUnspecified() || local.Addr() == address.Addr() {
			return fields[9], fields[7], nil
		}
	}
	return "", "", errNoListener
}

// parseTableAddress reads "0100007F:1F90". The kernel prints addresses as 32-bit words in the machine's own
// byte order.
func parseTableAddress(s string) (netip.AddrPort, bool) {
	words, port, found := strings.Cut(s, ":")
	number, err := strconv.ParseUint(port, 16, 16)
	raw, hexErr := hex.DecodeString(words)
	if !found || err != nil || hexErr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	address, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(address.Unmap(), uint16(number)), ok
}

// socketOwner finds the process that has the socket open, as far as we may look.
func socketOwner(inode string) (pid int, found bool) {
	descriptors, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0, false
	}
	want := "socket:[" + inode + "]"
	for _, descriptor := range descriptors {
		target, err := os.Readlink(descriptor)
		if err != nil || target != want {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(descriptor, "/")[2]); err == nil {
			return pid, true
		}
	}
	return 0, false
}

// commandOf returns " (COMMAND FIRST-ARGUMENT)". Later arguments may be secrets and are left out; what a
// terminal would take for a control sequence is, too.
func commandOf(pid int) string {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil || len(line) == 0 {
		return ""
	}
	words := strings.SplitN(strings.TrimRight(string(line), "\x00"), "\x00", 3)
	command := filepath.Base(words[0])
	if len(words) > 1 {
		command += " " + words[1]
	}
	return " (" + shorten(strings.Map(printable, command)) + ")"
}
