package harness

import (
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// secureJar gives Secure cookies to http://*.localhost, as browsers do and net/http/cookiejar does not.
type secureJar struct{ http.CookieJar }

// NewJar returns an empty cookie jar of a browser.
func NewJar(t testing.TB) http.CookieJar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return secureJar{jar}
}

func (j secureJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.CookieJar.SetCookies(secure(u), cookies)
}

func (j secureJar) Cookies(u *url.URL) []*http.Cookie { return j.CookieJar.Cookies(secure(u)) }

func secure(u *url.URL) *url.URL {
	s := *u
	s.Scheme = "https"
	return &s
}

// Visitor is a browser without a window: it keeps cookies, follows redirects and sends the forms that it is shown.
type Visitor struct {
	t      testing.TB
	client *http.Client
	// Before is asked about every address before it is visited; false stops there. nil goes on.
	Before func(u *url.URL) bool
	// Stopped is the address at which Before stopped.
	Stopped string
}

// NewVisitor returns a browser that nobody has used yet.
func NewVisitor(t testing.TB) *Visitor {
	return &Visitor{t: t, client: Client(NewJar(t))}
}

// NewVisitorOver returns one that uses connections of a browser whose cookies have been cleared.
func NewVisitorOver(t testing.TB, connections *http.Transport) *Visitor {
	return &Visitor{t: t, client: clientOver(connections, NewJar(t))}
}

// Client is the client that the visitor sends with, with their cookies.
func (v *Visitor) Client() *http.Client { return v.client }

// Open goes to an address and wherever redirects lead.
func (v *Visitor) Open(address string) Answer {
	v.t.Helper()
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.visit(request)
}

var (
	formAction = regexp.MustCompile(`<form [^>]*action="([^"]*)"`)
	formHidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
)

// Send fills in the first form of a page, with names and values in turn, and sends it.
func (v *Visitor) Send(page Answer, fields ...string) Answer {
	v.t.Helper()
	action := formAction.FindStringSubmatch(page.Text)
	target := page.Request.URL
	if action != nil && action[1] != "" {
		var err error
		if target, err = target.Parse(html.UnescapeString(action[1])); err != nil {
			v.t.Fatal(err)
		}
	} else if !strings.Contains(page.Text, "<form") {
		v.t.Fatalf("%s has no form (status %d):\n%s", page.Request.URL, page.StatusCode, page.Text)
	}
	values := url.Values{}
	for _, hidden := range formHidden.FindAllStringSubmatch(page.Text, -1) {
		values.Set(html.UnescapeString(hidden[1]), html.UnescapeString(hidden[2]))
	}
	for i := 0; i+1 < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	request, err := http.NewRequest(http.MethodPost, target.String(), strings.NewReader(values.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", target.Scheme+"://"+target.Host)
	return v.visit(request)
}

func (v *Visitor) visit(request *http.Request) Answer {
	v.t.Helper()
	const most = 20
	for range most {
		request.Header.Set("Accept", "text/html")
		answer := Do(v.t, v.client, request)
		location := answer.Header.Get("Location")
		if answer.StatusCode < 300 || answer.StatusCode > 399 || location == "" {
			return answer
		}
		next, err := request.URL.Parse(location)
		if err != nil {
			v.t.Fatal(err)
		}
		if v.Before != nil && !v.Before(next) {
			v.Stopped = next.String()
			return answer
		}
		if request, err = http.NewRequest(http.MethodGet, next.String(), nil); err != nil {
			v.t.Fatal(err)
		}
	}
	v.t.Fatalf("more than %d redirects, the last to %s", most, request.URL)
	return Answer{}
}
