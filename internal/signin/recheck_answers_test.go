package signin_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// An answer of the token endpoint is about the person (they are out), about us or an outage (they have an hour).
func TestWhichAnswersToARefreshAreARefusal(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
		in     bool
	}{
		"the grant is no good":                        {400, `{"error":"invalid_grant"}`, false},
		"the grant is no good, says a proxy's status": {403, `{"error":"invalid_grant"}`, false},
		"the grant is no good, with status 200":       {200, `{"error":"invalid_grant"}`, false},
		"Dex: the token is unknown or has expired":    {400, `{"error":"invalid_request","error_description":"Refresh token expired."}`, false},
		"Dex: the person is gone":                     {500, `{"error":"invalid_request"}`, false},
		"the scope is no good":                        {400, `{"error":"invalid_scope"}`, false},
		"the person must be asked":                    {400, `{"error":"interaction_required"}`, false},
		"the person is locked, in words of its own":   {401, `{"error":"account_locked"}`, false},
		"we are not who we say":                       {401, `{"error":"invalid_client"}`, true},
		"we may not ask so":                           {400, `{"error":"unauthorized_client"}`, true},
		"it does not know refresh tokens":             {400, `{"error":"unsupported_grant_type"}`, true},
		"we are refused without a word":               {401, ``, true},
		"it is broken":                                {500, `{"error":"server_error"}`, true},
		"it is broken, in words of its own":           {500, `{"error":"database_gone"}`, true},
		"it is broken, in HTML":                       {500, `<html>`, true},
		"it is away":                                  {503, `{"error":"temporarily_unavailable"}`, true},
		"what is in front of it says that it is away": {502, `{"error":"invalid_request"}`, true},
		"what is in front of it waits no longer":      {504, `{"error":"invalid_grant"}`, true},
		"we ask too often":                            {429, `{"error":"invalid_request"}`, true},
		"it is not there":                             {404, `<html>`, true},
		"it says something that is no JSON":           {400, `invalid_grant`, true},
		"it says nothing of what is wrong":            {400, `{}`, true},
		"it says that all is well, and gives nothing": {200, `{}`, true},
		"it says that all is well, in HTML":           {200, `<html>`, true},
		"it answers without end":                      {200, `{"access_token":"` + strings.Repeat("a", 2<<20) + `"}`, true},
		"a refresh token without end":                 {200, `{"access_token":"a","token_type":"Bearer","refresh_token":"` + strings.Repeat("a", 40<<10) + `"}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, b := refreshing(t)
			f.corp.Bend(oidctest.Bends{Serve: says("/token", test.status, test.body)})
			f.clock.advance(10 * time.Minute)
			f.recheck(t)
			if b.in() != test.in {
				t.Fatalf("in: %v\n%s", !test.in, f.log)
			}
			f.pass(t, b, 65*time.Minute)
			if b.in() {
				t.Error("in for more than an hour without a word from the provider")
			}
		})
	}
}

// What a provider gives is kept with each session, in the store and in memory.
func TestRefreshTokensWithoutEndAreNotKept(t *testing.T) {
	t.Parallel()
	endless := set("refresh_token", strings.Repeat("a", 40<<10))
	f, b := refreshing(t)
	f.corp.Bend(oidctest.Bends{Token: endless})
	f.clock.advance(10 * time.Minute)
	f.recheck(t)
	if kept := f.sessions(t)[0].AtProvider.Tokens; len(kept) > 10<<10 || !b.in() {
		t.Errorf("%d bytes are kept; in: %v", len(kept), b.in())
	}
	f.logged(t, "larger than 32768 bytes")
	if p := newBrowser(t, f.world).get(appURL + "/"); p.StatusCode != http.StatusBadRequest {
		t.Errorf("signing in with one: %s", p.Status)
	}
}

// The provider has given a new refresh token and spent the old one, and its answer is lost on the way. To it the old one
// looks stolen then. That ends the session: whoever holds a stolen one would look the same.
func TestARotationWhoseAnswerIsLostEndsTheSession(t *testing.T) {
	t.Parallel()
	f, b := refreshing(t)
	var lost atomic.Bool
	f.corp.Bend(oidctest.Bends{Token: func(answer map[string]any) {
		if lost.CompareAndSwap(false, true) {
			for name := range answer {
				delete(answer, name)
			}
		}
	}})
	f.clock.advance(10 * time.Minute)
	f.recheck(t)
	if !b.in() || !lost.Load() {
		t.Fatal("a lost answer alone ends nothing")
	}
	f.clock.advance(time.Minute)
	f.recheck(t)
	if b.in() {
		t.Errorf("still in\n%s", f.log)
	}
	f.logged(t, "invalid_grant")
}

// A provider that is slow holds up a batch until the lease of those that wait has run out, and another replica may be
// asking about them by then.
func TestWhatWaitedTooLongForItsTurnIsLeftForTheNext(t *testing.T) {
	t.Parallel()
	f, _ := refreshing(t)
	for range 19 {
		newBrowser(t, f.world).get(appURL + "/")
	}
	f.clock.advance(10 * time.Minute)
	before := f.corp.Calls("/token")
	f.corp.Bend(oidctest.Bends{Serve: func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			f.clock.advance(30 * time.Second)
		}
		return false
	}})
	f.recheck(t)
	if asked := f.corp.Calls("/token") - before; asked > 8 {
		t.Errorf("%d were asked about, of 20, when the first answer took half a minute", asked)
	}
	f.corp.Bend(oidctest.Bends{})
	f.clock.advance(time.Minute)
	f.recheck(t)
	if asked := f.corp.Calls("/token") - before; asked < 20 {
		t.Errorf("only %d of 20 were asked about in the end", asked)
	}
}

// withoutIDToken has a browser signed in at a provider whose refreshes give no ID token.
func withoutIDToken(t *testing.T) (*federation, *browser) {
	t.Helper()
	f, _ := refreshing(t)
	f.corp.As(oidctest.Person{Subject: "alice-at-corp", Claims: map[string]any{
		"email": "alice@corp.example", "email_verified": true, "groups": []string{"a@corp.example"},
	}})
	b := newBrowser(t, f.world)
	b.get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	f.corp.Bend(oidctest.Bends{Token: remove("id_token")})
	f.clock.advance(10 * time.Minute)
	return f, b
}

func TestARefreshWithoutIDTokenAsksUserinfo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bends  oidctest.Bends
		in     bool
		groups []string
		cause  string
	}{
		"as before":        {oidctest.Bends{}, true, []string{"a@corp.example"}, ""},
		"new groups":       {oidctest.Bends{Userinfo: set("groups", []string{"b@corp.example"})}, true, []string{"b@corp.example"}, ""},
		"no groups":        {oidctest.Bends{Userinfo: remove("groups")}, true, nil, ""},
		"another person":   {oidctest.Bends{Userinfo: set("sub", "eve-at-corp")}, false, nil, "somebody else"},
		"another address":  {oidctest.Bends{Userinfo: set("email", "eve@corp.example")}, false, nil, "address has changed"},
		"not verified":     {oidctest.Bends{Userinfo: set("email_verified", false)}, false, nil, "email_verified"},
		"no address":       {oidctest.Bends{Userinfo: remove("email")}, false, nil, "it sent none"},
		"nobody":           {oidctest.Bends{Userinfo: remove("sub")}, true, []string{"a@corp.example"}, "names nobody"},
		"nobody in text":   {oidctest.Bends{Userinfo: set("sub", 7)}, true, []string{"a@corp.example"}, "names nobody"},
		"two people":       {oidctest.Bends{Serve: says("/userinfo", 200, `{"sub":"eve","sub":"alice-at-corp"}`)}, true, []string{"a@corp.example"}, "twice"},
		"no JSON":          {oidctest.Bends{Serve: says("/userinfo", 200, `<html>`)}, true, []string{"a@corp.example"}, "userinfo"},
		"a JWT":            {oidctest.Bends{Serve: says("/userinfo", 200, `eyJhbGciOiJub25lIn0.e30.`)}, true, []string{"a@corp.example"}, "userinfo"},
		"that it is down":  {oidctest.Bends{Serve: says("/userinfo", 503, ``)}, true, []string{"a@corp.example"}, "503"},
		"that we may not":  {oidctest.Bends{Serve: says("/userinfo", 401, `{"error":"invalid_token"}`)}, true, []string{"a@corp.example"}, "401"},
		"without end":      {oidctest.Bends{Serve: says("/userinfo", 200, `{"sub":"`+strings.Repeat("a", 2<<20)+`"}`)}, true, []string{"a@corp.example"}, "larger than"},
		"a way elsewhere":  {oidctest.Bends{Serve: elsewhere("/userinfo")}, true, []string{"a@corp.example"}, "not followed"},
		"of another realm": {oidctest.Bends{Userinfo: set("hd", "evil.test")}, false, nil, "hd is evil.test"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, b := withoutIDToken(t)
			test.bends.Token = remove("id_token")
			f.corp.Bend(test.bends)
			f.recheck(t)
			if b.in() != test.in {
				t.Fatalf("in: %v\n%s", !test.in, f.log)
			}
			f.logged(t, test.cause)
			for _, r := range f.family(t, b) {
				if !slices.Equal(r.Groups, test.groups) {
					t.Errorf("groups %q, want %q", r.Groups, test.groups)
				}
			}
			if f.corp.Calls("/elsewhere/userinfo") != 0 {
				t.Error("the access token was sent where a redirect led")
			}
			// A refresh token that was rotated must not be lost over it.
			f.corp.Bend(oidctest.Bends{})
			f.clock.advance(11 * time.Minute)
			f.recheck(t)
			if b.in() != test.in {
				t.Errorf("in later: %v\n%s", !test.in, f.log)
			}
		})
	}
}

func TestAProviderWithoutUserinfoConfirmsByTheRefreshAlone(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	f.corp.Refresh(true)
	f.corp.Bend(oidctest.Bends{Discovery: remove("userinfo_endpoint")})
	p := f.corpProvider()
	p.Groups = &identityprovider.GroupsClaim{}
	f.use(t, p)
	b := newBrowser(t, f.world)
	b.get(appURL + "/")
	f.corp.Bend(oidctest.Bends{Token: remove("id_token")})
	f.clock.advance(10 * time.Minute)
	f.recheck(t)
	f.pass(t, b, 65*time.Minute)
	f.recheck(t)
	if !b.in() || f.corp.Calls("/userinfo") != 0 {
		t.Errorf("in: %v, userinfo was asked %d times\n%s", b.in(), f.corp.Calls("/userinfo"), f.log)
	}
}

func TestOddGroups(t *testing.T) {
	t.Parallel()
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for name, test := range map[string]struct {
		claim  any
		groups []string
		cause  string // refused
	}{
		"one text":                        {"a@corp.example", []string{"a@corp.example"}, ""},
		"texts in one, by commas":         {"a@corp.example,b@corp.example", nil, ""},
		"objects":                         {[]any{map[string]string{"id": "a@corp.example"}}, nil, ""},
		"an object":                       {map[string]string{"a@corp.example": "b@corp.example"}, nil, ""},
		"lists of lists":                  {[]any{[]string{"a@corp.example"}}, nil, ""},
		"a number":                        {7, nil, ""},
		"null":                            {nil, nil, ""},
		"texts among others":              {[]any{7, nil, "a@corp.example", true, ""}, []string{"a@corp.example"}, ""},
		"one twice, in two cases":         {[]string{"A@corp.example", "a@CORP.example"}, []string{"a@corp.example"}, ""},
		"ten thousand":                    {many, nil, "larger than 65536 bytes"},
		"three thousand":                  {many[:3000], nil, "more than 2000 groups"},
		"what is no address":              {[]string{"admins", "a@b@corp.example", "а@corp.example", "a@corp.example\n"}, nil, ""},
		"those of somebody else's domain": {[]string{"admins@partner.example"}, []string{"admins@partner.example"}, ""}, // kept, and counts for nothing (snapshot)
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			p := f.corpProvider()
			p.Groups = &identityprovider.GroupsClaim{}
			f.use(t, p)
			f.corp.As(oidctest.Person{Subject: "alice-at-corp", Claims: map[string]any{"email": "alice@corp.example", "email_verified": true, "groups": test.claim}})
			page := newBrowser(t, f.world).get(appURL + "/")
			if test.cause != "" {
				f.nobody(t, page)
				f.logged(t, test.cause)
				return
			}
			page.wantHello(t, "alice@corp.example", appHost+"/")
			if got := f.sessions(t)[0].Groups; !slices.Equal(got, test.groups) {
				t.Errorf("groups %q, want %q", got, test.groups)
			}
		})
	}
}

// An administrator gives a provider's name to another, or takes it away, while an answer of the first is on its way.
func TestAProviderThatIsReplacedWhileItAnswersLetsNobodyIn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(context.Context, identityprovider.Store, identityprovider.Provider) error{
		"removed": func(ctx context.Context, s identityprovider.Store, p identityprovider.Provider) error {
			return s.DeleteProvider(ctx, p.Name)
		},
		"switched off": func(ctx context.Context, s identityprovider.Store, p identityprovider.Provider) error {
			p.Disabled = true
			return s.PutProvider(ctx, p)
		},
		"another issuer by now": func(ctx context.Context, s identityprovider.Store, p identityprovider.Provider) error {
			other := *p.OIDC
			other.Issuer = "https://login.other.example"
			p.OIDC = &other
			return s.PutProvider(ctx, p)
		},
		"another kind by now": func(ctx context.Context, s identityprovider.Store, p identityprovider.Provider) error {
			p.Kind, p.OIDC = identityprovider.LDAP, nil
			return s.PutProvider(ctx, p)
		},
		"of other domains by now": func(ctx context.Context, s identityprovider.Store, p identityprovider.Provider) error {
			p.Domains = []string{"moved.example"}
			return s.PutProvider(ctx, p)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			f.corp.Bend(oidctest.Bends{Token: func(map[string]any) {
				f.change(t, func(ctx context.Context, s identityprovider.Store) error { return change(ctx, s, f.corpProvider()) })
			}})
			f.nobody(t, newBrowser(t, f.world).get(appURL+"/"))
			f.logged(t, "removed, switched off or replaced meanwhile")
		})
	}
}
