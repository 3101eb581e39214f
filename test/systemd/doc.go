// Package systemd runs the gate as systemd does: its verifier reads our units, and its code passes the sockets. A whole
// systemd needs a machine of its own and is not started. It has tests only.
package systemd
