package conformance

import "time"

// Report is what a check has found. It is written as JSON.
type Report struct {
	Time    time.Time `json:"time"`
	Version string    `json:"version,omitempty"`
	URL     string    `json:"url"`
	Paths   []string  `json:"paths"`
	Gate    string    `json:"gate,omitempty"`
	// Audience is "" when none was known, and forgeries were made for one that is made up.
	Audience string   `json:"audience,omitempty"`
	Person   string   `json:"person"` // in whose name forgeries were made
	KeyIDs   []string `json:"keyIds,omitempty"`
	Language Language `json:"language,omitempty"`
	// Protocol is the one that the application answered in first. Over HTTP/2.0 header names have no upper case, and probes
	// of their spelling are made without it.
	Protocol string `json:"protocol,omitempty"`
	// InsecureTLS says that certificates were not verified.
	InsecureTLS bool `json:"insecureTLS,omitempty"`
	// Baseline is what the application answers to nobody, and to people whom the gate vouches for.
	Baseline []Answer `json:"baseline"`
	Probes   []Result `json:"probes"`
	Remedies []Remedy `json:"remedies,omitempty"`
	// Libraries verify assertions, in the application's language if it is known.
	Libraries []string `json:"libraries,omitempty"`
	Summary   Summary  `json:"summary"`
}

// Result is what became of one probe.
type Result struct {
	ID      string   `json:"id"`
	Title   string   `json:"title"`
	Fault   Fault    `json:"fault"`
	Lax     bool     `json:"lax,omitempty"`
	Verdict Verdict  `json:"verdict"`
	Allowed bool     `json:"allowed,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Answers []Answer `json:"answers,omitempty"`
}

// add takes an answer in. The gravest decides.
func (r *Result) add(a Answer) {
	if a.Verdict.gravity() > r.Verdict.gravity() {
		r.Verdict, r.Reason = a.Verdict, a.Reason
	}
	r.Answers = append(r.Answers, a)
}

// Decisive returns the answers that made the verdict; of a probe whose refusals prove too little, all.
func (r *Result) Decisive() []Answer {
	if r.Verdict == NotRun {
		return r.Answers
	}
	var all []Answer
	for _, a := range r.Answers {
		if a.Verdict == r.Verdict {
			all = append(all, a)
		}
	}
	return all
}

// Text is an answer in a word or two.
func (a Answer) Text() string { return a.text() }

// Summary counts probes.
type Summary struct {
	Refused      int `json:"refused"`
	Accepted     int `json:"accepted"`
	Allowed      int `json:"allowed"` // accepted, and said to be so on purpose
	Inconclusive int `json:"inconclusive"`
	NotRun       int `json:"notRun"`
}

// finish counts, and says how to mend what was found.
func (r *Report) finish() {
	seen := map[Fault]bool{}
	for i := range r.Probes {
		p := &r.Probes[i]
		switch {
		case p.Verdict == Accepted && p.Allowed:
			r.Summary.Allowed++
		case p.Verdict == Accepted:
			r.Summary.Accepted++
			if !seen[p.Fault] {
				seen[p.Fault] = true
				r.Remedies = append(r.Remedies, RemedyFor(p.Fault, r.Language))
			}
		case p.Verdict == Inconclusive:
			r.Summary.Inconclusive++
		case p.Verdict == NotRun:
			r.Summary.NotRun++
		default:
			r.Summary.Refused++
		}
	}
	if len(r.Remedies) > 0 {
		r.Libraries = LibrariesFor(r.Language)
	}
}

// The statuses with which a check ends.
const (
	Clean     = 0 // everything that was judged was refused
	Fooled    = 1 // something was accepted
	Undecided = 2 // nothing was accepted, but not everything could be judged
)

// ExitStatus sums the report up. Probes that were not run count only if all are required.
func (r *Report) ExitStatus(requireAll bool) int {
	s := r.Summary
	switch {
	case s.Accepted > 0:
		return Fooled
	case s.Inconclusive > 0, s.Refused == 0, requireAll && s.NotRun > 0:
		return Undecided
	}
	return Clean
}
