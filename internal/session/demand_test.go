package session

import (
	"testing"
	"time"
)

func TestADemandIsMetByWhatIsProved(t *testing.T) {
	t.Parallel()
	now := time.Unix(1700000000, 0)
	ago := func(age time.Duration, acr string, amr ...string) Proof {
		return Proof{AuthTime: now.Add(-age), AMR: amr, ACR: acr}
	}
	login := Demand{MaxAge: time.Hour}
	second := Demand{MaxAge: time.Hour, Factor: SecondFactor}
	key := Demand{MaxAge: time.Hour, Factor: SecurityKey}
	for _, c := range []struct {
		name   string
		demand Demand
		proof  Proof
		want   bool
	}{
		{"nothing is demanded, and nothing known", Demand{}, Proof{}, true},
		{"a sign-in a moment ago", login, ago(0, ""), true},
		{"a sign-in just within the time", login, ago(time.Hour-time.Second, ""), true},
		{"a sign-in at the end of the time", login, ago(time.Hour, ""), false},
		{"a provider that does not say when", login, Proof{AMR: []string{"mfa", "hwk"}}, false},
		{"a password alone is no second factor", second, ago(0, "", "pwd"), false},
		{"a provider that does not say how", second, ago(0, ""), false},
		{"a second factor that is named", second, ago(0, "", "pwd", "otp"), true},
		{"several factors, said so", second, ago(0, "", "mfa"), true},
		{"a security key is a second factor", second, ago(0, "", "hwk"), true},
		{"an old second factor", second, ago(2*time.Hour, "", "mfa"), false},
		{"a code from a device is no security key", key, ago(0, "", "pwd", "otp", "mfa"), false},
		{"a security key", key, ago(0, "", "pwd", "hwk"), true},
		{"a smart card", key, ago(0, "", "sc"), true},
		{"what cannot be phished", key, ago(0, "phr"), true},
		{"what cannot be phished, in hardware", key, ago(0, "phrh"), true},
		{"another context of the provider's own", key, ago(0, "gold"), false},
		{"a demand that nobody knows is never met", Demand{MaxAge: time.Hour, Factor: "blood"}, ago(0, "phrh", "hwk", "mfa"), false},
	} {
		if got := c.demand.MetBy(c.proof, now); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
