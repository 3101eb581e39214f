package session

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCookieNameIsTheOneOfIAP(t *testing.T) {
	t.Parallel()
	name := HostCookie(testName).Name
	digits, found := strings.CutPrefix(name, "__Host-GCP_IAP_AUTH_TOKEN_")
	if !found || len(digits) != 16 || strings.Trim(digits, "0123456789abcdef") != "" {
		t.Errorf("HostCookie = %q, want __Host-GCP_IAP_AUTH_TOKEN_ and 16 hexadecimal digits", name)
	}
	if namedResource(name) == ([8]byte{}) {
		t.Errorf("the resource id in %q is not read back", name)
	}
}

func TestCookieOpensOnlyWhereItWasSealed(t *testing.T) {
	t.Parallel()
	codec := Codec{newSealer(t)}
	id, issued := NewID(), time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	value := codec.Seal(id, issued, testCookie, testHost)
	if len(testCookie)+1+len(value) >= 200 {
		t.Errorf("name and value have %d bytes, want under 200", len(testCookie)+1+len(value))
	}
	gotID, gotIssued, err := codec.Open(value, testCookie, testHost)
	if err != nil || gotID != id || !gotIssued.Equal(issued.Truncate(time.Second)) {
		t.Fatalf("Open = %v, %v, %v; want %v, %v", gotID, gotIssued, err, id, issued.Truncate(time.Second))
	}
	flipped := func(i int) string {
		b := []byte(value)
		if b[i] ^= 1; b[i] == value[i] || strings.IndexByte("-_", b[i]) < 0 && (b[i] < '0' || b[i] > 'z') {
			b[i] = 'A'
		}
		return string(b)
	}
	other := HostCookie("projects/1/iap_web/compute/services/8").Name
	tests := []struct{ name, value, cookie, host string }{
		{"a cookie moved to another host opens nothing", value, testCookie, "other.example.com"},
		{"a cookie moved to a host with the same beginning opens nothing", value, testCookie, testHost + "."},
		{"a cookie renamed to that of another resource opens nothing", value, other, testHost},
		{"an application's cookie opens nothing at the auth host", value, AuthCookieName, testHost},
		{"the auth host's cookie opens nothing at an application", codec.Seal(id, issued, AuthCookieName, testHost), testCookie, testHost},
		{"the auth host's cookie under another name opens nothing", codec.Seal(id, issued, AuthCookieName, testHost), "__Host-OTHER", testHost},
		{"a truncated cookie opens nothing", value[:len(value)-1], testCookie, testHost},
		{"half a cookie opens nothing", value[:len(value)/2], testCookie, testHost},
		{"a cookie with a character more opens nothing", value + "A", testCookie, testHost},
		{"an empty cookie opens nothing", "", testCookie, testHost},
		{"a cookie of the right length and nothing in it opens nothing", strings.Repeat("A", len(value)), testCookie, testHost},
		{"a cookie with characters that are not base64url opens nothing", strings.Repeat("*", len(value)), testCookie, testHost},
		{"a cookie in quotes opens nothing", `"` + value + `"`, testCookie, testHost},
		{"a cookie with line breaks in it opens nothing", value[:90] + "\r\n", testCookie, testHost},
		{"a cookie whose version is changed opens nothing", flipped(0), testCookie, testHost},
		{"a cookie whose middle is changed opens nothing", flipped(50), testCookie, testHost},
		{"a cookie whose tag is changed opens nothing", flipped(len(value) - 3), testCookie, testHost},
	}
	for _, tt := range tests {
		if got, _, err := codec.Open(tt.value, tt.cookie, tt.host); err == nil {
			t.Errorf("%s: it opened to %v", tt.name, got)
		}
	}
}

