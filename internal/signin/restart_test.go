package signin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// patient makes a browser follow as many redirects as Chromium does.
func patient(b *browser) *browser {
	b.http.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
		if len(via) >= 20 {
			return fmt.Errorf("more than %d redirects", len(via))
		}
		return nil
	}
	return b
}

// counted counts what sign-in writes to the store.
type counted struct {
	signin.Transactor
	writes atomic.Int64
}

func (c *counted) SignIn(ctx context.Context, f func(signin.Tx) error) error {
	c.writes.Add(1)
	return c.Transactor.SignIn(ctx, f)
}

// forget takes all cookies of a host out of a browser.
func (b *browser) forget(address string) {
	b.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.jar.Cookies(u) {
		b.jar.SetCookies(u, []*http.Cookie{{Name: c.Name, Path: "/", Secure: true, MaxAge: -1}})
	}
}

const deep = "/deep/link?q=1;c=2&empty=&x=%zz"

func TestACallbackThatIsNoLongerGoodLeadsToWhereItWasGoing(t *testing.T) {
	t.Parallel()
	const alice = "alice@example.com"
	for name, revisit := range map[string]func(t *testing.T, w *world, b *browser, token string) page{
		"doubled": func(_ *testing.T, _ *world, b *browser, token string) page {
			b.get(token)
			return b.get(token)
		},
		"bookmarked, in a later session": func(_ *testing.T, w *world, b *browser, token string) page {
			b.get(token)
			w.clock.advance(30 * time.Minute)
			return b.get(token)
		},
		"bookmarked, with the application's session gone": func(_ *testing.T, w *world, b *browser, token string) page {
			b.get(token)
			b.get(appURL + "/?gcp-iap-mode=CLEAR_LOGIN_COOKIE")
			b.forget(appURL)
			return b.get(token)
		},
		"too late": func(_ *testing.T, w *world, b *browser, token string) page {
			w.clock.advance(2 * time.Minute)
			return b.get(token)
		},
		"in the middle of another tab's": func(t *testing.T, _ *world, b *browser, token string) page {
			b.get(appURL+"/other").wantHello(t, alice, appHost+"/other")
			return b.get(token)
		},
		"two at the same moment": func(_ *testing.T, _ *world, b *browser, token string) page {
			answers := make([]page, 2)
			var group sync.WaitGroup
			for i := range answers {
				group.Go(func() { answers[i] = b.get(token) })
			}
			group.Wait()
			if answers[0].body != answers[1].body {
				t.Errorf("%s and %s", answers[0].body, answers[1].body)
			}
			return answers[0]
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := newBrowser(t, w)
			revisit(t, w, b, handoff(t, b, appURL+deep, alice)).wantHello(t, alice, appHost+deep)
		})
	}
}

func TestARestartIsForOneApplicationAndATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	token := handoff(t, b, appURL+"/x", "alice@example.com")
	stranger := newBrowser(t, w)
	release := stranger.step()
	p := stranger.get(token)
	restart := p.Header.Get("Location")
	if p.StatusCode != http.StatusFound || !strings.HasPrefix(restart, appURL+"/x?gcp-iap-mode=AUTHENTICATING&gatehouse_restart=") {
		t.Fatalf("%s to %s", p.Status, restart)
	}
	cookies := cookiesOf(t, stranger, appURL)
	release()
	for name, address := range map[string]string{
		"at another application": strings.Replace(restart, appHost, otherHost, 1),
		"damaged":                restart[:len(restart)-3],
		"empty":                  restart[:strings.Index(restart, "gatehouse_restart=")+len("gatehouse_restart=")],
		"given twice":            restart + restart[strings.Index(restart, "&"):],
		"a state":                appURL + "/x?gcp-iap-mode=AUTHENTICATING&gatehouse_restart=" + newBrowser(t, w).get(appURL+"/").field("state"),
	} {
		other := newBrowser(t, w)
		other.give(appURL, cookies)
		other.get(address).wantRefused(t, name)
	}
	if p := stranger.get(restart); p.field("state") == "" {
		t.Errorf("in its own browser: %s: %.200q", p.Status, p.body)
	}
	w.clock.advance(10 * time.Minute)
	stranger.get(restart).wantRefused(t, "after ten minutes")
}

// strip is something between the browser and an application's host that takes cookies away.
func strip(which func(name string) bool) func(*http.Request, func(*http.Request) *http.Response) *http.Response {
	return func(r *http.Request, pass func(*http.Request) *http.Response) *http.Response {
		response := pass(r)
		if r.Host == authHost {
			return response
		}
		kept := []string{}
		for _, line := range response.Header["Set-Cookie"] {
			if name, _, _ := strings.Cut(line, "="); !which(name) {
				kept = append(kept, line)
			}
		}
		response.Header["Set-Cookie"] = kept
		return response
	}
}

