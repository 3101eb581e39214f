package unchanged

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const configuration = `project: {id: my-project, number: 123456789012}
externalURL: http://auth.localhost:%[1]d
dataDir: data
listeners: [{address: "127.0.0.1:%[1]d"}]
manifests: [apps.yaml]
googleEndpoints:
  gstatic: {address: "127.0.0.1:%[2]d", certFile: ca/www.gstatic.com.crt, keyFile: ca/www.gstatic.com.key}
  metadata: {address: "127.0.0.1:%[3]d", zone: europe-west1-b}
  relay: {address: "%[4]s"}
`

const manifests = `apiVersion: gatehouse.dev/v1
kind: AppEngineApp
metadata: {name: my-project}
spec: {hosts: [app.localhost], upstream: "%s"}
---
apiVersion: gatehouse.dev/v1
kind: IamPolicy
metadata: {name: everybody}
spec:
  resource: projects/my-project/iap_web/appengine-my-project
  bindings: [{role: roles/iap.httpsResourceAccessor, members: [allUsers]}]
`

// place is a server in production with a directory to itself.
type place struct {
	dir                    string
	app, gstatic, metadata net.Addr
	realHost               *httptest.Server // stands for the real www.gstatic.com
}

// serve runs `gatehouse serve` with googleEndpoints until the test ends. loop leads its relay to itself.
func serve(t *testing.T, loop bool) *place {
	t.Helper()
	p := &place{dir: t.TempDir()}
	run(t, p.dir, "ca", "init", "--dir", "ca")
	run(t, p.dir, "ca", "init", "--dir", "real")
	p.realHost = realHost(t, filepath.Join(p.dir, "real"))

	var sockets []*os.File
	listen := func() net.Addr {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // its copy in the server lives on
		file, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		sockets = append(sockets, file)
		return l.Addr()
	}
	p.app, p.gstatic, p.metadata = listen(), listen(), listen()
	relay := p.realHost.Listener.Addr()
	if loop {
		relay = p.gstatic
	}
	write(t, filepath.Join(p.dir, "apps.yaml"), fmt.Sprintf(manifests, harness.Echo(t).URL))
	write(t, filepath.Join(p.dir, "gatehouse.yaml"), fmt.Sprintf(configuration, port(p.app), port(p.gstatic), port(p.metadata), relay))

	// The sockets are passed as systemd passes them: nothing has to guess a free port, or when it answers.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, harness.Binary(t), "serve", "--config", "gatehouse.yaml")
	cmd.Dir, cmd.ExtraFiles = p.dir, sockets
	cmd.Env = append(os.Environ(), fmt.Sprintf("LISTEN_FDS=%d", len(sockets)), "SSL_CERT_FILE="+filepath.Join(p.dir, "real", "ca.crt"), "SSL_CERT_DIR="+t.TempDir())
	process := harness.StartProcess(t, "gatehouse serve", cmd)
	for _, s := range sockets {
		_ = s.Close()
	}
	t.Cleanup(func() {
		process.Stop(t)
		if code := process.AwaitEnd(t, harness.Patience); code != 0 {
			t.Errorf("gatehouse serve ended with exit code %d", code)
		}
	})
	return p
}

