package emulator

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// company stands for the proxy of a company, through which alone the world is reached: it leads everything to one server,
// which passes for www.gstatic.com.
type company struct {
	url   string
	asked atomic.Int64
}

func newCompany(t *testing.T, authority string) *company {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(filepath.Join(authority, "www.gstatic.com.crt"), filepath.Join(authority, "www.gstatic.com.key"))
	must(t, err)
	world := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "the real %s%s, cookie %q", r.Host, r.RequestURI, r.Header.Get("Cookie"))
	}))
	world.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	world.StartTLS()
	t.Cleanup(world.Close)

	c := &company{}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:secret"))
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != want {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		c.asked.Add(1)
		there, err := net.Dial("tcp", world.Listener.Addr().String())
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		here, buffered, _ := w.(http.Hijacker).Hijack()
		fmt.Fprint(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, io.MultiReader(bufio.NewReader(buffered), here)); there.Close() }()
		go func() { _, _ = io.Copy(here, there); here.Close() }()
	}))
	t.Cleanup(proxy.Close)
	c.url = strings.Replace(proxy.URL, "http://", "http://me:secret@", 1)
	return c
}

func TestOtherPathsOfTheHostComeFromTheRealOneThroughTheDevelopersProxy(t *testing.T) {
	t.Parallel()
	authority, other := filepath.Join(t.TempDir(), "ca"), filepath.Join(t.TempDir(), "ca")
	for _, dir := range []string{authority, other} {
		if out, err := exec.Command(harness.Binary(t), "ca", "init", "--dir", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for trusted, want := range map[string]string{
		authority: `200 the real www.gstatic.com/firebasejs/app.js?v=1, cookie ""`,
		other:     "502 gatehouse: what answers for the real www.gstatic.com cannot prove that it is: the request was not sent\n",
	} {
		c := newCompany(t, authority)
		// Its own process trusts what the developer's variables say, like any other.
		gate := harness.StartIn(t, []string{"HTTPS_PROXY=" + c.url, "NO_PROXY=", "no_proxy=", "SSL_CERT_FILE=" + filepath.Join(trusted, "ca.crt"), "SSL_CERT_DIR=" + t.TempDir()})
		env := environment(t, gate)
		fetch := func(path string) string {
			cmd := exec.Command("curl", "-sS", "-w", "%{stderr}%{http_code}", "-H", "Cookie: session=1", "https://www.gstatic.com"+path)
			cmd.Env = env
			var status, body strings.Builder
			cmd.Stdout, cmd.Stderr = &body, &status
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v: %s", err, &status)
			}
			return status.String() + " " + body.String()
		}
		if keys := fetch("/iap/verify/public_key"); !strings.Contains(keys, "BEGIN PUBLIC KEY") || c.asked.Load() != 0 {
			t.Errorf("the keys are %s, and the company's proxy was asked %d times", keys, c.asked.Load())
		}
		if got := fetch("/firebasejs/app.js?v=1"); got != want || c.asked.Load() == 0 {
			t.Errorf("it answers %q, and the company's proxy was asked %d times", got, c.asked.Load())
		}
	}
}
