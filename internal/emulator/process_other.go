//go:build unix && !linux

package emulator

import "syscall"

// processAttributes has no death signal to ask for; the watchdog alone does its work here.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// groupAlive reports whether the group has a process that we may signal. One of zombies only answers EPERM.
func groupAlive(group int) bool { return syscall.Kill(-group, 0) == nil }