// realHost answers as the real www.gstatic.com would, with an authority of its own.
func realHost(t *testing.T, dir string) *httptest.Server {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(filepath.Join(dir, "www.gstatic.com.crt"), filepath.Join(dir, "www.gstatic.com.key"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "the real %s%s, cookie %q", r.Host, r.RequestURI, r.Header.Get("Cookie"))
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func run(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command(harness.Binary(t), args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gatehouse %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func port(a net.Addr) int { return a.(*net.TCPAddr).Port }

// assertion is what the application behind the gate was sent.
func (p *place) assertion(t *testing.T) string {
	t.Helper()
	answer := harness.Get(t, harness.Client(nil), fmt.Sprintf("http://app.localhost:%d/", port(p.app)))
	token := answer.Seen(t).Header.Get(harness.AssertionHeader)
	if token == "" {
		t.Fatal("the application was sent no assertion")
	}
	return token
}

// unchangedApp runs the application with a file of authorities to trust.
func (p *place) unchangedApp(t *testing.T, assertion, authorities string) (string, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], assertion)
	cmd.Env = append(os.Environ(), hostsVariable+"="+p.gstatic.String(), "GCE_METADATA_HOST="+p.metadata.String(),
		"SSL_CERT_FILE="+authorities, "SSL_CERT_DIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestAnAppThatUsesGooglesLibraryVerifiesOurAssertionUnchanged(t *testing.T) {
	t.Parallel()
	p := serve(t, false)
	token, authority := p.assertion(t), filepath.Join(p.dir, "ca", "ca.crt")
	out, err := p.unchangedApp(t, token, authority)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var said map[string]string
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if said["issuer"] != "https://cloud.google.com/iap" || said["audience"] != "/projects/123456789012/apps/my-project" || said["zone"] != "europe-west1-b" {
		t.Errorf("the application says %s", out)
	}

	for name, c := range map[string]struct{ token, authority, want string }{
		"a forged signature":                  {token[:len(token)-20] + strings.Repeat("A", 20), authority, "signature"},
		"an authority that it does not trust": {token, filepath.Join(p.dir, "real", "ca.crt"), "certificate"},
	} {
		if out, err := p.unchangedApp(t, c.token, c.authority); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("with %s: %v: %s", name, err, out)
		}
	}
}

// fetch gets a path of www.gstatic.com as an application does that trusts the authority.
func (p *place) fetch(t *testing.T, path string, headers ...string) harness.Answer {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(p.dir, "ca", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Timeout: harness.Patience, Transport: &http.Transport{
		DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "www.gstatic.com"},
	}}
	request, err := http.NewRequest(http.MethodGet, "https://"+p.gstatic.String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "www.gstatic.com"
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return harness.Do(t, client, request)
}

func TestOtherPathsComeFromTheRealHost(t *testing.T) {
	t.Parallel()
	p := serve(t, false)
	answer := p.fetch(t, "/firebasejs/app.js?v=1", "Cookie", "session=secret")
	if want := `the real www.gstatic.com/firebasejs/app.js?v=1, cookie ""`; answer.StatusCode != http.StatusOK || answer.Text != want {
		t.Errorf("status %d, %q", answer.StatusCode, answer.Text)
	}
	if keys := p.fetch(t, "/iap/verify/public_key"); !strings.Contains(keys.Text, "BEGIN PUBLIC KEY") {
		t.Errorf("the keys are %q", keys.Text)
	}
	p.realHost.Close()
	if answer := p.fetch(t, "/x"); answer.StatusCode != http.StatusBadGateway || !strings.Contains(answer.Text, "could not be reached") {
		t.Errorf("with the real host gone: status %d, %q", answer.StatusCode, answer.Text)
	}
}

func TestARelayThatLeadsToItselfSaysSo(t *testing.T) {
	t.Parallel()
	p := serve(t, true)
	answer := p.fetch(t, "/x")
	if answer.StatusCode != http.StatusLoopDetected || !strings.Contains(answer.Text, "googleEndpoints.relay.resolver") {
		t.Errorf("status %d, %q", answer.StatusCode, answer.Text)
	}
}

func TestARenewedCertificateIsTakenUpByTheRunningServer(t *testing.T) {
	t.Parallel()
	p := serve(t, false)
	serial := func() string {
		conn, err := tls.Dial("tcp", p.gstatic.String(), &tls.Config{InsecureSkipVerify: true, ServerName: "www.gstatic.com"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	p.fetch(t, "/iap/verify/public_key") // it answers: the server looks for changes from now on
	run(t, p.dir, "ca", "renew", "--dir", "ca")
	tooLate := time.After(harness.Patience)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for serial() == before {
		select {
		case <-look.C:
		case <-tooLate:
			t.Fatal("the server still has the certificate from before")
		}
	}
	if keys := p.fetch(t, "/iap/verify/public_key"); keys.StatusCode != http.StatusOK {
		t.Errorf("status %d", keys.StatusCode)
	}
}

func TestNobodysBrowserIsAnsweredByTheMetadataServer(t *testing.T) {
	t.Parallel()
	p := serve(t, false)
	request, err := http.NewRequest(http.MethodGet, "http://"+p.metadata.String()+"/computeMetadata/v1/project/project-id", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusForbidden || strings.Contains(string(body), "my-project") || response.Header.Get("Metadata-Flavor") != "Google" {
		t.Errorf("status %d, %q", response.StatusCode, body)
	}
}
