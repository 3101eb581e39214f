package signin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/signin"
)

// returnTricks are request targets that try to become another origin on the way back.
var returnTricks = []string{
	"//evil.test", "//evil.test/", "///evil.test", "////evil.test", "/\\evil.test", "\\\\evil.test", "/\\/evil.test",
	"\\/evil.test", "/\t/evil.test", "/\n/evil.test", "/\r/evil.test", "/\r\nLocation: https://evil.test", "/\x00/evil.test",
	"\t//evil.test", " //evil.test", "//evil.test@" + appHost, "@evil.test", "@evil.test/", ".evil.test", ":80@evil.test",
	":8443/", "https://evil.test", "https:evil.test", "https:/evil.test", "https:///evil.test", "http://evil.test/",
	"javascript:alert(1)", "data:text/html,x", "/%2fevil.test", "/%2F%2Fevil.test", "/%5cevil.test", "/%09/evil.test", "/%0d%0aSet-Cookie:a=b",
	"/..//evil.test", "/.//evil.test", "/%2e%2e//evil.test", "/x/..//evil.test", "/;//evil.test", "/?//evil.test", "/#//evil.test",
	"/#@evil.test", "?//evil.test", "?https://evil.test", "#evil.test", "*", "", "/\u2028/evil.test", "/\u3002evil.test", "/\xff\xfeevil.test",
	"//[::1]/", "//evil.test:443/", "/https://evil.test", "/x?next=https://evil.test", "/x?gcp-iap-mode=AUTHENTICATING&redirect_token_v2=zzz",
	"/x?gcp-iap-mode=CLEAR_LOGIN_COOKIE", "/x?gcp%2Diap-mode=CLEAR_LOGIN_COOKIE", "//evil.test?gcp-iap-mode=CLEAR_LOGIN_COOKIE",
	"//evil.test?gcp-iap-mode=FORCE_LOGIN", "/x?gcp-iap-mode=DO_SESSION_REFRESH", "//evil.test/?gcp-iap-mode=DO_SESSION_REFRESH#@evil.test",
	"/_gcp_iap/clear_login_cookie//evil.test", "/_gcp_iap/..//evil.test", "/x?gcp-iap-mode=GATEHOUSE_SIGN_OUT&u=//evil.test",
	"/" + strings.Repeat("a", 5000), "//" + strings.Repeat("a", 1600) + ".evil.test/", "/x?" + strings.Repeat("b", 5000), "/%zz", "/%",
	"/x#", "/ /evil.test", "/x y?a b",
}

// asked is a request with a target that no client of Go's would send.
func asked(target string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://"+appHost+"/", nil)
	r.RequestURI = target
	if u, err := url.ParseRequestURI(target); err == nil {
		r.URL = u
	} else {
		r.URL = &url.URL{Path: target}
	}
	return r
}

// wantOwnOrigin fails unless a browser that is sent to an address ends at the application's origin: the address
// begins with it, the authority ends there, and nothing in it is dropped or turned by a browser's parser.
func wantOwnOrigin(t testing.TB, what, address string) {
	t.Helper()
	rest, found := strings.CutPrefix(address, appURL+"/")
	if !found {
		t.Errorf("%q leads to %q", what, address)
	}
	for i := range len(rest) {
		if c := rest[i]; c <= ' ' || c >= 0x7f || c == '\\' || c == '#' {
			t.Errorf("%q leads to %q with byte %#x in it", what, address, c)
		}
	}
	if u, err := url.Parse(address); err != nil || u.Scheme+"://"+u.Host != appURL || u.User != nil {
		t.Errorf("%q leads to %q, which is read as %v, %v", what, address, u, err)
	}
}

