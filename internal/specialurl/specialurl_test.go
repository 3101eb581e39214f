package specialurl_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// parse reads a target as enforcement does.
func parse(t testing.TB, written string) (specialurl.Call, error) {
	t.Helper()
	target, err := catalog.ParseTarget("GET", written)
	if err != nil {
		t.Fatalf("%s is no target: %v", written, err)
	}
	return specialurl.Parse(target.Raw, target.Query, target.Normalized, target.Decoded)
}

func TestSpecialURLsAreSpelledExactly(t *testing.T) {
	t.Parallel()
	for _, mode := range specialurl.Modes() {
		if mode == specialurl.SecureTokenTest {
			continue
		}
		for _, target := range []string{"/?gcp-iap-mode=%", "/deep/path?a=1&gcp-iap-mode=%&b=2", "//a?gcp-iap-mode=%&", "/%C3%A9?&gcp-iap-mode=%&x=%zz"} {
			target = strings.Replace(target, "mode=%", "mode="+string(mode), 1)
			if got, err := parse(t, target); err != nil || got != (specialurl.Call{Mode: mode}) {
				t.Errorf("%s: %+v, %v", target, got, err)
			}
		}
	}
	for _, test := range specialurl.Tests() {
		want := specialurl.Call{Mode: specialurl.SecureTokenTest, Test: test}
		for _, query := range []string{"gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=", "x&iap-secure-token-test-type="} {
			target := "/a?" + query + string(test)
			if strings.HasPrefix(query, "x") {
				target += "&gcp-iap-mode=SECURE_TOKEN_TEST" // in the other order
			}
			if got, err := parse(t, target); err != nil || got != want || got.String() != "SECURE_TOKEN_TEST/"+string(test) {
				t.Errorf("%s: %+v, %v", target, got, err)
			}
		}
		want.ByPath = true
		if got, err := parse(t, "/_gcp_iap/secure_token_test/"+string(test)+"?x=1"); err != nil || got != want {
			t.Errorf("%s by its older path: %+v, %v", test, got, err)
		}
	}
	for path, mode := range map[string]specialurl.Mode{
		"/_gcp_iap/identity": specialurl.Identity, "/_gcp_iap/clear_login_cookie": specialurl.ClearLoginCookie,
		"/_gcp_iap/do_session_refresh": specialurl.DoSessionRefresh, "/_gcp_iap/session_refresher": specialurl.SessionRefresher,
		"/_gcp_gatekeeper/authenticate": specialurl.Authenticating,
	} {
		if got, err := parse(t, path+"?redirect_token_v2=x"); err != nil || got != (specialurl.Call{Mode: mode, ByPath: true}) {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
		if !slices.Contains(specialurl.Paths(), path) {
			t.Errorf("%s is not listed", path)
		}
	}
}

func TestWhatDoesNotAskForAModeIsAnOrdinaryRequest(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]string{
		"no query":                                  "/a",
		"another parameter":                         "/?mode=IDENTITY",
		"a mode that IAP does not have":             "/?gcp-iap-mode=UNKNOWN",
		"a mode of a later IAP":                     "/?gcp-iap-mode=DO_SOMETHING-2",
		"the longest name of a mode":                "/?gcp-iap-mode=" + strings.Repeat("A", 64),
		"a longer parameter that ends like ours":    "/?x-gcp-iap-mode=IDENTITY",
		"a longer parameter that starts like ours":  "/?gcp-iap-mode-x=IDENTITY",
		"the parameter as a value":                  "/?next=gcp-iap-mode=IDENTITY",
		"the parameter behind a semicolon":          "/?a=1;gcp-iap-mode=IDENTITY",
		"the parameter encoded twice":               "/?gcp%252Diap-mode=IDENTITY",
		"the parameter as a matrix parameter":       "/a;gcp-iap-mode=IDENTITY",
		"a type of test without the test":           "/?iap-secure-token-test-type=NONSENSE&iap-secure-token-test-type=2",
		"a redirect token without its mode":         "/?redirect_token_v2=x",
		"an older path further down":                "/x/_gcp_iap/identity",
		"a path that starts like an older one":      "/_gcp_iapx/identity",
		"a path that ends in an older one's prefix": "/x/_gcp_iap",
		"an older path without its underscore":      "/gcp_iap/identity",
		"an older path encoded twice":               "/%255fgcp_iap/identity",
	} {
		if got, err := parse(t, target); err != nil || got != (specialurl.Call{}) {
			t.Errorf("%s (%s): %+v, %v", name, target, got, err)
		}
	}
}