func TestACircleEndsInAPageThatNamesItsCause(t *testing.T) {
	t.Parallel()
	all := func(string) bool { return true }
	sessions := func(name string) bool { return strings.HasPrefix(name, "__Host-GCP_IAP_AUTH_TOKEN_") }
	for name, c := range map[string]struct {
		between func(w *world) func(*http.Request, func(*http.Request) *http.Response) *http.Response
		cause   string
	}{
		"cookies are blocked, or Set-Cookie is taken away": {func(*world) func(*http.Request, func(*http.Request) *http.Response) *http.Response {
			return strip(all)
		}, "The browser sent no cookies"},
		"Set-Cookie is taken away, and the browser has other cookies": {func(*world) func(*http.Request, func(*http.Request) *http.Response) *http.Response {
			strip := strip(all)
			return func(r *http.Request, pass func(*http.Request) *http.Response) *http.Response {
				if r.Host == appHost {
					r.Header.Set("Cookie", "theme=dark")
				}
				return strip(r, pass)
			}
		}, "but not the one that it was given"},
		"the page is opened over http": {func(*world) func(*http.Request, func(*http.Request) *http.Response) *http.Response {
			strip := strip(all)
			return func(r *http.Request, pass func(*http.Request) *http.Response) *http.Response {
				r.Header.Set("Upgrade-Insecure-Requests", "1")
				return strip(r, pass)
			}
		}, "opened over http"},
		"only session cookies do not get through": {func(*world) func(*http.Request, func(*http.Request) *http.Response) *http.Response {
			return strip(sessions)
		}, "the session cookie did not come back"},
		"another gate's key answers": {func(*world) func(*http.Request, func(*http.Request) *http.Response) *http.Response {
			return func(r *http.Request, pass func(*http.Request) *http.Response) *http.Response {
				response := pass(r)
				for i, line := range response.Header["Set-Cookie"] {
					if name, rest, _ := strings.Cut(line, "="); sessions(name) {
						response.Header["Set-Cookie"][i] = name + "=AAAA" + rest
					}
				}
				return response
			}
		}, "different root keys"},
		"the token is taken off the way back": {func(*world) func(*http.Request, func(*http.Request) *http.Response) *http.Response {
			return func(r *http.Request, pass func(*http.Request) *http.Response) *http.Response {
				if query := r.URL.Query(); r.Host == appHost && query.Has("redirect_token_v2") {
					query.Del("redirect_token_v2")
					r.URL.RawQuery = query.Encode()
					r.RequestURI = r.URL.RequestURI()
				}
				return pass(r)
			}
		}, "without the part that completes it"},
		"the whole query is taken off": {func(*world) func(*http.Request, func(*http.Request) *http.Response) *http.Response {
			return func(r *http.Request, pass func(*http.Request) *http.Response) *http.Response {
				if r.Host == appHost {
					r.URL.RawQuery, r.RequestURI = "", r.URL.EscapedPath()
				}
				return pass(r)
			}
		}, "takes the query off"},
		"the auth host's clock is behind": {func(w *world) func(*http.Request, func(*http.Request) *http.Response) *http.Response {
			return func(r *http.Request, pass func(*http.Request) *http.Response) *http.Response {
				if r.Host == authHost {
					w.clock.advance(-5 * time.Minute)
					defer w.clock.advance(5 * time.Minute)
				}
				return pass(r)
			}
		}, "disagree about the time"},
		"the auth host's clock is ahead": {func(w *world) func(*http.Request, func(*http.Request) *http.Response) *http.Response {
			return func(r *http.Request, pass func(*http.Request) *http.Response) *http.Response {
				if r.Host == authHost {
					w.clock.advance(15 * time.Minute)
					defer w.clock.advance(-15 * time.Minute)
				}
				return pass(r)
			}
		}, "disagree about the time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := patient(newBrowser(t, w))
			b.signIn(otherURL+"/", "alice@example.com") // from here on nobody is asked anything
			opened, err := w.db.Sessions(t.Context(), session.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			b.between = c.between(w)
			p := b.get(appURL + "/page")
			if p.StatusCode != http.StatusBadRequest || !strings.Contains(p.body, "Signing in leads back to signing in") || !strings.Contains(p.body, c.cause) {
				t.Fatalf("%s at %s:\n%s", p.Status, p.Request.URL, p.body)
			}
			if !strings.Contains(p.body, `href="`+appURL+`/page"`) || !strings.Contains(p.body, "sign_in_loops") || !strings.Contains(p.body, "Error code 9") {
				t.Errorf("the page does not say where to start again, or why it is there:\n%s", p.body)
			}
			if left, err := w.db.Sessions(t.Context(), session.Filter{}); err != nil || len(left) > len(opened)+4 {
				t.Errorf("%d sessions before and %d after, %v", len(opened), len(left), err)
			}
			b.between = nil
			b.get(appURL+"/page").wantHello(t, "alice@example.com", appHost+"/page") // and once it is put right
		})
	}
}

