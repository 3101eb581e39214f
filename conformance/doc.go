// Package conformance finds out whether an application behind Identity-Aware Proxy can be fooled: it sends the
// application what somebody would send who reaches it around the gate, and judges the answers. It is what
// `gatehouse check` runs.
//
//	report, err := conformance.Check{URL: "http://127.0.0.1:3000/"}.Run(ctx)
//
// How much can be tried depends on what is at hand; [Need] lists it. With nothing but the application's address:
// requests without an assertion, with IAP's plain headers, and forged assertions. With the published keys and the
// application's audience those forgeries become as good as a stranger can make them. With a genuine assertion, its
// spelling and its place are varied. With a [Minter] ([Emulator] is one) there are assertions that are wrong in one
// claim and signed by the gate's own key; through a [Gate], those of SECURE_TOKEN_TEST.
//
// A probe that cannot be made is listed as not run, with the reason, and never as passed. A refusal counts only as
// far as it proves something: see [Verdict].
package conformance
