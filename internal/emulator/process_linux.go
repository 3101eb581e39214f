package emulator

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// groupAlive reports whether any process of the group still runs. Zombies do not count: in a container whose
// first process collects nobody, grandchildren stay zombies for ever.
func groupAlive(group int) bool {
	if syscall.Kill(-group, 0) != nil {
		return false
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return true
	}
	for _, path := range stats {
		if stat, err := os.ReadFile(path); err == nil && aliveInGroup(stat, group) {
			return true
		}
	}
	return false
}

// aliveInGroup reads "PID (COMMAND) STATE PPID PGRP …"; the command may hold anything.
func aliveInGroup(stat []byte, group int) bool {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 {
		return false
	}
	return string(fields[2]) == strconv.Itoa(group) && string(fields[0]) != "Z" && string(fields[0]) != "X"
}
