package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// commandGroup is a command that only holds others.
func commandGroup(use, short, long string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{
		Use:                   use + " COMMAND",
		Short:                 short,
		Long:                  long,
		Args:                  cobra.ArbitraryArgs,
		RunE:                  askForCommand,
		DisableFlagsInUseLine: true,
		// Distance 2 is cobra's own; it is only set for root by default.
		SuggestionsMinimumDistance: 2,
	}
	group.AddCommand(commands...)
	return group
}

// askForCommand runs when a group is called without one of its commands: it shows the help. Cobra by itself
// would also answer a misspelt one with help and success.
func askForCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	hint := fmt.Sprintf("see `%s --help`", cmd.CommandPath())
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		hint = fmt.Sprintf("did you mean `%s %s`?", cmd.CommandPath(), similar[0])
	}
	return fmt.Errorf("%s has no command %q; %s", cmd.CommandPath(), args[0], hint)
}

// usageTemplate is cobra's, without its second usage line for groups: the first says the same.
func usageTemplate(cmd *cobra.Command) string {
	return strings.Replace(cmd.UsageTemplate(), "{{if .HasAvailableSubCommands}}\n  {{.CommandPath}} [command]{{end}}", "", 1)
}

// arguments checks a command's arguments by the names that its usage line gives them. A last name that ends in
// "..." takes one or more.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		usage := fmt.Sprintf("usage: %s, or see --help", cmd.UseLine())
		if len(args) < len(names) {
			return fmt.Errorf("%s is missing; %s", strings.TrimSuffix(names[len(args)], "..."), usage)
		}
		if len(args) > len(names) && (len(names) == 0 || !strings.HasSuffix(names[len(names)-1], "...")) {
			return fmt.Errorf("unexpected argument %q; %s", args[len(names)], usage)
		}
		return nil
	}
}

// oneOf refuses a flag's value that is none of those it may have.
func oneOf(flag, value string, allowed []string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("--%s=%q is none of %s", flag, value, strings.Join(allowed, ", "))
}

// completeFlag offers fixed values for a flag.
func completeFlag(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is not defined, or completed twice: every run would show it
	}
}
