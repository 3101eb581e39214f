package settings

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

func TestAMaskSaysWhichFieldsAPatchReplaces(t *testing.T) {
	t.Parallel()
	stored := everything()
	patch := IapSettings{AccessSettings: &AccessSettings{
		OAuthSettings:  &OAuthSettings{LoginHint: ptr("other.example")},
		ReauthSettings: &ReauthSettings{MaxAge: 2 * time.Hour},
	}}
	change := func(edit func(*IapSettings)) IapSettings {
		s := everything()
		edit(&s)
		return s
	}
	hinted := change(func(s *IapSettings) { s.AccessSettings.OAuthSettings.LoginHint = ptr("other.example") })
	for mask, want := range map[string]IapSettings{
		"":  patch,
		"*": patch, "iapSettings": patch, "name,*": patch,
		"name":                                   stored,
		"accessSettings.oauthSettings.loginHint": hinted,
		"access_settings.oauth_settings.login_hint":                    hinted,
		"iapSettings.accessSettings.oauthSettings.loginHint":           hinted,
		"iap_settings.access_settings.oauth_settings.login_hint, name": hinted,
		"accessSettings":                       {AccessSettings: patch.AccessSettings, ApplicationSettings: stored.ApplicationSettings},
		"accessSettings.oauthSettings":         change(func(s *IapSettings) { s.AccessSettings.OAuthSettings = &OAuthSettings{LoginHint: ptr("other.example")} }),
		"accessSettings.reauthSettings.maxAge": change(func(s *IapSettings) { s.AccessSettings.ReauthSettings.MaxAge = 2 * time.Hour }),
		"applicationSettings.cookieDomain,accessSettings.corsSettings": change(func(s *IapSettings) {
			s.ApplicationSettings.CookieDomain, s.AccessSettings.CORSSettings = nil, nil
		}),
		"iapSettings.accessSettings.allowedDomainsSettings.domains": change(func(s *IapSettings) { s.AccessSettings.AllowedDomainsSettings.Domains = nil }),
	} {
		parsed, err := ParseMask(mask)
		if err != nil {
			t.Errorf("%q: %v", mask, err)
			continue
		}
		if got := parsed.Patch(stored, patch); !reflect.DeepEqual(got, want) {
			t.Errorf("%q gives %+v %+v", mask, got.AccessSettings, got.ApplicationSettings)
		}
		if !reflect.DeepEqual(stored, everything()) {
			t.Fatalf("%q changed what was stored", mask)
		}
	}
	for _, mask := range []string{
		"accessSettings.gcipSettings", "loginHint", "accessSettings.", "accessSettings..corsSettings", "accessSettings.oauthSettings.loginHint.value",
		"iapSettings.iapSettings.accessSettings", "ACCESSSETTINGS", "accessSettings.oauthSettings.programmaticClients[0]",
	} {
		if got, err := ParseMask(mask); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v, %v", mask, got, err)
		}
	}
}

func FuzzParseMask(f *testing.F) {
	f.Add("iapSettings.accessSettings.reauthSettings")
	f.Add("access_settings.cors_settings,name")
	f.Add("*")
	f.Fuzz(func(t *testing.T, s string) {
		mask, err := ParseMask(s)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		if got := mask.Patch(everything(), everything()); !reflect.DeepEqual(got, everything()) {
			t.Fatalf("%q changed what is the same: %+v", s, got)
		}
	})
}
