package emulator

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cloud.google.com/go/compute/metadata"
	"google.golang.org/api/idtoken"

	"github.com/gatehouse-iap/gatehouse/emulator"
	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// goAppVariable makes this binary an application written in Go.
const goAppVariable = "EMULATOR_TEST_GO_APP"

func TestMain(m *testing.M) {
	if os.Getenv(goAppVariable) != "" {
		if err := goApp(context.Background(), os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "refused:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// goApp is what an application on Google Cloud does with an assertion.
func goApp(ctx context.Context, token string) error {
	number, err := metadata.NumericProjectIDWithContext(ctx)
	if err != nil {
		return err
	}
	id, err := metadata.ProjectIDWithContext(ctx)
	if err != nil {
		return err
	}
	payload, err := idtoken.Validate(ctx, token, "/projects/"+number+"/apps/"+id)
	if err != nil {
		return err
	}
	// By name, as samples have it that use no library.
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/email", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Metadata-Flavor", "Google")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the service account: %s", response.Status)
	}
	return json.NewEncoder(os.Stdout).Encode(payload.Claims)
}

const curlApp = `set -e
[ "$(curl -sSf -H 'Metadata-Flavor: Google' http://metadata.google.internal/computeMetadata/v1/project/project-id)" = dev-project ]
kid=$(printf %s "$1" | cut -d. -f1 | tr _- /+ | base64 -d 2>/dev/null | sed 's/.*"kid":"\([^"]*\)".*/\1/')
curl -sSf https://www.gstatic.com/iap/verify/public_key | grep -q "\"$kid\":\"-----BEGIN PUBLIC KEY" || { echo "refused: signature: no key $kid" >&2; exit 1; }
echo '{"email":"alice@example.com"}'`

// apps are programs that take an assertion and print its claims.
var apps = map[string][]string{
	"Python, requests and python-jose": {"/usr/bin/python3", filepath.Join("..", "python", "unchanged.py")},
	"Node, google-auth-library":        {"node", filepath.Join("..", "node", "unchanged.mjs")},
	"Go, idtoken":                      {os.Args[0]},
	"a shell script with curl":         {"sh", "-c", curlApp, "app"},
}

// environment is what `gatehouse dev env` prints for programs that somebody else starts.
func environment(t *testing.T, gate *harness.Gate) []string {
	t.Helper()
	var set map[string]string
	if err := json.Unmarshal([]byte(gate.CLI(t, "dev", "env", "--endpoint", gate.Machine, "--format", "json")), &set); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), goAppVariable+"=1")
	for name, value := range set {
		env = append(env, name+"="+value)
	}
	return env
}

func TestProgramsWrittenForGoogleCloudVerifyOurAssertionsUnchanged(t *testing.T) {
	t.Parallel()
	gate := harness.Start(t, "--app-engine")
	c := &emulator.Client{Endpoint: gate.Machine}
	good := sign(t, c, emulator.Assertion{Email: harness.Alice})
	env := environment(t, gate)
	for name, args := range apps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := func(token string) (string, error) {
				cmd := exec.Command(args[0], append(args[1:len(args):len(args)], token)...)
				cmd.Env = env
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			out, err := run(good)
			var claims map[string]any
			if err != nil || json.Unmarshal([]byte(out), &claims) != nil || claims["email"] != harness.Alice {
				t.Errorf("%v: %s", err, out)
			}
			if name == "a shell script with curl" {
				return // it looks at the key only
			}
			header, _, _ := strings.Cut(good, ".")
			_, payload, _ := strings.Cut(sign(t, c, emulator.Assertion{Email: harness.Bob}), ".")
			if out, err := run(header + "." + payload[:len(payload)-20] + strings.Repeat("A", 20)); err == nil {
				t.Errorf("a forged assertion is accepted: %s", out)
			}
		})
	}
}

func sign(t *testing.T, c *emulator.Client, a emulator.Assertion) string {
	t.Helper()
	token, err := c.SignAssertion(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestWhatDevStartsIsLedToIt(t *testing.T) {
	t.Parallel()
	// The command of --exec has what the app has.
	const script = `set -e
curl -sSf https://www.gstatic.com/iap/verify/public_key-jwk | cmp - "$1"
curl -sSf "$GATEHOUSE_KEYS_URL" | cmp - "$1"
curl -sS -o /dev/null -w '%{http_code}' http://metadata.google.internal/computeMetadata/v1/ | grep -qx 403
curl -sSf -H 'Metadata-Flavor: Google' "http://$GCE_METADATA_HOST/computeMetadata/v1/instance/service-accounts/default/identity?audience=$GATEHOUSE_CLIENT_ID" > "$1"
curl -sS -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $(cat "$1")" "$GATEHOUSE_APP_URL/" | grep -qx 403`
	file := filepath.Join(t.TempDir(), "keys")
	run(t, 0, "--exec", `curl -sSf "$GATEHOUSE_KEYS_URL" > `+file+` && sh -c '`+strings.ReplaceAll(script, "'", `'\''`)+`' sh `+file)
	// Without interception, the name leads where the system's resolver says: nowhere, or to Google.
	run(t, 0, "--no-intercept", "--exec", `[ -z "$CURL_CA_BUNDLE$NODE_USE_ENV_PROXY" ] || [ -n "`+os.Getenv("CURL_CA_BUNDLE")+`" ]; [ "$GCE_METADATA_HOST" = "$GCE_METADATA_IP" ]`)
}

// run runs `gatehouse dev` until it ends, and checks its exit code.
func run(t *testing.T, code int, args ...string) string {
	t.Helper()
	cmd := exec.Command(harness.Binary(t), append([]string{"dev", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != code {
		t.Errorf("gatehouse dev %s ends with %d, not with %d:\n%s", strings.Join(args, " "), cmd.ProcessState.ExitCode(), code, out)
	}
	return string(out)
}
