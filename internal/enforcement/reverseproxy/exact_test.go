package reverseproxy_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/enforcement/reverseproxy"
	"github.com/gatehouse-iap/gatehouse/internal/upstream"
)

func TestHeadersOfAttributesComeFromTheGateAlone(t *testing.T) {
	t.Parallel()
	var got http.Header
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer app.Close()
	target, err := url.Parse(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	config := upstream.Config{URL: app.URL}.Canonical()
	up := new(upstream.Pools).Keep(map[upstream.Config]struct{}{config: {}})[config]
	r := httptest.NewRequest("GET", "/", nil)
	for _, name := range []string{
		"User-Role", "user_role", "User_Role", "X-Goog-Iap-Attr-Department", "x_goog_iap_attr_department",
		"Ingress-Authorization", "ingress_authorization", "X-Serverless-Authorization", "x_serverless_authorization", "User-Roles",
	} {
		r.Header[name] = []string{"forged"}
	}
	f := reverseproxy.Forwarder{Scheme: "http", Log: slog.New(slog.DiscardHandler), Failure: reverseproxy.FailureFunc(func(http.ResponseWriter, *http.Request, int) {})}
	f.Forward(httptest.NewRecorder(), r, up, target, reverseproxy.Identity{
		Exact: []string{"user-role"}, Headers: []enforcement.Header{{Name: "X-Goog-Iap-Attr-Site", Values: []string{"Berlin"}}},
	})
	for name, values := range got {
		if values[0] == "forged" && name != "User-Roles" {
			t.Errorf("the application got %s from the client", name)
		}
	}
	if got.Get("User-Roles") != "forged" {
		t.Error("a header of another name was removed")
	}
	if got.Get("X-Goog-Iap-Attr-Site") != "Berlin" {
		t.Error("the attribute did not reach the application")
	}
}
