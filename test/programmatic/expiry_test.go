package programmatic

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
	"github.com/gatehouse-iap/gatehouse/test/inprocess"
)

func TestATokenEndsAfterAnHour(t *testing.T) {
	t.Parallel()
	gate := inprocess.Start(t, inprocess.App{Name: "wiki", Host: "wiki.localhost", Upstream: harness.Echo(t).URL})
	token, err := gate.MintIDToken(t.Context(), harness.Alice, inprocess.ClientID("wiki"))
	if err != nil {
		t.Fatal(err)
	}
	get := func() harness.Answer {
		return harness.Get(t, harness.Client(nil), gate.URL("wiki.localhost")+"/", "Authorization", "Bearer "+token)
	}
	get().Seen(t)
	gate.Advance(t, 59*time.Minute)
	get().Seen(t)
	gate.Advance(t, 2*time.Minute)
	answer := get()
	if answer.StatusCode != http.StatusUnauthorized || !strings.Contains(answer.Text, "JWT has expired") {
		t.Errorf("an expired token gets %d %q, not 401 in IAP's words", answer.StatusCode, answer.Text)
	}
}
