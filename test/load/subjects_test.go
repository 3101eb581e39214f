package load

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const (
	appHost  = "app.localhost"
	alice    = "alice@example.com"
	password = "correct horse battery staple"

	serviceAccount = "nightly@gatehouse.iam.gserviceaccount.com"
)

// subject is a proxy that is measured: its processes, and how one asks through it.
type subject struct {
	name  string
	pids  []int
	plain target
	tls   target // without an address where it has no TLS
}

// certificate is one for the application's host, in files.
type certificate struct {
	cert, key string
	trust     *tls.Config
}

// startApplication runs the application beside the load.
func startApplication(t testing.TB, core int) (address string) {
	t.Helper()
	address = harness.FreeAddress(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+roleApp, "LISTEN="+address)
	run(t, core, roleApp, cmd).AwaitListener(t, address)
	return address
}

func startBareProxy(t testing.TB, app string, c certificate) subject {
	t.Helper()
	listen, listenTLS := harness.FreeAddress(t), harness.FreeAddress(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+roleProxy, "UPSTREAM=http://"+app, "LISTEN="+listen, "LISTEN_TLS="+listenTLS,
		"CERTIFICATE="+c.cert, "KEY="+c.key)
	proxy := run(t, proxyCore, roleProxy, cmd)
	proxy.AwaitListener(t, listen, listenTLS)
	return subject{"httputil.ReverseProxy", []int{proxy.PID()}, target{listen, appHost, "", nil}, target{listenTLS, appHost, "", c.trust}}
}

const nginxProxy = `  keepalive_requests 1000000000;
  upstream app { server %[1]s; keepalive 256; keepalive_requests 1000000000; }
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server {
    listen %[2]s; listen %[3]s ssl http2; ssl_certificate %[4]s; ssl_certificate_key %[5]s;
    location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; }
  }
`

func startNginx(t testing.TB, app string, c certificate) subject {
	t.Helper()
	listen, listenTLS := harness.FreeAddress(t), harness.FreeAddress(t)
	nginx := run(t, proxyCore, "nginx", harness.Nginx(t, t.TempDir(), fmt.Sprintf(nginxProxy, app, listen, listenTLS, c.cert, c.key)))
	nginx.AwaitListener(t, listen)
	nginx.Await(t, "it has a worker", func() bool { return len(family(t, nginx.PID())) > 1 })
	return subject{"nginx", family(t, nginx.PID()), target{listen, appHost, "", nil}, target{listenTLS, appHost, "", c.trust}}
}

// startGate runs `gatehouse serve` as the documentation has it, with the decision log and metrics on, and returns it
// once as somebody with a session asks, and once as a program with a token does.
func startGate(t testing.TB, app string, c certificate, core int) (site *harness.Site, pid int, cookie, bearer subject) {
	t.Helper()
	site = harness.NewSite(t)
	site.Init(t, "--host="+appHost, "--auth-host=auth.localhost", "--domain=example.com", "--upstream=http://"+app)
	listenTLS := harness.FreeAddress(t)
	site.Auth = "https://auth.localhost:" + port(listenTLS)
	config := site.Read(t, "gatehouse.yaml")
	for _, change := range [][2]string{
		{"externalURL: " + site.URL("auth.localhost"), "externalURL: " + site.Auth},
		{"  - address: 127.0.0.1:" + site.Port, fmt.Sprintf("  - {address: \"127.0.0.1:%s\", redirectToHTTPS: false}\n"+
			"  - {address: \"%s\", tls: {certificates: [{certFile: %s, keyFile: %s}]}}", site.Port, listenTLS, c.cert, c.key)},
	} {
		if !strings.Contains(config, change[0]) {
			t.Fatalf("the configuration has no %s:\n%s", change[0], config)
		}
		config = strings.Replace(config, change[0], change[1], 1)
	}
	site.Write(t, "gatehouse.yaml", config)
	site.Write(t, "apps.yaml", strings.Replace(site.Read(t, "apps.yaml"), "members: [", `members: ["serviceAccount:`+serviceAccount+`", `, 1))
	pinned(t, core, func() { pid = site.Serve(t).PID() })
	site.CLIWith(t, password+"\n", "users", "create", alice)

	host := appHost + ":" + port(listenTLS)
	plain := target{"127.0.0.1:" + site.Port, host, "", nil}
	encrypted := target{listenTLS, host, "", c.trust}
	as := func(name, header string) subject {
		s := subject{name, []int{pid}, plain, encrypted}
		s.plain.header, s.tls.header = header, header
		return s
	}
	return site, pid, as("Gatehouse, session", "Cookie: "+signIn(t, "https://"+host, c)+"\r\n"), as("Gatehouse, bearer", "Authorization: Bearer "+selfSigned(t, site, "https://"+host)+"\r\n")
}

// startOther runs another build of the gate.
func startOther(t testing.TB, program, app string, c certificate) []subject {
	t.Helper()
	const variable = "GATEHOUSE_BINARY"
	before := os.Getenv(variable)
	t.Setenv(variable, program)
	_, _, cookie, bearer := startGate(t, app, c, proxyCore)
	t.Setenv(variable, before)
	cookie.name, bearer.name = "the other build, session", "the other build, bearer"
	return []subject{cookie, bearer}
}

// signIn walks through sign-in and returns the cookies that the application's host has then.
func signIn(t testing.TB, origin string, c certificate) string {
	t.Helper()
	connections := harness.Connections()
	connections.TLSClientConfig = &tls.Config{RootCAs: c.trust.RootCAs}
	visitor := harness.NewVisitorOver(t, connections)
	page := visitor.Send(visitor.Open(origin+"/bytes/2"), "email", alice, "password", password)
	if page.StatusCode != 200 || page.Header.Get("X-Email") != "accounts.google.com:"+alice {
		t.Fatalf("after sign-in at %s: %d %v\n%s", page.Request.URL, page.StatusCode, page.Header, page.Text)
	}
	var pairs []string
	for _, c := range visitor.Client().Jar.Cookies(page.Request.URL) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// selfSigned makes a service account and a token that it signs for the whole host.
func selfSigned(t testing.TB, site *harness.Site, origin string) string {
	t.Helper()
	site.CLI(t, "iam", "service-accounts", "create", "nightly")
	email := serviceAccount
	site.CLI(t, "iam", "service-accounts", "keys", "create", "nightly.json", "--iam-account="+email)
	var file struct {
		PrivateKey   string `json:"private_key"`
		PrivateKeyID string `json:"private_key_id"`
	}
	if err := json.Unmarshal([]byte(site.Read(t, "nightly.json")), &file); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(file.PrivateKey))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	head, _ := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": file.PrivateKeyID})
	claims, _ := json.Marshal(map[string]any{"iss": email, "sub": email, "aud": origin + "/*", "iat": now, "exp": now + 3600})
	signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key.(*rsa.PrivateKey), crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func newCertificate(t testing.TB) certificate {
	t.Helper()
	made := harness.SelfSigned(appHost, "auth.localhost")
	dir := t.TempDir()
	c := certificate{cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key")}
	for name, content := range map[string][]byte{c.cert: made.PEM, c.key: made.KeyPEM} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.trust = &tls.Config{RootCAs: made.Pool(), ServerName: appHost}
	return c
}

func port(address string) string {
	_, p, _ := strings.Cut(address, ":")
	return p
}
