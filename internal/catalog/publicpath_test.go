package catalog_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
)

func TestAPublicPathIsOpenInAllThreeFormsOrNotAtAll(t *testing.T) {
	t.Parallel()
	s := service("1", []string{"a.test"})
	s.PublicPaths = []catalog.PublicPath{
		{Path: "/healthz", Methods: []string{"GET", "HEAD"}},
		{Prefix: "/hooks", Methods: []string{"POST"}},
		{Prefix: "/static/", Methods: []string{"GET"}},
		{Path: "/", Methods: []string{"HEAD"}},
	}
	routes, public := table(t, s), s.CompilePublicPaths()
	for name, c := range map[string]struct {
		method, target string
		public         bool
	}{
		"the path":                               {"GET", "/healthz", true},
		"the path with a query":                  {"GET", "/healthz?x=/private", true},
		"the path by another method":             {"POST", "/healthz", false},
		"the path by a method in another case":   {"get", "/healthz", false},
		"below a path that stands alone":         {"GET", "/healthz/x", false},
		"a path with a slash behind it":          {"GET", "/healthz/", false},
		"a path that starts alike":               {"GET", "/healthzz", false},
		"a path in another case":                 {"GET", "/Healthz", false},
		"the root alone":                         {"HEAD", "/", true},
		"not all below the root":                 {"HEAD", "/x", false},
		"a prefix itself":                        {"POST", "/hooks", true},
		"below a prefix":                         {"POST", "/hooks/a/b", true},
		"a prefix that only starts alike":        {"POST", "/hooks-internal", false},
		"a prefix with a parameter":              {"POST", "/hooks;x=1/a", false},
		"a parameter that hides a way out":       {"POST", "/hooks/a;/../../private", false},
		"dots that leave":                        {"POST", "/hooks/../private", false},
		"dots that enter":                        {"POST", "/private/../hooks/a", false},
		"dots that stay":                         {"POST", "/hooks/a/../b", true},
		"encoded letters":                        {"POST", "/hook%73/a", false},
		"encoded letters behind the prefix":      {"POST", "/hooks/%61", true},
		"a double slash in front":                {"POST", "//hooks/a", false},
		"a double slash behind the prefix":       {"POST", "/hooks//a", true},
		"a double slash that hides a way out":    {"POST", "/hooks//../../private", false},
		"an empty segment that hides a way out":  {"POST", "/hooks//../private", false},
		"a parameter that hides a way out alone": {"POST", "/hooks/;x/../private", false},
		"a prefix that is written with a slash":  {"GET", "/static", true},
		"below a prefix written with a slash":    {"GET", "/static/a.css", true},
		"a question for what the server allows":  {"OPTIONS", "/hooks", false},
		"the server as a whole":                  {"OPTIONS", "*", false},
		"an encoded question mark in the prefix": {"POST", "/hooks%3f/a", false},
	} {
		t.Run(name, func(t *testing.T) {
			target, err := catalog.ParseTarget(c.method, c.target)
			if err != nil {
				if c.public {
					t.Error(err)
				}
				return // refused altogether
			}
			if got := public.Match(c.method, target); got != c.public {
				t.Errorf("%s %s is public: %v", c.method, c.target, got)
			}
		})
	}
	for _, target := range []string{"/hooks%2fa", "/hooks/a%5cb", "/other%2Fa"} {
		parsed, err := catalog.ParseTarget("POST", target)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := routes.Route("a.test", parsed); !errors.Is(err, catalog.ErrTarget) {
			t.Errorf("%s on a host with a rule for paths: %v", target, err)
		}
	}
	if (*catalog.PublicPaths)(nil).Match("GET", catalog.Target{Raw: "/", Normalized: "/", Decoded: "/"}) {
		t.Error("no public paths, and one is public")
	}
}

