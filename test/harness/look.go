package harness

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// A phone's screen, in CSS pixels.
const phoneWidth, phoneHeight = 390, 844

// Inspect looks at the page as it is now, on a phone and on a desk, in light and in dark: it keeps a picture of
// each, and fails on anything that axe reports or that needs scrolling sideways.
func (p *Page) Inspect(name string) {
	p.t.Helper()
	for _, screen := range []struct {
		name          string
		width, height int64
	}{{"desk", 1100, 800}, {"phone", phoneWidth, phoneHeight}} {
		p.do(chromedp.EmulateViewport(screen.width, screen.height))
		for _, scheme := range []string{"light", "dark"} {
			p.setColorScheme(scheme)
			look := name + "-" + screen.name + "-" + scheme
			p.Screenshot(look)
			if wide := run(p, chromedp.Evaluate[int]("document.documentElement.scrollWidth - window.innerWidth")); wide > 0 {
				p.t.Errorf("%s: the page is %d pixels wider than the screen", look, wide)
			}
			p.checkAccessibility(look)
		}
	}
	p.setColorScheme("")
	p.do(chromedp.EmulateViewport(1100, 800))
}

// Number is what a script on the page comes to.
func (p *Page) Number(expression string) float64 {
	p.t.Helper()
	return run(p, chromedp.Evaluate[float64](expression))
}

func (p *Page) setColorScheme(scheme string) {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// violation is one finding of axe.
type violation struct {
	ID    string   `json:"id"`
	Help  string   `json:"help"`
	Where []string `json:"where"`
}

const runAxe = `axe.run(document, {resultTypes: ["violations"]}).then(found => found.violations.map(v =>
	({id: v.id, help: v.help, where: v.nodes.map(n => n.target.join(" ") + ": " + n.failureSummary)})))`

func (p *Page) checkAccessibility(look string) {
	p.t.Helper()
	source, err := os.ReadFile(filepath.Join(repository, "test", "node", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		p.t.Fatalf("axe-core is not installed: run make setup (%v)", err)
	}
	// The protocol's evaluate is not subject to the page's content security policy.
	run(p, chromedp.Evaluate[chromedp.Void](string(source)+"\n;undefined"))
	for _, v := range run(p, chromedp.Evaluate[[]violation](runAxe, chromedp.EvalAwaitPromise)) {
		p.t.Errorf("%s: axe reports %s: %s\n\t%s", look, v.ID, v.Help, strings.Join(v.Where, "\n\t"))
	}
}
