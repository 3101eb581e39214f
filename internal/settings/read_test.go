package settings

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func ptr[T any](v T) *T { return &v }

// everything sets every field there is.
func everything() IapSettings {
	return IapSettings{
		AccessSettings: &AccessSettings{
			CORSSettings:  &CORSSettings{AllowHTTPOptions: ptr(true)},
			OAuthSettings: &OAuthSettings{LoginHint: ptr("example.com"), ProgrammaticClients: []string{"one.apps", "two.apps"}},
			ReauthSettings: &ReauthSettings{
				Method: ReauthSecureKey, MaxAge: time.Hour, PolicyType: ReauthMinimum,
			},
			AllowedDomainsSettings: &AllowedDomainsSettings{Enable: ptr(true), Domains: []string{"app.example.com", "*.corp.example.com"}},
		},
		ApplicationSettings: &ApplicationSettings{
			CSMSettings: &CSMSettings{RCTokenAud: ptr("mesh")},
			AccessDeniedPageSettings: &AccessDeniedPageSettings{
				AccessDeniedPageURI: ptr("https://help.example.com/no-access?from=iap"), GenerateTroubleshootingURI: ptr(true),
				RemediationTokenGenerationEnabled: ptr(false),
			},
			CookieDomain: ptr("example.com"),
			AttributePropagationSettings: &AttributePropagationSettings{
				Expression:        ptr(`attributes.saml_attributes.filter(attribute, attribute.name in ["groups"])`),
				OutputCredentials: []OutputCredential{OutputHeader, OutputJWT, OutputRCToken}, Enable: ptr(true),
			},
		},
	}
}

