package signin_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/session"
)

func TestWhoHasUsedASessionAllAlongIsPresent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBrowser(t, w)
	b.signIn(appURL+"/", "alice@example.com")
	r := request(t, http.MethodGet, authURL+"/", "")
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	for range 4 {
		w.clock.advance(session.DefaultLifetimes().Idle - time.Minute)
		present, is, err := w.Present(r)
		if err != nil || !is || !present.Live(w.clock.Now(), session.DefaultLifetimes()) {
			t.Fatalf("at %s: present %t, %v; last seen at %s", w.clock.Now(), is, err, present.LastSeen)
		}
	}
}
