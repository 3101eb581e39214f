package admin

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
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
