package upstreams

import (
	"slices"
	"strings"
	"testing"
)

// story is one that is told about every kind of application but those that cannot play their part.
type story struct {
	name string
	tell func(*testing.T, *place)
	// cannot says of a kind what keeps it from the story.
	cannot map[string]string
}

var stories = []story{
	// It counts on the gate's own connection to the application: it comes first, when that is the only one.
	{"an idle connection that is closed as a POST leaves costs an error, and no body is sent twice", closedAsAPostLeaves,
		map[string]string{
			"nginx": "closes an idle connection after a time, never when something comes",
			overH2C: oneForMany, overTLS: oneForMany,
		}},
	{"the application learns who asks, and can prove it", identity, nil},
	{"what clients write into identity headers does not arrive", forgedHeaders, nil},
	{"path and query arrive byte by byte", targets, nil},
	{"HEAD has the length and no body", head, nil},
	{"a part of a file is sent as a part", ranges, nil},
	{"who has the file already is told so", notModified, nil},
	{"what is PUT is fetched again", put, nil},
	{"eight mebibytes go up whole, with a length and in chunks", goesUp, nil},
	{"eight mebibytes come down whole, with a length and in chunks", comesDown, nil},
	{"a client that waits for 100 is told to go on", expectContinue, nil},
	{"a client that waits for 100 is told that its body is not wanted", expectRefused, map[string]string{"nginx": "asks for a body before it refuses it"}},
	{"trailers come after the body", trailing, nil},
	{"early hints come before the answer", earlyHints, map[string]string{"nginx": "1.22 knows no 103, its own or another's"}},
	{"a packed page stays packed", packedPage, nil},
	{"several cookies stay several", severalCookies, nil},
	{"a redirect is the application's own, letter by letter", redirected, nil},
	{"error pages are the application's own", errorPages, nil},
	{"events arrive one by one", eventsOneByOne, nil},
	{"a WebSocket carries frames as they are, and the client's close", socketFrames, map[string]string{overH2C: noSockets}},
	{"a WebSocket carries the application's close", socketCloses, map[string]string{overH2C: noSockets}},
	{"an application that hangs up at a POST gets it once", hangsUp, nil},
	{"an application that dies within an answer cuts it off", diesMidway, nil},
	{"a client of HTTP/1.0 is answered in its way", oldClient, nil},
	{"fifty requests go over one connection, on both sides", keptAlive, nil},
	{"who signs out is asked to sign in again", signOut, nil},
	{"who is taken out of the policy is refused, and an open stream ends within a second", revoked, nil},
}

const (
	oneForMany = "a connection of HTTP/2 is not one request's to close"
	noSockets  = "the gate refuses a WebSocket over h2c, and says so"
)

// most is how many stories a kind may be excused from.
const most = 3

func TestEveryKindOfApplicationTakesPartInNearlyEveryStory(t *testing.T) {
	t.Parallel()
	excused := map[string]int{}
	for _, s := range stories {
		for kind, reason := range s.cannot {
			if !slices.Contains(kinds, kind) || len(strings.Fields(reason)) < 4 {
				t.Errorf("%s: %s is excused with %q", s.name, kind, reason)
			}
			excused[kind]++
		}
	}
	for kind, n := range excused {
		if n > most {
			t.Errorf("%s is excused from %d stories of %d, more than %d", kind, n, len(stories), most)
		}
	}
}

func TestApplicationsInFourLanguages(t *testing.T) {
	t.Parallel()
	for _, p := range start(t) {
		t.Run(p.kind, func(t *testing.T) {
			t.Parallel()
			for _, s := range stories {
				if _, excused := s.cannot[p.kind]; !excused {
					t.Run(s.name, func(t *testing.T) { s.tell(t, p) })
				}
			}
		})
	}
}
