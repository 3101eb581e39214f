package signin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// overage has a provider that leaves Alice's groups out of her token, as Entra does, and puts a link there that must
// never be followed; groups are looked up where the configuration says.
func overage(t *testing.T) (*federation, *oidctest.Graph) {
	t.Helper()
	f := newFederation(t)
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the link in the token was followed") }))
	t.Cleanup(trap.Close)
	f.corp.As(oidctest.Person{Subject: "alice-at-corp", Claims: map[string]any{
		"email": "alice@corp.example", "email_verified": true, "_claim_names": map[string]string{"groups": "src1"},
		"_claim_sources": map[string]any{"src1": map[string]string{"endpoint": trap.URL + "/users/alice/getMemberObjects", "access_token": "x"}},
	}})
	f.corp.Refresh(true)
	graph := oidctest.NewGraph(t, f.corp)
	graph.Groups("8f1a", "77bb", "unknown")
	p := f.corpProvider()
	p.Groups = &identityprovider.GroupsClaim{Lookup: graph.URL, Table: map[string]string{"8f1a": "admins@corp.example", "77bb": "dev@corp.example"}}
	f.use(t, p)
	return f, graph
}

// groups are those of the newest sign-in.
func (f *federation) groups(t *testing.T) ([]string, time.Time) {
	t.Helper()
	stored := f.sessions(t)
	if len(stored) == 0 {
		t.Fatalf("nobody is signed in\n%s", f.log)
	}
	newest := stored[0]
	for _, r := range stored {
		if r.Created.After(newest.Created) {
			newest = r
		}
	}
	return newest.Groups, newest.Checked
}

func TestGroupsThatAreLeftOutOfTheTokenAreLookedUp(t *testing.T) {
	t.Parallel()
	f, graph := overage(t)
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	if got, checked := f.groups(t); !slices.Equal(got, []string{"admins@corp.example", "dev@corp.example"}) || !checked.Equal(f.clock.Now()) {
		t.Errorf("groups %q, as of %v", got, checked)
	}
	// Within ten minutes they are remembered, and say how old they are.
	began := f.clock.Now()
	f.clock.advance(9 * time.Minute)
	graph.Groups("77bb")
	newBrowser(t, f.world).get(appURL + "/")
	if got, checked := f.groups(t); len(got) != 2 || !checked.Equal(began) || graph.Calls() != 1 {
		t.Errorf("groups %q, as of %v, asked %d times", got, checked, graph.Calls())
	}
	f.clock.advance(time.Minute)
	newBrowser(t, f.world).get(appURL + "/")
	if got, checked := f.groups(t); !slices.Equal(got, []string{"dev@corp.example"}) || !checked.Equal(f.clock.Now()) || graph.Calls() != 2 {
		t.Errorf("groups %q, as of %v, asked %d times", got, checked, graph.Calls())
	}
}

func TestTheRecheckLooksUpGroupsAnew(t *testing.T) {
	t.Parallel()
	f, graph := overage(t)
	b := newBrowser(t, f.world)
	b.get(appURL + "/")
	graph.Groups("77bb")
	f.clock.advance(10 * time.Minute)
	f.recheck(t)
	if family := f.family(t, b); len(family) != 1 || !slices.Equal(family[0].Groups, []string{"dev@corp.example"}) {
		t.Errorf("%+v", family)
	}
	// While they cannot be looked up, the session goes on for an hour with those that it has.
	graph.Serve(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true })
	f.clock.advance(10 * time.Minute)
	f.recheck(t)
	if !b.in() {
		t.Errorf("out\n%s", f.log)
	}
	f.pass(t, b, 65*time.Minute)
	f.recheck(t)
	if b.in() {
		t.Error("in, with groups that nobody has confirmed for more than an hour")
	}
}

