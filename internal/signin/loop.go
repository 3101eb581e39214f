package signin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

// A circle is noticed without a store and without anybody's session: a cookie counts how often sign-in has begun for an
// address, and come back to it, within moments; and the sealed attempts count how often one followed another.
// Which of the two still works says something about the cause.
//
// The bounds are below the 20 redirects after which browsers give up with a message of their own. Somebody who opens
// an address in several windows begins often, but comes back once.
const (
	maxBeginnings = 8
	maxReturns    = 3
	roundsWindow  = 10 * time.Second
)

// rounds is what the cookie of a browser says about one address.
type rounds struct {
	address             string
	beginnings, returns int
}

func (s *SignIn) readRounds(r *http.Request, app App, to string) rounds {
	sum := sha256.Sum256([]byte(string(app.Resource) + "\x00" + to))
	n := rounds{address: hex.EncodeToString(sum[:4])}
	parts := strings.Split(cookieValue(r, roundsCookie), ".")
	if len(parts) != 4 || parts[0] != n.address {
		return n
	}
	if age := s.Now().Unix() - int64(number(parts[3])); age < 0 || age > int64(roundsWindow/time.Second) {
		return n
	}
	n.beginnings, n.returns = number(parts[1]), number(parts[2])
	return n
}

// number reads a count that we wrote; what is none counts as none.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func (n rounds) tooMany() bool {
	return n.beginnings >= maxBeginnings || n.returns >= maxReturns
}

func (s *SignIn) countRounds(w http.ResponseWriter, n rounds) {
	now := s.Now()
	setCookie(w, roundsCookie, fmt.Sprintf("%s.%d.%d.%d", n.address, n.beginnings, n.returns, now.Unix()), now, roundsWindow)
}

// goesRound counts a beginning, or a return that came to nothing, and reports whether there were too many.
func (s *SignIn) goesRound(w http.ResponseWriter, r *http.Request, app App, to string, returned bool) bool {
	n := s.readRounds(r, app, to)
	if n.tooMany() {
		clearCookie(w, roundsCookie) // so that starting again starts again
		return true
	}
	n.beginnings++
	if returned {
		n.returns++
	}
	s.countRounds(w, n)
	return false
}

// wentRound counts a return that opened a session.
func (s *SignIn) wentRound(w http.ResponseWriter, r *http.Request, app App, origin string) {
	n := s.readRounds(r, app, strings.TrimPrefix(origin, s.External.URL(app.Host)))
	n.returns++
	s.countRounds(w, n)
}

// The causes of circles, in the words of the page. People read the first sentence, administrators the others.
const (
	causeClock = "The servers that sign people in disagree about the time. The administrator has to set their clocks " +
		"(NTP): one was more than a minute ahead of another."
	causeQuery = "The address on the way back from signing in arrived without the part that completes it. The administrator " +
		"has to let the query pass unchanged (gcp-iap-mode and redirect_token_v2) through whatever is in front of the gate: a proxy, " +
		"a firewall or a cache."
	causeUnknown = "Each way back from signing in was too late or already used. Close the other windows in which you are signing in, " +
		"and start again. If it happens again, the administrator should look whether several gates that do not share a store answer " +
		"under this address, or a cache in front of it keeps redirects."
)

// roundCause explains a circle through which the browser carries our cookies well enough to count it, by what came of
// the session each time.
func roundCause(reason policy.Reason, host string) string {
	switch reason {
	case policy.CookieInvalid:
		return "You were signed in each time, and the session was not recognised the moment after. Several gates with different root keys " +
			"seem to answer for " + host + ": the administrator has to give them the same root key and store."
	case policy.SessionEnded:
		return "You were signed in each time, and the session had ended the moment after. The administrator should look whether the clocks " +
			"of the servers agree, and whether they share a store."
	case policy.ConfirmationDue, policy.SignInTooOld:
		return "Your organisation's sign-in confirmed you each time, and that did not count. The administrator should look at the log."
	default:
		return "You were signed in each time, and the session cookie did not come back. Something between the browser and the gate keeps " +
			"cookies whose names begin with __Host-GCP_IAP_AUTH_TOKEN_ from passing, in Set-Cookie or in Cookie, or takes the query off the way back: " +
			"the administrator has to let them through."
	}
}

// cookieCause explains why a browser did not show a cookie that it had been given the moment before.
func (s *SignIn) cookieCause(r *http.Request, host string) string {
	h := r.Header
	// Browsers send fetch metadata to secure origins only, and Upgrade-Insecure-Requests to all.
	plain := s.External.Scheme == "https" && r.TLS == nil && h.Get("Upgrade-Insecure-Requests") == "1" && h.Get("Sec-Fetch-Mode") == ""
	switch {
	case plain:
		return "This page was opened over http, where browsers do not keep the cookies of signing in. Open it with https://. " +
			"The administrator has to redirect http to https for " + host + ", in the gate (redirectToHTTPS) or in front of it."
	case len(h["Cookie"]) == 0:
		return "The browser sent no cookies to " + host + ". Allow cookies for it: in the browser's settings, in private windows and in extensions too. " +
			"If they are allowed, the administrator should look whether a proxy in front of the gate removes Set-Cookie or Cookie."
	default:
		return "The browser sends cookies to " + host + ", but not the one that it was given the moment before. The administrator should look whether a " +
			"proxy or cache in front of the gate removes or stores Set-Cookie. If nothing is in the way, delete the cookies of this site: there may be " +
			"too many of them."
	}
}

// loops answers somebody who is being sent round in a circle. Nothing is begun; the link begins again.
func (s *SignIn) loops(w http.ResponseWriter, r *http.Request, again, cause string) {
	id := s.decided(r, http.StatusBadRequest, policy.SignInLoops, "")
	s.Log.WarnContext(r.Context(), "sign-in goes round in a circle", "decision", id, "cause", cause, "host", r.Host, "peer", s.clientAddr(r))
	text := policy.SignInLoops.Describe()
	s.Pages.Error(w, r, pages.Error{
		Status: http.StatusBadRequest, Code: codeNotCompleted, Title: text.Title, Text: text.Text + " " + cause,
		Reason: string(policy.SignInLoops), ID: id, ActionURL: again, ActionLabel: "Start again",
	})
}
