package admin

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func TestOnlyTheOwnerAndRootMayAdminister(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		peer, own uint32
		want      bool
	}{{1000, 1000, true}, {0, 1000, true}, {0, 0, true}, {1001, 1000, false}, {1000, 0, false}} {
		if got := mayAdminister(test.peer, test.own); got != test.want {
			t.Errorf("uid %d at a server of uid %d: %v", test.peer, test.own, got)
		}
	}
}

func TestAConnectionThatIsNotTheSocketNamesNobody(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	t.Cleanup(func() {
		if err := errors.Join(client.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
	a := &Admin{}
	ctx := a.peerContext(t.Context(), server)
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/gatehouse/v1/project", nil).WithContext(ctx))
	if w.Code != http.StatusForbidden {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestTheRoutesAreThoseOfTheGoldenFile makes a new route a line that somebody reads. Each is asked by nobody, and
// must refuse: that is the guard which the file names.
func TestTheRoutesAreThoseOfTheGoldenFile(t *testing.T) {
	t.Parallel()
	a := &Admin{}
	var lines strings.Builder
	for _, r := range a.routes() {
		method, path, found := strings.Cut(r.pattern, " ")
		if !found {
			method, path = http.MethodGet, "/anything"
		}
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, httptest.NewRequest(method, strings.NewReplacer("{", "", "...}", "", "}", "").Replace(path), nil))
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: nobody was answered %d", r.pattern, w.Code)
		}
		fmt.Fprintf(&lines, "%-46s peer is the owner or root\n", r.pattern)
	}
	golden, err := os.ReadFile("testdata/routes.txt")
	if err != nil {
		t.Fatal(err)
	}
	if lines.String() != string(golden) {
		t.Errorf("the routes are not those of testdata/routes.txt, but:\n%s", lines.String())
	}
}
