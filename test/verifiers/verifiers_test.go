package verifiers

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	authidtoken "cloud.google.com/go/auth/credentials/idtoken"
	apiidtoken "google.golang.org/api/idtoken"
	"google.golang.org/api/option"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// verifier checks an assertion for an audience with the keys below a URL, and returns its claims.
type verifier func(t *testing.T, token, audience, keys string) (map[string]any, error)

var verifiers = map[string]verifier{
	"google.golang.org/api/idtoken":                apiVerifier,
	"cloud.google.com/go/auth/credentials/idtoken": authVerifier,
	"google-auth-library for Node":                 script("node", filepath.Join("..", "node", "google-auth-library.mjs")),
	"jose for Node":                                script("node", filepath.Join("..", "node", "jose.mjs")),
	"python-jose as Debian has it":                 script("/usr/bin/python3", filepath.Join("..", "python", "python_jose.py")),
	"PyJWT as Debian has it":                       script("/usr/bin/python3", filepath.Join("..", "python", "pyjwt.py")),
}

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
			for name, verify := range verifiers {
				t.Run(name, func(t *testing.T) {
					claims, err := verify(t, token, gate.Audience, keys)
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
	for name, verify := range verifiers {
		t.Run(name, func(t *testing.T) {
			claims, err := verify(t, token, "/projects/1/global/backendServices/2", gate.Machine+"/iap/verify")
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
	for name, verify := range verifiers {
		t.Run(name, func(t *testing.T) {
			if claims, err := verify(t, forged, gate.Audience, gate.Machine+"/iap/verify"); err == nil {
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

// apiVerifier leads the library's one address for keys to ours, as a proxy would.
func apiVerifier(t *testing.T, token, audience, keys string) (map[string]any, error) {
	validator, err := apiidtoken.NewValidator(context.Background(), option.WithHTTPClient(&http.Client{Transport: redirected(keys)}))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := validator.Validate(context.Background(), token, audience)
	if err != nil {
		return nil, err
	}
	return payload.Claims, nil
}

func authVerifier(t *testing.T, token, audience, keys string) (map[string]any, error) {
	validator, err := authidtoken.NewValidator(&authidtoken.ValidatorOptions{
		Client: &http.Client{}, ES256CertsURL: keys + "/public_key-jwk",
	})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := validator.Validate(context.Background(), token, audience)
	if err != nil {
		return nil, err
	}
	return payload.Claims, nil
}

// redirected sends requests for Google's published keys to ours, and no others anywhere.
type redirected string

func (r redirected) RoundTrip(request *http.Request) (*http.Response, error) {
	const google = "https://www.gstatic.com/iap/verify"
	path, found := strings.CutPrefix(request.URL.String(), google)
	if !found {
		return nil, &url.Error{Op: "Get", URL: request.URL.String(), Err: http.ErrNotSupported}
	}
	ours, err := url.Parse(string(r) + path)
	if err != nil {
		return nil, err
	}
	clone := request.Clone(request.Context())
	clone.URL, clone.Host = ours, ours.Host
	return http.DefaultTransport.RoundTrip(clone)
}

// script runs a verifier in another language; a program that is not there fails the test.
func script(program, file string) verifier {
	return func(t *testing.T, token, audience, keys string) (map[string]any, error) {
		path, err := exec.LookPath(program)
		if err != nil {
			t.Fatalf("%s is not installed: run make setup (%v)", program, err)
		}
		cmd := exec.Command(path, file, token, audience, keys)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if refusal, found := strings.CutPrefix(strings.TrimSpace(stderr.String()), "refused: "); err != nil && found {
			return nil, errorText(refusal)
		}
		if err != nil {
			t.Fatalf("%s %s did not run (make setup installs what it needs): %v\n%s", program, file, err, &stderr)
		}
		var claims map[string]any
		if err := json.Unmarshal(out, &claims); err != nil {
			t.Fatalf("%s %s printed no claims: %v\n%s", program, file, err, out)
		}
		return claims, nil
	}
}

type errorText string

func (e errorText) Error() string { return string(e) }
