// Package systemd owns what the process tells its service manager: ready, reloading, stopping. Without one all of
// it does nothing. Sockets that systemd passes belong to listener.
package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

// Notifier tells the service manager. The zero value tells nobody.
type Notifier struct{ socket string }

// FromEnvironment returns a notifier for the manager that started this process, and takes the variable out of the
// environment, so that no child speaks in our name.
func FromEnvironment() (Notifier, error) {
	n := Notifier{socket: os.Getenv(variable)}
	return n, os.Unsetenv(variable)
}

const variable = "NOTIFY_SOCKET"

// Ready says that the server answers, also again after Reloading. status is for people, in `systemctl status`.
func (n Notifier) Ready(status string) error { return n.send("READY=1\nSTATUS=" + line(status)) }

// Status changes what people are told.
func (n Notifier) Status(status string) error { return n.send("STATUS=" + line(status)) }

// Reloading says that a reload has begun. Ready ends it, whatever came of it.
func (n Notifier) Reloading() error {
	message := "RELOADING=1"
	if now, known := monotonic(); known { // Type=notify-reload wants to know
		message += "\nMONOTONIC_USEC=" + strconv.FormatInt(now, 10)
	}
	return n.send(message)
}

// Stopping says that the server drains.
func (n Notifier) Stopping() error { return n.send("STOPPING=1\nSTATUS=draining") }

func (n Notifier) send(message string) error {
	if n.socket == "" {
		return nil
	}
	name := n.socket // net writes a leading @, the abstract namespace, as the kernel wants it
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(message)); err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	return nil
}

// line keeps a status from being read as further assignments.
func line(status string) string {
	b := []byte(status)
	for i, c := range b {
		if c < ' ' {
			b[i] = ' '
		}
	}
	return string(b)
}
