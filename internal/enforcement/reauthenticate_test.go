package enforcement_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/bearer"
	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// bearers accepts every token, as somebody's.
type bearers struct{ identity principal.Identity }

func (bearers) Recognises(string) bool { return true }
func (b bearers) Verify(context.Context, string, bearer.Request) (bearer.Verified, error) {
	return bearer.Verified{Identity: b.identity}, nil
}

func TestSettingsDemandARecentSignIn(t *testing.T) {
	t.Parallel()
	script := func(r *enforcement.Request) { r.Header.Set("X-Requested-With", "XMLHttpRequest") }
	token := func(r *enforcement.Request) { r.Header.Set("Authorization", "Bearer a.b.c") }
	plain := func(*enforcement.Request) {}
	for _, c := range []struct {
		name    string
		age     time.Duration
		amr     []string
		edit    func(*enforcement.Request)
		outcome enforcement.Outcome
		status  int
		reason  policy.Reason
	}{
		{"a recent sign-in in the demanded way passes", time.Minute, []string{"mfa"}, plain, enforcement.Forward, 0, policy.Granted},
		{"an old one is sent to sign in again", time.Hour, []string{"mfa"}, plain, enforcement.SignIn, 302, policy.SignInTooOld},
		{"a weak one is sent to sign in again", time.Minute, []string{"pwd"}, plain, enforcement.SignIn, 302, policy.SignInTooOld},
		{"a script is told", time.Hour, []string{"mfa"}, script, enforcement.Refuse, 401, policy.SignInTooOld},
		{"a program that acts for a person has no access", time.Minute, []string{"mfa"}, token, enforcement.Refuse, 403, policy.SignInTooOld},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := ask(t, func(p *enforcement.Point) {
				served, _ := p.View().Served("projects/1/iap_web/compute/services/1")
				served.Demand = session.Demand{MaxAge: 10 * time.Minute, Factor: session.SecondFactor}
				p.Sessions = sessions{record: session.Record{ID: session.NewID(), Identity: alice.Identity(), AMR: c.amr, AuthTime: time.Now().Add(-c.age)}}
				p.Bearers = bearers{alice.Identity()}
			}, func(r *enforcement.Request) { r.Header = http.Header{}; c.edit(r) }, func(r *enforcement.Request) {
				if r.Header.Get("Authorization") == "" {
					r.Header.Set("Cookie", "session")
				}
			})
			v := r.verdict
			if v.Outcome != c.outcome || v.Status != c.status || v.Reason != c.reason {
				t.Errorf("got outcome %d, status %d, %s", v.Outcome, v.Status, v.Reason)
			}
			if c.outcome != enforcement.Forward && v.Prepared != nil {
				t.Error("somebody was vouched for")
			}
		})
	}
}
