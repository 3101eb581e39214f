package enforcement_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/bearer"
	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// Who may ask.
func asAlice(*enforcement.Point) {}

func asNobody(p *enforcement.Point) { p.Sessions = sessions{err: session.ErrNone} }

// asBob asks as somebody who is signed in and may use nothing.
func asBob(p *enforcement.Point) {
	view := p.View()
	bob := directory.Account{Kind: principal.User, Email: "bob@example.com", Subject: "100000000000000000002"}
	changed := *view
	changed.Directory = view.Directory.With(directory.Update{Accounts: map[string]*directory.Account{bob.Email: &bob}}, view.Principals.Edit())
	p.View = func() *snapshot.Snapshot { return &changed }
	p.Sessions = sessions{record: session.Record{Identity: bob.Identity()}}
}

func asSuspended(p *enforcement.Point) {
	gone := alice.Identity()
	gone.Email = "carol@example.com"
	p.Sessions = sessions{record: session.Record{Identity: gone}}
}

// aliceToken is the one bearer token that is good.
type aliceToken struct{}

func (aliceToken) Recognises(token string) bool { return strings.HasPrefix(token, "ours") }
func (aliceToken) Verify(_ context.Context, token string, _ bearer.Request) (bearer.Verified, error) {
	if !strings.HasPrefix(token, "ours") {
		return bearer.Verified{}, bearer.ErrForeign
	}
	if token != "ours" {
		return bearer.Verified{}, &bearer.Refusal{Text: "no"}
	}
	return bearer.Verified{Identity: alice.Identity()}, nil
}

func byToken(p *enforcement.Point) {
	asNobody(p)
	p.Bearers = aliceToken{}
}

// with sets a method and header lines such as "Accept: text/html".
func with(method string, lines ...string) func(*enforcement.Request) {
	return func(r *enforcement.Request) {
		r.Method = method
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			r.Header[name] = append(r.Header[name], value)
		}
	}
}