func TestWhatCouldBeMistakenForASpecialURLIsRefused(t *testing.T) {
	t.Parallel()
	const twice = "gcp-iap-mode=IDENTITY&"
	for name, target := range map[string]string{
		"a mode in lower case":                      "/?gcp-iap-mode=identity",
		"a mode in mixed case":                      "/?gcp-iap-mode=Clear_Login_Cookie",
		"a mode percent-encoded":                    "/?gcp-iap-mode=%49DENTITY",
		"a mode with an encoded underscore":         "/?gcp-iap-mode=CLEAR%5fLOGIN_COOKIE",
		"an unknown mode percent-encoded":           "/?gcp-iap-mode=%55NKNOWN",
		"the parameter in upper case":               "/?GCP-IAP-MODE=IDENTITY",
		"the parameter in mixed case":               "/?gcp-IAP-mode=IDENTITY",
		"the parameter percent-encoded":             "/?gcp%2Diap-mode=IDENTITY",
		"the parameter wholly percent-encoded":      "/?%67%63%70%2d%69%61%70%2d%6d%6f%64%65=IDENTITY",
		"the parameter encoded, in upper case":      "/?%47CP%2DIAP%2DMODE=IDENTITY",
		"an encoded parameter with an unknown mode": "/?gcp%2Diap-mode=UNKNOWN",
		"no value":                      "/?gcp-iap-mode",
		"an empty value":                "/?gcp-iap-mode=",
		"a space at the end":            "/?gcp-iap-mode=IDENTITY+",
		"an encoded space at the start": "/?gcp-iap-mode=%20IDENTITY",
		"a line break":                  "/?gcp-iap-mode=IDENTITY%0d%0aSet-Cookie:x",
		"an encoded NUL":                "/?gcp-iap-mode=IDENTITY%00",
		"a second equals sign":          "/?gcp-iap-mode==IDENTITY",
		"a semicolon and more":          "/?gcp-iap-mode=IDENTITY;x=1",
		"a comma and another mode":      "/?gcp-iap-mode=IDENTITY,CLEAR_LOGIN_COOKIE",
		"quotes":                        "/?gcp-iap-mode=\"IDENTITY\"",
		"a URL":                         "/?gcp-iap-mode=https://evil.example/",
		"letters outside ASCII that fold into it":    "/?gcp-iap-mode=\xc5\xbfESSION_REFRESHER", // long s
		"bytes that are no text":                     "/?gcp-iap-mode=\xff\xfe",
		"a value that is too long":                   "/?gcp-iap-mode=" + strings.Repeat("A", 65),
		"a value of a megabyte":                      "/?gcp-iap-mode=" + strings.Repeat("A", 1<<20),
		"the same mode twice":                        "/?" + twice + "gcp-iap-mode=IDENTITY",
		"two modes":                                  "/?" + twice + "gcp-iap-mode=CLEAR_LOGIN_COOKIE",
		"a mode and an unknown one":                  "/?" + twice + "gcp-iap-mode=UNKNOWN",
		"two unknown modes":                          "/?gcp-iap-mode=UNKNOWN&gcp-iap-mode=OTHER",
		"an unknown mode and a mode":                 "/?gcp-iap-mode=UNKNOWN&gcp-iap-mode=IDENTITY",
		"a mode and the parameter encoded":           "/?" + twice + "gcp%2Diap-mode=CLEAR_LOGIN_COOKIE",
		"the parameter encoded and a mode":           "/?gcp%2diap-mode=CLEAR_LOGIN_COOKIE&" + twice,
		"a mode and the parameter without a value":   "/?" + twice + "gcp-iap-mode",
		"a test without its type":                    "/?gcp-iap-mode=SECURE_TOKEN_TEST",
		"a test of an empty type":                    "/?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=",
		"a test of an unknown type":                  "/?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=NONE",
		"a test in lower case":                       "/?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=signature",
		"a test percent-encoded":                     "/?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=%53IGNATURE",
		"a type in upper case":                       "/?gcp-iap-mode=SECURE_TOKEN_TEST&IAP-SECURE-TOKEN-TEST-TYPE=SIGNATURE",
		"two types":                                  "/?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=NOT_SET&iap-secure-token-test-type=SIGNATURE",
		"the type twice, once encoded":               "/?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=ISSUER&iap%2dsecure-token-test-type=SIGNATURE",
		"an older path and a mode":                   "/_gcp_iap/identity?gcp-iap-mode=CLEAR_LOGIN_COOKIE",
		"an older path and the same mode":            "/_gcp_iap/identity?gcp-iap-mode=IDENTITY",
		"an older path below another":                "/x/../_gcp_iap/identity",
		"an older path and a dot":                    "/./_gcp_iap/identity",
		"an older path left again":                   "/_gcp_iap/../identity",
		"an older path behind two slashes":           "//_gcp_iap/identity",
		"an older path with two slashes":             "/_gcp_iap//identity",
		"an older path with an encoded underscore":   "/%5fgcp_iap/identity",
		"an older path with an encoded letter":       "/_gcp_%69ap/identity",
		"an older path with an encoded slash":        "/_gcp_iap%2fidentity",
		"an older path behind an encoded slash":      "/%2f_gcp_iap/identity",
		"an older path behind an encoded backslash":  "/%5c_gcp_iap/identity",
		"an older path with an encoded backslash":    "/_gcp_iap%5cidentity",
		"an older path with a parameter":             "/_gcp_iap;x/identity",
		"an older path with a parameter at its end":  "/_gcp_iap/identity;x",
		"an older path behind a parameter":           "/;x/_gcp_iap/identity",
		"an older path in mixed case":                "/_GCP_iap/identity",
		"an older path whose name is in upper case":  "/_gcp_iap/IDENTITY",
		"an older path with an encoded name":         "/_gcp_iap/%69dentity",
		"the older test of an unknown type":          "/_gcp_iap/secure_token_test/NONE",
		"the older test in lower case":               "/_gcp_iap/secure_token_test/signature",
		"the older test without a type":              "/_gcp_iap/secure_token_test/",
		"the older test and more":                    "/_gcp_iap/secure_token_test/SIGNATURE/x",
		"the older callback in upper case":           "/_GCP_GATEKEEPER/authenticate",
		"the older callback behind an encoded slash": "/%2F_gcp_gatekeeper/authenticate",
	} {
		if got, err := parse(t, target); !errors.Is(err, specialurl.ErrInvalid) || got != (specialurl.Call{}) {
			t.Errorf("%s (%.80s): %+v, %v", name, target, got, err)
		}
	}
	for _, target := range []string{"/_gcp_iap", "/_gcp_iap/", "/_gcp_iap/nothing", "/_gcp_iap/identity/", "/_gcp_iap/static", "/_gcp_gatekeeper/x", "/_gcp_iap/secure_token_test"} {
		if got, err := parse(t, target); !errors.Is(err, specialurl.ErrUnknown) || got != (specialurl.Call{}) {
			t.Errorf("%s: %+v, %v", target, got, err)
		}
	}
}