func TestReturnAddressesEndAtTheApplication(t *testing.T) {
	t.Parallel()
	if len(returnTricks) < 40 {
		t.Fatalf("only %d tricks", len(returnTricks))
	}
	w := newWorld(t)
	b := newBrowser(t, w)
	b.signIn(otherURL+"/", "alice@example.com")
	release := b.step()
	defer release()
	u, _ := url.Parse(appURL + "/")
	for _, trick := range returnTricks {
		begun := httptest.NewRecorder()
		w.Begin(begun, asked(trick), app, policy.NoCredential)
		b.jar.SetCookies(u, begun.Result().Cookies())
		handed := b.get(begun.Header().Get("Location")).Header.Get("Location") // signed in already
		wantOwnOrigin(t, trick, handed)
		p := b.get(handed)
		if p.StatusCode != http.StatusFound {
			t.Errorf("%q: completing answers %s: %s", trick, p.Status, p.body)
			continue
		}
		arrived := p.Header.Get("Location")
		wantOwnOrigin(t, trick, arrived)
		if strings.Contains(arrived, "AUTHENTICATING") || strings.Contains(arrived, "CLEAR_LOGIN_COOKIE") {
			t.Errorf("%q leads to another step of sign-in: %q", trick, arrived)
		}

		cleared := httptest.NewRecorder()
		w.Clear(cleared, asked(trick), app)
		wantOwnOrigin(t, trick, cleared.Header().Get("Location"))
		if n := len(cleared.Result().Header["Location"]); n != 1 || cleared.Header().Get("Set-Cookie") == "a=b" {
			t.Errorf("%q writes headers: %v", trick, cleared.Header())
		}

		gone := httptest.NewRecorder()
		w.GoOn(gone, asked(trick), app)
		wantOwnOrigin(t, trick, gone.Header().Get("Location"))
		left := httptest.NewRecorder()
		w.SignOut(left, asked(trick), app)
		if there, found := strings.CutPrefix(left.Header().Get("Location"), authURL+"/signout?return="); !found || strings.Contains(there, "evil") {
			t.Errorf("%q leads to %q", trick, left.Header().Get("Location"))
		}
	}
}

func TestLongAddressesAreCutBack(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", signin.MaxTarget)
	tests := []struct{ name, target, want string }{
		{"an ordinary address is kept byte for byte", "/a|b//c/%2F?b=1;c=2&x=%zz&y", "/a|b//c/%2F?b=1;c=2&x=%zz&y"},
		{"an address over the limit loses its query", "/path?" + long, "/path"},
		{"a path over the limit becomes the root", "/" + long, "/"},
		{"an address at the limit is kept", "/" + long[1:], "/" + long[1:]},
		{"characters beyond ASCII are escaped", "/gr\u00fc\u00dfe?q=\u20ac", "/gr%C3%BC%C3%9Fe?q=%E2%82%AC"},
		{"our own steps are taken out of the query", "/x?a=1&gcp-iap-mode=AUTHENTICATING&redirect_token_v2=t&b=2", "/x?a=1&b=2"},
		{"other modes of IAP stay", "/x?gcp-iap-mode=IDENTITY", "/x?gcp-iap-mode=IDENTITY"},
	}
	for _, tt := range tests {
		if got := signin.Target(asked(tt.target)); got != tt.want {
			t.Errorf("%s: %.60q becomes %.60q, want %.60q", tt.name, tt.target, got, tt.want)
		}
	}
	w := newWorld(t)
	r := asked("/?" + strings.Repeat(`"`, signin.MaxTarget-2)) // the worst that JSON can make of it is one more byte each
	begun := httptest.NewRecorder()
	w.Begin(begun, asked("/"+long[1:]), app, policy.NoCredential)
	size := 0
	for name, values := range begun.Header() {
		for _, value := range values {
			size += len(name) + len(value) + 4
		}
	}
	if size > 4096 {
		t.Errorf("the redirect of the longest address has %d bytes of headers, want at most 4096", size)
	}
	quoted := httptest.NewRecorder()
	w.Begin(quoted, r, app, policy.NoCredential)
	to, err := url.Parse(quoted.Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.StateApp(to.Query().Get("state")); err != nil {
		t.Errorf("the longest state does not open: %v", err)
	}
}

func FuzzTarget(f *testing.F) {
	for _, trick := range returnTricks {
		f.Add(trick)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := signin.Target(asked(raw))
		if len(got) > signin.MaxTarget {
			t.Errorf("%q becomes %d bytes", raw, len(got))
		}
		wantOwnOrigin(t, raw, appURL+got)
		if again := signin.Target(asked(got)); again != got {
			t.Errorf("%q becomes %q and then %q", raw, got, again)
		}
	})
}
