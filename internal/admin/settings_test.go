package admin_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

func document(t *testing.T, text string) settings.Document {
	t.Helper()
	d, err := settings.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func settingsOn(t *testing.T, name, text string) admin.Document {
	t.Helper()
	return admin.Document{
		Kind: admin.KindIapSettings, Name: "settings", Source: apps,
		Settings: &admin.DeclaredSettings{Resource: name, Settings: document(t, text).IapSettings},
	}
}

func TestSettingsAreReplacedOnlyUnderTheirEtagAndWithTheirAudit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	read, err := f.IapSettings(ctx, appName)
	if err != nil || read.Etag != settings.EmptyEtag || read.Name != string(appName) || !read.IsZero() {
		t.Fatalf("%+v, %v", read, err)
	}
	first := document(t, `{accessSettings: {oauthSettings: {loginHint: a.test}, allowedDomainsSettings: {domains: [A.test]}}}`)
	first.Etag = read.Etag
	stored, err := f.UpdateIapSettings(ctx, peer, appName, first, nil)
	if err != nil || stored.Etag == read.Etag || stored.AccessSettings.AllowedDomainsSettings.Domains[0] != "a.test" {
		t.Fatalf("%+v, %v", stored, err)
	}
	second := document(t, `{applicationSettings: {cookieDomain: b.test}}`)
	second.Etag = read.Etag
	if _, err := f.UpdateIapSettings(ctx, peer, appName, second, nil); !errors.Is(err, settings.ErrEtag) {
		t.Errorf("a write under an old etag: %v", err)
	}
	second.Etag = ""
	if _, err := f.UpdateIapSettings(ctx, peer, appName, second, nil); err != nil {
		t.Errorf("a write without an etag: %v", err)
	}
	entry := f.lastEntry(t)
	before, after := string(entry.Before), string(entry.After)
	if entry.Action != "iap.updateIapSettings" || entry.Target != string(appName) || entry.Actor != peer ||
		!strings.Contains(before, `"a.test"`) || strings.Contains(before, "b.test") || !strings.Contains(after, `"b.test"`) || strings.Contains(after, "a.test") {
		t.Errorf("%+v goes from %s to %s", entry, before, after)
	}
}

