package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
)

// readPassword asks for a new password twice without showing it, or reads the first line of stdin when that is
// not a terminal.
func readPassword(cmd *cobra.Command, email string) (string, error) {
	file, isFile := cmd.InOrStdin().(*os.File)
	if !isFile || !isTerminal(file) {
		return firstLine(cmd.InOrStdin())
	}
	lines := bufio.NewReader(file)
	ask := func(prompt string) (line string, err error) {
		fmt.Fprint(cmd.ErrOrStderr(), prompt)
		err = withoutEcho(file, func() error {
			line, err = interruptible(cmd.Context(), lines)
			return err
		})
		fmt.Fprintln(cmd.ErrOrStderr())
		return line, err
	}
	password, err := ask("New password for " + printable(email) + ": ")
	if err != nil {
		return "", err
	}
	again, err := ask("The same again: ")
	switch {
	case err != nil:
		return "", err
	case password != again:
		return "", errors.New("the two passwords differ; nothing was changed")
	case password == "":
		return "", errNoPassword
	}
	return password, nil
}

// firstLine reads at most one password's worth, so that a mistaken file is not sent whole.
func firstLine(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, admin.MaxPassword+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errNoPassword
	}
	return line, nil
}

// interruptible reads a line from a terminal, or ends with ctx: Ctrl-C must give the terminal its echo back.
func interruptible(ctx context.Context, in *bufio.Reader) (string, error) {
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = errNoPassword
		}
		read <- result{strings.TrimRight(line, "\r\n"), err}
	}()
	select {
	case r := <-read:
		return r.line, r.err
	case <-ctx.Done():
		return "", errors.New("interrupted; nothing was changed")
	}
}
