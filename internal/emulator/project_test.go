package emulator

import (
	"strings"
	"testing"
)

func TestTheWordsForTheService(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		protected Protected
		audience  string
		fails     string
	}{
		"nothing":                      {Protected{}, "/projects/123456789012/global/backendServices/1234567890123456789", ""},
		"another project":              {Protected{Project: "my-project:42"}, "/projects/42/global/backendServices/1234567890123456789", ""},
		"a project of a domain":        {Protected{Project: "example.com:my-project:42", AppEngine: true}, "/projects/42/apps/example.com:my-project", ""},
		"App Engine":                   {Protected{AppEngine: true}, "/projects/123456789012/apps/dev-project", ""},
		"Cloud Run":                    {Protected{CloudRun: DefaultCloudRun}, "/projects/123456789012/locations/us-central1/services/app", ""},
		"a backend's audience":         {Protected{Audience: "/projects/7/global/backendServices/8"}, "/projects/7/global/backendServices/8", ""},
		"an App Engine audience":       {Protected{Audience: "/projects/7/apps/other-app"}, "/projects/7/apps/other-app", ""},
		"a Cloud Run audience":         {Protected{Audience: "/projects/7/locations/r1/services/s"}, "/projects/7/locations/r1/services/s", ""},
		"audience and project agree":   {Protected{Project: "my-project:7", Audience: "/projects/7/global/backendServices/8"}, "/projects/7/global/backendServices/8", ""},
		"audience and project differ":  {Protected{Project: "my-project:9", Audience: "/projects/7/global/backendServices/8"}, "", "different projects"},
		"app id and project id differ": {Protected{Project: "my-project:7", Audience: "/projects/7/apps/other-app"}, "", "different projects"},
		"two kinds":                    {Protected{AppEngine: true, CloudRun: "r/s"}, "", "--app-engine and --cloud-run"},
		"a kind and an audience":       {Protected{CloudRun: "r/s", Audience: "/projects/7/apps/other-app"}, "", "--cloud-run and --audience"},
		"no region":                    {Protected{CloudRun: "app"}, "", "REGION/NAME"},
		"a name with a slash":          {Protected{CloudRun: "r/a/b"}, "", "Cloud Run"},
		"a project without number":     {Protected{Project: "my-project"}, "", "ID:NUMBER"},
		"a project without id":         {Protected{Project: ":42"}, "", "ID:NUMBER"},
		"a number with a sign":         {Protected{Project: "my-project:+42"}, "", "ID:NUMBER"},
		"a number with zeros":          {Protected{Project: "my-project:042"}, "", "ID:NUMBER"},
		"an id that Google refuses":    {Protected{Project: "X:42"}, "", "project id"},
		"an audience of no form":       {Protected{Audience: "https://example.com"}, "", "--audience"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, err := test.protected.Service()
			if (err != nil) != (test.fails != "") || err != nil && !strings.Contains(err.Error(), test.fails) {
				t.Fatalf("%v, want %q", err, test.fails)
			}
			if err == nil && service.Audience() != test.audience {
				t.Errorf("the audience is %s, want %s", service.Audience(), test.audience)
			}
		})
	}
}

func TestWhatTheCommandLineCannotMean(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]Options{
		"an upstream and a command":   {Upstream: "http://127.0.0.1:1", Command: []string{"true"}},
		"an upstream without scheme":  {Upstream: "localhost:3000"},
		"an upstream with TLS":        {Upstream: "ftp://localhost:3000"},
		"an upstream with a path":     {Upstream: "http://localhost:3000/app"},
		"an upstream with a password": {Upstream: "http://a:b@localhost:3000"},
		"an upstream without host":    {Upstream: "http://"},
	} {
		if err := start(t, options).ends(1); err == nil || !strings.Contains(err.Error(), "--upstream") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
