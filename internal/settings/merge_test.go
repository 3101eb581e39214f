package settings

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// The table in testdata is written to be read by people: a sentence, what stands on each level from the highest down,
// and after an arrow what holds below all of them, and from where.
func TestWhatSeveralLevelsComeToIsInTheTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/merges.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for block := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
		if strings.HasPrefix(block, "#") {
			continue
		}
		cases++
		lines := strings.Split(block, "\n")
		var levels []Level
		want := ""
		for _, line := range lines[1:] {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "=>") {
				want += line + "\n"
				continue
			}
			name, written, _ := strings.Cut(line, " ")
			d, err := Parse([]byte(written))
			if err != nil {
				t.Fatalf("%s: %s: %v", lines[0], line, err)
			}
			canonical, err := Rules{}.Canonical(d.IapSettings)
			if err != nil {
				t.Fatalf("%s: %s: %v", lines[0], line, err)
			}
			levels = append(levels, Level{resource.Name(name), canonical})
		}
		got := ""
		for _, s := range Merge(levels).List() {
			value, err := json.Marshal(s.Value)
			if err != nil {
				t.Fatal(err)
			}
			got += fmt.Sprintf("=> %s is %s, by %s\n", s.Field, value, s.From)
		}
		if got == "" {
			got = "=> nothing is set\n"
		}
		if got != want {
			t.Errorf("%s\ngot\n%swant\n%s", lines[0], got, want)
		}
	}
	if cases < 12 {
		t.Errorf("only %d cases were read", cases)
	}
}

// drawSettings draws settings that are in order, or nothing.
func drawSettings(t *rapid.T, label string) IapSettings {
	draw := func(name string) bool { return rapid.Bool().Draw(t, label+name) }
	var s IapSettings
	access, app := &AccessSettings{}, &ApplicationSettings{}
	if draw("cors") {
		access.CORSSettings = &CORSSettings{AllowHTTPOptions: ptr(draw("options"))}
	}
	if draw("oauth") {
		access.OAuthSettings = &OAuthSettings{ProgrammaticClients: rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3).Draw(t, label+"clients")}
		if draw("hinted") {
			access.OAuthSettings.LoginHint = ptr(rapid.SampledFrom([]string{"", "a.test", "b.test"}).Draw(t, label+"hint"))
		}
	}
	if draw("domains") {
		access.AllowedDomainsSettings = &AllowedDomainsSettings{Domains: rapid.SliceOfN(rapid.SampledFrom([]string{"a.test", "*.b.test"}), 0, 2).Draw(t, label+"list")}
		if draw("switched") {
			access.AllowedDomainsSettings.Enable = ptr(draw("enable"))
		}
	}
	if draw("reauth") {
		access.ReauthSettings = &ReauthSettings{
			Method:     rapid.SampledFrom([]ReauthMethod{ReauthLogin, ReauthEnrolledSecondFactors, ReauthSecureKey}).Draw(t, label+"method"),
			MaxAge:     time.Duration(rapid.IntRange(300, 400).Draw(t, label+"age")) * time.Second,
			PolicyType: rapid.SampledFrom([]ReauthPolicyType{ReauthMinimum, ReauthDefault}).Draw(t, label+"type"),
		}
	}
	if draw("cookie") {
		app.CookieDomain = ptr(rapid.SampledFrom([]string{"", "a.test"}).Draw(t, label+"domain"))
	}
	s.AccessSettings, s.ApplicationSettings = access, app
	canonical, err := Rules{}.Canonical(s)
	if err != nil {
		t.Fatal(err)
	}
	return canonical
}

func drawLevels(t *rapid.T) []Level {
	names := []resource.Name{"projects/1", "projects/1/iap_web", "projects/1/iap_web/compute", "projects/1/iap_web/compute/services/1"}
	levels := make([]Level, rapid.IntRange(0, len(names)).Draw(t, "levels"))
	for i := range levels {
		levels[i] = Level{names[i], drawSettings(t, fmt.Sprint(i))}
	}
	return levels
}

func TestMergingObeysItsRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		levels := drawLevels(t)
		before, _ := json.Marshal(levels)
		merged := Merge(levels)

		// Levels that say nothing change nothing, wherever they stand.
		at := rapid.IntRange(0, len(levels)).Draw(t, "at")
		padded := append(append(append([]Level{}, levels[:at]...), Level{Resource: "projects/9"}), levels[at:]...)
		if !reflect.DeepEqual(Merge(padded), merged) {
			t.Fatal("a level without settings counts")
		}
		// Merging stepwise is merging at once.
		upper := Merge(levels[:at])
		if stepwise := Merge(append([]Level{{"projects/8", upper.Settings}}, levels[at:]...)); !reflect.DeepEqual(stepwise.Settings, merged.Settings) {
			t.Fatalf("stepwise %+v, at once %+v", stepwise.Settings, merged.Settings)
		}
		// The settings of each level stay as they were.
		if after, _ := json.Marshal(levels); string(after) != string(before) {
			t.Fatal("merging changed a level")
		}
		// Every field comes from the lowest level that sets it, and from one that sets it to this; reauthentication apart.
		for _, s := range merged.List() {
			lowest, value := resource.Name(""), any(nil)
			for _, level := range levels {
				for _, own := range Merge([]Level{level}).List() {
					if own.Field == s.Field {
						if strings.Contains(s.Field, "reauthSettings") && !(own.From == s.From && reflect.DeepEqual(own.Value, s.Value)) {
							continue
						}
						lowest, value = level.Resource, own.Value
					}
				}
			}
			if lowest != s.From || !reflect.DeepEqual(value, s.Value) {
				t.Fatalf("%s is %v by %s; %s says %v", s.Field, s.Value, s.From, lowest, value)
			}
		}
		checkReauth(t, levels, merged)
	})
}

// checkReauth holds the merged reauthentication against the rule itself: from the first MINIMUM that is not replaced
// from above, nothing below makes it weaker.
func checkReauth(t *rapid.T, levels []Level, merged Merged) {
	var set []ReauthSettings
	for _, level := range levels {
		if a := level.Settings.AccessSettings; a != nil && a.ReauthSettings != nil {
			set = append(set, *a.ReauthSettings)
		}
	}
	if len(set) == 0 {
		if a := merged.Settings.AccessSettings; a != nil && a.ReauthSettings != nil {
			t.Fatal("reauthentication from nowhere")
		}
		return
	}
	got := *merged.Settings.AccessSettings.ReauthSettings
	protected := -1
	for i, s := range set {
		if s.PolicyType == ReauthMinimum {
			protected = i
			break
		}
	}
	if protected < 0 {
		if got != set[len(set)-1] {
			t.Fatalf("%v, and nothing protects: want the lowest of %v", got, set)
		}
		return
	}
	want := set[protected]
	for _, s := range set[protected:] {
		if strength[s.Method] > strength[want.Method] {
			want.Method = s.Method
		}
		want.MaxAge = min(want.MaxAge, s.MaxAge)
	}
	if got != want {
		t.Fatalf("%v, want %v of %v", got, want, set)
	}
}

func TestEffectiveSettingsShareNothingWithTheDocuments(t *testing.T) {
	t.Parallel()
	s := everything()
	e := Merge([]Level{{"projects/1", s}}).Effective()
	want := &Effective{
		AllowHTTPOptions: true, LoginHint: "example.com", ProgrammaticClients: []string{"one.apps", "two.apps"},
		Reauth:         Reauth{ReauthSecureKey, time.Hour, ReauthMinimum},
		AllowedDomains: []string{"app.example.com", "*.corp.example.com"}, RCTokenAudience: "mesh",
		AccessDeniedPageURI: "https://help.example.com/no-access?from=iap", TroubleshootingURI: true, CookieDomain: "example.com",
		Attributes: Attributes{Expression: *s.ApplicationSettings.AttributePropagationSettings.Expression, Header: true, JWT: true, RCToken: true},
	}
	if !reflect.DeepEqual(e, want) {
		t.Errorf("%+v", e)
	}
	s.AccessSettings.OAuthSettings.ProgrammaticClients[0] = "changed"
	s.AccessSettings.AllowedDomainsSettings.Domains[0] = "changed"
	if !reflect.DeepEqual(e, want) {
		t.Error("a change of the document reached requests")
	}
	s = everything()
	s.ApplicationSettings.AttributePropagationSettings.Enable = nil
	if e := Merge([]Level{{"projects/1", s}}).Effective(); e.Attributes != (Attributes{}) {
		t.Errorf("attributes that nobody has switched on: %+v", e.Attributes)
	}
}
