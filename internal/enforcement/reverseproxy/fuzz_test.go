package reverseproxy

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// byCGI is what a name becomes in the environment of a CGI or WSGI application, written apart from fold.
func byCGI(name string) string {
	return regexp.MustCompile(`[^A-Z0-9]`).ReplaceAllString(strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, name), "_")
}

func FuzzHeaderNamesThatFoldToOurs(f *testing.F) {
	for _, name := range []string{
		"X-Goog-Iap-Jwt-Assertion", "x_goog_authenticated_user_email", "X.Goog!Foo", "X-Goog", "XGoog-", "X-Forwarded-For",
		"Forwarded", "forwarded_for", "X-Real-Ip", "Client-Cert", "X-Appengine-User-Email", "X-Google-Internal", "Cookie", "x-g\xc3\xb6og-",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for i := range len(name) {
			if name[i] >= 0x80 { // no such name is received: net/http refuses the request
				return
			}
		}
		folded := byCGI(name)
		for _, prefixes := range []*prefixes{reservedPrefixes, appEnginePrefixes, trailerPrefixes} {
			want := false
			for _, prefix := range prefixes.all {
				want = want || strings.HasPrefix(folded, strings.ToUpper(prefix))
			}
			if prefixes.begin(name) != want {
				t.Errorf("%q is %s to an application; reserved: %v", name, folded, !want)
			}
		}
		if !isExact(name, []string{strings.ToLower(folded)}) {
			t.Errorf("%q is not the exact name that it folds to, %s", name, folded)
		}
	})
}

// namesIn are the names that any reader may find in a Cookie line: each begins where a pair may begin.
var namesIn = regexp.MustCompile(`(?i)(?:^|;)\s*((?:__Host-)?GCP_IAA?P_)`)

func FuzzCookiesOfOursNeverReachTheApplication(f *testing.F) {
	for _, line := range []string{
		"a=b; GCP_IAP_UID=1; c=d", "__Host-GCP_IAP_AUTH_TOKEN_X=1", "gcp_iap_x", ";;GCP_IAAP_AUTH_TOKEN=1;", "a=\"; GCP_IAP_UID=1\"",
		"a=b;\tGCP_IAP_UID=1", "a = b ;; c", "GCP_IAP_=", "x=GCP_IAP_UID=1", "",
	} {
		f.Add(line, "e=f")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		lines := []string{one, two}
		before := strings.Join(lines, "\x00")
		kept := cleanCookies(lines)
		if strings.Join(lines, "\x00") != before {
			t.Error("the client's own lines were changed")
		}
		var rest []string
		for _, line := range kept {
			if found := namesIn.FindString(line); found != "" {
				t.Errorf("%q of %q reaches the application", found, lines)
			}
			for pair := range strings.SplitSeq(line, ";") {
				rest = append(rest, strings.TrimLeft(pair, " "))
			}
		}
		// What is not ours is all there, byte for byte and in its order.
		at := 0
		for _, line := range lines {
			for pair := range strings.SplitSeq(line, ";") {
				name, _, _ := strings.Cut(pair, "=")
				if isOurCookie(strings.TrimSpace(name)) || strings.Trim(pair, " ") == "" {
					continue
				}
				for at < len(rest) && rest[at] != strings.TrimLeft(pair, " ") {
					at++
				}
				if at == len(rest) {
					t.Fatalf("%q of %q is lost: %q", pair, lines, kept)
				}
				at++
			}
		}
	})
}

func FuzzAnswersOfApplicationsSpeakForThemselvesOnly(f *testing.F) {
	f.Add("X-Goog-Iap-Generated-Response", "true", "GCP_IAP_UID=1; Path=/")
	f.Add("x_goog_iap_y", "", "=GCP_IAP_UID=1")
	f.Add("Set-Cookie", "a=b", " __host-gcp_iap_auth=1")
	f.Add("X-Goog-Meta", "kept", "session=1; GCP_IAP_UID")
	f.Fuzz(func(t *testing.T, name, value, cookie string) {
		h := http.Header{name: {value}, "Set-Cookie": {cookie}}
		cleanAnswer(h)
		for left := range h {
			if strings.HasPrefix(byCGI(left), "X_GOOG_IAP_") {
				t.Errorf("%q reaches the client", left)
			}
		}
		for _, line := range h["Set-Cookie"] {
			if namesIn.MatchString(strings.SplitN(strings.TrimLeft(line, "= \t"), ";", 2)[0]) {
				t.Errorf("%q reaches the client", line)
			}
		}
	})
}
