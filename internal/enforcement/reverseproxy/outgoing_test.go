package reverseproxy

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/listener"
)

func TestTheApplicationGetsOneFieldOfEachNameAndOfOursOnlyOurs(t *testing.T) {
	t.Parallel()
	client := listener.Client{Addr: netip.MustParseAddr("203.0.113.9")}
	forwarded := map[string]string{
		"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "app.test",
		"Forwarded": `for=203.0.113.9;host="app.test";proto=https`,
	}
	for name, test := range map[string]struct {
		in       http.Header
		identity Identity
		want     map[string]string // besides those
	}{
		"a client that says nothing is not named": {nil, Identity{}, map[string]string{"User-Agent": ""}},
		"what the client says passes":             {http.Header{"User-Agent": {"x"}, "Accept": {"y"}}, Identity{}, map[string]string{"User-Agent": "x", "Accept": "y"}},
		"what Connection names does not": {
			http.Header{"User-Agent": {"x"}, "Connection": {"close, user-agent", "X-a"}, "X-A": {"1"}}, Identity{}, map[string]string{"User-Agent": ""},
		},
		"nor what it names in any order": {
			http.Header{"User-Agent": {"x"}, "Connection": {"x-b, close, X-C", "x-a,x-b"}, "X-A": {"1"}, "X-B": {"1"}, "X-C": {"1"}}, Identity{}, map[string]string{"User-Agent": "x"},
		},
		"Connection takes out nothing of ours": {
			http.Header{"User-Agent": {"x"}, "Connection": {"X-Goog-Iap-Jwt-Assertion, x-forwarded-for"}},
			Identity{Prepared: &issuer.Prepared{Assertion: []string{"signed"}}}, map[string]string{"User-Agent": "x", "X-Goog-Iap-Jwt-Assertion": "signed"},
		},
		"an identity is ours alone": {
			http.Header{"User-Agent": {"x"}, "X-Goog-Iap-Jwt-Assertion": {"forged"}, "X_goog_authenticated_user_email": {"forged"}, "X-Forwarded-For": {"forged"}},
			Identity{Prepared: &issuer.Prepared{Assertion: []string{"signed"}, Email: []string{"e"}, UserID: []string{"u"}}},
			map[string]string{"User-Agent": "x", "X-Goog-Iap-Jwt-Assertion": "signed", "X-Goog-Authenticated-User-Email": "e", "X-Goog-Authenticated-User-Id": "u"},
		},
		"an attribute takes the place of what the client says": {
			http.Header{"User-Agent": {"x"}, "Traceparent": {"theirs"}},
			Identity{Exact: []string{"User-Agent"}, Headers: []enforcement.Header{{Name: "User-Agent", Values: []string{"told"}}, {Name: "Traceparent", Values: []string{"ours"}}}},
			map[string]string{"User-Agent": "told", "Traceparent": "ours"},
		},
		"of two of ours the last one counts": {
			http.Header{"User-Agent": {"x"}},
			Identity{Headers: []enforcement.Header{{Name: "Tracestate", Values: []string{"first"}}, {Name: "Tracestate", Values: []string{"last"}}}},
			map[string]string{"User-Agent": "x", "Tracestate": "last"},
		},
		"credentials that were used up do not pass": {
			http.Header{"User-Agent": {"x"}, "Authorization": {"Bearer x"}, "Cookie": {"GCP_IAP_UID=1"}}, Identity{StripAuthorization: true}, map[string]string{"User-Agent": "x"},
		},
		"others do": {
			http.Header{"User-Agent": {"x"}, "Authorization": {"Basic x"}, "Cookie": {"a=1; GCP_IAP_UID=2"}}, Identity{}, map[string]string{"User-Agent": "x", "Authorization": "Basic x", "Cookie": "a=1"},
		},
		"a WebSocket is asked for": {
			http.Header{"User-Agent": {"x"}, "Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"}, "Te": {"trailers, deflate"}}, Identity{},
			map[string]string{"User-Agent": "x", "Connection": "Upgrade", "Upgrade": "websocket", "Te": "trailers"},
		},
		"no other protocol is": {
			http.Header{"User-Agent": {"x"}, "Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {"h2c"}, "Http2-Settings": {"x"}}, Identity{}, map[string]string{"User-Agent": "x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "https://app.test/", nil)
			if r.Header = test.in; r.Header == nil {
				r.Header = http.Header{}
			}
			before := r.Header.Clone()
			test.identity.Client = client
			var o outgoing
			o.of(r, &test.identity, "https")
			got := map[string]string{}
			for name, values := range o.Fields {
				if _, again := got[name]; again || len(values) != 1 {
					t.Errorf("%s comes again, or not once: %q", name, values)
				}
				got[name] = values[0]
			}
			want := maps.Clone(forwarded)
			maps.Copy(want, test.want)
			if !maps.Equal(got, want) {
				t.Errorf("the application gets %q, want %q", got, want)
			}
			if !maps.EqualFunc(before, r.Header, slices.Equal) {
				t.Error("the client's own header was changed")
			}
			for most := range len(got) { // whoever wants no more gets no more
				count := 0
				o.Fields(func(string, []string) bool { count++; return count <= most })
				if count != most+1 {
					t.Errorf("who wants %d fields is given %d", most, count)
				}
			}
		})
	}
}

// One header that names as much as it can beside as many fields as it can hold must not keep a processor busy.
func TestWhatConnectionNamesIsNotLookedThroughForEachField(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header = http.Header{"Connection": {strings.Repeat("zaaaa,", 60_000)}}
	for i := range 30_000 {
		r.Header[fmt.Sprintf("X%04d", i)] = nil
	}
	began := time.Now()
	var o outgoing
	o.of(r, &Identity{}, "http")
	passed := 0
	for range o.Fields {
		passed++
	}
	if took := time.Since(began); passed != 30_001 || took > time.Second { // it takes a thirtieth of that
		t.Errorf("it took %v to pass %d fields", took, passed)
	}
}
