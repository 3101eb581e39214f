package conformance

import (
	"fmt"
	"net/http"
	"slices"
)

// Verdict is what an answer proves.
type Verdict string

// The verdicts, from harmless to grave.
const (
	// Refused: the application turned the request away.
	Refused Verdict = "refused"
	// NotRun: the probe could not be made, or its refusal proves nothing because something was missing.
	NotRun Verdict = "not-run"
	// Inconclusive: the answer is neither a refusal nor an acceptance.
	Inconclusive Verdict = "inconclusive"
	// Accepted: the application took the bait.
	Accepted Verdict = "accepted"
)

// gravity orders verdicts: the gravest answer to a probe is the probe's verdict.
func (v Verdict) gravity() int {
	return slices.Index([]Verdict{Refused, NotRun, Inconclusive, Accepted}, v)
}

// Answer is what the application, or the gate, said.
type Answer struct {
	Path string `json:"path"`
	// What says how this request differs from the probe's others.
	What   string `json:"what,omitempty"`
	Status int    `json:"status,omitempty"`
	// Location is where a redirect leads. It is never followed.
	Location string `json:"location,omitempty"`
	// Names says that the answer contains the forged person's address, which the answer to nobody does not.
	Names bool `json:"namesForgedPerson,omitempty"`
	// Generated says that the gate answered, not the application.
	Generated bool    `json:"generatedByGate,omitempty"`
	Error     string  `json:"error,omitempty"`
	Verdict   Verdict `json:"verdict"`
	Reason    string  `json:"reason,omitempty"`
	header    http.Header
	fetch     string // the path of our callback that the request named
	protocol  string
}

// text is the answer in a word or two.
func (a *Answer) text() string {
	switch {
	case a.Error != "":
		return "no answer"
	case a.Location != "":
		return fmt.Sprintf("%d to %s", a.Status, a.Location)
	}
	return fmt.Sprint(a.Status)
}

// judge is how answers are read.
type judge struct {
	refused  []int // statuses that turn away
	expected []int // statuses of those who are let in; empty: all of 2xx
	// good are the answers to a genuine assertion, by path; empty when there is none.
	good map[string]*Answer
}

// read sets the verdict on an answer of the application.
func (j *judge) read(a *Answer) {
	a.Verdict, a.Reason = j.verdict(a)
}

func (j *judge) verdict(a *Answer) (Verdict, string) {
	good := j.good[a.Path]
	switch {
	case a.Error != "":
		return Inconclusive, a.Error
	case slices.Contains(j.refused, a.Status):
		if a.Names {
			return Inconclusive, fmt.Sprintf("it answered %d, but the answer names the forged person: was that statement believed, and refused for something else?", a.Status)
		}
		if good != nil && !j.admits(good) {
			return Inconclusive, fmt.Sprintf("it answered %s to a genuine assertion as well: its refusals prove nothing", good.text())
		}
		return Refused, ""
	case j.admits(a):
		if a.Names {
			return Accepted, "the answer names the forged person"
		}
		return Accepted, ""
	}
	return j.unclear(a, good)
}

// admits reports whether the application let somebody in.
func (j *judge) admits(a *Answer) bool {
	if a.Error != "" || slices.Contains(j.refused, a.Status) {
		return false
	}
	if slices.Contains(j.expected, a.Status) {
		return true
	}
	return len(j.expected) == 0 && a.Status >= 200 && a.Status < 300
}

// unclear judges statuses that say of themselves neither yes nor no. What is answered to a genuine assertion helps.
func (j *judge) unclear(a, good *Answer) (Verdict, string) {
	switch {
	case a.Names:
		return Accepted, "the answer names the forged person"
	case good != nil && a.Status == good.Status && a.Location == good.Location && a.Status < 400:
		return Accepted, "it is what a genuine assertion is answered"
	case a.Status >= 500:
		return Inconclusive, fmt.Sprintf("%d may be a refusal or a crash: answer 401, or say --refused-status=%d", a.Status, a.Status)
	case a.Status >= 300 && a.Status < 400:
		return Inconclusive, fmt.Sprintf("redirects are not followed: if this one leads to sign-in, say --refused-status=%d; if everybody is redirected, name another --path", a.Status)
	case good != nil && j.admits(good) && (a.Status == http.StatusBadRequest || a.Status == http.StatusNotFound):
		return Refused, "" // the path is there for those who are let in
	case a.Status == http.StatusTooManyRequests:
		return Inconclusive, "the application limits how often it is asked"
	}
	return Inconclusive, fmt.Sprintf("%d is neither a refusal nor an acceptance: name a --path that answers with 2xx to those who are let in, or say --refused-status=%d", a.Status, a.Status)
}
