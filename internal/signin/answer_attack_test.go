package signin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// left opens the application and stops at the provider's door; it returns the address there.
func (f *federation) left(t *testing.T, b *browser) *url.URL {
	t.Helper()
	release := b.step()
	defer release()
	begun := b.get(appURL + "/x")
	departed := b.get(begun.Header.Get("Location"))
	address, err := url.Parse(departed.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(address.String(), f.corp.Issuer) {
		t.Fatalf("it does not lead to the provider: %s %s", departed.Status, departed.body)
	}
	return address
}

// answer lets the provider answer and returns the address that the browser is sent back to.
func (f *federation) answer(t *testing.T, b *browser, at *url.URL) *url.URL {
	t.Helper()
	release := b.step()
	defer release()
	back, err := url.Parse(b.get(at.String()).Header.Get("Location"))
	if err != nil || back.Host != authHost {
		t.Fatalf("the provider does not send back: %v", back)
	}
	return back
}

// with changes a parameter of an address; an empty value removes it.
func with(u *url.URL, name, value string) string {
	query := u.Query()
	query.Set(name, value)
	if value == "" {
		query.Del(name)
	}
	changed := *u
	changed.RawQuery = query.Encode()
	return changed.String()
}

func TestAttacksOnTheAnswer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		attack func(t *testing.T, f *federation, b *browser) page
		cause  string
	}{
		"the state dropped": {func(t *testing.T, f *federation, b *browser) page {
			return b.get(with(f.answer(t, b, f.left(t, b)), "state", ""))
		}, "state is missing"},
		"the state damaged": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			return b.get(with(back, "state", back.Query().Get("state")[1:]))
		}, "state is missing, damaged"},
		"the application's state in place of the provider's": {func(t *testing.T, f *federation, b *browser) page {
			release := b.step()
			begun, err := url.Parse(b.get(appURL + "/").Header.Get("Location"))
			release()
			if err != nil {
				t.Fatal(err)
			}
			return b.get(with(f.answer(t, b, f.left(t, b)), "state", begun.Query().Get("state")))
		}, "state is missing, damaged"},
		"the state twice": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			return b.get(back.String() + "&state=" + back.Query().Get("state"))
		}, "is given 2 times"},
		"the code twice": {func(t *testing.T, f *federation, b *browser) page {
			return b.get(f.answer(t, b, f.left(t, b)).String() + "&code=x")
		}, "is given 2 times"},
		"the code in capitals": {func(t *testing.T, f *federation, b *browser) page {
			return b.get(f.answer(t, b, f.left(t, b)).String() + "&CODE=x")
		}, "is spelled"},
		"the state after ten minutes": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			f.clock.advance(10 * time.Minute)
			return f.begunAnew(t, b, back.String())
		}, "older than 10 minutes"},
		"the answer in another browser": {func(t *testing.T, f *federation, b *browser) page {
			return f.begunAnew(t, newBrowser(t, f.world), f.answer(t, b, f.left(t, b)).String())
		}, "another browser"},
		"the answer in another browser that has left too": {func(t *testing.T, f *federation, b *browser) page {
			victim := newBrowser(t, f.world)
			f.left(t, victim)
			return f.begunAnew(t, victim, f.answer(t, b, f.left(t, b)).String())
		}, "another browser"},
		"the attacker's code with the victim's state": {func(t *testing.T, f *federation, b *browser) page {
			victim := newBrowser(t, f.world)
			theirs := f.answer(t, victim, f.left(t, victim))
			mine := f.answer(t, b, f.left(t, b))
			return victim.get(with(theirs, "code", mine.Query().Get("code")))
		}, "invalid_grant"}, // PKCE: the code was asked for with another challenge
		"a code that the provider redeems without PKCE": {func(t *testing.T, f *federation, b *browser) page {
			victim := newBrowser(t, f.world)
			theirs := f.answer(t, victim, f.left(t, victim))
			at := f.left(t, b)
			asked, err := url.Parse(with(at, "code_challenge", f.challengeOf(t, 0)))
			if err != nil {
				t.Fatal(err)
			}
			mine := f.answer(t, b, asked)
			return victim.get(with(theirs, "code", mine.Query().Get("code")))
		}, "nonce"},
		"the code replayed": {func(t *testing.T, f *federation, b *browser) page {
			at := f.left(t, b)
			back := f.answer(t, b, at)
			second := newBrowser(t, f.world)
			theirs := f.answer(t, second, f.left(t, second))
			f.corp.Bend(oidctest.Bends{Claims: set("sub", "")}) // the first use fails, after the code is spent
			b.get(back.String())
			f.corp.Bend(oidctest.Bends{})
			return second.get(with(theirs, "code", back.Query().Get("code")))
		}, "invalid_grant"},
		"no code": {func(t *testing.T, f *federation, b *browser) page {
			return b.get(with(f.answer(t, b, f.left(t, b)), "code", ""))
		}, "neither code nor error"},
		"a provider that was removed meanwhile": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			f.view.Store(identityprovider.NewView([]identityprovider.Provider{{Name: "local", Kind: identityprovider.Local, Domains: []string{"*"}}}))
			return b.get(back.String())
		}, "removed, switched off or replaced"},
		"a provider that was switched off meanwhile": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			off := f.corpProvider()
			off.Disabled = true
			f.use(t, off)
			return b.get(back.String())
		}, "removed, switched off or replaced"},
		"an application that is gone meanwhile": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			f.gone[appHost] = true
			return b.get(back.String())
		}, "no longer served"},
		"the answer as a form": {func(t *testing.T, f *federation, b *browser) page {
			back := f.answer(t, b, f.left(t, b))
			r := request(t, http.MethodPost, back.Scheme+"://"+back.Host+back.Path, back.RawQuery)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return b.do(r)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			f.nobody(t, test.attack(t, f, newBrowser(t, f.world)))
			f.logged(t, test.cause)
		})
	}
}

