package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-iap/gatehouse/conformance"
)

// printCheck writes the report: as JSON in the order of its fields, or for people.
func printCheck(cmd *cobra.Command, format *output, report *conformance.Report, requireAll bool) error {
	if format.format == formatJSON {
		return writeJSON(cmd.OutOrStdout(), report)
	}
	w := cmd.OutOrStdout()
	printBaseline(w, report)
	if err := printProbes(w, report); err != nil {
		return err
	}
	printFindings(w, report)
	printGrouped(w, report, conformance.Inconclusive, "Inconclusive")
	printGrouped(w, report, conformance.NotRun, "Not run")
	fmt.Fprintf(w, "\n%s\n", sum(report, requireAll))
	return nil
}

func printBaseline(w io.Writer, report *conformance.Report) {
	fmt.Fprintf(w, "%s, in the name of %s\n", printable(report.URL), printable(report.Person))
	for _, answer := range report.Baseline {
		fmt.Fprintf(w, "  %s to %s: %s\n", printable(answer.Path), answer.What, printable(reply(answer)))
	}
	if report.Protocol == "HTTP/2.0" {
		fmt.Fprintln(w, "  the application speaks HTTP/2 only, in which header names have no upper case")
	}
	if report.InsecureTLS {
		fmt.Fprintln(w, "  certificates were NOT verified")
	}
	fmt.Fprintln(w)
}

func printProbes(w io.Writer, report *conformance.Report) error {
	var rows [][]string
	for _, probe := range report.Probes {
		rows = append(rows, []string{probe.ID, verdict(probe), replies(probe), probe.Title})
	}
	return printTable(w, []string{"PROBE", "VERDICT", "ANSWER", "WHAT WAS SENT"}, rows)
}

// verdict is loud about what was accepted.
func verdict(probe conformance.Result) string {
	switch {
	case probe.Verdict == conformance.Accepted && probe.Allowed:
		return "accepted (allowed)"
	case probe.Verdict == conformance.Accepted && probe.Lax:
		return "ACCEPTED (lax)"
	case probe.Verdict == conformance.Accepted:
		return "ACCEPTED"
	case probe.Verdict == conformance.NotRun:
		return "not run"
	}
	return string(probe.Verdict)
}

// replies are the different answers that made the verdict.
func replies(probe conformance.Result) string {
	var all []string
	seen := map[string]bool{}
	for _, answer := range probe.Decisive() {
		if text := reply(answer); !seen[text] {
			seen[text] = true
			all = append(all, text)
		}
	}
	const most = 3
	if len(all) > most {
		all = append(all[:most], "…")
	}
	return strings.Join(all, ", ")
}

func reply(answer conformance.Answer) string { return shorten(answer.Text(), 40) }

func shorten(text string, length int) string {
	if runes := []rune(text); len(runes) > length {
		return string(runes[:length]) + "…"
	}
	return text
}

// printFindings says what was accepted, and how to mend it.
func printFindings(w io.Writer, report *conformance.Report) {
	for _, probe := range report.Probes {
		if probe.Verdict != conformance.Accepted {
			continue
		}
		fmt.Fprintf(w, "\n%s: %s\n", probe.ID, verdict(probe))
		if probe.Reason != "" {
			fmt.Fprintf(w, "  %s\n", printable(probe.Reason))
		}
		for _, answer := range probe.Decisive() {
			what := ""
			if answer.What != "" {
				what = " (" + answer.What + ")"
			}
			fmt.Fprintf(w, "  %s%s: %s\n", printable(answer.Path), printable(what), printable(reply(answer)))
		}
		if probe.Lax {
			fmt.Fprintf(w, "  By itself this lets no stranger in; if it is meant, say --allow=%s.\n", probe.ID)
		}
	}
	for i, remedy := range report.Remedies {
		if i == 0 {
			fmt.Fprintln(w, "\nHow to mend it")
		}
		fmt.Fprintf(w, "- %s\n", remedy.Text)
		for _, note := range remedy.Notes {
			fmt.Fprintf(w, "    %s\n", note)
		}
	}
	for i, library := range report.Libraries {
		if i == 0 {
			fmt.Fprintln(w, "\nWhat verifies assertions")
		}
		fmt.Fprintf(w, "- %s\n", library)
	}
}

// printGrouped lists the probes with a verdict by its reason.
func printGrouped(w io.Writer, report *conformance.Report, verdict conformance.Verdict, title string) {
	var reasons []string
	probes := map[string][]string{}
	for _, probe := range report.Probes {
		if probe.Verdict != verdict {
			continue
		}
		if probes[probe.Reason] == nil {
			reasons = append(reasons, probe.Reason)
		}
		probes[probe.Reason] = append(probes[probe.Reason], probe.ID)
	}
	for i, reason := range reasons {
		if i == 0 {
			fmt.Fprintf(w, "\n%s\n", title)
		}
		fmt.Fprintf(w, "- %s\n    %s\n", printable(reason), strings.Join(probes[reason], ", "))
	}
}

// sum is the last line.
func sum(report *conformance.Report, requireAll bool) string {
	s := report.Summary
	counts := fmt.Sprintf("%d refused, %d accepted, %d inconclusive, %d not run", s.Refused, s.Accepted, s.Inconclusive, s.NotRun)
	if s.Allowed > 0 {
		counts += fmt.Sprintf(", %d accepted as allowed", s.Allowed)
	}
	switch report.ExitStatus(requireAll) {
	case conformance.Fooled:
		return counts + ": the application can be fooled."
	case conformance.Undecided:
		return counts + ": this proves nothing yet."
	}
	if s.NotRun > 0 {
		return counts + ": what was tried was refused."
	}
	return counts + ": the application was not fooled."
}

// probeRows are the probes with what they need, and in brackets what a refusal proves little without.
func probeRows() [][]string {
	var rows [][]string
	for _, probe := range conformance.Probes() {
		var needs []string
		for _, need := range probe.Needs {
			needs = append(needs, string(need))
		}
		for _, want := range probe.Wants {
			needs = append(needs, "("+string(want)+")")
		}
		title := probe.Title
		if probe.Lax {
			title += " (lax)"
		}
		rows = append(rows, []string{probe.ID, strings.Join(needs, " "), title})
	}
	return rows
}