func TestEveryWayOfWritingSettingsReadsTheSame(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/forms/*")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := Rules{}.Canonical(d.IapSettings)
		if err != nil || !reflect.DeepEqual(got, everything()) {
			text, _ := json.Marshal(got)
			t.Errorf("%s: %v, %s", name, err, text)
		}
		if want := "projects/721899303052/iap_web/compute/services/456"; d.Name != want {
			t.Errorf("%s: name %q, want %q", name, d.Name, want)
		}
	}
}

func TestWhatIsWrittenReadsBack(t *testing.T) {
	t.Parallel()
	d := Document{everything(), "projects/1", "AAAA"}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"maxAge":"3600s"`) || !strings.Contains(string(text), `"allowHttpOptions":true`) {
		t.Errorf("%s", text)
	}
	back, err := Parse(text)
	if err != nil || !reflect.DeepEqual(back, d) {
		t.Errorf("%v, %v", back, err)
	}
	var stored IapSettings // as the store reads it
	if err := json.Unmarshal(text, &stored); err != nil || !reflect.DeepEqual(stored, d.IapSettings) {
		t.Errorf("%v, %v", stored, err)
	}
}

func TestWhatSaysNothingIsAccepted(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `{"name": "projects/1"}`, `{"accessSettings": null}`, `{"accessSettings": {}, "applicationSettings": {}}`,
		`{"accessSettings": {"gcipSettings": {}, "identitySources": [], "workforceIdentitySettings": {"oauth2": {"clientId": ""}}}}`,
		`{"access_settings": {"gcip_settings": null, "oauth_settings": {"client_id": "", "client_secret_sha256": {"value": ""}}}}`,
		`{"accessSettings": {"policyDelegationSettings": {}, "reauthSettings": {}}}`,
		`{"accessSettings": {"corsSettings": {"allowHttpOptions": {}}, "oauthSettings": {"loginHint": {"value": null}}}}`,
		`{"accessSettings": {"reauthSettings": {"method": "METHOD_UNSPECIFIED", "policyType": 0}}}`,
	} {
		d, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := (Rules{}).Canonical(d.IapSettings); err != nil || got != (IapSettings{}) || !d.IsZero() {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

func TestEveryMistakeIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                      "the document is empty",
		`[]`:                    "must be a mapping",
		`{"accessSettings": 1}`: "accessSettings: this is the number 1",
		"{}\n---\n{}":           "more than one document",
		"{":                     "invalid settings: ",
		`{"accessSetings": {}}`: "(did you mean accessSettings?)",
		`{"access_settings": {"cors_settings": {"allow_http_option": true}}}`:                           "accessSettings.corsSettings.allow_http_option: there is no field \"allow_http_option\" here (did you mean allowHttpOptions?)",
		`{"accessSettings": {"corsSettings": {"allowHttpOptions": "true"}}}`:                            "accessSettings.corsSettings.allowHttpOptions: this is text, and must be true or false",
		`{"accessSettings": {"corsSettings": {"allowHttpOptions": 1}}}`:                                 "must be true or false",
		`{"accessSettings": {"corsSettings": {"allowHttpOptions": {"value": true, "v": 1}}}}`:           "must be a value, or {value: …}",
		`{"accessSettings": {"corsSettings": {"allowHttpOptions": {"values": true}}}}`:                  "must be a value, or {value: …}",
		`{"accessSettings": {"corsSettings": {"ALLOWHTTPOPTIONS": true}}}`:                              "there is no field",
		`{"accessSettings": {"allowedDomainsSettings": {"domains": "a.test"}}}`:                         "must be a list",
		`{"accessSettings": {"allowedDomainsSettings": {"domains": [null]}}}`:                           "domains[0]: there is no value here",
		`{"accessSettings": {"oauthSettings": {"clientId": "x"}}}`:                                      "oauthClientId",
		`{"accessSettings": {"oauthSettings": {"client_secret": "x"}}}`:                                 "secret",
		`{"accessSettings": {"gcipSettings": {"tenantIds": ["_1"]}}}`:                                   "external identities are not offered yet",
		`{"accessSettings": {"workforce_identity_settings": {"workforce_pools": ["p"]}}}`:               "IdentityProvider",
		`{"accessSettings": {"identity_sources": [3]}}`:                                                 "IdentityProvider",
		`{"accessSettings": {"policyDelegationSettings": {"resource": {"id": "x"}}}}`:                   "policy delegation is not offered",
		`{"accessSettings": {"reauthSettings": {"method": "FACE"}}}`:                                    `accessSettings.reauthSettings.method: "FACE" is none of LOGIN`,
		`{"accessSettings": {"reauthSettings": {"method": 9}}}`:                                         "is none of",
		`{"accessSettings": {"reauthSettings": {"method": "1"}}}`:                                       "is none of",
		`{"accessSettings": {"reauthSettings": {"maxAge": 300}}}`:                                       "is no duration",
		`{"accessSettings": {"reauthSettings": {"maxAge": "5m"}}}`:                                      "is no duration",
		`{"accessSettings": {"reauthSettings": {"maxAge": "-300s"}}}`:                                   "is no duration",
		`{"accessSettings": {"reauthSettings": {"maxAge": "99999999999s"}}}`:                            "is no duration",
		`{"applicationSettings": {"attributePropagationSettings": {"outputCredentials": [0]}}}`:         "is none of HEADER",
		`{"applicationSettings": {"cookieDomain": ["a"]}}`:                                              "this is a list, and must be text",
		`{"accessSettings": {}, "access_settings": {}}`:                                                 "the field is there twice",
		`{"name": "a", "name": "b"}`:                                                                    "the field is there twice",
		"accessSettings: &a {}\n":                                                                       "anchors are not read",
		"applicationSettings: {cookieDomain: &a x}\naccessSettings: {oauthSettings: {loginHint: *a}}\n": "anchors are not read",
		"accessSettings: {1: 2}\n":                                                                      "is no name of a field",
	} {
		_, err := Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	_, err := Parse([]byte("accessSettings:\n  corsSettings:\n    allowHTTPOptions: true\n"))
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Line != 3 || faults[0].Column != 5 {
		t.Errorf("%#v", faults)
	}
}

func TestAnAliasIsRefused(t *testing.T) {
	t.Parallel()
	_, err := Parse([]byte("accessSettings: {oauthSettings: &a {}, corsSettings: *a}\n"))
	if err == nil || !strings.Contains(err.Error(), "aliases are not read") {
		t.Error(err)
	}
}

func TestDurationsAreGoogles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"300s": 300 * time.Second, "0s": 0, "1.5s": 1500 * time.Millisecond, "3600.000000001s": time.Hour + 1, "007s": 7 * time.Second,
	} {
		got, err := parseDuration(text)
		if err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
		if back, err := parseDuration(FormatDuration(want)); err != nil || back != want {
			t.Errorf("%s: %s comes back as %s, %v", text, FormatDuration(want), back, err)
		}
	}
	for _, text := range []string{"", "s", "300", "300 s", "+1s", "1.s", ".5s", "1.0000000001s", "1e3s", "300S"} {
		if d, err := parseDuration(text); err == nil {
			t.Errorf("%q: %s", text, d)
		}
	}
}

// FuzzParse: whatever is read is either refused or means the same when it is written and read again.
func FuzzParse(f *testing.F) {
	text, err := json.Marshal(Document{everything(), "projects/1", "e"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("access_settings:\n  reauth_settings: {method: 3, max_age: 300.5s, policy_type: MINIMUM}\n"))
	f.Add([]byte(`{"accessSettings":{"allowedDomainsSettings":{"enable":{"value":true},"domains":["*.Bücher.example","[::1]"]}}}`))
	f.Add([]byte("applicationSettings: {cookieDomain: .Example.COM, accessDeniedPageSettings: {accessDeniedPageUri: 'http://a/b'}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("%v does not wrap ErrInvalid", err)
			}
			return
		}
		canonical, err := Rules{}.Canonical(d.IapSettings)
		if err != nil {
			return
		}
		if again, err := (Rules{}).Canonical(canonical); err != nil || !reflect.DeepEqual(again, canonical) {
			t.Fatalf("canonical twice: %v, %+v, first %+v", err, again, canonical)
		}
		written, err := json.Marshal(canonical)
		if err != nil {
			t.Fatal(err)
		}
		var back IapSettings
		if err := json.Unmarshal(written, &back); err != nil || !reflect.DeepEqual(back, canonical) {
			t.Fatalf("%s comes back as %+v, %v", written, back, err)
		}
		Merge([]Level{{Resource: "projects/1", Settings: canonical}}).Effective()
	})
}
