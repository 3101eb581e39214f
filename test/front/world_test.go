package front

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// clientAddress is where clients of a story come from: not where the proxies connect to the gate from.
const clientAddress = "127.0.0.7"

const (
	alice    = "alice@example.com"
	password = "correct horse battery staple"
)

// world is a gate behind a proxy, in processes of their own.
type world struct {
	t    *testing.T
	dir  string
	port string // of the proxy's TLS listener
	gate string // address of the gate's first listener
	data string

	served *harness.Process // the gate's

	plain     string   // port of the proxy's plain listener, where a story needs it
	more      string   // manifests besides the example's
	listeners []string // all of the gate's, in the order of its configuration

	respells map[string]string

	roots    *x509.CertPool
	certFile string
	keyFile  string
}

// program is how one proxy is started with its example.
type program struct {
	example string // directory below docs/examples
	// command writes what the proxy needs, with the example's values replaced, and says how to check and to run it.
	command func(w *world) (check, run *exec.Cmd)
	// gate are values of the example's gatehouse.yaml that are replaced besides; empty where it listens on 127.0.0.1:8080.
	gate func(w *world) []string
	// respells are the targets that the proxy does not pass on byte for byte, with what becomes of them.
	respells map[string]string
}

// start runs the example of a proxy, and the gate and an application behind it.
func start(t *testing.T, p program, upstream string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), port: harness.FreePort(t), respells: p.respells}
	if err := os.Chmod(w.dir, 0o755); err != nil { // a proxy that drops root goes on as somebody else
		t.Fatal(err)
	}
	w.writeCertificate()
	w.startGate(p, upstream)
	check, run := p.command(w)
	if out, err := check.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", check, err, out)
	}
	w.awaitTLS(w.run(p.example, run))
	return w
}

// example reads a file of an example with values replaced. Each must be there: what the story runs is what is
// documented.
func (w *world) example(dir, file string, replace ...string) string {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join("../../docs/examples", dir, file))
	if err != nil {
		w.t.Fatal(err)
	}
	text := string(content)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			w.t.Fatalf("docs/examples/%s/%s has no %q any more", dir, file, replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	return text
}

func (w *world) write(name, content string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *world) writeCertificate() {
	w.t.Helper()
	w.certFile = w.write("tls.crt", string(certificate.PEM))
	w.keyFile = w.write("tls.key", string(certificate.KeyPEM))
	if err := os.Chmod(w.keyFile, 0o600); err != nil { // proxies read it as root, and the gate refuses one that others read
		w.t.Fatal(err)
	}
	w.roots = certificate.Pool()
}

var listening = regexp.MustCompile(`msg=listening address=(\S+)`)

func (w *world) startGate(p program, upstream string) {
	w.t.Helper()
	var err error
	if w.data, err = os.MkdirTemp("", "gh"); err != nil { // a socket's path has little room
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { os.RemoveAll(w.data) })
	replace := []string{"https://auth.example.com", "https://auth.example.com:" + w.port, "/var/lib/gatehouse", w.data + "/data", "127.0.0.1:8080", "127.0.0.1:0"}
	if p.gate != nil {
		replace = append(replace, p.gate(w)...)
	}
	config := w.write("gatehouse.yaml", w.example(p.example, "gatehouse.yaml", replace...))
	w.write("apps.yaml", w.example(p.example, "apps.yaml", "http://127.0.0.1:3000", upstream)+strings.ReplaceAll(w.more, "http://127.0.0.1:3000", upstream))
	w.served = w.run("gatehouse serve", exec.Command(harness.Binary(w.t), "serve", "--config", config))
	w.served.AwaitLine(w.t, "msg=ready")
	for _, line := range listening.FindAllStringSubmatch(w.served.Output(), -1) {
		w.listeners = append(w.listeners, line[1])
	}
	w.gate = w.listeners[0]
	create := exec.Command(harness.Binary(w.t), "users", "create", alice, "--data", w.data+"/data")
	create.Stdin = strings.NewReader(password + "\n")
	if out, err := create.CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v\n%s", create, err, out)
	}
}

// run starts a process that ends with the test, and keeps its files in the test's directory.
func (w *world) run(name string, cmd *exec.Cmd) *harness.Process {
	w.t.Helper()
	cmd.Env = append(os.Environ(), "HOME="+w.dir, "XDG_DATA_HOME="+w.dir, "XDG_CONFIG_HOME="+w.dir)
	return harness.StartProcess(w.t, name, cmd)
}

func (w *world) awaitTLS(proxy *harness.Process) {
	w.t.Helper()
	proxy.Await(w.t, "it takes TLS connections", func() bool {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+w.port, w.tls())
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

func (w *world) tls() *tls.Config {
	return &tls.Config{RootCAs: w.roots, ServerName: "app.example.com"}
}

// client is a browser of sorts at clientAddress, with its cookies, that finds all hosts at the proxy.
func (w *world) client(http2 bool) *http.Client {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientAddress)}}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: w.roots}, Protocols: protocols,
		DialContext: redirectTo(dialer, "127.0.0.1:"+w.port),
	}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, Timeout: harness.Patience}
}

// url is one of the application's, as browsers write it.
func (w *world) url(target string) string { return "https://app.example.com:" + w.port + target }
