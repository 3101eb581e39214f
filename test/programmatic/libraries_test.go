package programmatic

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cloud.google.com/go/auth/credentials/idtoken"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	apiidtoken "google.golang.org/api/idtoken"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// robot makes a service account that may use the app, and returns its address and key file.
func robot(t *testing.T, gate *harness.Gate) (email, file string) {
	t.Helper()
	gate.CLI(t, "iam", "service-accounts", "create", "nightly-report")
	email = "nightly-report@dev-project.iam.gserviceaccount.com"
	gate.CLI(t, "iap", "web", "add-iam-policy-binding", "--resource-type=backend-services", "--service=app",
		"--member=serviceAccount:"+email, "--role=roles/iap.httpsResourceAccessor")
	file = filepath.Join(t.TempDir(), "key.json")
	gate.CLI(t, "iam", "service-accounts", "keys", "create", file, "--iam-account="+email)
	return email, file
}

// says holds what the application says against what it says to the robot: it has verified the assertion itself.
func says(t *testing.T, email string, status int, body string) {
	t.Helper()
	if status != http.StatusOK || !strings.Contains(body, "Hello "+email) {
		t.Errorf("the application answers %d: %s", status, body)
	}
}

func TestGooglesGoLibrariesUseOurKeyFile(t *testing.T) {
	gate := harness.Start(t)
	email, file := robot(t, gate)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	client := harness.Client(nil)
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, client)
	call := func(t *testing.T, token string) {
		t.Helper()
		answer := harness.Get(t, client, gate.App+"/", "Authorization", "Bearer "+token)
		says(t, email, answer.StatusCode, answer.Text)
	}
	t.Run("google.golang.org/api/idtoken", func(t *testing.T) {
		source, err := apiidtoken.NewTokenSource(ctx, gate.ClientID)
		if err != nil {
			t.Fatal(err)
		}
		token, err := source.Token()
		if err != nil {
			t.Fatal(err)
		}
		call(t, token.AccessToken)
	})
	t.Run("cloud.google.com/go/auth", func(t *testing.T) {
		credentials, err := idtoken.NewCredentials(&idtoken.Options{Audience: gate.ClientID})
		if err != nil {
			t.Fatal(err)
		}
		token, err := credentials.Token(ctx)
		if err != nil {
			t.Fatal(err)
		}
		call(t, token.Value)
	})
	t.Run("golang.org/x/oauth2/google, an access token", func(t *testing.T) {
		config, err := google.JWTConfigFromJSON(text, "openid", "email")
		if err != nil {
			t.Fatal(err)
		}
		answer, err := config.Client(ctx).Get(gate.Auth + "/v1/userinfo")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if body, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(body), email) {
			t.Errorf("userinfo answers %s: %s (%v)", answer.Status, body, err)
		}
	})
	t.Run("golang.org/x/oauth2/google, a token that it signs itself", func(t *testing.T) {
		source, err := google.JWTAccessTokenSourceFromJSON(text, gate.App+"/*")
		if err != nil {
			t.Fatal(err)
		}
		token, err := source.Token()
		if err != nil {
			t.Fatal(err)
		}
		call(t, token.AccessToken)
	})
}

func TestGooglesLibrariesOfOtherLanguagesUseOurKeyFile(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t)
	email, file := robot(t, gate)
	network := newNetwork(t, gate)
	for name, command := range map[string][]string{
		"google-auth for Python, as Debian has it": {"/usr/bin/python3", filepath.Join("..", "python", "google_auth_id_token.py")},
		"google-auth-library for Node, told where": {"node", filepath.Join("..", "node", "google-auth-transporter.mjs")},
		"google-auth-library for Node":             {"node", filepath.Join("..", "node", "google-auth-id-token.mjs")},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(command[0], append(command[1:], gate.App+"/", gate.ClientID)...)
			cmd.Env = append(os.Environ(), "GOOGLE_APPLICATION_CREDENTIALS="+file, "TOKEN_URL="+gate.Machine+"/token", "HTTP_PROXY="+network.URL, "http_proxy="+network.URL,
				"HTTPS_PROXY="+network.URL, "https_proxy="+network.URL, "NO_PROXY=", "no_proxy=")
			if !strings.HasSuffix(name, "told where") { // that one would not get far at Google's host
				cmd.Env = append(cmd.Env, "NODE_EXTRA_CA_CERTS="+network.CAFile)
			}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, &stderr)
			}
			says(t, email, http.StatusOK, string(out))
		})
	}
}
