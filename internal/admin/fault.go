package admin

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fault is one thing that is wrong with a document.
type Fault struct {
	Document int    // its index among those that were given; -1 when the file could not be read that far
	Where    string // FILE:LINE:COLUMN, where known
	Subject  string // kind and name
	Path     string // of the field, such as "spec.hosts[1]"
	Text     string // what is wrong, and what to do
	cause    error
}

// String says where it is and what is wrong.
func (f Fault) String() string {
	var parts []string
	for _, part := range []string{f.Where, f.Subject, f.Path, f.Text} {
		if part != "" {
			parts = append(parts, harmless(part))
		}
	}
	return strings.Join(parts, ": ")
}

// harmless shows what a document says so that a terminal does not act on it: a pipeline checks what anybody proposes.
func harmless(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) < 0 {
		return s
	}
	quoted := strconv.QuoteToASCII(s)
	return quoted[1 : len(quoted)-1]
}

// Faults are all that is wrong with a set of documents: none of it was applied.
type Faults []Fault

// maxFaults is how many faults are told; whoever has more has one cause for most of them.
const maxFaults = 100

func (f Faults) Error() string {
	if len(f) == 1 {
		return f[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d faults, and nothing is changed:", len(f))
	for i, fault := range f {
		if i == maxFaults {
			fmt.Fprintf(&b, "\n  and %d more", len(f)-maxFaults)
			break
		}
		b.WriteString("\n  " + fault.String())
	}
	return b.String()
}

// Unwrap gives the errors of the rooms, so that the answer gets their status.
func (f Faults) Unwrap() []error {
	var causes []error
	for _, fault := range f {
		cause := fault.cause
		if cause == nil {
			cause = ErrInvalid
		}
		if !slices.ContainsFunc(causes, func(known error) bool { return errors.Is(known, cause) }) {
			causes = append(causes, cause)
		}
	}
	return causes
}

// orNil is f as an error; nil without faults.
func (f Faults) orNil() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// faultsOf gathers the faults of documents.
type faultsOf struct {
	documents []Document
	list      Faults
}

// add notes a fault of document i. cause decides the status of the answer; nil is an invalid argument.
func (f *faultsOf) add(i int, path string, cause error, format string, args ...any) {
	fault := Fault{Document: i, Path: path, Text: fmt.Sprintf(format, args...), cause: cause}
	if i >= 0 {
		d := f.documents[i]
		fault.Subject = strings.TrimSpace(string(d.Kind) + " " + d.Name)
		if d.At != nil {
			fault.Where = d.At.Locate(path)
		}
	}
	f.list = append(f.list, fault)
}

// at says where another document is, for the text of a fault.
func (f *faultsOf) at(i int) string {
	d := f.documents[i]
	where := fmt.Sprintf("%s %s", d.Kind, d.Name)
	if d.At != nil {
		where += " at " + d.At.Locate("")
	}
	return where
}

// Locate fills in where the faults are that came back from a server, which does not know the files.
func (f Faults) Locate(documents []Document) Faults {
	located := slices.Clone(f)
	for i, fault := range located {
		if fault.Where == "" && fault.Document >= 0 && fault.Document < len(documents) && documents[fault.Document].At != nil {
			located[i].Where = documents[fault.Document].At.Locate(fault.Path)
		}
	}
	return located
}

const badRequest = "type.googleapis.com/google.rpc.BadRequest"

// violations is how faults are told to a client, which knows where its documents came from.
func (f Faults) violations() ErrorInfo {
	info := ErrorInfo{Type: badRequest}
	for _, fault := range f[:min(len(f), maxFaults)] {
		field := fault.Path
		if fault.Document >= 0 {
			field = strings.TrimSuffix(fmt.Sprintf("documents[%d].%s", fault.Document, fault.Path), ".")
		}
		info.FieldViolations = append(info.FieldViolations, FieldViolation{field, fault.Text})
	}
	return info
}

// FaultsOf reads the faults of documents out of an answer; nil when it has none.
func (p Problem) FaultsOf(documents []Document) Faults {
	var faults Faults
	for _, detail := range p.Details {
		if detail.Type != badRequest {
			continue
		}
		for _, v := range detail.FieldViolations {
			fault := Fault{Document: -1, Path: v.Field, Text: v.Description}
			if rest, found := strings.CutPrefix(v.Field, "documents["); found {
				number, path, _ := strings.Cut(rest, "]")
				if i, err := strconv.Atoi(number); err == nil && i >= 0 && i < len(documents) {
					fault.Document, fault.Path = i, strings.TrimPrefix(path, ".")
					fault.Subject = string(documents[i].Kind) + " " + documents[i].Name
				}
			}
			faults = append(faults, fault)
		}
	}
	return faults.Locate(documents)
}