func TestCookieValues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		lines []string
		want  []string
	}{
		{"no header has no cookie", nil, nil},
		{"one cookie is found", []string{"a=1"}, []string{"1"}},
		{"a cookie among others is found", []string{"x=0; a=1; y=2"}, []string{"1"}},
		{"cookies on several lines are found in order", []string{"a=1; b=0", "b=0; a=2"}, []string{"1", "2"}},
		{"white space around pairs is dropped", []string{"  a=1\t;\ta=2 "}, []string{"1", "2"}},
		{"a value keeps its equal signs", []string{"a=b=c"}, []string{"b=c"}},
		{"an empty value is a value", []string{"a="}, []string{""}},
		{"a name alone is a cookie without value", []string{"a"}, []string{""}},
		{"a longer name is another cookie", []string{"aa=1; ab=2"}, nil},
		{"a name in the other case is another cookie", []string{"A=1"}, nil},
		{"a name with white space before the equal sign is still that name", []string{"a =1"}, []string{"1"}},
		{"a name inside another cookie's value is none", []string{"x=a=1"}, nil},
		{"empty pairs are passed over", []string{";;; a=1;;"}, []string{"1"}},
	}
	for _, tt := range tests {
		var found [maxTwins]string
		n := cookieValues(tt.lines, "a", &found)
		if n != len(tt.want) || strings.Join(found[:n], "|") != strings.Join(tt.want, "|") {
			t.Errorf("%s: got %d %q, want %q", tt.name, n, found[:n], tt.want)
		}
	}
	var found [maxTwins]string
	if n := cookieValues([]string{strings.Repeat("a=1;", 1000)}, "a", &found); n != 1000 {
		t.Errorf("a thousand twins are counted, not stored: got %d", n)
	}
}

// FuzzCookieValues holds the parser to net/http's: what that finds under a name, ours finds, in that order.
func FuzzCookieValues(f *testing.F) {
	f.Add("a=1; b=2", "a=3", "a")
	f.Add(testCookie+"=x;"+testCookie+"=y", "", testCookie)
	f.Add("a=\"1\"; a=1,2; a", " a = 1", "a")
	f.Fuzz(func(t *testing.T, line1, line2, name string) {
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			return
		}
		lines := []string{line1, line2}
		var found [maxTwins]string
		n := cookieValues(lines, name, &found)
		ours := found[:min(n, maxTwins)]
		want := (&http.Request{Header: http.Header{"Cookie": lines}}).CookiesNamed(name)
		if n < len(want) {
			t.Fatalf("found %d cookies called %q in %q, net/http %d", n, name, lines, len(want))
		}
		if n > maxTwins {
			return // refused whatever they hold
		}
		for _, cookie := range want { // ours may hold more: values that net/http refuses, which open nothing
			for len(ours) > 0 && strings.Trim(ours[0], `"`) != strings.Trim(cookie.Value, `"`) {
				ours = ours[1:]
			}
			if len(ours) == 0 {
				t.Fatalf("%q: net/http's %q=%q was not found", lines, name, cookie.Value)
			}
			ours = ours[1:]
		}
	})
}

// FuzzCookieOpen starts from a genuine value: whatever becomes of it opens only as what was sealed, in its place.
func FuzzCookieOpen(f *testing.F) {
	codec := Codec{newSealer(f)}
	id := ID{1, 2, 3}
	value := codec.Seal(id, time.Unix(1, 0), testCookie, testHost)
	f.Add(value, testCookie, testHost)
	f.Add(value, testCookie, "evil.example.com")
	f.Add("", AuthCookieName, "")
	f.Add(strings.Repeat("_", cookieLength), appCookiePrefix+"zzzzzzzzzzzzzzzz", testHost)
	f.Fuzz(func(t *testing.T, v, cookie, host string) {
		got, issued, err := codec.Open(v, cookie, host)
		if err == nil && (cookie != testCookie || host != testHost || got != id || issued.Unix() != 1) {
			t.Fatalf("Open(%q, %q, %q) = %v, %v", v, cookie, host, got, issued)
		}
	})
}

func TestBothSortsOfCookieNameTheResourceInTheirValue(t *testing.T) {
	t.Parallel()
	host, domain := HostCookie(testName), DomainCookie(testName, "example.com")
	if id := namedResource(domain.Name); id == [8]byte{} || id != namedResource(host.Name) {
		t.Errorf("%x and %x", id, namedResource(host.Name))
	}
	if domain.Name != "GCP_IAAP_AUTH_TOKEN_"+testName.ID() {
		t.Errorf("the name with a domain is %s", domain.Name)
	}
	if host.Scope("app.example.com") != "app.example.com" || domain.Scope("app.example.com") != ".example.com" {
		t.Errorf("scopes %q, %q", host.Scope("app.example.com"), domain.Scope("app.example.com"))
	}
}
