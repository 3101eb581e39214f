package catalog

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestTargetsAreReadInThreeForms(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ target, normalized, decoded string }{
		"a plain path is the same in all forms":                 {"/a/b", "/a/b", "/a/b"},
		"parameters end at the next slash":                      {"/a;x=1/b;y", "/a/b", "/a/b"},
		"dot segments are resolved":                             {"/a/./b/../c", "/a/c", "/a/c"},
		"a trailing dot segment leaves a slash":                 {"/a/b/..", "/a/", "/a/"},
		"dots above the root stay at the root":                  {"/../../a", "/a", "/a"},
		"escapes are not decoded in IAP's form":                 {"/%61dmin", "/%61dmin", "/admin"},
		"escapes of reserved octets stay":                       {"/a%2Fb%3F", "/a%2Fb%3F", "/a%2Fb%3F"},
		"double slashes merge in the last form only":            {"//a///b", "//a///b", "/a/b"},
		"a pipe passes":                                         {"/a|b", "/a|b", "/a|b"},
		"names that merely start with dots are names":           {"/.well-known/..x", "/.well-known/..x", "/.well-known/..x"},
		"double escapes are decoded once at most":               {"/%252e%252e/a", "/%252e%252e/a", "/%252e%252e/a"},
		"a parameter on a dot segment is no dot segment for us": {"/a/.;x/b", "/a/b", "/a/b"},
		"bytes beyond ASCII pass":                               {"/\xc3\xa9", "/\xc3\xa9", "/\xc3\xa9"},
		"merging slashes cannot leave a dot segment":            {"/a//../b", "/a/b", "/b"},
		"an empty segment is one to take back, or none":         {"/a/b//../c", "/a/b/c", "/a/c"},
		"a parameter alone is an empty segment":                 {"/a/;x/../c", "/a/c", "/c"},
		"of several empty segments none is there when merged":   {"/a////../c", "/a///c", "/c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseTarget("GET", c.target)
			if err != nil {
				t.Fatal(err)
			}
			if got.Raw != c.target || got.Normalized != c.normalized || got.Decoded != c.decoded {
				t.Errorf("got raw %q, normalized %q, decoded %q", got.Raw, got.Normalized, got.Decoded)
			}
		})
	}
}

func TestQueriesArePassedAsReceived(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"b=1;c=2", "x=%zz", "", "a?b", "%00"} {
		got, err := ParseTarget("GET", "/p?"+query)
		if err != nil || got.Query != query || !got.HasQuery || got.Raw != "/p" {
			t.Errorf("query %q: got %+v, %v", query, got, err)
		}
	}
}

func TestTargetsThatProgramsReadDifferentlyAreRefused(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]string{
		"an empty target":                           "",
		"a target without a leading slash":          "a",
		"absolute form":                             "http://app.test/",
		"an asterisk outside OPTIONS":               "*",
		"a control byte":                            "/a\x01",
		"a line break":                              "/a\r\nX: y",
		"a space":                                   "/a b",
		"DEL":                                       "/a\x7f",
		"a backslash":                               `/a\..\b`,
		"a backslash in the query":                  `/a?\`,
		"a fragment":                                "/a#b",
		"an encoded NUL":                            "/a%00.txt",
		"an encoded dot segment":                    "/a/%2e%2e/b",
		"an upper-case encoded dot segment":         "/a/%2E%2E/b",
		"a half encoded dot segment":                "/a/.%2e/b",
		"an encoded single dot":                     "/a/%2e/b",
		"an encoded dot segment before a parameter": "/a/%2e%2e;x/b",
		"a dot segment with an encoded parameter":   "/a/..%3bx/b",
		"a dot segment behind an encoded slash":     "/a%2f..%2fb",
		"a dot segment behind an encoded backslash": "/a%5c..%5cb",
		"a dot segment with a parameter":            "/a/..;/b",
		"an incomplete escape":                      "/a%2",
		"an escape that is not hexadecimal":         "/a%zz",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := ParseTarget("GET", target); !errors.Is(err, ErrTarget) {
				t.Errorf("%q was read as %+v, %v", target, got, err)
			}
		})
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"/", "/a;b/../%2e", "//..//", "/%61?x", "/a%2f..", "*", "/a\\b", "/a#b", "/%00", "/..;x/", "/%2e%2e;a/b", "/a%2F%2E.%5cb", "/%zz", "/a b", "/?a#b", "/a%20b?%zz"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got, err := ParseTarget("GET", target)
		if err != nil {
			return
		}
		path, query, hasQuery := strings.Cut(target, "?")
		if got.Raw != path || got.Query != query || got.HasQuery != hasQuery {
			t.Fatalf("%q: is passed on as %+v", target, got)
		}
		for i := range len(target) {
			if c := target[i]; c <= ' ' || c == 0x7f || c == '\\' || c == '#' {
				t.Fatalf("%q: accepted with %q", target, c)
			}
		}
		for segment := range strings.SplitSeq(path[1:], "/") {
			decoded, err := url.PathUnescape(segment)
			if err != nil || strings.Contains(decoded, "\x00") || strings.HasPrefix(segment, "..;") {
				t.Fatalf("%q: accepted with %q", target, segment)
			}
			for part := range strings.FieldsFuncSeq(decoded, func(r rune) bool { return r == '/' || r == '\\' }) {
				if name, _, _ := strings.Cut(part, ";"); decoded != segment && (name == "." || name == "..") {
					t.Fatalf("%q: accepted with %q, which hides a dot segment", target, segment)
				}
			}
		}
		for _, form := range []string{got.Normalized, got.Decoded} {
			if !strings.HasPrefix(form, "/") {
				t.Fatalf("%q: form %q does not start with /", target, form)
			}
			for segment := range strings.SplitSeq(form[1:], "/") {
				if segment == "." || segment == ".." {
					t.Fatalf("%q: form %q keeps a dot segment", target, form)
				}
			}
		}
		if strings.Contains(got.Decoded, "//") {
			t.Fatalf("%q: decoded form %q has a double slash", target, got.Decoded)
		}
	})
}