func TestAPatchIsHeldToTheRulesByItsOutcome(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	f.ValidateExpression = func(s string) error {
		if s == "wrong" {
			return errors.New("it is wrong")
		}
		return nil
	}
	mask := func(s string) settings.Mask {
		m, err := settings.ParseMask(s)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	age := document(t, `{accessSettings: {reauthSettings: {maxAge: 600s}}}`)
	const agePath = "accessSettings.reauthSettings.maxAge"
	if _, err := f.UpdateIapSettings(ctx, peer, appName, age, mask(agePath)); !errors.Is(err, settings.ErrInvalid) {
		t.Errorf("an age without the rest: %v", err)
	}
	whole := document(t, `{accessSettings: {reauthSettings: {method: LOGIN, maxAge: 3600s, policyType: MINIMUM}}, applicationSettings: {cookieDomain: a.test}}`)
	if _, err := f.UpdateIapSettings(ctx, peer, appName, whole, nil); err != nil {
		t.Fatal(err)
	}
	stored, err := f.UpdateIapSettings(ctx, peer, appName, age, mask(agePath))
	if err != nil || stored.AccessSettings.ReauthSettings.MaxAge.Minutes() != 10 || *stored.ApplicationSettings.CookieDomain != "a.test" {
		t.Errorf("%+v, %v", stored, err)
	}
	wrong := document(t, `{applicationSettings: {attributePropagationSettings: {expression: wrong}}}`)
	if _, err := f.UpdateIapSettings(ctx, peer, appName, wrong, nil); err == nil || !strings.Contains(err.Error(), "expression: it is wrong") {
		t.Errorf("an expression that its room refuses: %v", err)
	}
}

func TestEffectiveSettingsSayWhereEachStands(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	for name, text := range map[resource.Name]string{
		"projects/123456789012": `{accessSettings: {oauthSettings: {loginHint: a.test}, corsSettings: {allowHttpOptions: true}}}`,
		appName:                 `{accessSettings: {oauthSettings: {loginHint: b.test}}}`,
	} {
		if _, err := f.UpdateIapSettings(ctx, peer, name, document(t, text), nil); err != nil {
			t.Fatal(err)
		}
	}
	e, err := f.EffectiveSettings(ctx, appName)
	want := []settings.Setting{
		{Field: "accessSettings.corsSettings.allowHttpOptions", Value: true, From: "projects/123456789012"},
		{Field: "accessSettings.oauthSettings.loginHint", Value: "b.test", From: appName},
	}
	if err != nil || e.Resource != appName || !slices.Equal(e.Settings, want) {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestTheSettingsMethodsAreGoogles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const path = "/v1/projects/dev-project/iap_web/compute/services/app:iapSettings"
	name := `"name":"` + string(appName) + `"`
	for _, step := range []struct {
		method, target, body string
		code                 int
		says                 []string
	}{
		{"GET", path, "", 200, []string{name, `"etag":"ACAB"`}},
		{"PATCH", path, `{"access_settings":{"cors_settings":{"allow_http_options":{"value":true}}},"applicationSettings":{"cookieDomain":"a.test"}}`, 200, []string{name, `"allowHttpOptions":true`, `"cookieDomain":"a.test"`}},
		{"PATCH", path + "?updateMask=iapSettings.accessSettings.reauthSettings", `{"name":"projects/dev-project/iap_web/compute/services/app:iapSettings","accessSettings":{"reauthSettings":{"method":"LOGIN","maxAge":"300s","policyType":"DEFAULT"}}}`, 200, []string{`"maxAge":"300s"`, `"cookieDomain":"a.test"`}},
		{"PATCH", path + "?update_mask=application_settings", `{}`, 200, []string{`"maxAge":"300s"`}},
		{"GET", "/gatehouse/v1/effective/" + string(appName) + ":iapSettings", "", 200, []string{`"field":"accessSettings.corsSettings.allowHttpOptions","value":true,"from":"` + string(appName) + `"`}},
		{"PATCH", path, `{}`, 200, []string{`{"name":`}}, // as Terraform deletes
		{"PATCH", path + "?updateMask=a&update_mask=b", `{}`, 400, []string{"INVALID_ARGUMENT", "more than once"}},
		{"PATCH", path + "?updateMask=accessSettings.gcipSettings", `{}`, 400, []string{"INVALID_ARGUMENT", "not offered"}},
		{"PATCH", path, `{"accessSettings":{"reauthSettings":{"method":"LOGIN","maxAge":"1s","policyType":"DEFAULT"}}}`, 400, []string{"INVALID_ARGUMENT", `"field":"iapSettings.accessSettings.reauthSettings.maxAge"`}},
		{"PATCH", path, `{"name":"projects/dev-project"}`, 400, []string{"INVALID_ARGUMENT", "the request about"}},
		{"PATCH", path, `{"etag":"b2xk"}`, 409, []string{"ABORTED", "ETAG_MISMATCH"}},
		{"PATCH", path, ``, 400, []string{"INVALID_ARGUMENT", "the document is empty"}},
		{"GET", "/v1/projects/dev-project/iap_web/compute/services/nope:iapSettings", "", 404, []string{"NOT_FOUND"}},
		{"GET", "/v1/projects/other:iapSettings", "", 400, []string{"INVALID_ARGUMENT"}},
		{"GET", "/v1/projects/dev-project/iap_web/appengine-dev-project/services/default/versions/1:iapSettings", "", 404, []string{"NOT_FOUND"}},
		{"GET", "/v1/projects/dev-project:somethingElse", "", 404, []string{"NOT_FOUND"}},
	} {
		w := f.ask(t, step.method, step.target, step.body)
		if w.Code != step.code {
			t.Errorf("%s %s %s: %d %s", step.method, step.target, step.body, w.Code, w.Body)
		}
		for _, says := range step.says {
			if !strings.Contains(w.Body.String(), says) {
				t.Errorf("%s %s %s: %s does not say %s", step.method, step.target, step.body, w.Body, says)
			}
		}
	}
	if w := f.ask(t, http.MethodGet, path, ""); strings.Contains(w.Body.String(), "accessSettings") {
		t.Errorf("after {}: %s", w.Body)
	}
}

func TestSettingsOfAManifestAreItsOwnAndGoWithIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	const wiki = "projects/dev-project/iap_web/compute/services/wiki"
	documents := append(everything(), settingsOn(t, wiki, `{accessSettings: {oauthSettings: {loginHint: a.test}}}`))
	f.apply(t, admin.ApplyOptions{}, documents...)
	if plan := f.apply(t, admin.ApplyOptions{}, documents...); len(plan.Changes) != 0 {
		t.Errorf("the second time: %v", changes(plan))
	}
	name, err := f.Resolve(ctx, wiki)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.UpdateIapSettings(ctx, peer, name, settings.Document{}, nil); !errors.Is(err, admin.ErrOwned) {
		t.Errorf("another writer: %v", err)
	}
	changed := append(everything(), settingsOn(t, wiki, `{accessSettings: {oauthSettings: {loginHint: b.test}}}`))
	plan := f.apply(t, admin.ApplyOptions{}, changed...)
	if got := changes(plan); !slices.Equal(got, []string{"IapSettings settings updated"}) ||
		*plan.Changes[0].Before.Settings.Settings.AccessSettings.OAuthSettings.LoginHint != "a.test" || plan.Changes[0].After.Settings.Resource != wiki {
		t.Errorf("%v", got)
	}
	exported, err := f.Export(ctx)
	if err != nil || !slices.ContainsFunc(exported, func(d admin.Document) bool {
		return d.Kind == admin.KindIapSettings && d.Name == "wiki" && d.Settings.Resource == wiki && d.Source == apps
	}) {
		t.Errorf("%+v, %v", exported, err)
	}
	// Without the document they are taken away, and with the service too.
	plan = f.apply(t, admin.ApplyOptions{Prune: true}, everything()...)
	if got := changes(plan); !slices.Equal(got, []string{"IapSettings settings deleted"}) {
		t.Errorf("pruned %v", got)
	}
	if d, err := f.IapSettings(ctx, name); err != nil || !d.IsZero() || d.Etag == settings.EmptyEtag {
		t.Errorf("left %+v, %v", d, err)
	}
	if _, err := f.UpdateIapSettings(ctx, peer, name, document(t, `{applicationSettings: {cookieDomain: a.test}}`), nil); err != nil {
		t.Errorf("nobody owns them now: %v", err)
	}
	plan = f.apply(t, admin.ApplyOptions{Prune: true}, everything()[5:6]...)
	if got := changes(plan); !slices.Contains(got, "IapSettings wiki deleted") {
		t.Errorf("removed with the service: %v", got)
	}
}

func TestSettingsOfServicesThatAreNowhereAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := f.Apply(t.Context(), peer, []admin.Document{settingsOn(t, "projects/dev-project/iap_web/compute/services/nope", `{}`)}, admin.ApplyOptions{})
	if err == nil || !strings.Contains(err.Error(), "take the settings out with it") {
		t.Error(err)
	}
	stale := settingsOn(t, string(appName), `{applicationSettings: {cookieDomain: a.test}}`)
	stale.Settings.Etag = "b2xk"
	if _, err := f.Apply(t.Context(), peer, []admin.Document{stale}, admin.ApplyOptions{}); !errors.Is(err, settings.ErrEtag) {
		t.Errorf("an old etag: %v", err)
	}
}
