package verifiers

import (
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

func TestVerifiersAcceptOurAssertions(t *testing.T) {
	t.Parallel()
	for kind, args := range map[string][]string{
		"a backend service":   nil,
		"an App Engine app":   {"--app-engine"},
		"a Cloud Run service": {"--cloud-run=europe-west1/hello"},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			gate := harness.Start(t, append(args, "--upstream", harness.Echo(t).URL)...)
			token := assertion(t, gate)
			keys := gate.Machine + "/iap/verify"
			for name, verify := range verifiers() {
				t.Run(name, func(t *testing.T) {
					claims, err := verify.one(t, token, gate.Audience, keys)
					if err != nil {
						t.Fatalf("refused: %v", err)
					}
					checkClaims(t, claims, gate.Audience)
				})
			}
		})
	}
}

func TestVerifiersRefuseOurAssertionsElsewhere(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t, "--upstream", harness.Echo(t).URL)
	token := assertion(t, gate)
	for name, verify := range verifiers() {
		t.Run(name, func(t *testing.T) {
			claims, err := verify.one(t, token, "/projects/1/global/backendServices/2", gate.Machine+"/iap/verify")
			if err == nil {
				t.Fatalf("accepted for another audience: %v", claims)
			}
			if !strings.Contains(strings.ToLower(err.Error()), "aud") {
				t.Errorf("refused, but not for its audience: %v", err)
			}
		})
	}
}

func TestVerifiersRefuseAnAlteredAssertion(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t, "--upstream", harness.Echo(t).URL)
	header, rest, _ := strings.Cut(assertion(t, gate), ".")
	_, signature, _ := strings.Cut(rest, ".")
	_, payload, _ := strings.Cut(assertionOf(t, gate, harness.Admin), ".")
	payload, _, _ = strings.Cut(payload, ".")
	forged := header + "." + payload + "." + signature
	for name, verify := range verifiers() {
		t.Run(name, func(t *testing.T) {
			if claims, err := verify.one(t, forged, gate.Audience, gate.Machine+"/iap/verify"); err == nil {
				t.Fatalf("accepted one person's signature under another's claims: %v", claims)
			}
		})
	}
}

// assertion returns what the application behind the gate is sent for Alice.
func assertion(t *testing.T, gate *harness.Gate) string {
	t.Helper()
	return assertionOf(t, gate, harness.Alice)
}

func assertionOf(t *testing.T, gate *harness.Gate, account string) string {
	t.Helper()
	if account != harness.Alice {
		gate.CLI(t, "iap", "web", "add-iam-policy-binding", "--resource-type=backend-services", "--service=app",
			"--member=user:"+account, "--role=roles/iap.httpsResourceAccessor")
	}
	answer := harness.Get(t, harness.Client(nil), gate.App+"/", "Authorization", "Bearer "+gate.IdentityToken(t, account))
	token := answer.Seen(t).Header.Get(harness.AssertionHeader)
	if token == "" {
		t.Fatalf("the application was sent no %s", harness.AssertionHeader)
	}
	return token
}

func checkClaims(t *testing.T, claims map[string]any, audience string) {
	t.Helper()
	for name, want := range map[string]string{
		"iss": "https://cloud.google.com/iap", "aud": audience, "azp": audience,
		"email": harness.Alice, "hd": "example.com", "identity_source": "GOOGLE",
	} {
		if claims[name] != want {
			t.Errorf("%s is %v, not %q", name, claims[name], want)
		}
	}
	if sub, _ := claims["sub"].(string); !strings.HasPrefix(sub, "accounts.google.com:") {
		t.Errorf("sub is %v", claims["sub"])
	}
	issued, _ := claims["iat"].(float64)
	expires, _ := claims["exp"].(float64)
	if expires-issued != 600 {
		t.Errorf("it lives %v seconds, not 600", expires-issued)
	}
}
