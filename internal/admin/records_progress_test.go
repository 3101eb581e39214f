package admin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
)

// slowly is a decision log whose search takes a while for each of its ten parts, and finds nothing.
type slowly struct {
	admin.DecisionReader
	part time.Duration
}

func (s slowly) Search(_ context.Context, search audit.Search) error {
	for done := range int64(10) {
		time.Sleep(s.part)
		search.Progress(done+1, 10)
	}
	return nil
}

func TestALongSearchTellsTwiceASecondHowFarItIs(t *testing.T) {
	for part, want := range map[time.Duration]string{
		300 * time.Millisecond: `{"progress":{"done":3,"total":10}} {"progress":{"done":5,"total":10}} {"progress":{"done":7,"total":10}} {"progress":{"done":9,"total":10}} `,
		time.Millisecond:       "",
	} {
		synctest.Test(t, func(t *testing.T) {
			for _, verb := range []string{"search", "count"} {
				a := &admin.Admin{Decisions: slowly{part: part}}
				r := httptest.NewRequest(http.MethodPost, "http://gatehouse/gatehouse/v1/records/-:"+verb, strings.NewReader(`{"by":"reason"}`))
				w := httptest.NewRecorder()
				a.Handler().ServeHTTP(w, r.WithContext(admin.WithActor(t.Context(), peer)))
				if told := strings.ReplaceAll(w.Body.String(), "\n", " "); !strings.HasPrefix(told, want) || strings.Count(told, "progress") != strings.Count(want, "progress") {
					t.Errorf("a %s of %v: %s", verb, 10*part, told)
				}
			}
		})
	}
}
