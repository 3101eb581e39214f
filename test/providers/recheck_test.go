package providers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/policy/iam"
	"github.com/gatehouse-iap/gatehouse/internal/resource"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/test/harness"
	"github.com/gatehouse-iap/gatehouse/test/inprocess"
)

// checkedAgain is how long the gate takes to notice that a session is due, and to ask: it looks every 15 seconds.
const checkedAgain = 40 * time.Second

// federated is a gate whose clock can be moved, in front of an application that shows what it was sent, with npm's
// oidc-provider.
func federated(t *testing.T) (*inprocess.Gate, *harness.Provider) {
	t.Helper()
	gate := inprocess.Start(t, inprocess.App{Name: "wiki", Host: appHost, Upstream: harness.Echo(t).URL})
	registration := harness.Register(gate.Auth, partnerID)
	partner := harness.StartNodeProvider(t, registration)
	trust(t, gate, registration, partner, "partner.example")
	return gate, partner
}

// trust has the gate take a provider's word for a domain, and lets everybody in who is known.
func trust(t *testing.T, gate *inprocess.Gate, registration harness.Registration, p *harness.Provider, domain string, scopes ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(registration.ClientSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	a, actor := gate.Admin(), admin.System("test")
	if err := a.PutProvider(t.Context(), actor, identityprovider.Provider{
		Name: "partner", Kind: identityprovider.OIDC, Domains: []string{domain},
		OIDC: &identityprovider.OIDCConfig{
			Issuer: p.Issuer, ClientID: registration.ClientID, ClientSecret: &identityprovider.Secret{File: file}, Scopes: scopes,
		},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.SetIamPolicy(t.Context(), actor, resource.Web(inprocess.ProjectNumber), iam.Policy{Bindings: []iam.Binding{
		{Role: iam.RoleHTTPSResourceAccessor, Members: []string{"allAuthenticatedUsers"}},
	}}); err != nil {
		t.Fatal(err)
	}
}

func enter(t *testing.T, gate *inprocess.Gate, email string) *harness.Visitor {
	t.Helper()
	visitor := harness.NewVisitor(t)
	form := visitor.Open(gate.URL(appHost) + "/")
	if in := visitor.Send(form, "login", email, "password", harness.NodePassword); !isIn(in, email) {
		t.Fatalf("%s is not signed in: at %s, status %d\n%s", email, in.Request.URL, in.StatusCode, in.Text)
	}
	return visitor
}

func isIn(answer harness.Answer, email string) bool {
	return strings.Contains(answer.Text, "accounts.google.com:"+email)
}

// eventually looks at a visitor's page until they are in or out as wanted.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	tooLate := time.After(checkedAgain)
	for !condition() {
		select {
		case <-look.C:
		case <-tooLate:
			t.Fatalf("%s: not within %v", what, checkedAgain)
		}
	}
}

// askedUntil moves the clock on until the provider has been asked a number of times. How often that takes depends on
// whether the gate had noted one answer when the clock moved to the next.
func askedUntil(t *testing.T, gate *inprocess.Gate, partner *harness.Provider, in *harness.Visitor, times int) {
	t.Helper()
	const most = 5
	for range most {
		before := partner.Count(t, "refresh_token")
		if before >= times {
			return
		}
		in.Open(gate.URL(appHost) + "/") // used, and not idle
		gate.Advance(t, 11*time.Minute)
		began := time.Now()
		eventually(t, "the provider is asked", func() bool {
			return partner.Count(t, "refresh_token") > before || time.Since(began) > checkedAgain/2
		})
	}
	t.Fatalf("the provider was asked %d times, not %d", partner.Count(t, "refresh_token"), times)
}

func TestWhoeverIsDisabledAtTheProviderIsOutAtTheRecheck(t *testing.T) {
	t.Parallel()
	for _, rotate := range []string{"true", "false"} {
		t.Run("rotation of refresh tokens "+rotate, func(t *testing.T) {
			t.Parallel()
			gate, partner := federated(t)
			partner.Switch(t, "rotate", "value", rotate)
			gone, stays := enter(t, gate, erin), enter(t, gate, "frank@partner.example")
			partner.Switch(t, "disable", "value", erin)
			if !isIn(gone.Open(gate.URL(appHost)+"/"), erin) {
				t.Error("Erin was out before the provider was asked")
			}

			// Frank's second asking is with the refresh token that the first one left.
			askedUntil(t, gate, partner, stays, 3)
			eventually(t, "Erin is out", func() bool { return !isIn(gone.Open(gate.URL(appHost)+"/"), erin) })
			if !isIn(stays.Open(gate.URL(appHost)+"/"), "frank@partner.example") {
				t.Error("Frank is out as well")
			}
		})
	}
}

func TestARefusedRefreshTokenEndsTheSession(t *testing.T) {
	t.Parallel()
	gate, partner := federated(t)
	visitor := enter(t, gate, erin)
	partner.Switch(t, "refuse", "value", "true")
	gate.Advance(t, 11*time.Minute)
	eventually(t, "Erin's session has ended", func() bool {
		sessions, err := gate.Admin().Sessions(t.Context(), session.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		return len(sessions) == 0
	})
	// Her session at the provider is as it was, and she is let in again without a question: the gate has a new session.
	if out := visitor.Open(gate.URL(appHost) + "/"); !isIn(out, erin) {
		t.Errorf("status %d at %s", out.StatusCode, out.Request.URL)
	}
}

func TestASilentProviderIsAskedByWayOfTheBrowser(t *testing.T) {
	t.Parallel()
	gate, partner := federated(t)
	partner.Switch(t, "refresh", "value", "false")
	visitor := enter(t, gate, erin)
	gate.Advance(t, 11*time.Minute)
	if !isIn(visitor.Open(gate.URL(appHost)+"/"), erin) { // by way of the provider, without a question
		t.Error("Erin, who is signed in at the provider, was asked")
	}
	partner.Switch(t, "disable", "value", erin)
	gate.Advance(t, 11*time.Minute)
	if answer := visitor.Open(gate.URL(appHost) + "/"); isIn(answer, erin) {
		t.Errorf("Erin is still in:\n%s", answer.Text)
	}
}

func TestAProviderThatIsDownEndsSessionsAfterAnHourOnly(t *testing.T) {
	t.Parallel()
	gate, partner := federated(t)
	visitor := enter(t, gate, erin)
	partner.Kill(t)
	gate.Advance(t, 30*time.Minute)
	if !isIn(visitor.Open(gate.URL(appHost)+"/"), erin) {
		t.Error("Erin was out although the provider had been silent for half an hour only")
	}
	gate.Advance(t, 41*time.Minute)
	if answer := harness.Get(t, visitor.Client(), gate.URL(appHost)+"/", "Accept", "text/html"); answer.StatusCode == 200 {
		t.Error("Erin is in, and her provider has not confirmed her for over an hour")
	}
}

// Dex answers for somebody whom it has deleted with status 500, and for a refresh token that it has deleted with 400; both
// with the error code invalid_request.
func TestWhoeverDexDropsIsOutAtTheRecheck(t *testing.T) {
	t.Parallel()
	for _, drop := range []string{"delete", "revoke"} {
		t.Run(drop, func(t *testing.T) {
			t.Parallel()
			gate := inprocess.Start(t, inprocess.App{Name: "wiki", Host: appHost, Upstream: harness.Echo(t).URL})
			registration := harness.Register(gate.Auth, clientID)
			dex := harness.StartDex(t, registration, map[string]string{carol: secret, dave: secret})
			trust(t, gate, registration, dex, "corp.example", "offline_access")
			visitors := map[string]*harness.Visitor{}
			for _, email := range []string{carol, dave} {
				visitors[email] = harness.NewVisitor(t)
				form := visitors[email].Open(gate.URL(appHost) + "/")
				if in := visitors[email].Send(form, "login", email, "password", secret); !isIn(in, email) {
					t.Fatalf("%s is not signed in: at %s, status %d\n%s", email, in.Request.URL, in.StatusCode, in.Text)
				}
			}
			dex.Switch(t, drop, "email", carol)
			for email, visitor := range visitors {
				if !isIn(visitor.Open(gate.URL(appHost)+"/"), email) {
					t.Errorf("%s was out before Dex was asked", email)
				}
			}
			gate.Advance(t, 11*time.Minute)
			eventually(t, "Carol is out", func() bool { return !isIn(visitors[carol].Open(gate.URL(appHost)+"/"), carol) })
			if !isIn(visitors[dave].Open(gate.URL(appHost)+"/"), dave) {
				t.Error("Dave, whom Dex has confirmed, is out")
			}
		})
	}
}
