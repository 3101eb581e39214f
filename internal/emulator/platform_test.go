package emulator

import (
	"slices"
	"testing"
)

func TestAnAppFindsTheVariablesOfThePlatformItIsDeclaredFor(t *testing.T) {
	t.Parallel()
	const number = "/projects/123456789012/"
	for name, test := range map[string]struct {
		audience   string
		own        []string
		want, none []string
	}{
		"a Cloud Run service": {
			number + "locations/europe-west1/services/reports", nil,
			[]string{"K_SERVICE=reports", "K_REVISION=reports-00001-dev", "K_CONFIGURATION=reports", "PORT=4711", "GOOGLE_CLOUD_PROJECT=dev-project"}, []string{"GAE_ENV=standard"},
		},
		"an App Engine app": {
			number + "apps/dev-project", nil,
			[]string{"GAE_ENV=standard", "GAE_APPLICATION=s~dev-project", "GAE_SERVICE=default", "GAE_VERSION=dev", "GAE_INSTANCE=gatehouse-dev", "PORT=4711", "GOOGLE_CLOUD_PROJECT=dev-project"},
			[]string{"K_SERVICE=app"},
		},
		"a backend service, which may be anywhere": {
			number + "global/backendServices/1", nil, []string{"PORT=4711", "GOOGLE_CLOUD_PROJECT=dev-project"}, []string{"K_SERVICE=app", "GAE_ENV=standard"},
		},
		"the developer's own values win": {
			number + "locations/europe-west1/services/reports", []string{"K_REVISION=mine", "K_SERVICE="},
			[]string{"K_SERVICE=reports", "K_REVISION=mine"}, []string{"K_REVISION=reports-00001-dev"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			around := surroundings{info: Info{Audience: test.audience, Project: "dev-project"}}
			env, _, err := around.appEnvironment(test.own, 4711)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.want {
				if !slices.Contains(env, want) {
					t.Errorf("%s is not in %q", want, env)
				}
			}
			for _, none := range test.none {
				if slices.Contains(env, none) {
					t.Errorf("%s is in %q", none, env)
				}
			}
		})
	}
}
