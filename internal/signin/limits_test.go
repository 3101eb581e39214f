package signin_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// A password waits its turn to be checked, while the administrator who has heard that it is stolen changes it.
func TestAPasswordThatWasChangedWhileItWasCheckedOpensNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bob, _ := w.accounts.Account("bob@example.com")
	w.setPassword(t, "alice@example.com", bob.PasswordHash)

	thief := newBrowser(t, w)
	if p := thief.signIn(appURL+"/", "alice@example.com"); p.StatusCode != http.StatusUnauthorized {
		t.Errorf("the old password: %s: %.200q", p.Status, p.body)
	}
	if opened, err := w.db.Sessions(t.Context(), session.Filter{Email: "alice@example.com"}); err != nil || len(opened) != 0 {
		t.Errorf("sessions that outlive the change: %v, %v", opened, err)
	}
}

func TestOneSignInDoesNotFillTheStoreWithSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mallory := newBrowser(t, w)
	mallory.signIn(appURL+"/", "bob@example.com")
	mallory.get(otherURL+"/").wantHello(t, "bob@example.com", otherHost+"/")
	atAuthHost := cookiesOf(t, mallory, authURL)
	newest := mallory
	for range 50 {
		w.clock.advance(time.Second)
		newest = newBrowser(t, w)
		newest.give(authURL, atAuthHost)
		newest.get(appURL+"/").wantHello(t, "bob@example.com", appHost+"/")
	}
	opened, err := w.db.Sessions(t.Context(), session.Filter{})
	if err != nil || len(opened) > 20 {
		t.Errorf("%d sessions, %v", len(opened), err)
	}
	newest.get(appURL+"/x").wantHello(t, "bob@example.com", appHost+"/x")
	mallory.get(otherURL+"/x").wantHello(t, "bob@example.com", otherHost+"/x") // another application's is none of them
	stop := mallory.step()
	defer stop()
	if p := mallory.get(appURL + "/"); p.StatusCode != http.StatusFound {
		t.Errorf("the oldest session: %s", p.Status)
	}
}