func TestWhatIsLeftOfAnAddressStaysByteForByte(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, target, stripped, resumed string }{
		{"an ordinary address", "/a?b=1;c=2&&x=%zz&q=", "/a?b=1;c=2&&x=%zz&q=", "/a?b=1;c=2&&x=%zz&q="},
		{"an unknown mode goes with the rest", "/a?gcp-iap-mode=UNKNOWN&b", "/a?b", "/a?gcp-iap-mode=UNKNOWN&b"},
		{"signing out", "/a/%2F?x=1&gcp-iap-mode=CLEAR_LOGIN_COOKIE&y=%20+&z", "/a/%2F?x=1&y=%20+&z", "/a/%2F?x=1&y=%20+&z"},
		{"signing in where nobody has to", "/a?gcp-iap-mode=FORCE_LOGIN", "/a", "/a"},
		{"the way back", "/a?gcp-iap-mode=AUTHENTICATING&redirect_token_v2=t&b=2", "/a?redirect_token_v2=t&b=2", "/a?b=2"},
		{"a refresh comes back to the refresher", "/a?x=1&gcp-iap-mode=DO_SESSION_REFRESH", "/a?x=1", "/a?x=1&gcp-iap-mode=SESSION_REFRESHER"},
		{"asking who one is comes back to the answer", "/a?gcp-iap-mode=IDENTITY", "/a", "/a?gcp-iap-mode=IDENTITY"},
		{"a test comes back to itself", "/a?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=ISSUER",
			"/a?iap-secure-token-test-type=ISSUER", "/a?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=ISSUER"},
		{"the older way to sign out", "/_gcp_iap/clear_login_cookie?x", "/?x", "/?x"},
		{"the older way to ask", "/_gcp_iap/identity", "/", "/?gcp-iap-mode=IDENTITY"},
		{"the older refresher", "/_gcp_iap/session_refresher?a", "/?a", "/?a&gcp-iap-mode=SESSION_REFRESHER"},
		{"the older refresh", "/_gcp_iap/do_session_refresh", "/", "/?gcp-iap-mode=SESSION_REFRESHER"},
		{"the older test", "/_gcp_iap/secure_token_test/ISSUER", "/", "/?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=ISSUER"},
		{"what is refused leaves nothing of itself", "/a?GCP-iap-mode=x&gcp%2diap-mode=IDENTITY&b&redirect%5ftoken_v2=x", "/a?b&redirect%5ftoken_v2=x", "/a?b"},
	} {
		if got := rewritten(c.target, specialurl.Strip); got != c.stripped {
			t.Errorf("%s: %s is stripped to %s, want %s", c.name, c.target, got, c.stripped)
		}
		if got := rewritten(c.target, specialurl.Resume); got != c.resumed {
			t.Errorf("%s: %s is resumed at %s, want %s", c.name, c.target, got, c.resumed)
		}
	}
}

