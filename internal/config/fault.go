package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a file.
type Fault struct {
	File         string
	Line, Column int
	Key          string // "listeners[0].address"; empty when it is the file as a whole
	Problem      string
	Fix          string // what to do; may be empty
}

// String writes the fault in the form that editors and terminals make a link of.
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(f.Problem)
	if f.Fix != "" {
		b.WriteString("; " + f.Fix)
	}
	return b.String()
}

// Faults is everything that is wrong with a file, in the order of its lines. It is an error.
type Faults []Fault

// Error lists the faults, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

func (f Faults) sort() {
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// refusal is the error of a value's parser: what is wrong, and what to write instead.
type refusal struct{ problem, fix string }

func (r refusal) Error() string { return r.problem }

// wrong refuses a value. The problem follows the quoted value in the fault: `"x" is no duration`.
func wrong(problem, fix string) error { return refusal{problem, fix} }
