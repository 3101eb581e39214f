package providers

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-iap/gatehouse/assertion"
	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const attributesSelected = `
apiVersion: gatehouse.dev/v1
kind: IapSettings
metadata: {name: app}
spec:
  resource: projects/gatehouse/iap_web/compute/services/app
  applicationSettings:
    csmSettings: {rctokenAud: mesh.partner.example}
    attributePropagationSettings:
      enable: true
      expression: >-
        attributes.saml_attributes.filter(a, a.name in ["sites"])
        .append(attributes.saml_attributes.selectByName("department").emitAs("team").strict())
        .append(attributes.iap_attributes.selectByName("user_email"))
      outputCredentials: [HEADER, JWT, RCTOKEN]
`

// told is what the application of the story has been told, as it answers it.
type told struct {
	Sites, Team, Email                []string // of headers
	Assertion, Mesh                   map[string][]string
	AssertionFor, MeshAudience, Error string
}

// teller is an application that verifies what it is sent with the public module, and answers what it read. It has to
// be told whom to trust, for itself and for the mesh, before it is asked.
type teller struct {
	forItself, forMesh atomic.Pointer[assertion.Verifier]
}

func (a *teller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	said := told{Sites: r.Header["X-Goog-Iap-Attr-Sites"], Team: r.Header["Team"], Email: r.Header["X-Goog-Iap-Attr-User_email"]}
	claims, err := a.forItself.Load().Verify(r.Context(), r.Header.Get("X-Goog-IAP-JWT-Assertion"))
	if err == nil {
		said.Assertion, said.AssertionFor = claims.AdditionalClaims, claims.Email
		token, _ := strings.CutPrefix(r.Header.Get("Ingress-Authorization"), "Istio ")
		claims, err = a.forMesh.Load().Verify(r.Context(), token)
	}
	if err == nil {
		said.Mesh, said.MeshAudience = claims.AdditionalClaims, claims.Audience
	} else {
		said.Error = err.Error()
	}
	_ = json.NewEncoder(w).Encode(said)
}

func (a *teller) trust(t *testing.T, site *harness.Site) {
	t.Helper()
	keys, err := assertion.NewRemoteKeySet(assertion.RemoteConfig{URL: site.Auth + "/iap/verify/public_key-jwk", Client: harness.Client(nil), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	// Meshes have audiences of their own; the module is for applications and checks theirs only.
	for verifier, config := range map[*atomic.Pointer[assertion.Verifier]]assertion.Config{
		&a.forItself: {Audiences: []string{site.Audience(t, "app")}, Keys: keys},
		&a.forMesh:   {InsecureSkipAudienceCheck: true, Keys: keys},
	} {
		made, err := assertion.NewVerifier(config)
		if err != nil {
			t.Fatal(err)
		}
		verifier.Store(made)
	}
}

func TestAnApplicationIsToldWhatTheProviderSaysOfAPerson(t *testing.T) {
	t.Parallel()
	site := harness.NewSite(t)
	var app teller
	upstream := httptest.NewServer(&app)
	t.Cleanup(upstream.Close)
	site.Init(t, "--host="+appHost, "--upstream="+upstream.URL)
	addPartner(t, site)
	site.Write(t, "apps.yaml", strings.NewReplacer(
		"domains: [partner.example]", "domains: [partner.example]\n  attributes: [department, sites]",
		"clientId: gatehouse-at-partner", "clientId: gatehouse-at-partner\n    scopes: [profile]",
	).Replace(site.Read(t, "apps.yaml"))+"---"+attributesSelected)
	site.Serve(t)
	app.trust(t, site)

	visitor := harness.NewVisitor(t)
	visitor.Send(visitor.Open(site.URL(appHost)+"/"), "login", erin, "password", harness.NodePassword)
	request, err := http.NewRequest(http.MethodGet, site.URL(appHost)+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, forged := range map[string]string{"X-Goog-Iap-Attr-Sites": "Paris", "Team": "Board", "X-Goog-Iap-Attr-Department": "Board", "Ingress-Authorization": "Istio forged"} {
		request.Header.Set(name, forged)
	}
	answer := harness.Do(t, visitor.Client(), request)
	var got told
	if err := json.Unmarshal([]byte(answer.Text), &got); err != nil {
		t.Fatalf("status %d: %v\n%s", answer.StatusCode, err, answer.Text)
	}
	claims := map[string][]string{"sites": {"Berlin", "Lisbon"}, "team": {"Research, Development"}, "user_email": {erin}}
	want := told{
		Sites: []string{"Berlin,Lisbon"}, Team: []string{"Research%2C%20Development"}, Email: []string{"erin%40partner.example"},
		Assertion: claims, Mesh: claims, AssertionFor: erin, MeshAudience: "mesh.partner.example",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the application was told\n%+v, not\n%+v", got, want)
	}
}
