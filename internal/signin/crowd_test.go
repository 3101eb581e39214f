package signin_test

import (
	"fmt"
	"net/url"
	"sync"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// crowd is how many sign in at the same moment, and how often each: with the race detector once is what there is
// time for. That each signs in 50 times, at the gate's own program, is in test/providers.
const (
	crowd     = 200
	crowdEach = 1
)

// The provider takes the login_hint for the person, so that each browser is somebody else.
func TestHundredsOfPeopleSignInAtOnceAndSeeOnlyThemselves(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	partner := f.provider(t, "partner-client", "x", "x@partner.example")
	f.use(t, f.corpProvider(), f.describe("partner", partner, "partner.example"))
	f.corp.WhoAsks(func(query url.Values) oidctest.Person {
		email := query.Get("login_hint")
		return oidctest.Person{Subject: "subject of " + email, Claims: map[string]any{"email": email, "email_verified": true}}
	})
	var group sync.WaitGroup
	numbers := make([]map[string]bool, crowd)
	for i := range crowd {
		numbers[i] = map[string]bool{}
		group.Go(func() {
			email := fmt.Sprintf("person-%d@corp.example", i)
			for range crowdEach {
				b := newBrowser(t, f.world)
				asked := b.get(appURL + "/")
				b.post("/signin/address", map[string]string{"state": asked.field("state"), "email": email}).wantHello(t, email, appHost+"/")
				b.get(otherURL+"/").wantHello(t, email, otherHost+"/")
				for _, r := range f.family(t, b) {
					numbers[i][r.Identity.Subject] = true
				}
			}
		})
	}
	group.Wait()
	owner := map[string]int{}
	for i, of := range numbers {
		for number := range of {
			if other, taken := owner[number]; taken {
				t.Errorf("persons %d and %d have the same number", i, other)
			}
			owner[number] = i
		}
		if len(of) != 1 {
			t.Errorf("person %d has %d numbers", i, len(of))
		}
	}
}
