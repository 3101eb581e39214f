package interception

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/certauthority"
)

func certificate(t *testing.T, host string) string {
	t.Helper()
	authority, err := certauthority.New(host, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return string(certauthority.CertificatePEM(authority.Certificate))
}

// variables returns what is set, by name.
func variables(t *testing.T, e Environment, environ ...string) (map[string]string, []string) {
	t.Helper()
	set, notes, err := e.Variables(environ)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string, len(set))
	for _, v := range set {
		found[v.Name] = v.Value
	}
	return found, notes
}

func newEnvironment(t *testing.T) (Environment, string) {
	t.Helper()
	own := certificate(t, GStaticHost)
	e := Environment{Proxy: "http://gatehouse:secret@127.0.0.1:1", CAFile: filepath.Join(t.TempDir(), "ca.pem")}
	if err := os.WriteFile(e.CAFile, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	return e, own
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestProgramsAreLedToTheProxyAndTrustIt(t *testing.T) {
	t.Parallel()
	e, own := newEnvironment(t)
	set, notes := variables(t, e)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		if set[name] != e.Proxy {
			t.Errorf("%s is %q", name, set[name])
		}
	}
	if set["NO_PROXY"] != "localhost,127.0.0.1,::1" || set["no_proxy"] != set["NO_PROXY"] || set["NODE_USE_ENV_PROXY"] != "1" {
		t.Errorf("%v", set)
	}
	system := systemRoots()
	if system == "" || len(notes) != 0 {
		t.Fatalf("this system has no file of certificates: %v", notes)
	}
	for _, name := range []string{"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "HTTPLIB2_CA_CERTS"} {
		if bundle := read(t, set[name]); !strings.HasPrefix(bundle, read(t, system)) || !strings.HasSuffix(bundle, own) {
			t.Errorf("%s does not name the system's authorities with ours", name)
		}
	}
	if set["NODE_EXTRA_CA_CERTS"] != e.CAFile || set["DENO_CERT"] != e.CAFile {
		t.Errorf("%v", set)
	}
	for name := range set {
		if strings.HasPrefix(name, "GIT_") || strings.HasPrefix(name, "AWS_") {
			t.Errorf("%s is nobody's who asks Google for keys", name)
		}
	}
}

func TestTheDevelopersOwnValuesWin(t *testing.T) {
	t.Parallel()
	e, own := newEnvironment(t)
	dir := t.TempDir()
	theirs := map[string]string{}
	environ := []string{"NODE_USE_ENV_PROXY=0", "NO_PROXY=intern.example, 10.0.0.0/8,::1"}
	for _, name := range []string{"CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"} {
		theirs[name] = certificate(t, "of-"+strings.ToLower(strings.ReplaceAll(name, "_", "-"))+".example")
		path := filepath.Join(dir, name+".pem")
		if err := os.WriteFile(path, []byte(strings.TrimSpace(theirs[name])), 0o600); err != nil {
			t.Fatal(err)
		}
		environ = append(environ, name+"="+path)
	}
	theirs["REQUESTS_CA_BUNDLE"] = theirs["CURL_CA_BUNDLE"] // as requests reads them
	before := slices.Clone(environ)
	set, notes := variables(t, e, environ...)
	if len(notes) != 0 || !slices.Equal(before, environ) {
		t.Error(notes)
	}
	if _, found := set["NODE_USE_ENV_PROXY"]; found || set["NO_PROXY"] != "intern.example,10.0.0.0/8,::1,localhost,127.0.0.1" {
		t.Errorf("%v", set)
	}
	for name, authorities := range theirs {
		if read(t, set[name]) != authorities+own {
			t.Errorf("%s does not name their authorities with ours", name)
		}
	}
}

func TestAFileThatCannotBeReadStaysWhatItIs(t *testing.T) {
	t.Parallel()
	e, _ := newEnvironment(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	set, notes := variables(t, e, "SSL_CERT_FILE="+empty, "REQUESTS_CA_BUNDLE="+t.TempDir(), "CURL_CA_BUNDLE=/no/such/file")
	if len(notes) < 3 || !strings.Contains(strings.Join(notes, "\n"), "SSL_CERT_FILE stays as it is") {
		t.Errorf("%v", notes)
	}
	for _, name := range []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} {
		if _, found := set[name]; found {
			t.Errorf("%s is %s", name, set[name])
		}
	}
}

func TestNoExceptionLeadsTheTwoHostsPastUs(t *testing.T) {
	t.Parallel()
	for entry, excepted := range map[string]bool{
		"*": true, "www.gstatic.com": true, "WWW.GSTATIC.COM": true, ".gstatic.com": true, "*.gstatic.com": true, "gstatic.com:443": true, "com": true,
		"metadata.google.internal": true, "google.internal": true, ".internal": true, "metadata.google.internal.": true,
		"googleapis.com": false, "static.com.example": false, "10.0.0.0/8": false, "::1": false, "169.254.169.254": false, "localhost": false, "example.com:8443": false,
	} {
		if excepts(entry) != excepted {
			t.Errorf("%s: %t", entry, !excepted)
		}
	}
}

func FuzzWhatIsSetCanBePrinted(f *testing.F) {
	f.Add("a,b", "http://p", "")
	f.Add("*", "", "/etc/passwd")
	dir := f.TempDir()
	e := Environment{Proxy: "http://gatehouse:x@127.0.0.1:1", CAFile: filepath.Join(dir, "ca.pem")}
	if err := os.WriteFile(e.CAFile, []byte("x"), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, exceptions, proxy, bundle string) {
		set, _, err := e.Variables([]string{"NO_PROXY=" + exceptions, "HTTPS_PROXY=" + proxy, "REQUESTS_CA_BUNDLE=" + bundle})
		if err != nil {
			t.Fatal(err)
		}
		names := maps.Collect(func(yield func(string, string) bool) {
			for _, v := range set {
				if !yield(v.Name, v.Value) {
					return
				}
			}
		})
		for entry := range strings.SplitSeq(names["NO_PROXY"], ",") {
			if excepts(entry) {
				t.Errorf("%q excepts what must not be", entry)
			}
		}
		_, _ = NewOutside([]string{"HTTPS_PROXY=" + proxy})
	})
}
