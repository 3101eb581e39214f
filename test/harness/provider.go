package harness

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Registration is the gate as a client of an identity provider, as the provider's administrator registers it.
type Registration struct {
	ClientID               string   `json:"clientId"`
	ClientSecret           string   `json:"clientSecret"`
	RedirectURIs           []string `json:"redirectUris"`
	PostLogoutRedirectURIs []string `json:"postLogoutRedirectUris,omitempty"`
	BackchannelLogoutURI   string   `json:"backchannelLogoutUri,omitempty"`
	// ClientKey, a JWK, makes the provider of StartNodeProvider take private_key_jwt and nothing else.
	ClientKey any `json:"clientKey,omitempty"`
}

// Register describes the gate of an auth host.
func Register(auth, clientID string) Registration {
	client := auth + "/v1/oauth/clientIds/" + clientID
	return Registration{
		ClientID: clientID, ClientSecret: "secret of " + clientID, RedirectURIs: []string{client + ":handleRedirect"},
		PostLogoutRedirectURIs: []string{auth + "/signed-out"}, BackchannelLogoutURI: client + ":backchannelLogout",
	}
}

// Provider is a real identity provider in a process of its own.
type Provider struct {
	*Process
	Issuer string
}

// StartDex starts Dex, at which people sign in with the passwords that are given by address.
func StartDex(t testing.TB, r Registration, people map[string]string) *Provider {
	t.Helper()
	path, err := dex()
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]any{"ClientID": r.ClientID, "ClientSecret": r.ClientSecret, "RedirectURIs": r.RedirectURIs, "People": people}
	return startProvider(t, "dex", exec.Command(path), "DEX", settings)
}

var dex = sync.OnceValues(func() (string, error) { return buildPeer("dex", "./dex") })

// H2Spec returns the program that tests servers of HTTP/2.
func H2Spec(t testing.TB) string {
	t.Helper()
	path, err := h2spec()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var h2spec = sync.OnceValues(func() (string, error) {
	return buildPeer("h2spec", "github.com/summerwind/h2spec/cmd/h2spec")
})

// buildPeer builds a program of test/peers, once in a run; the build cache makes it quick in the next.
func buildPeer(name, pkg string) (string, error) {
	dir, err := os.MkdirTemp("", "gatehouse-"+name+"-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-o", path, pkg)
	cmd.Dir, cmd.Env = filepath.Join(repository, "test", "peers"), append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New("go build " + pkg + " in test/peers: " + err.Error() + "\n" + string(out))
	}
	return path, nil
}

// NodePassword is everybody's at the provider of StartNodeProvider.
const NodePassword = "correct horse battery staple"

// StartNodeProvider starts npm's oidc-provider, at which every address signs in with NodePassword.
func StartNodeProvider(t testing.TB, r Registration) *Provider {
	t.Helper()
	dir := filepath.Join(repository, "test", "node")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "oidc-provider")); err != nil {
		t.Fatalf("oidc-provider is not installed: run make setup (%v)", err)
	}
	cmd := exec.Command(recentNode(dir), "oidc-provider.mjs")
	cmd.Dir = dir
	return startProvider(t, "oidc-provider", cmd, "OIDC_PROVIDER", r)
}

// recentNode returns the Node.js that was installed beside oidc-provider, which does not run with Debian 12's; elsewhere
// the system's.
func recentNode(dir string) string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	installed := filepath.Join(dir, "node_modules", "node-"+runtime.GOOS+"-"+arch, "bin", "node")
	if _, err := os.Stat(installed); err != nil {
		return "node"
	}
	return installed
}

func startProvider(t testing.TB, name string, cmd *exec.Cmd, variable string, settings any) *Provider {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), variable+"="+string(text))
	p := &Provider{Process: StartProcess(t, name, cmd)}
	p.Issuer = p.AwaitLine(t, "issuer http://")
	p.Issuer = "http://" + p.Issuer
	return p
}

// Switch changes how the provider behaves from now on. When it returns, the change is in force.
func (p *Provider) Switch(t testing.TB, name, field, value string) {
	t.Helper()
	origin := strings.TrimSuffix(p.Issuer, "/dex")
	request, err := http.NewRequest(http.MethodPost, origin+"/switch/"+name+"?"+url.Values{field: {value}}.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer := Do(t, Client(nil), request); answer.StatusCode != http.StatusOK {
		t.Fatalf("switch %s=%s: status %d %s", name, value, answer.StatusCode, answer.Text)
	}
}

// Asked is with what parameters a provider of StartNodeProvider was last asked to sign somebody in.
func (p *Provider) Asked(t testing.TB) map[string]string {
	t.Helper()
	answer := Get(t, Client(nil), p.Issuer+"/switch/asked")
	asked := map[string]string{}
	if err := json.Unmarshal([]byte(answer.Text), &asked); err != nil {
		t.Fatalf("asked: %v\n%s", err, answer.Text)
	}
	return asked
}

// Count is how often a provider of StartNodeProvider was asked for tokens by a grant type.
func (p *Provider) Count(t testing.TB, grant string) int {
	t.Helper()
	answer := Get(t, Client(nil), p.Issuer+"/switch/counts")
	counts := map[string]int{}
	if err := json.Unmarshal([]byte(answer.Text), &counts); err != nil {
		t.Fatalf("counts: %v\n%s", err, answer.Text)
	}
	return counts[grant]
}
