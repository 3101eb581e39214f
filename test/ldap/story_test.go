package ldap

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/test/harness"
	"github.com/gatehouse-iap/gatehouse/test/inprocess"
)

const projectNumber = 42 // of gates in process

// provider is the directory as an administrator declares it: a group's name becomes an address of the company's.
func (s *slapd) provider() identityprovider.Provider {
	cfg := s.config()
	return identityprovider.Provider{
		Name: "corp", Kind: identityprovider.LDAP, Domains: []string{"corp.example"},
		Groups: &identityprovider.GroupsClaim{Template: "{value}@corp.example"}, LDAP: &cfg,
	}
}

func TestPeopleOfADirectorySignInWithTheirPasswordAndGroups(t *testing.T) {
	t.Parallel()
	s := start(t)
	gate := inprocess.Start(t, inprocess.App{Name: "wiki", Host: "wiki.localhost", Upstream: harness.Echo(t).URL})
	if err := gate.Admin().PutProvider(t.Context(), admin.System("test"), s.provider()); err != nil {
		t.Fatal(err)
	}
	_, err := gate.Admin().SetIamPolicy(t.Context(), admin.System("test"), resource.Web(projectNumber), iam.Policy{Bindings: []iam.Binding{
		{Role: iam.RoleHTTPSResourceAccessor, Members: []string{"group:admins@corp.example"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		email, password string
		status          int
		says            string
	}{
		"a member of the group":           {"alice@corp.example", "alice-password", http.StatusOK, "accounts.google.com:alice@corp.example"},
		"somebody of another group":       {"bob@corp.example", "bob-password", http.StatusForbidden, ""},
		"a member with a wrong password":  {"alice@corp.example", "bob-password", http.StatusUnauthorized, "do not belong together"},
		"a member without a password":     {"alice@corp.example", "", http.StatusUnauthorized, "do not belong together"},
		"an address of another's domain":  {"alice@other.example", "alice-password", http.StatusUnauthorized, "do not belong together"},
		"somebody whom two entries claim": {"twin@corp.example", "twin-password", http.StatusUnauthorized, "do not belong together"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := &visitor{client: harness.Client(nil), cookies: map[string]map[string]string{}}
			answer := v.signIn(t, gate.URL("wiki.localhost")+"/page", test.email, test.password)
			if answer.StatusCode != test.status || !strings.Contains(answer.Text, test.says) {
				t.Errorf("%s\n%s", answer.Status, answer.Text)
			}
		})
	}
}

// visitor is a browser without a screen. It sends Secure cookies to *.localhost without TLS, as browsers do.
type visitor struct {
	client  *http.Client
	cookies map[string]map[string]string // by host
}

var (
	hiddenState = regexp.MustCompile(`name="state" value="([^"]+)"`)
	goOn        = regexp.MustCompile(`href="([^"]+redirect_token_v2=[^"]+)"`)
)

func (v *visitor) signIn(t *testing.T, page, email, password string) harness.Answer {
	t.Helper()
	form := v.follow(t, http.MethodGet, page, nil)
	state := hiddenState.FindStringSubmatch(form.Text)
	if state == nil {
		t.Fatalf("there is no form to sign in with: %s\n%s", form.Status, form.Text)
	}
	target := form.Request.URL.ResolveReference(&url.URL{Path: "/signin"})
	return v.follow(t, http.MethodPost, target.String(), url.Values{"state": {state[1]}, "email": {email}, "password": {password}})
}

// follow sends a request and goes where the answers lead.
func (v *visitor) follow(t *testing.T, method, address string, form url.Values) harness.Answer {
	t.Helper()
	for range 10 {
		request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		if method == http.MethodPost {
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		request.Header.Set("Accept", "text/html")
		request.Header.Set("Sec-Fetch-Mode", "navigate")
		for name, value := range v.cookies[request.URL.Host] {
			request.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		answer := harness.Do(t, v.client, request)
		for _, cookie := range answer.Cookies() {
			if v.cookies[request.URL.Host] == nil {
				v.cookies[request.URL.Host] = map[string]string{}
			}
			v.cookies[request.URL.Host][cookie.Name] = cookie.Value
		}
		method, form = http.MethodGet, nil
		if link := goOn.FindStringSubmatch(answer.Text); link != nil {
			address = html.UnescapeString(link[1])
		} else if next, err := answer.Location(); err == nil {
			address = next.String()
		} else {
			return answer
		}
	}
	t.Fatal("the gate redirects in a circle")
	return harness.Answer{}
}