// What browsers say about where a request comes from and what it is for.
var (
	ownNavigation   = with("GET", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Accept: text/html")
	typedIn         = with("GET", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Accept: text/html")
	foreignLink     = with("GET", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Accept: text/html")
	ownFrame        = with("GET", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", "Accept: text/html")
	foreignFrame    = with("GET", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", "Accept: text/html")
	siblingFrame    = with("GET", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", "Accept: text/html")
	foreignImage    = with("GET", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image", "Accept: image/*,*/*;q=0.8")
	siblingScript   = with("GET", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script", "Accept: */*")
	siblingFetch    = with("GET", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Origin: https://b.test", "Accept: */*")
	ownFetch        = with("GET", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Accept: application/json")
	ownXHR          = with("GET", "X-Requested-With: XMLHttpRequest")
	prefetched      = with("GET", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Purpose: prefetch;prerender", "Accept: text/html")
	plain           = with("GET")
	head            = with("HEAD")
	post            = with("POST")
	preflight       = with("OPTIONS", "Origin: https://b.test", "Access-Control-Request-Method: GET")
	withToken       = with("GET", "Authorization: Bearer ours", "Accept: text/html")
	withProxyToken  = with("GET", "Proxy-Authorization: bearer ours", "Accept: text/html")
	withBadToken    = with("GET", "Authorization: Bearer ours-but-bad", "Accept: text/html")
	withOtherToken  = with("GET", "Authorization: Bearer opaque", "Accept: text/html")
	withBasic       = with("GET", "Authorization: Basic eDp5")
	refusedSideways = wants(enforcement.Refuse, 400, policy.SpecialURLRefused)
	refusedMethod   = wants(enforcement.Refuse, 405, policy.SpecialURLRefused)
	toSignIn        = wants(enforcement.SignIn, 302, policy.NoCredential)
	unauthorised    = wants(enforcement.Refuse, 401, policy.NoCredential)
)

type want struct {
	outcome enforcement.Outcome
	status  int
	reason  policy.Reason
}

func wants(outcome enforcement.Outcome, status int, reason policy.Reason) want {
	return want{outcome, status, reason}
}

func done(outcome enforcement.Outcome, status int) want {
	return want{outcome, status, policy.SpecialURL}
}

func TestSpecialURLsDoWhatTheySayForWhomTheyAreFor(t *testing.T) {
	t.Parallel()
	type edit = func(*enforcement.Request)
	const (
		identity = "/a?gcp-iap-mode=IDENTITY"
		clears   = "/a?gcp-iap-mode=CLEAR_LOGIN_COOKIE"
		signsOut = "/a?gcp-iap-mode=GATEHOUSE_SIGN_OUT"
		test     = "/a?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=SIGNATURE"
		refresh  = "/a?gcp-iap-mode=DO_SESSION_REFRESH"
		keeps    = "/a?gcp-iap-mode=SESSION_REFRESHER"
		force    = "/a?gcp-iap-mode=FORCE_LOGIN"
		comes    = "/a?gcp-iap-mode=AUTHENTICATING&redirect_token_v2=x"
		gcip     = "/a?gcp-iap-mode=GCIP_SIGNOUT"
	)
	for _, c := range []struct {
		name   string
		target string
		who    func(*enforcement.Point)
		how    edit
		want   want
	}{
		{"identity: somebody with access", identity, asAlice, plain, done(enforcement.TellIdentity, 200)},
		{"identity: somebody without access", identity, asBob, plain, done(enforcement.TellIdentity, 200)},
		{"identity: a script of the application", identity, asBob, ownFetch, done(enforcement.TellIdentity, 200)},
		{"identity: HEAD", identity, asBob, head, done(enforcement.TellIdentity, 200)},
		{"identity: a program", identity, byToken, withToken, done(enforcement.TellIdentity, 200)},
		{"identity: a program, by the other header", identity, byToken, withProxyToken, done(enforcement.TellIdentity, 200)},
		{"identity: a program with a bad token", identity, byToken, withBadToken, wants(enforcement.Refuse, 401, policy.BearerInvalid)},
		{"identity: a program with somebody else's token", identity, byToken, withOtherToken, wants(enforcement.Refuse, 401, policy.BearerInvalid)},
		{"identity: somebody suspended", identity, asSuspended, plain, wants(enforcement.Refuse, 403, policy.PrincipalSuspended)},
		{"identity: nobody, in a browser", identity, asNobody, typedIn, toSignIn},
		{"identity: nobody, by a script", identity, asNobody, ownXHR, unauthorised},
		{"identity: nobody, for JSON", identity, asNobody, ownFetch, unauthorised},
		{"identity: nobody, HEAD", identity, asNobody, head, toSignIn},
		{"identity: a store that is down", identity, func(p *enforcement.Point) { p.Sessions = sessions{err: session.ErrStore} }, plain,
			wants(enforcement.Refuse, 503, policy.StoreFailed)},
		{"identity: POST", identity, asAlice, post, refusedMethod},
		{"identity: a preflight", identity, asAlice, preflight, refusedMethod},
		{"identity: another site's script", identity, asAlice, siblingScript, refusedSideways},
		{"identity: another site's fetch", identity, asAlice, siblingFetch, refusedSideways},
		{"identity: another site's image", identity, asAlice, foreignImage, refusedSideways},
		{"identity: another site's frame", identity, asAlice, siblingFrame, refusedSideways},
		{"identity: a link on another site", identity, asAlice, foreignLink, done(enforcement.TellIdentity, 200)},
		{"identity: the older path", "/_gcp_iap/identity", asBob, plain, done(enforcement.TellIdentity, 200)},

		{"clearing: somebody", clears, asAlice, ownNavigation, done(enforcement.ClearLogin, 302)},
		{"clearing: nobody", clears, asNobody, typedIn, done(enforcement.ClearLogin, 302)},
		{"clearing: an old browser", clears, asAlice, plain, done(enforcement.ClearLogin, 302)},
		{"clearing: a script of the application", clears, asAlice, ownFetch, done(enforcement.ClearLogin, 302)},
		{"clearing: a link on another site", clears, asAlice, foreignLink, done(enforcement.ClearLogin, 302)},
		{"clearing: another site's image", clears, asAlice, foreignImage, refusedSideways},
		{"clearing: a sibling's script", clears, asAlice, siblingScript, refusedSideways},
		{"clearing: another site's frame", clears, asAlice, foreignFrame, refusedSideways},
		{"clearing: a sibling's frame", clears, asAlice, siblingFrame, refusedSideways},
		{"clearing: a browser that guesses", clears, asAlice, prefetched, refusedSideways},
		{"clearing: HEAD", clears, asAlice, head, refusedMethod},
		{"clearing: POST", clears, asAlice, post, refusedMethod},
		{"clearing: a program", clears, byToken, withToken, refusedSideways},
		{"clearing: an application's own credential", clears, asAlice, withBasic, done(enforcement.ClearLogin, 302)},
		{"clearing: the older path", "/_gcp_iap/clear_login_cookie", asAlice, plain, done(enforcement.ClearLogin, 302)},

		{"sign-out: somebody", signsOut, asAlice, ownNavigation, done(enforcement.SignOut, 302)},
		{"sign-out: nobody", signsOut, asNobody, typedIn, done(enforcement.SignOut, 302)},
		{"sign-out: another site's frame", signsOut, asAlice, foreignFrame, refusedSideways},
		{"sign-out: POST", signsOut, asAlice, post, refusedMethod},
		{"sign-out: a program", signsOut, byToken, withToken, refusedSideways},

		{"test: somebody with access", test, asAlice, plain, wants(enforcement.Forward, 0, policy.TokenTest)},
		{"test: somebody with access, POST", test, asAlice, post, wants(enforcement.Forward, 0, policy.TokenTest)},
		{"test: a program with access", test, byToken, withToken, wants(enforcement.Forward, 0, policy.TokenTest)},
		{"test: somebody without access", test, asBob, plain, wants(enforcement.Refuse, 403, policy.NotGranted)},
		{"test: somebody suspended", test, asSuspended, plain, wants(enforcement.Refuse, 403, policy.PrincipalSuspended)},
		{"test: nobody", test, asNobody, typedIn, toSignIn},
		{"test: nobody, by a script", test, asNobody, ownXHR, unauthorised},
		{"test: a program with a bad token", test, byToken, withBadToken, wants(enforcement.Refuse, 401, policy.BearerInvalid)},
		{"test: no key that signs", test, func(p *enforcement.Point) { p.Asserter = signer{fmt.Errorf("no key")} }, plain,
			wants(enforcement.Refuse, 503, policy.SigningFailed)},
		{"test: without a type", "/a?gcp-iap-mode=SECURE_TOKEN_TEST", asAlice, plain, wants(enforcement.Refuse, 400, policy.SpecialURLInvalid)},
		{"test: of an unknown type", test + "S", asAlice, plain, wants(enforcement.Refuse, 400, policy.SpecialURLInvalid)},
		{"test: the older path", "/_gcp_iap/secure_token_test/SIGNATURE?x=1", asAlice, plain, wants(enforcement.Forward, 0, policy.TokenTest)},
		{"test: the older path, without access", "/_gcp_iap/secure_token_test/SIGNATURE", asBob, plain, wants(enforcement.Refuse, 403, policy.NotGranted)},

		{"refresh: somebody", refresh, asAlice, ownNavigation, done(enforcement.SignIn, 302)},
		{"refresh: nobody", refresh, asNobody, ownNavigation, done(enforcement.SignIn, 302)},
		{"refresh: HEAD", refresh, asAlice, head, done(enforcement.SignIn, 302)},
		{"refresh: the refresher in a frame", refresh, asAlice, ownFrame, done(enforcement.ShowRefresher, 200)},
		{"refresh: the refresher in a frame, signed out", refresh, asNobody, ownFrame, done(enforcement.ShowRefresher, 401)},
		{"refresh: a script of the application", refresh, asAlice, ownXHR, refusedSideways},
		{"refresh: a script of the application, signed out", refresh, asNobody, ownXHR, unauthorised},
		{"refresh: another site's image", refresh, asAlice, foreignImage, refusedSideways},
		{"refresh: another site's image, signed out", refresh, asNobody, foreignImage, refusedSideways},
		{"refresh: another site's frame", refresh, asNobody, foreignFrame, refusedSideways},
		{"refresh: a browser that guesses", refresh, asAlice, prefetched, refusedSideways},
		{"refresh: POST", refresh, asAlice, post, refusedMethod},
		{"refresh: a program", refresh, byToken, withToken, refusedSideways},
		{"refresh: the older path", "/_gcp_iap/do_session_refresh", asAlice, ownNavigation, done(enforcement.SignIn, 302)},

		{"refresher: somebody with access", keeps, asAlice, ownNavigation, done(enforcement.ShowRefresher, 200)},
		{"refresher: somebody without access", keeps, asBob, ownNavigation, done(enforcement.ShowRefresher, 200)},
		{"refresher: nobody", keeps, asNobody, ownNavigation, toSignIn},
		{"refresher: nobody, by a script", keeps, asNobody, ownXHR, unauthorised},
		{"refresher: in a frame", keeps, asAlice, ownFrame, done(enforcement.ShowRefresher, 200)},
		{"refresher: in a frame, signed out", keeps, asNobody, ownFrame, done(enforcement.ShowRefresher, 401)},
		{"refresher: in a frame, suspended", keeps, asSuspended, ownFrame, wants(enforcement.Refuse, 403, policy.PrincipalSuspended)},
		{"refresher: in a frame, without a store", keeps, func(p *enforcement.Point) { p.Sessions = sessions{err: session.ErrStore} }, ownFrame,
			wants(enforcement.Refuse, 503, policy.StoreFailed)},
		{"refresher: in a frame, to be confirmed", keeps, toBeConfirmed, ownFrame, done(enforcement.ShowRefresher, 401)},
		{"refresher: to be confirmed", keeps, toBeConfirmed, ownNavigation, wants(enforcement.SignIn, 302, policy.ConfirmationDue)},
		{"refresher: in another site's frame", keeps, asAlice, siblingFrame, refusedSideways},
		{"refresher: a program", keeps, byToken, withToken, refusedSideways},
		{"refresher: the older path", "/_gcp_iap/session_refresher", asAlice, plain, done(enforcement.ShowRefresher, 200)},

		{"forced: nobody", force, asNobody, typedIn, toSignIn},
		{"forced: nobody, by a script", force, asNobody, ownXHR, unauthorised},
		{"forced: somebody", force, asAlice, typedIn, done(enforcement.GoOn, 302)},
		{"forced: somebody without access", force, asBob, typedIn, done(enforcement.GoOn, 302)},
		{"forced: POST", force, asNobody, post, refusedMethod},
		{"forced: a program", force, byToken, withToken, refusedSideways},
		{"forced: another site's image", force, asNobody, foreignImage, refusedSideways},

		{"coming back: nobody yet", comes, asNobody, foreignLink, done(enforcement.CompleteLogin, 302)},
		{"coming back: POST, which sign-in itself refuses", comes, asNobody, post, done(enforcement.CompleteLogin, 302)},
		{"coming back: a program", comes, byToken, withToken, refusedSideways},
		{"coming back: a program with somebody else's token", comes, asNobody, withOtherToken, refusedSideways},
		{"coming back: the older path", "/_gcp_gatekeeper/authenticate?redirect_token_v2=x", asNobody, foreignLink, done(enforcement.CompleteLogin, 302)},

		{"Identity Platform: there is none", gcip, asAlice, typedIn, wants(enforcement.Refuse, 400, policy.NoExternalPeople)},
		{"Identity Platform: POST", gcip, asAlice, post, refusedMethod},

		{"an unknown mode: somebody", "/a?gcp-iap-mode=UNKNOWN", asAlice, plain, wants(enforcement.Forward, 0, policy.Granted)},
		{"an unknown mode: nobody", "/a?gcp-iap-mode=UNKNOWN", asNobody, plain, toSignIn},
		{"a mode in lower case", "/a?gcp-iap-mode=identity", asAlice, plain, wants(enforcement.Refuse, 400, policy.SpecialURLInvalid)},
		{"a mode twice", identity + "&gcp-iap-mode=IDENTITY", asAlice, plain, wants(enforcement.Refuse, 400, policy.SpecialURLInvalid)},
		{"an older path in another case", "/_gcp_iap/Identity", asAlice, plain, wants(enforcement.Refuse, 400, policy.SpecialURLInvalid)},
		{"an older path that does not exist", "/_gcp_iap/nothing", asAlice, plain, wants(enforcement.Refuse, 404, policy.PathUnknown)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := ask(t, c.who, c.how, func(request *enforcement.Request) { request.Target = c.target })
			if got := wants(r.verdict.Outcome, r.verdict.Status, r.verdict.Reason); got != c.want {
				t.Errorf("got outcome %d, %d, %s; want %d, %d, %s", got.outcome, got.status, got.reason, c.want.outcome, c.want.status, c.want.reason)
			}
			if r.record.Status != c.want.status || r.record.Reason != c.want.reason {
				t.Errorf("recorded as %d, %s", r.record.Status, r.record.Reason)
			}
			if (c.want == refusedMethod) != (r.verdict.Allow != "") {
				t.Errorf("Allow is %q", r.verdict.Allow)
			}
		})
	}
}

func mustTarget(t *testing.T, written string) catalog.Target {
	t.Helper()
	target, err := catalog.ParseTarget("GET", written)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func toBeConfirmed(p *enforcement.Point) {
	record := session.Record{Identity: alice.Identity(), Silent: true}
	record.AskAfter = p.Now().Add(-1)
	record.Checked = record.AskAfter
	p.Sessions = sessions{record: record}
}

func TestATestOfTheApplicationIsRecordedAsOne(t *testing.T) {
	t.Parallel()
	for _, test := range specialurl.Tests() {
		for target, forwarded := range map[string]string{
			"/a?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=" + string(test): "/a",
			"/_gcp_iap/secure_token_test/" + string(test) + "?b=%zz":                       "/",
		} {
			r := ask(t, asAlice, func(request *enforcement.Request) { request.Target = target })
			if r.verdict.Outcome != enforcement.Forward || r.verdict.Prepared.Assertion[0] != string(test) {
				t.Errorf("%s: outcome %d with %+v", target, r.verdict.Outcome, r.verdict.Prepared)
			}
			path, query, _ := strings.Cut(target, "?")
			if r.verdict.Target.Raw != forwarded || r.verdict.Target.Query != query {
				t.Errorf("%s is forwarded as %+v", target, r.verdict.Target)
			}
			if d := r.record; d.Reason != policy.TokenTest || d.Special != "SECURE_TOKEN_TEST/"+string(test) || d.Path != path || d.Identity.Email != alice.Email {
				t.Errorf("%s is recorded as %+v", target, d)
			}
		}
	}
}

func TestWhatIsRecordedOfASpecialURLIsItsMode(t *testing.T) {
	t.Parallel()
	for _, mode := range specialurl.Modes() {
		if mode == specialurl.SecureTokenTest {
			continue
		}
		r := ask(t, asAlice, func(request *enforcement.Request) { request.Target = "/a?x=1&gcp-iap-mode=" + string(mode) })
		if r.record.Special != string(mode) || r.record.Path != "/a" || r.record.Status == 0 {
			t.Errorf("%s is recorded as %+v", mode, r.record)
		}
	}
}

// With the gate off there are no special URLs, except that nobody's redirect token reaches the application.
func TestWithTheGateOffSpecialURLsAreTheApplications(t *testing.T) {
	t.Parallel()
	off := func(p *enforcement.Point) {
		view := p.View
		p.View = func() *snapshot.Snapshot {
			current := view()
			served, _ := current.Route("app.test", mustTarget(t, "/"))
			served.Service.IAPDisabled = true
			return current
		}
	}
	for _, target := range []string{
		"/a?gcp-iap-mode=IDENTITY", "/a?gcp-iap-mode=CLEAR_LOGIN_COOKIE", "/a?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=ISSUER",
		"/a?gcp-iap-mode=identity", "/_gcp_iap/identity", "/_gcp_iap/x", "/a?gcp-iap-mode=GATEHOUSE_SIGN_OUT",
	} {
		r := ask(t, off, func(request *enforcement.Request) { request.Target = target })
		if r.verdict.Outcome != enforcement.Forward || r.verdict.Reason != policy.IAPDisabled || r.verdict.Prepared != nil || r.verdict.Credential != audit.NoCredential {
			t.Errorf("%s: %+v", target, r.verdict)
		}
		if path, query, _ := strings.Cut(target, "?"); r.verdict.Target.Raw != path || r.verdict.Target.Query != query {
			t.Errorf("%s is forwarded as %+v", target, r.verdict.Target)
		}
	}
	r := ask(t, off, func(request *enforcement.Request) {
		request.Target = "/a?gcp-iap-mode=AUTHENTICATING&redirect_token_v2=x"
	})
	if r.verdict.Outcome != enforcement.CompleteLogin || r.record.Status != http.StatusFound {
		t.Errorf("a redirect token goes to the application: %+v", r.verdict)
	}
}
