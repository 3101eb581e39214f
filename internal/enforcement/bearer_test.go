package enforcement_test

import (
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
)

func TestATokenForUsIsConsumedHoweverItIsSetApartFromItsScheme(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"Bearer ours", "bearer  ours", "Bearer\tours", "BEARER \t ours\t"} {
		r := ask(t, func(p *enforcement.Point) { p.Bearers = aliceToken{} }, func(r *enforcement.Request) {
			r.Header.Set("Authorization", value)
		})
		if r.verdict.Outcome != enforcement.Forward || !r.verdict.StripAuthorization || r.verdict.Identity.Email != "alice@example.com" {
			t.Errorf("%q: %+v", value, r.verdict)
		}
	}
}