func TestWhatNoPublicPathCanSay(t *testing.T) {
	t.Parallel()
	get := []string{"GET"}
	for want, public := range map[string]catalog.PublicPath{
		"would open the whole service":   {Prefix: "/", Methods: get},
		"methods must be listed":         {Path: "/a"},
		"\"get\" is not a method":        {Path: "/a", Methods: []string{"get"}},
		"\"*\" is not a method":          {Path: "/a", Methods: []string{"*"}},
		"\"CONNECT\" is not a method":    {Path: "/a", Methods: []string{"CONNECT"}},
		"\"TRACE\" is not a method":      {Path: "/a", Methods: []string{"TRACE"}},
		"listed twice":                   {Path: "/a", Methods: []string{"GET", "GET"}},
		"give either path":               {Path: "/a", Prefix: "/b", Methods: get},
		"for a path and all below it":    {Methods: get},
		"\"a\" must start with /":        {Path: "a", Methods: get},
		"\"/a?b\" must":                  {Path: "/a?b", Methods: get},
		"\"/a%2fb\" must":                {Path: "/a%2fb", Methods: get},
		"\"/a;b\" must":                  {Prefix: "/a;b", Methods: get},
		"\"/a/../b\" must":               {Prefix: "/a/../b", Methods: get},
		"\"/a//b\" must":                 {Prefix: "/a//b", Methods: get},
		"\"/ä\" must":                    {Path: "/ä", Methods: get},
		"\"/a b\" must":                  {Path: "/a b", Methods: get},
		"lies outside":                   {Path: "/elsewhere", Methods: get},
		"answered by the gate itself":    {Prefix: "/_gcp_iap", Methods: get},
		"lies outside the service's pat": {Prefix: "/a-b", Methods: get},
	} {
		s := service("1", []string{"a.test"})
		s.PublicPaths = []catalog.PublicPath{public}
		if strings.HasPrefix(want, "lies outside") {
			s.PathPrefixes = []string{"/a"}
		}
		if err := s.Validate(); !errors.Is(err, catalog.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want one about %q", public, err, want)
		}
	}
}

func TestOriginsAreWrittenAsBrowsersWriteThem(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]string{
		"https://spa.example.com":       "",
		"https://spa.example.com:8443":  "",
		"http://localhost:5173":         "",
		"http://app.localhost":          "",
		"https://xn--bcher-kva.example": "",
		"https://[2001:db8::1]:8443":    "",
		"*":                             "wildcard",
		"https://*.example.com":         "wildcard",
		"null":                          "sandboxed",
		"":                              "not an origin",
		"spa.example.com":               "not an origin",
		"ftp://spa.example.com":         "not an origin",
		"file://":                       "not an origin",
		"https://spa.example.com/":      "write https://spa.example.com",
		"https://spa.example.com:443":   "write https://spa.example.com",
		"https://SPA.example.com":       "write https://spa.example.com",
		"HTTPS://spa.example.com":       "write https://spa.example.com",
		"https://spa.example.com.":      "write https://spa.example.com",
		"https://bücher.example":        "write https://xn--bcher-kva.example",
		"https://u@spa.example.com":     "write https://spa.example.com",
		"https://spa.example.com?x":     "write https://spa.example.com",
		"https://spa.example.com#x":     "write https://spa.example.com",
		"https://spa.example.com:0":     "no port",
		"https://spa.example.com:99999": "no port",
		"http://spa.example.com":        "write https",
		"https://a..b":                  "malformed host",
	} {
		s := service("1", []string{"a.test"})
		s.CORSOrigins = []string{origin}
		err := s.Validate()
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", origin, err)
		case want != "" && (!errors.Is(err, catalog.ErrInvalid) || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want one about %q", origin, err, want)
		}
	}
	s := service("1", []string{"a.test"})
	s.CORSOrigins = []string{"https://a.example", "https://a.example"}
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "listed twice") {
		t.Errorf("an origin that is listed twice: %v", err)
	}
}