func TestGroupsThatCannotBeLookedUp(t *testing.T) {
	t.Parallel()
	many := `"` + strings.Join(strings.Split(strings.Repeat("8f1a,", 5000), ","), `","`) + `"`
	reply := func(status int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return true
		}
	}
	for name, test := range map[string]struct {
		serve  func(http.ResponseWriter, *http.Request) bool
		status int
		cause  string
	}{
		"it is down":                {reply(503, ""), 503, "503"},
		"it is asked too often":     {reply(429, ""), 503, "429"},
		"the permission is missing": {reply(403, `{"error":{"code":"Authorization_RequestDenied"}}`), 400, "does the access token give the permission"},
		"the token is not for it":   {reply(401, ``), 400, "does the access token give the permission"},
		"it is not there":           {reply(404, ``), 400, "404"},
		"it answers in pages":       {reply(200, `{"value":["8f1a"],"@odata.nextLink":"https://evil.test/"}`), 400, "in pages"},
		"it answers in HTML":        {reply(200, `<html>`), 503, "groups.lookup"},
		"it answers with objects":   {reply(200, `{"value":[{"id":"8f1a"}]}`), 503, "list of texts"},
		"it answers with nothing":   {reply(200, `{}`), 503, "list of texts"},
		"it answers with null":      {reply(200, `{"value":null}`), 503, "list of texts"},
		"it answers twice":          {reply(200, `{"value":[],"value":["8f1a"]}`), 503, "twice"},
		"it answers without end":    {reply(200, `{"value":["`+strings.Repeat("a", 2<<20)+`"]}`), 503, "larger than"},
		"there are too many":        {reply(200, `{"value":[`+many+`]}`), 400, "more than 2000"},
		"it is somewhere else": {func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "http://"+r.Host+"/elsewhere", http.StatusTemporaryRedirect)
			return true
		}, 503, "not followed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, graph := overage(t)
			graph.Serve(test.serve)
			page := newBrowser(t, f.world).get(appURL + "/")
			f.nobody(t, page)
			f.logged(t, test.cause)
			if page.StatusCode != test.status || graph.Calls() != 1 {
				t.Errorf("%s; asked %d times", page.Status, graph.Calls())
			}
		})
	}
}

func TestGroupsOfLastTimeServeForAnHourWhileTheyCannotBeLookedUp(t *testing.T) {
	t.Parallel()
	f, graph := overage(t)
	newBrowser(t, f.world).get(appURL + "/")
	began := f.clock.Now()
	graph.Serve(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true })
	f.clock.advance(50 * time.Minute)
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	if got, checked := f.groups(t); len(got) != 2 || !checked.Equal(began) {
		t.Errorf("groups %q, as of %v", got, checked)
	}
	f.clock.advance(10 * time.Minute)
	if p := newBrowser(t, f.world).get(appURL + "/"); p.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("an hour later: %s", p.Status)
	}
}

// Only one person's groups are theirs.
func TestRememberedGroupsAreOfOnePerson(t *testing.T) {
	t.Parallel()
	f, graph := overage(t)
	newBrowser(t, f.world).get(appURL + "/")
	graph.Groups("77bb")
	f.corp.As(oidctest.Person{Subject: "bob-at-corp", Claims: map[string]any{
		"email": "bob@corp.example", "email_verified": true, "_claim_names": map[string]string{"groups": "src1"},
		"_claim_sources": map[string]any{"src1": map[string]string{"endpoint": "https://graph.example/"}},
	}})
	f.clock.advance(time.Second)
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "bob@corp.example", appHost+"/")
	if got, _ := f.groups(t); !slices.Equal(got, []string{"dev@corp.example"}) {
		t.Errorf("Bob's groups are %q", got)
	}
}

func TestAnAccessTokenGoesOnlyWhereGroupsWereLeftOut(t *testing.T) {
	t.Parallel()
	f, graph := overage(t)
	var asked atomic.Int32
	graph.Serve(func(http.ResponseWriter, *http.Request) bool { asked.Add(1); return false })
	f.corp.As(oidctest.Person{Subject: "alice-at-corp", Claims: map[string]any{
		"email": "alice@corp.example", "email_verified": true, "groups": []string{"77bb"},
		"_claim_names":   map[string]string{"roles": "src1"},
		"_claim_sources": map[string]any{"src1": map[string]string{"endpoint": "https://graph.example/"}},
	}})
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	if got, _ := f.groups(t); !slices.Equal(got, []string{"dev@corp.example"}) || asked.Load() != 0 {
		t.Errorf("groups %q; asked %d times", got, asked.Load())
	}
}
