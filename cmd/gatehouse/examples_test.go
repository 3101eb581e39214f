package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// example is a line of a code block that runs gatehouse, with what follows it up to a comment, pipe or redirection.
var example = regexp.MustCompile(`(?m)^gatehouse ([^#|>\n]*)`)

// quoted is one argument to a shell.
var quoted = regexp.MustCompile(`'[^']*'`)

var codeBlock = regexp.MustCompile("(?s)\n```[a-z]*\n(.*?)```")

func TestCommandsInThePagesExist(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range codeBlock.FindAllStringSubmatch(string(text), -1) {
			lines := strings.ReplaceAll(block[1], "\\\n", " ")
			for _, match := range example.FindAllStringSubmatch(lines, -1) {
				checked++
				if problem := checkExample(strings.Fields(quoted.ReplaceAllString(match[1], "quoted"))); problem != "" {
					t.Errorf("%s: gatehouse %s: %s", filepath.Base(page), match[1], problem)
				}
			}
		}
	}
	if checked == 0 {
		t.Error("no page shows a command: this test finds none")
	}
}

// checkExample says what is wrong with a command line, without running it.
func checkExample(args []string) string {
	cmd, rest, err := newRootCommand().Find(args)
	if err != nil {
		return err.Error()
	}
	if !cmd.Runnable() || cmd.HasSubCommands() && cmd.Name() != "dev" { // which runs and has `env` below it
		return cmd.CommandPath() + " is no command by itself"
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err.Error()
	}
	if err := validateArgs(cmd); err != nil {
		return err.Error()
	}
	return ""
}

func validateArgs(cmd *cobra.Command) error {
	if cmd.Args == nil {
		return nil
	}
	return cmd.Args(cmd, cmd.Flags().Args())
}
