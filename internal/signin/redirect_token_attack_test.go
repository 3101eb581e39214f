package signin_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// handoff signs a browser in up to the address that hands the token over, and does not go there.
func handoff(t testing.TB, b *browser, address, email string) string {
	t.Helper()
	release := b.step()
	defer release()
	form := b.get(b.get(address).Header.Get("Location"))
	p := b.post("/signin", map[string]string{"state": form.field("state"), "email": email, "password": "secret of " + email})
	to := p.Header.Get("Location")
	if p.StatusCode != http.StatusSeeOther || !strings.Contains(to, "redirect_token_v2=") {
		t.Fatalf("sign-in answers %s to %q: %s", p.Status, to, p.body)
	}
	return to
}

func TestAttacksOnTheRedirectToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const alice = "alice@example.com"
	changed := func(address string, at int) string {
		i := strings.Index(address, "redirect_token_v2=") + len("redirect_token_v2=") + at
		c := byte('A')
		if address[i] == c {
			c = 'B'
		}
		return address[:i] + string(c) + address[i+1:]
	}
	// Nobody ever gets a session by such a token. It ends in a sign-in of one's own: in a form, or, for those who are
	// signed in at the auth host, as oneself.
	const form = "the form"
	tests := []struct {
		name   string
		used   int // how often the token was used as it should be
		ends   string
		attack func(t *testing.T, b *browser, token string) page
	}{
		{"a token replayed in its own browser", 1, form, func(t *testing.T, b *browser, token string) page {
			cookies := cookiesOf(t, b, appURL)
			b.get(token).wantHello(t, alice, appHost+"/x")
			again := newBrowser(t, w)
			again.give(appURL, cookies)
			return again.get(token)
		}},
		{"a token replayed after its browser's cookies were cleared", 1, alice, func(t *testing.T, b *browser, token string) page {
			b.get(token)
			return b.get(token)
		}},
		{"a token on another host, with the browser's secret", 0, alice, func(t *testing.T, b *browser, token string) page {
			b.give(otherURL, cookiesOf(t, b, appURL))
			return b.get(strings.Replace(token, appHost, otherHost, 1))
		}},
		{"a token on another host of the same application, with the browser's secret", 0, alice, func(t *testing.T, b *browser, token string) page {
			b.give("https://"+secondHost, cookiesOf(t, b, appURL))
			return b.get(strings.Replace(token, appHost, secondHost, 1))
		}},
		{"a token after 60 seconds", 0, alice, func(_ *testing.T, b *browser, token string) page {
			w.clock.advance(time.Minute)
			return b.get(token)
		}},
		{"a token in another browser, without a secret", 0, form, func(t *testing.T, _ *browser, token string) page {
			return newBrowser(t, w).get(token)
		}},
		{"a token in another browser, with the secret of an attempt of its own", 0, "bob@example.com", func(t *testing.T, _ *browser, token string) page {
			thief := newBrowser(t, w)
			handoff(t, thief, appURL+"/x", "bob@example.com")
			return thief.get(token)
		}},
		{"a token in another browser, with its own secret under the attempt's name", 0, form, func(t *testing.T, b *browser, token string) page {
			thief := newBrowser(t, w)
			cookies := cookiesOf(t, b, appURL)
			for name := range cookies {
				if strings.HasPrefix(name, "__Host-GCP_IAP_XSRF_") {
					cookies[name] = strings.Repeat("A", 43)
				}
			}
			thief.give(appURL, cookies)
			return thief.get(token)
		}},
		{"the secret behind a planted one of the same name", 0, form, func(t *testing.T, b *browser, token string) page {
			r := request(t, http.MethodGet, token, "")
			for name, value := range cookiesOf(t, b, appURL) {
				if strings.HasPrefix(name, "__Host-GCP_IAP_XSRF_") {
					r.Header.Set("Cookie", name+"=planted; "+name+"="+value)
				}
			}
			return newBrowser(t, w).do(r)
		}},
		{"only IAP's nonce cookie, without the secret", 0, form, func(t *testing.T, b *browser, token string) page {
			cookies := cookiesOf(t, b, appURL)
			for name := range cookies {
				if strings.HasPrefix(name, "__Host-") {
					delete(cookies, name)
				}
			}
			thief := newBrowser(t, w)
			thief.give(appURL, cookies)
			return thief.get(token)
		}},
		{"a token whose attempt is changed", 0, alice, func(_ *testing.T, b *browser, token string) page { return b.get(changed(token, 3)) }},
		{"a token whose secret is changed", 0, alice, func(_ *testing.T, b *browser, token string) page { return b.get(changed(token, 40)) }},
		{"a truncated token", 0, alice, func(_ *testing.T, b *browser, token string) page {
			return b.get(token[:strings.Index(token, "redirect_token_v2=")+80])
		}},
		{"a token that is given twice", 0, alice, func(_ *testing.T, b *browser, token string) page {
			return b.get(token + token[strings.Index(token, "&"):])
		}},
		{"no token", 0, alice, func(_ *testing.T, b *browser, token string) page { return b.get(token[:strings.Index(token, "&")]) }},
		{"a token that is asked for by HEAD", 1, form, func(t *testing.T, b *browser, token string) page {
			p := b.do(request(t, http.MethodHead, token, ""))
			if p.StatusCode != http.StatusBadRequest || len(p.Cookies()) != 0 {
				t.Errorf("HEAD: %s, cookies %v", p.Status, p.Cookies())
			}
			b.get(token).wantHello(t, alice, appHost+"/x") // it was not used up
			return newBrowser(t, w).get(token)
		}},
		{"a token whose sign-in has been ended", 0, form, func(t *testing.T, b *browser, token string) page {
			b.post("/signout", nil)
			return b.get(token)
		}},
		{"a token whose account is switched off as requests see it", 0, form, func(t *testing.T, b *browser, token string) page {
			account, _ := w.accounts.Account(alice)
			defer w.accounts.put(account)
			off := account
			off.Disabled = true
			w.accounts.put(off)
			return b.get(token)
		}},
		{"a token whose account has been switched off", 0, form, func(t *testing.T, _ *browser, _ string) page {
			w.create(t, "eve@example.com", "secret of eve@example.com")
			eve := newBrowser(t, w)
			token := handoff(t, eve, appURL+"/x", "eve@example.com")
			w.disable(t, "eve@example.com")
			return eve.get(token)
		}},
	}
	for _, tt := range tests { // one after the other: they share a clock
		b := newBrowser(t, w)
		token := handoff(t, b, appURL+"/x", alice)
		p := tt.attack(t, b, token)
		// Whoever is signed in at the auth host ends where they were going, by a token of their own.
		w.tokens.check(t, tt.name, token, tt.used)
		switch {
		case tt.ends == form && (p.field("state") == "" || p.Request.URL.Host != authHost):
			t.Errorf("%s: %s at %s: %.200q", tt.name, p.Status, p.Request.URL, p.body)
		case tt.ends != form && !strings.HasPrefix(p.body, "Hello "+tt.ends+" at "):
			t.Errorf("%s: %s at %s: %.200q", tt.name, p.Status, p.Request.URL, p.body)
		}
	}
}

func TestAnAttackOnATokenLeavesItToItsOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	token := handoff(t, b, appURL+"/x", "alice@example.com")
	if p := newBrowser(t, w).get(token); p.field("state") == "" {
		t.Errorf("another browser: %s: %.200q", p.Status, p.body)
	}
	b.get(token).wantHello(t, "alice@example.com", appHost+"/x")
}
