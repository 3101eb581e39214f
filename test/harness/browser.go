package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// Browser is the one Chromium of a run.
type Browser struct {
	ctx   context.Context
	Close func()
}

// LaunchBrowser starts Chromium. A machine without it gets an error that says what to install.
func LaunchBrowser(extra ...chromedp.ExecAllocatorOption) (*Browser, error) {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, errors.New("no chromium in PATH: run make setup, or install it by hand")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-quic", true),
		chromedp.DisableGPU,
	)
	options = append(options, extra...)
	if os.Geteuid() == 0 { // root, as in CI: Chromium refuses to run with its sandbox
		options = append(options, chromedp.NoSandbox)
	}
	allocator, closeAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	browser := &Browser{ctx: ctx, Close: func() { closeBrowser(); closeAllocator() }}
	if err := chromedp.Do(ctx); err != nil {
		browser.Close()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return browser, nil
}

// Page is one tab in a browser context of its own: nobody else's cookies.
type Page struct {
	t      testing.TB
	ctx    context.Context
	opener context.Context // of the page that opened it; nil where none did
}

// NewPage opens a tab that closes with the test.
func (b *Browser) NewPage(t testing.TB) *Page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	p := &Page{t: t, ctx: ctx}
	p.do(chromedp.EmulateViewport(1100, 800))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the page at the end: %s\n%s", p.Location(), p.Text())
		}
	})
	return p
}

// NewTab opens another tab of the same person: the same cookies.
func (p *Page) NewTab() *Page {
	p.t.Helper()
	id := chromedp.FromContext(p.ctx).BrowserContextID
	ctx, cancel := chromedp.NewContext(p.ctx, chromedp.WithExistingBrowserContext(id))
	p.t.Cleanup(cancel)
	return &Page{t: p.t, ctx: ctx}
}

// do runs steps within Patience; a failure ends the test.
func (p *Page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	run(p, chromedp.Steps(steps...))
}

func run[T any](p *Page, action chromedp.Action[T]) T {
	p.t.Helper()
	value, err := try(p, Patience, action)
	if err != nil {
		p.t.Fatalf("browser: %v", err)
	}
	return value
}

func try[T any](p *Page, patience time.Duration, action chromedp.Action[T]) (T, error) {
	// A deadline on the tab's own context would close the tab: the action gets one derived from it.
	return chromedp.Run(p.ctx, func(ctx context.Context, target *chromedp.Target) (T, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return action(ctx, target)
	})
}

// Open navigates and waits for the page to load, wherever redirects lead.
func (p *Page) Open(url string) {
	p.t.Helper()
	p.do(chromedp.Navigate(url))
}

// Follow navigates, wherever redirects lead, and returns the origin of the document that is shown then. It reports false
// when the browser does not open the address.
func (p *Page) Follow(url string) (origin string, opened bool) {
	if _, err := try(p, Patience, chromedp.Navigate(url)); err != nil {
		return "", false
	}
	origin, err := try(p, Patience, chromedp.Evaluate[string]("location.origin"))
	return origin, err == nil && origin != "null"
}

// FetchAll has a script of the page fetch addresses, follow their redirects, and say for each at which origin it ends;
// empty where the browser does not let the script read the answer.
func (p *Page) FetchAll(addresses []string) (origins []string) {
	p.t.Helper()
	list, err := json.Marshal(addresses)
	if err != nil {
		p.t.Fatal(err)
	}
	const script = `(async (addresses) => {
		const origins = [];
		for (const address of addresses) {
			try {
				const answer = await fetch(address, {credentials: "include"});
				origins.push(new URL(answer.url).origin);
			} catch {
				origins.push("");
			}
		}
		return origins;
	})(`
	origins, err = try(p, 5*Patience, chromedp.Evaluate[[]string](script+string(list)+")", chromedp.EvalAwaitPromise))
	if err != nil || len(origins) != len(addresses) {
		p.t.Fatalf("%d of %d addresses were fetched: %v", len(origins), len(addresses), err)
	}
	return origins
}

// Popup returns the window that an action opens.
func (p *Page) Popup(open func()) *Page {
	p.t.Helper()
	found := chromedp.WaitNewTarget(p.ctx, func(info *target.Info) bool { return info.OpenerID != "" })
	open()
	select {
	case id := <-found:
		ctx, cancel := chromedp.NewContext(p.ctx, chromedp.WithTargetID(id))
		p.t.Cleanup(cancel)
		popup := &Page{t: p.t, ctx: ctx, opener: p.ctx}
		popup.do() // attach
		return popup
	case <-time.After(Patience):
		p.t.Fatal("no window opened")
		return nil
	}
}

