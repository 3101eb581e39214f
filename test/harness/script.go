package harness

import (
	"strings"

	"github.com/chromedp/chromedp"
)

// Script evaluates an expression in the page, waits for it if it is a promise, and returns it as text.
func (p *Page) Script(expression string) string {
	p.t.Helper()
	return run(p, chromedp.Evaluate[string]("Promise.resolve("+expression+").then(String)", chromedp.EvalAwaitPromise))
}

// SeeInFrame waits until the page's one frame, which is of the same origin, shows each text.
func (p *Page) SeeInFrame(texts ...string) {
	p.t.Helper()
	const inside = "(document.querySelector('iframe').contentDocument || {body: {innerText: '(not of this origin)'}}).body.innerText"
	var shown string
	for _, want := range texts {
		if !p.eventually(func() bool {
			shown, _ = try(p, Patience/10, chromedp.Evaluate[string](inside))
			return strings.Contains(strings.ToLower(shown), strings.ToLower(want))
		}) {
			p.t.Fatalf("the frame does not show %q within %v; it shows:\n%s", want, Patience, shown)
		}
	}
}
