package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// baseline asks what the application answers to nobody, and to people whom the gate vouches for.
func (r *run) baseline(ctx context.Context) error {
	for _, path := range slices.Concat(r.Paths, r.PublicPaths) {
		answer, body, err := r.app.ask(ctx, path, attempt{what: "nobody"})
		if err != nil {
			return err
		}
		if answer.Error != "" {
			return fmt.Errorf("nothing answers at %s%s: %s", r.report.URL, path, answer.Error)
		}
		if answer.Generated {
			return fmt.Errorf("%s is a gate, not the application: the answer has X-Goog-IAP-Generated-Response; name the application's own address, and the gate's with --gate", r.report.URL)
		}
		r.toNobody[path] = body
		r.report.Protocol = answer.protocol
		r.report.Baseline = append(r.report.Baseline, *answer)
		if r.report.Language == "" {
			r.report.Language = Detect(answer.header)
		}
	}
	if err := r.greetGenuine(ctx); err != nil {
		return err
	}
	return r.greetGate(ctx)
}

// greetGenuine shows the genuine assertion to the application.
func (r *run) greetGenuine(ctx context.Context) error {
	if _, missing := r.kit.missing[NeedAssertion]; missing {
		return nil
	}
	for _, path := range r.Paths {
		header := http.Header{assertionHeader: {r.kit.genuine.String()}}
		answer, _, err := r.app.ask(ctx, path, attempt{what: "a genuine assertion", header: header})
		if err != nil {
			return err
		}
		r.judge.good[path] = answer
		r.report.Baseline = append(r.report.Baseline, *answer)
	}
	return nil
}

// greetGate goes through the gate with a good assertion. Where the application was shown none directly, this says
// what it answers to people who are let in.
func (r *run) greetGate(ctx context.Context) error {
	if r.Gate == nil {
		return nil
	}
	through, err := r.Gate.target(&r.Check)
	if err != nil {
		return err
	}
	r.report.Gate = through.origin.String()
	for _, path := range r.Paths {
		answer, _, err := through.ask(ctx, path, secureTokenTest("NOT_SET", "a good assertion through the gate"))
		if err != nil {
			return err
		}
		r.report.Baseline = append(r.report.Baseline, *answer)
		switch {
		case answer.Error != "":
			r.kit.missing[NeedGate] = "the gate does not answer: " + answer.Error
			return nil
		case answer.Generated:
			r.kit.missing[NeedGate] = fmt.Sprintf("the gate lets us not through, it answers %s: give a credential of somebody who may use the application", answer.text())
			return nil
		case !r.gate.admits(answer):
			r.kit.missing[NeedGate] = fmt.Sprintf("the application answers %s to a good assertion through the gate as well: its refusals would prove nothing", answer.text())
			return nil
		}
		r.gate.good[path] = answer
		if r.judge.good[path] == nil {
			r.judge.good[path] = answer
		}
	}
	return nil
}

// probe makes one probe on every path.
func (r *run) probe(ctx context.Context, p Probe) (*Result, error) {
	result := &Result{ID: p.ID, Title: p.Title, Fault: p.Fault, Lax: p.Lax, Verdict: Refused, Allowed: slices.Contains(r.Allowed, p.ID)}
	if reason, missing := r.kit.lacks(p.Needs); missing {
		result.Verdict, result.Reason = NotRun, reason
		return result, nil
	}
	attempts, err := p.attempts(ctx, r.kit)
	var cannot cannotError
	switch {
	case errors.As(err, &cannot), errors.Is(err, ErrCannotMint):
		result.Verdict, result.Reason = NotRun, err.Error()
		return result, nil
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		result.Verdict, result.Reason = Inconclusive, err.Error()
		return result, nil
	}
	for _, path := range r.Paths {
		for _, a := range attempts {
			answer, err := r.attempt(ctx, path, a)
			if err != nil {
				return nil, err
			}
			result.add(*answer)
		}
	}
	if reason, missing := r.kit.lacks(p.Wants); missing && result.Verdict == Refused {
		result.Verdict, result.Reason = NotRun, "it was sent and refused, which proves little: "+reason
	}
	return result, nil
}

// attempt makes one request and judges its answer.
func (r *run) attempt(ctx context.Context, path string, a attempt) (*Answer, error) {
	through, judge := r.app, r.judge
	if a.gate {
		var err error
		if through, err = r.Gate.target(&r.Check); err != nil {
			return nil, err
		}
		judge = r.gate
	}
	answer, body, err := through.ask(ctx, path, a)
	if err != nil {
		return nil, err
	}
	answer.Names = names(answer.header, body, r.toNobody[path], a.person)
	answer.fetch = a.fetch
	judge.read(answer)
	switch {
	case a.gate && answer.Generated:
		answer.Verdict, answer.Reason = Inconclusive, "the gate answered, not the application"
	case a.fetch != "" && r.kit.callback.wasFetched(a.fetch):
		answer.Verdict, answer.Reason = Accepted, "the application fetched the keys that the token named"
	}
	return answer, nil
}

// lateFetches accuses the application of what it fetched after it had answered.
func (r *run) lateFetches() {
	for i := range r.report.Probes {
		result := &r.report.Probes[i]
		for j := range result.Answers {
			a := &result.Answers[j]
			if a.fetch == "" || a.Verdict == Accepted || !r.kit.callback.wasFetched(a.fetch) {
				continue
			}
			a.Verdict, a.Reason = Accepted, "the application fetched the keys that the token named, after it had answered"
			result.Verdict, result.Reason = a.Verdict, a.Reason
		}
	}
}

// public sees whether anybody is believed on a path that is open to all.
func (r *run) public(ctx context.Context, path string) (*Result, error) {
	result := &Result{
		ID: "public-path", Title: "forged identities on the public path " + path, Fault: Unverified, Verdict: Refused,
		Reason: "it names nobody who is forged",
	}
	k := r.kit
	for _, a := range []attempt{
		k.plain("the plain headers", emailHeader, googleAccounts+k.person.email, idHeader, k.person.subject),
		k.bearing("a forged assertion", k.forgedKnown()),
	} {
		answer, body, err := r.app.ask(ctx, path, a)
		if err != nil {
			return nil, err
		}
		answer.Verdict = Refused
		if answer.Names = names(answer.header, body, r.toNobody[path], a.person); answer.Names {
			answer.Verdict, answer.Reason = Accepted, "the answer names the forged person"
		}
		result.add(*answer)
	}
	return result, nil
}

// doubt sees through a gate that does not know SECURE_TOKEN_TEST: through it everything seems to be accepted, even a
// signature by which the application is not fooled directly.
func (r *run) doubt() {
	var tests []*Result
	forged := Verdict("")
	for i := range r.report.Probes {
		switch p := &r.report.Probes[i]; {
		case strings.HasPrefix(p.ID, gatePrefix) && p.Verdict == Accepted:
			tests = append(tests, p)
		case p.ID == "forged-known-key":
			forged = p.Verdict
		}
	}
	if forged != Refused || len(tests) < len(gateProbes()) {
		return
	}
	for _, p := range tests {
		p.Verdict, p.Reason = Inconclusive, "the gate does not seem to know SECURE_TOKEN_TEST: the application refuses a wrong signature that comes directly"
		for i := range p.Answers {
			p.Answers[i].Verdict = Inconclusive
		}
	}
}

// secureTokenTest asks the gate for a request with an assertion that is wrong in one way.
func secureTokenTest(kind, what string) attempt {
	return attempt{what: what, gate: true, query: url.Values{
		"gcp-iap-mode": {"SECURE_TOKEN_TEST"}, "iap-secure-token-test-type": {kind},
	}}
}