// begunAnew opens the address of an answer that is no good to the browser. It is sent back to begin anew, with nothing
// of what the answer says; the provider has not been asked about it. It returns the answer's page as one that refuses.
func (f *federation) begunAnew(t *testing.T, b *browser, answer string) page {
	t.Helper()
	before := f.corp.Calls("/token")
	release := b.step()
	defer release()
	p := b.get(answer)
	to := p.Header.Get("Location")
	if p.StatusCode != http.StatusFound || !strings.HasPrefix(to, appURL+"/x?gcp-iap-mode=AUTHENTICATING&gatehouse_restart=") || f.corp.Calls("/token") != before {
		t.Errorf("%s to %s, %d codes redeemed", p.Status, to, f.corp.Calls("/token")-before)
	}
	for _, c := range p.Cookies() {
		if c.MaxAge >= 0 {
			t.Errorf("it sets %s", c.Name)
		}
	}
	p.StatusCode = http.StatusBadRequest
	return p
}

// challengeOf is the PKCE challenge of an authorization request that the provider has seen.
func (f *federation) challengeOf(t *testing.T, i int) string {
	t.Helper()
	all := f.corp.AllAsked()
	if i >= len(all) {
		t.Fatalf("the provider was asked %d times", len(all))
	}
	return all[i].Get("code_challenge")
}

func TestAnAnswerIsTakenOnce(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	b := newBrowser(t, f.world)
	back := f.answer(t, b, f.left(t, b))
	b.get(back.String()).wantHello(t, "alice@corp.example", appHost+"/x")
	b.get(back.String()).wantHello(t, "alice@corp.example", appHost+"/x") // as one was
	f.logged(t, "another browser")                                        // its cookie is gone
	if n := len(f.sessions(t)); n != 1 {
		t.Errorf("%d sessions", n)
	}
}