// Closed waits until a window that was opened by Popup is gone.
func (p *Page) Closed() {
	p.t.Helper()
	id := chromedp.FromContext(p.ctx).Target.TargetID
	if !p.eventually(func() bool {
		open, err := chromedp.Targets(p.opener)
		return err == nil && !slices.ContainsFunc(open, func(info *target.Info) bool { return info.TargetID == id })
	}) {
		p.t.Errorf("the window is still open after %v", Patience)
	}
}

// Location is the address that the browser shows.
func (p *Page) Location() string {
	p.t.Helper()
	return run(p, chromedp.Location())
}

// Origin is the origin of the document as the browser sees it.
func (p *Page) Origin() string {
	p.t.Helper()
	return run(p, chromedp.Evaluate[string]("location.origin"))
}

// Text is what a person can read on the page.
func (p *Page) Text() string {
	p.t.Helper()
	text, _ := p.tryText()
	return text
}

func (p *Page) tryText() (string, error) {
	return try(p, Patience/10, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''"))
}

// See waits until the page shows each text, in any letter case.
func (p *Page) See(texts ...string) {
	p.t.Helper()
	var shown string
	for _, want := range texts {
		if !p.eventually(func() bool {
			// While the page changes there is no document to ask; the next look will find one.
			shown, _ = p.tryText()
			return strings.Contains(strings.ToLower(shown), strings.ToLower(want))
		}) {
			p.t.Fatalf("the page does not show %q within %v; at %s it shows:\n%s", want, Patience, p.Location(), shown)
		}
	}
}

// DontSee fails when the page shows any of the texts. It does not wait: call See first.
func (p *Page) DontSee(texts ...string) {
	p.t.Helper()
	shown := p.Text()
	for _, text := range texts {
		if strings.Contains(strings.ToLower(shown), strings.ToLower(text)) {
			p.t.Errorf("the page shows %q:\n%s", text, shown)
		}
	}
}

// eventually looks until a condition holds.
func (p *Page) eventually(condition func() bool) bool {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	tooLate := time.After(Patience)
	for !condition() {
		select {
		case <-look.C:
		case <-tooLate:
			return false
		}
	}
	return true
}

// Click clicks the link or button that shows a text.
func (p *Page) Click(text string) {
	p.t.Helper()
	click := chromedp.Click(fmt.Sprintf(`//*[self::a or self::button][contains(normalize-space(.), %q)]`, text))
	var err error
	p.eventually(func() bool { // or its scripts do not listen yet
		state, err := try(p, Patience, chromedp.Evaluate[string]("document.readyState"))
		return err == nil && state == "complete"
	})
	if !p.eventually(func() bool {
		_, err = try(p, Patience, click)
		// The page was replaced by another between looking for the button and clicking: nothing was clicked.
		return err == nil || !strings.Contains(err.Error(), "Could not find node")
	}) || err != nil {
		p.t.Fatalf("browser: click %q: %v", text, err)
	}
}

// ClickThrough clicks, and waits until another page has taken the place of this one: for pages that read alike.
func (p *Page) ClickThrough(text string) {
	p.t.Helper()
	p.Script("document.clickedThrough = true")
	p.Click(text)
	if !p.eventually(func() bool {
		other, err := try(p, Patience, chromedp.Evaluate[bool]("!document.clickedThrough && document.readyState == 'complete'"))
		return err == nil && other
	}) {
		p.t.Fatalf("browser: %q leads nowhere", text)
	}
}

// Fill types into the field with a label.
func (p *Page) Fill(label, value string) {
	p.t.Helper()
	field := fmt.Sprintf(`//input[@id=//label[normalize-space(.)=%q]/@for]`, label)
	p.do(chromedp.Clear(field), chromedp.SendKeys(field, value))
}

// Type types into the field with an id, for pages of others.
func (p *Page) Type(id, value string) {
	p.t.Helper()
	field := fmt.Sprintf(`//input[@id=%q]`, id)
	p.do(chromedp.Clear(field), chromedp.SendKeys(field, value))
}

// Press presses keys where the focus is.
func (p *Page) Press(keys string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// DisableScripts turns scripts off for the pages that follow.
func (p *Page) DisableScripts() {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
}

// Cookies lists the cookies that the browser would send to a URL.
func (p *Page) Cookies(url string) []*network.Cookie {
	p.t.Helper()
	return run(p, func(ctx context.Context, target *chromedp.Target) ([]*network.Cookie, error) {
		result, err := cdp.Call(ctx, target, network.GetCookies, network.GetCookiesParams{URLs: []string{url}})
		return result.Cookies, err
	})
}

// Screenshot keeps a picture of the whole page in test/screenshots, for people to look at.
func (p *Page) Screenshot(name string) {
	p.t.Helper()
	dir := filepath.Join(repository, "test", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	picture := run(p, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
