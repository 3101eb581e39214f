package reverseproxy

import (
	"maps"
	"net/http"
	"slices"
	"testing"
)

func TestATrailerSaysNothingThatHasBeenActedOn(t *testing.T) {
	t.Parallel()
	announced := http.Header{}
	for _, name := range []string{
		"X-Sum", "X-Goog-Iap-Jwt-Assertion", "X_goog_iap_jwt_assertion", "User_role", "Cookie", "Authorization", "X-Forwarded-For",
		"Host", "Connection", "Te", "Upgrade", "Expect", "Content-Type", "Content-Encoding",
	} {
		announced[name] = nil
	}
	got := slices.Collect(maps.Keys(outgoingTrailer(announced, []string{"user-role"})))
	if !slices.Equal(got, []string{"X-Sum"}) {
		t.Errorf("the application is sent %q", got)
	}
}
