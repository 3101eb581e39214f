package reverseproxy

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
)

func TestTrailersPassWhetherTheyWereAnnouncedOrNot(t *testing.T) {
	t.Parallel()
	const unannounced = http.TrailerPrefix
	for name, test := range map[string]struct {
		announced []string
		trailer   http.Header
		want      http.Header
	}{
		"one that was announced": {[]string{"X-Sum"}, http.Header{"X-Sum": {"1"}}, http.Header{"X-Sum": {"1"}}},
		"one that was announced and another": {
			[]string{"X-Sum"}, http.Header{"X-Sum": {"1"}, "X-More": {"2"}}, http.Header{"X-Sum": {"1"}, unannounced + "X-More": {"2"}},
		},
		"one beside an announced one that is ours": {
			[]string{"Set-Cookie"}, http.Header{"Set-Cookie": {"GCP_IAP_UID=mallory"}, "X-More": {"2"}}, http.Header{unannounced + "X-More": {"2"}},
		},
		"one that calls the request something else, which does not": {
			[]string{"X-Request-Id"}, http.Header{"X-Request-Id": {"theirs"}, "X-More": {"2"}}, http.Header{unannounced + "X-More": {"2"}},
		},
		"one that the header has, too, without what stood there": {
			[]string{"X-Told"}, http.Header{"X-Told": {"late"}}, http.Header{"X-Told": {"late"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			w.Header()["X-Told"] = []string{"early"}
			w.WriteHeader(http.StatusOK)
			copyTrailer(w, http.NewResponseController(w), test.trailer, test.announced)
			got := w.Header().Clone()
			if reflect.DeepEqual(got["X-Told"], []string{"early"}) {
				delete(got, "X-Told")
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("trailers are %v, want %v", got, test.want)
			}
		})
	}
}
