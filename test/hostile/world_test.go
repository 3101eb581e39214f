package hostile

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// world is a `gatehouse serve` with a TLS listener, in front of an application that reads what it is sent.
type world struct {
	address string
	health  string
	roots   *x509.CertPool
	pair    tls.Certificate
}

// host is the application's. h2spec asks for it by the name that it connects to.
const host = "localhost"

// The limits of the world are low, so that a few seconds show what the defaults do in minutes.
const config = `project: {id: my-project, number: 1}
externalURL: https://auth.localhost:%[1]s
dataDir: data
listeners:
- address: 127.0.0.1:%[1]s
  tls: {certificates: [{certFile: tls.crt, keyFile: tls.key}]}
  limits: {headerTimeout: 1s, bodyTimeout: 1s, maxResetsPerMinute: 50, maxConnectionsPerAddress: 50}
admin: {address: "%[2]s"}
manifests: [apps.yaml]
`

const apps = `apiVersion: gatehouse.dev/v1
kind: BackendService
metadata: {name: app}
spec:
  hosts: [localhost]
  upstream: %s
  iap: {enabled: false}
`

// answer reads a request to its end, as both the application and the server that h2spec compares with do.
var answer = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "hello")
})

func start(t *testing.T) *world {
	t.Helper()
	app := httptest.NewServer(answer)
	t.Cleanup(app.Close)
	site := harness.NewSite(t)
	certificate, health := harness.SelfSigned(host), harness.FreeAddress(t)
	w := &world{address: "127.0.0.1:" + site.Port, health: "http://" + health, roots: certificate.Pool(), pair: certificate.Pair}
	site.Write(t, "tls.crt", string(certificate.PEM))
	site.Write(t, "tls.key", string(certificate.KeyPEM))
	site.Write(t, "gatehouse.yaml", fmt.Sprintf(config, site.Port, health))
	site.Write(t, "apps.yaml", fmt.Sprintf(apps, app.URL))
	site.Serve(t)
	return w
}

// dial connects from an address of this machine.
func (w *world) dial(ctx context.Context, from, protocol string) (net.Conn, error) {
	dialer := &tls.Dialer{
		NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}},
		Config:    &tls.Config{RootCAs: w.roots, ServerName: host, NextProtos: []string{protocol}},
	}
	return dialer.DialContext(ctx, "tcp", w.address)
}

// client asks over HTTP/1.1 or HTTP/2 from an address of its own.
func (w *world) client(t *testing.T, from string) *http.Client {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: w.roots, ServerName: host}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext(ctx, "tcp", w.address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

var series = regexp.MustCompile(`(?m)^gatehouse_(?:refused_(?:connections|requests)_total\{reason="(\w+)"\}|(connections)) (\d+)$`)

// counts reads what limits have ended by now, and under "connections" how many there are.
func (w *world) counts(t *testing.T) map[string]int {
	t.Helper()
	response, err := http.Get(w.health + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, line := range series.FindAllStringSubmatch(string(text), -1) {
		counts[line[1]+line[2]], _ = strconv.Atoi(line[3])
	}
	return counts
}
