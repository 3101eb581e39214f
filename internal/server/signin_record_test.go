package server_test

import (
	"net/http"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

func TestARefusedStepOfSignInIsExplained(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	response, body := g.get(private.Hosts[0], "/x?gcp-iap-mode=AUTHENTICATING&gatehouse_restart=a&gatehouse_restart=b", "Accept: text/html")
	if response.StatusCode != http.StatusBadRequest {
		t.Fatalf("%s: %s", response.Status, body)
	}
	e, err := g.server.Admin().Explain(t.Context(), decisionID(body))
	if err != nil {
		t.Fatal(err)
	}
	if e.Reason != policy.SignInRefused || e.Status != http.StatusBadRequest || e.Passed || e.Path != "/x" || e.Service != private.Name || e.Position == 0 {
		t.Errorf("%+v", e)
	}
}