// Somebody without a sign-in types the password once before they are told that cookies do not work.
func TestBlockedCookiesAreNoticedAfterOneSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := patient(newBrowser(t, w))
	b.between = func(r *http.Request, pass func(*http.Request) *http.Response) *http.Response {
		r.Header.Del("Cookie")
		response := pass(r)
		response.Header.Del("Set-Cookie")
		return response
	}
	if p := b.signIn(appURL+"/page", "alice@example.com"); p.StatusCode != http.StatusBadRequest || !strings.Contains(p.body, "The browser sent no cookies") {
		t.Errorf("%s at %s:\n%s", p.Status, p.Request.URL, p.body)
	}
}

func TestSeveralWindowsOfOneAddressAreNoCircle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	for i := range 7 {
		if p := b.get(appURL + "/page"); p.field("state") == "" {
			t.Fatalf("window %d: %s: %s", i+1, p.Status, p.body)
		}
	}
	b.signIn(appURL+"/page", "alice@example.com").wantHello(t, "alice@example.com", appHost+"/page")
	for i := range 6 { // out and in again, as people test it
		b.get(appURL + "/page?gcp-iap-mode=CLEAR_LOGIN_COOKIE")
		b.forget(appURL)
		if p := b.get(appURL + "/page"); !strings.HasPrefix(p.body, "Hello") {
			t.Fatalf("time %d: %s: %s", i+1, p.Status, p.body)
		}
	}
}

func TestTwoHundredTabsAtOnceMintNothingAndAllArrive(t *testing.T) {
	t.Parallel()
	const tabs = 200
	w := newWorld(t)
	store := &counted{Transactor: w.SignIn.Transactor}
	w.SignIn.Transactor = store
	b := patient(newBrowser(t, w))
	all := func(follow bool, check func(i int, p page)) {
		if !follow {
			b.step()
			defer patient(b)
		}
		var group sync.WaitGroup
		for i := range tabs {
			group.Go(func() { check(i, b.get(fmt.Sprintf("%s/tab?n=%d", appURL, i))) })
		}
		group.Wait()
	}
	all(false, func(i int, p page) {
		if p.StatusCode != http.StatusFound {
			t.Errorf("tab %d: %s", i, p.Status)
		}
	})
	if n := store.writes.Load(); n != 0 {
		t.Errorf("%d transactions before anybody has signed in", n)
	}
	bounded := func(address string) {
		t.Helper()
		u, _ := url.Parse(address)
		size := 0
		for _, c := range b.jar.Cookies(u) {
			size += len(c.Name) + len(c.Value) + len("=; ")
		}
		if n := len(b.jar.Cookies(u)); n > 5 || size > 700 {
			t.Errorf("%s: %d cookies, %d bytes", address, n, size)
		}
	}
	bounded(appURL)
	b.signIn(otherURL+"/", "alice@example.com")
	all(true, func(i int, p page) { p.wantHello(t, "alice@example.com", fmt.Sprintf("%s/tab?n=%d", appHost, i)) })
	bounded(appURL)
	bounded(authURL)
}

func TestTwoHundredDeparturesLeaveOneCookie(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	b := patient(newBrowser(t, f.world))
	var group sync.WaitGroup
	release := b.step()
	for i := range 200 {
		group.Go(func() {
			if p := b.get(b.get(fmt.Sprintf("%s/tab?n=%d", appURL, i)).Header.Get("Location")); !strings.HasPrefix(p.Header.Get("Location"), f.corp.Issuer) {
				t.Errorf("tab %d: %s", i, p.Status)
			}
		})
	}
	group.Wait()
	release()
	patient(b)
	u, _ := url.Parse(authURL)
	if cookies := b.jar.Cookies(u); len(cookies) != 1 {
		t.Errorf("the auth host has %d cookies", len(cookies))
	}
	for i := range 200 {
		group.Go(func() {
			b.get(fmt.Sprintf("%s/tab?n=%d", appURL, i)).wantHello(t, "alice@corp.example", fmt.Sprintf("%s/tab?n=%d", appHost, i))
		})
	}
	group.Wait()
}
