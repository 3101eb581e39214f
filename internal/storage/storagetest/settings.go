package storagetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
)

func settingsSentences() []sentence {
	return []sentence{
		{"a resource without settings has empty ones with the empty etag", settingsUnset},
		{"settings come back as they were put, with an etag of their own, and tell the snapshot", settingsComeBack},
		{"a write of settings that expects another etag is refused", settingsConflict},
		{"the empty etag is expected only of settings that were never put, also after they were taken away", settingsEmptyOnlyOnce},
	}
}

func (s store) putSettings(name resource.Name, set settings.IapSettings, expected string) (stored settings.Stored) {
	s.t.Helper()
	s.do(func(tx admin.Tx) (err error) {
		stored, err = tx.Settings().PutSettings(s.t.Context(), name, set, expected)
		return err
	})
	return stored
}

func (s store) allSettings() (all map[resource.Name]settings.Stored) {
	s.t.Helper()
	s.view(func(ctx context.Context, tx admin.Tx) (err error) {
		all, err = tx.Settings().AllSettings(ctx)
		return err
	})
	return all
}

func hint(domain string) settings.IapSettings {
	return settings.IapSettings{AccessSettings: &settings.AccessSettings{OAuthSettings: &settings.OAuthSettings{LoginHint: &domain}}}
}

func settingsUnset(t *testing.T, s store) {
	if all := s.allSettings(); len(all) != 0 {
		t.Errorf("%v", all)
	}
	s.view(func(ctx context.Context, tx admin.Tx) error {
		got, err := tx.Settings().Settings(ctx, appName)
		if err != nil || !reflect.DeepEqual(got, settings.Stored{Etag: settings.EmptyEtag}) {
			t.Errorf("%v, %v", got, err)
		}
		return nil
	})
}

func settingsComeBack(t *testing.T, s store) {
	yes, empty := true, ""
	want := map[resource.Name]settings.Stored{}
	for name, set := range map[resource.Name]settings.IapSettings{
		"projects/1": {AccessSettings: &settings.AccessSettings{ReauthSettings: &settings.ReauthSettings{
			Method: settings.ReauthSecureKey, MaxAge: 90 * time.Minute, PolicyType: settings.ReauthMinimum,
		}}},
		"projects/1/iap_web": {ApplicationSettings: &settings.ApplicationSettings{CookieDomain: &empty, AttributePropagationSettings: &settings.AttributePropagationSettings{
			Enable: &yes, OutputCredentials: []settings.OutputCredential{settings.OutputJWT},
		}}},
		appName: hint("example.com"),
	} {
		before := s.position()
		stored := s.putSettings(name, set, "")
		if !reflect.DeepEqual(stored.Settings, set) || stored.Etag == "" {
			t.Errorf("PutSettings returned %v, want %v", stored, set)
		}
		want[name] = stored
		if changes := s.changes(before); len(changes) == 0 || changes[0] != string(snapshot.SettingsChanged)+" "+string(name) {
			t.Errorf("the feed says %v", changes)
		}
	}
	if got := s.allSettings(); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func settingsConflict(t *testing.T, s store) {
	first := s.putSettings(appName, hint("a.test"), "")
	second := s.putSettings(appName, hint("b.test"), first.Etag)
	for _, expected := range []string{first.Etag, settings.EmptyEtag, "nonsense"} {
		s.refused(settings.ErrEtag, func(tx admin.Tx) error {
			_, err := tx.Settings().PutSettings(t.Context(), appName, hint("c.test"), expected)
			return err
		})
	}
	if got := s.allSettings()[appName]; !reflect.DeepEqual(got, second) {
		t.Errorf("stored %v, want %v", got, second)
	}
}

func settingsEmptyOnlyOnce(t *testing.T, s store) {
	s.putSettings(appName, hint("a.test"), settings.EmptyEtag)
	s.putSettings(appName, settings.IapSettings{}, "")
	s.refused(settings.ErrEtag, func(tx admin.Tx) error {
		_, err := tx.Settings().PutSettings(t.Context(), appName, hint("b.test"), settings.EmptyEtag)
		return err
	})
}
