package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestWaitingForAPasswordEndsWithTheCommand(t *testing.T) {
	t.Parallel()
	in, typing := io.Pipe()
	t.Cleanup(func() {
		if err := typing.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if line, err := interruptible(ctx, bufio.NewReader(in)); err == nil || line != "" {
		t.Errorf("the line is %q, %v", line, err)
	}
}

func TestThePasswordIsTheFirstLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"secret word\n": "secret word", "secret word\r\nmore\n": "secret word", "no newline": "no newline", " spaces kept ": " spaces kept ",
	} {
		if got, err := firstLine(strings.NewReader(in)); err != nil || got != want {
			t.Errorf("%q gives %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "\n", "\r\n"} {
		if _, err := firstLine(strings.NewReader(in)); !errors.Is(err, errNoPassword) {
			t.Errorf("%q: %v", in, err)
		}
	}
}
