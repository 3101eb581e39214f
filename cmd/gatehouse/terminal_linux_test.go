package main

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal returns a pseudoterminal as a program sees it.
func openTerminal(t *testing.T) *os.File {
	t.Helper()
	controller, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(controller.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(controller.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(terminal.Close(), controller.Close()); err != nil {
			t.Error(err)
		}
	})
	return terminal
}

func TestATerminalShowsNothingWhileAPasswordIsTypedAndEverythingAfterwards(t *testing.T) {
	t.Parallel()
	terminal := openTerminal(t)
	echoes := func() bool {
		state, err := unix.IoctlGetTermios(int(terminal.Fd()), getTermios)
		if err != nil {
			t.Fatal(err)
		}
		return state.Lflag&unix.ECHO != 0
	}
	if !isTerminal(terminal) || !echoes() {
		t.Fatal("the terminal of this test is none")
	}
	interrupted := errors.New("interrupted")
	err := withoutEcho(terminal, func() error {
		if echoes() {
			t.Error("what is typed is shown")
		}
		return interrupted
	})
	if !errors.Is(err, interrupted) || !echoes() {
		t.Errorf("after %v the terminal echoes: %v", err, echoes())
	}
}
