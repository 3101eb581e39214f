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

	iap "github.com/gatehouse-iap/gatehouse/assertion"
)

// verifier checks assertions for an audience with the keys below a URL.
type verifier func(t *testing.T, tokens []string, audience, keys string) []outcome

// outcome is what a verifier makes of one assertion: its claims, or why it refuses it.
type outcome struct {
	Claims  map[string]any
	Refused string
}

// one checks a single assertion.
func (v verifier) one(t *testing.T, token, audience, keys string) (map[string]any, error) {
	t.Helper()
	result := v(t, []string{token}, audience, keys)[0]
	if result.Refused != "" {
		return nil, errorText(result.Refused)
	}
	return result.Claims, nil
}

type errorText string

func (e errorText) Error() string { return string(e) }

const issuer = "https://cloud.google.com/iap"

// verifiers are those that applications use, each called as its documentation says for IAP.
func verifiers() map[string]verifier {
	return map[string]verifier{
		"Go: our `assertion`":                                ours,
		"Go: `google.golang.org/api/idtoken`":                apiVerifier,
		"Go: `cloud.google.com/go/auth/credentials/idtoken`": authVerifier,
		"Node: `google-auth-library`":                        script("node", "node/google-auth-library.mjs"),
		"Node: `jose`, with issuer":                          script("node", "node/jose.mjs"),
		"Python: `python-jose`, as in IAP's Hello tutorial":  script("/usr/bin/python3", "python/python_jose.py"),
		"Python: `python-jose`, with issuer":                 script("/usr/bin/python3", "python/python_jose.py", issuer),
		"Python: `PyJWT`, with issuer":                       script("/usr/bin/python3", "python/pyjwt.py"),
		"Ruby: `googleauth`":                                 script("ruby", "ruby/googleauth.rb"),
		"Ruby: `jwt`, with issuer":                           script("ruby", "ruby/jwt.rb"),
	}
}

// goVerifier makes a verifier of a function that checks one assertion.
func goVerifier(tokens []string, verify func(token string) (map[string]any, error)) []outcome {
	var all []outcome
	for _, token := range tokens {
		claims, err := verify(token)
		result := outcome{Claims: claims}
		if err != nil {
			result.Refused = err.Error()
		}
		all = append(all, result)
	}
	return all
}

func ours(t *testing.T, tokens []string, audience, keys string) []outcome {
	set, err := iap.NewRemoteKeySet(iap.RemoteConfig{URL: keys + "/public_key-jwk"})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := iap.NewVerifier(iap.Config{Audiences: []string{audience}, Keys: set})
	if err != nil {
		t.Fatal(err)
	}
	return goVerifier(tokens, func(token string) (map[string]any, error) {
		claims, err := verifier.Verify(context.Background(), token)
		if err != nil {
			return nil, err
		}
		all := map[string]any{}
		return all, claims.Decode(&all)
	})
}

// apiVerifier leads the library's one address for keys to ours, as a proxy would.
func apiVerifier(t *testing.T, tokens []string, audience, keys string) []outcome {
	validator, err := apiidtoken.NewValidator(context.Background(), option.WithHTTPClient(&http.Client{Transport: redirected(keys)}))
	if err != nil {
		t.Fatal(err)
	}
	return goVerifier(tokens, func(token string) (map[string]any, error) {
		payload, err := validator.Validate(context.Background(), token, audience)
		if err != nil {
			return nil, err
		}
		return payload.Claims, nil
	})
}

func authVerifier(t *testing.T, tokens []string, audience, keys string) []outcome {
	validator, err := authidtoken.NewValidator(&authidtoken.ValidatorOptions{
		Client: &http.Client{}, ES256CertsURL: keys + "/public_key-jwk",
	})
	if err != nil {
		t.Fatal(err)
	}
	return goVerifier(tokens, func(token string) (map[string]any, error) {
		payload, err := validator.Validate(context.Background(), token, audience)
		if err != nil {
			return nil, err
		}
		return payload.Claims, nil
	})
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

// script runs a verifier in another language, in a file below test/; a program that is not there fails the test.
func script(program, file string, more ...string) verifier {
	return func(t *testing.T, tokens []string, audience, keys string) []outcome {
		t.Helper()
		path, err := exec.LookPath(program)
		if err != nil {
			t.Fatalf("%s is not installed: run make setup (%v)", program, err)
		}
		cmd := exec.Command(path, append([]string{filepath.Join("..", filepath.FromSlash(file)), audience, keys}, more...)...)
		cmd.Stdin = strings.NewReader(strings.Join(tokens, "\n") + "\n")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %s did not run (make setup installs what it needs): %v\n%s", program, file, err, &stderr)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if len(lines) != len(tokens) {
			t.Fatalf("%s %s said %d things about %d assertions:\n%s", program, file, len(lines), len(tokens), out)
		}
		all := make([]outcome, len(lines))
		for i, line := range lines {
			if err := json.Unmarshal([]byte(line), &all[i]); err != nil || all[i].Claims == nil && all[i].Refused == "" {
				t.Fatalf("%s %s said %q (%v)", program, file, line, err)
			}
		}
		return all
	}
}