func rewritten(target string, rewrite func(path, query string) (string, string)) string {
	path, query, _ := strings.Cut(target, "?")
	if path, query = rewrite(path, query); query != "" {
		path += "?" + query
	}
	return path
}

// FuzzMode holds the parser against how careless programs read an address: what they would take for a special URL is
// one exactly or is refused, and whatever is done leads to an address that asks for nothing more.
func FuzzMode(f *testing.F) {
	for _, seed := range []string{
		"/", "/?gcp-iap-mode=IDENTITY", "/?gcp%2Diap-mode=IDENTITY", "/a?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=ISSUER",
		"/_gcp_iap/identity", "/x/../_gcp_iap/identity", "/%5fgcp_iap/secure_token_test/SIGNATURE", "//_GCP_IAP;a/identity?gcp-iap-mode=x",
		"/_gcp_gatekeeper/authenticate?redirect_token_v2=a", "/?gcp-iap-mode=FORCE_LOGIN&gcp-iap-mode=force_login", "/?%67cp-iap-mode=%49DENTITY;x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		target, err := catalog.ParseTarget("GET", written)
		if err != nil || len(written) > 8<<10 {
			return
		}
		call, err := specialurl.Parse(target.Raw, target.Query, target.Normalized, target.Decoded)
		if err != nil && call != (specialurl.Call{}) {
			t.Fatalf("%q is refused and calls %+v", written, call)
		}
		seen := seenByOthers(target)
		switch {
		case err == nil && call.Mode == "" && seen != "":
			t.Fatalf("%q is ordinary here, and calls %s elsewhere", written, seen)
		case call.Mode != "" && !call.ByPath && !strings.Contains(target.Query, "gcp-iap-mode="+string(call.Mode)):
			t.Fatalf("%q calls %+v, which it does not spell", written, call)
		case call.ByPath && (target.Raw != target.Normalized || target.Raw != target.Decoded || strings.Contains(target.Raw, "%")):
			t.Fatalf("%q calls %+v by a path with several forms", written, call)
		}
		path, query := specialurl.Strip(target.Raw, target.Query)
		if left, err := specialurl.Parse(path, query); err != nil || left.Mode != "" {
			t.Fatalf("%q is stripped to %q?%q, which calls %+v (%v)", written, path, query, left, err)
		}
		path, query = specialurl.Resume(target.Raw, target.Query)
		left, err := specialurl.Parse(path, query)
		if err != nil {
			t.Fatalf("%q is resumed at %q?%q: %v", written, path, query, err)
		}
		switch left.Mode {
		case "", specialurl.Identity, specialurl.SessionRefresher, specialurl.SecureTokenTest:
		default:
			t.Fatalf("%q is resumed at %q?%q, which calls %+v again", written, path, query, left)
		}
		if again, same := specialurl.Resume(path, query); again != path || same != query {
			t.Fatalf("%q is resumed at %q?%q, and that at %q?%q", written, path, query, again, same)
		}
	})
}

// seenByOthers returns a mode that a program which decodes everything and ignores case would find in a target.
func seenByOthers(target catalog.Target) string {
	values, _ := url.ParseQuery(target.Query) // what it cannot read it leaves out
	for name, all := range values {
		if !strings.EqualFold(name, "gcp-iap-mode") {
			continue
		}
		for _, mode := range specialurl.Modes() {
			if slices.ContainsFunc(all, func(value string) bool { return strings.EqualFold(value, string(mode)) }) {
				return string(mode)
			}
		}
	}
	for _, form := range []string{target.Raw, target.Normalized, target.Decoded} {
		decoded, err := url.PathUnescape(form)
		if err != nil {
			decoded = form
		}
		decoded = strings.ToLower("/" + strings.TrimLeft(decoded, "/"))
		for _, path := range specialurl.Paths() {
			if decoded == path || strings.HasSuffix(path, "/") && strings.HasPrefix(decoded, path) {
				return path
			}
		}
	}
	return ""
}
