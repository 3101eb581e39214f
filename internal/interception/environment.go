package interception

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Variable is one variable of an environment.
type Variable struct{ Name, Value string }

// Environment leads programs to a proxy, and makes them trust its authority.
type Environment struct {
	// Proxy is the proxy's URL, with its credential.
	Proxy string
	// CAFile has the authority alone. Bundles, which hold it too, are written beside it.
	CAFile string
}

// trust is a variable by which programs find the authorities that they trust. Only those are here that programs use
// which may ask www.gstatic.com: no other TLS is ended by us, and what git or the AWS libraries trust stays as it is.
type trust struct {
	name string
	// or is the variable that counts where this one is not set.
	or string
	// adds says that programs trust their own authorities besides.
	adds bool
}

var trusts = []trust{
	{name: "SSL_CERT_FILE"},                            // Go on Linux; OpenSSL: Python, Ruby, curl, PHP and others
	{name: "CURL_CA_BUNDLE", or: "SSL_CERT_FILE"},      // curl; Python's requests
	{name: "REQUESTS_CA_BUNDLE", or: "CURL_CA_BUNDLE"}, // Python's requests
	{name: "HTTPLIB2_CA_CERTS", or: "SSL_CERT_FILE"},   // Python's httplib2
	{name: "NODE_EXTRA_CA_CERTS", adds: true},          // Node
	{name: "DENO_CERT", adds: true},                    // Deno
}

// Variables returns what is to be set on top of environ. Of the developer's own values, a proxy is gone on through, the
// authorities of a file stay trusted, exceptions from the proxy stay exceptions but for the two hosts, and all else
// stays as it is. notes say what could not be done.
func (e Environment) Variables(environ []string) (set []Variable, notes []string, err error) {
	add := func(name, value string) { set = append(set, Variable{name, value}) }
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		add(name, e.Proxy)
		add(strings.ToLower(name), e.Proxy)
	}
	exceptions := noProxy(environ)
	add("NO_PROXY", exceptions)
	add("no_proxy", exceptions)
	if value(environ, "NODE_USE_ENV_PROXY") == "" {
		add("NODE_USE_ENV_PROXY", "1")
	}
	own, err := os.ReadFile(e.CAFile)
	if err != nil {
		return nil, nil, err
	}
	system := systemRoots()
	if system == "" {
		notes = append(notes, "no file with the system's certificates was found, so that only what adds to its own (Node, Deno) is made to trust the authority of this run")
	}
	for _, t := range trusts {
		base := value(environ, t.name)
		chosen := base != ""
		if base == "" && t.or != "" {
			base = value(environ, t.or)
		}
		switch {
		case t.adds && !chosen:
			add(t.name, e.CAFile)
			continue
		case base == "":
			base = system
		}
		if base == "" {
			continue
		}
		path, err := e.bundle(base, own)
		if err != nil {
			notes = append(notes, fmt.Sprintf("%s stays as it is: %v", t.name, err))
			continue
		}
		add(t.name, path)
	}
	return set, notes, nil
}

// bundle writes the authorities of a file and our own into one file, and returns its path.
func (e Environment) bundle(base string, own []byte) (string, error) {
	if filepath.Dir(base) == filepath.Dir(e.CAFile) {
		return base, nil // one of ours, in an environment that was printed before
	}
	content, err := os.ReadFile(base)
	if err != nil {
		return "", err
	}
	if !hasCertificate(content) {
		return "", fmt.Errorf("%s has no certificates in PEM form", base)
	}
	// One for each file that it starts from.
	name := "ca-bundle.pem"
	if base != systemRoots() {
		name = "ca-bundle-" + strings.Map(plainName, strings.TrimPrefix(base, "/")) + ".pem"
	}
	path := filepath.Join(filepath.Dir(e.CAFile), name)
	if !strings.HasSuffix(string(content), "\n") {
		content = append(content, '\n')
	}
	return path, WriteFile(path, append(content, own...), 0o644)
}

func plainName(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' {
		return r
	}
	return '-'
}

func hasCertificate(content []byte) bool {
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if _, err := x509.ParseCertificate(block.Bytes); err == nil {
			return true
		}
	}
	return false
}

// WriteFile puts a whole file in the place of another: nobody reads half of it.
func WriteFile(path string, content []byte, mode os.FileMode) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Chmod(mode), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}

// systemRoots returns the file in which the system keeps the authorities that it trusts; empty where it has none.
func systemRoots() string {
	files := []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian and its relatives, Alpine, Arch
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora and its relatives
		"/etc/pki/tls/certs/ca-bundle.crt",                  // older ones
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/ssl/cert.pem",                                 // macOS, FreeBSD
	}
	if runtime.GOOS == "darwin" {
		files = files[len(files)-1:]
	}
	for _, path := range files {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// noProxy returns the developer's exceptions without those that would lead the two hosts past us, and with this machine.
func noProxy(environ []string) string {
	var kept []string
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		for entry := range strings.SplitSeq(value(environ, name), ",") {
			entry = strings.TrimSpace(entry)
			if entry != "" && !excepts(entry) && !slices.Contains(kept, entry) {
				kept = append(kept, entry)
			}
		}
	}
	for _, entry := range []string{"localhost", "127.0.0.1", "::1"} {
		if !slices.Contains(kept, entry) {
			kept = append(kept, entry)
		}
	}
	return strings.Join(kept, ",")
}

// excepts reports whether an entry of NO_PROXY stands for one of the two hosts. Languages read entries differently:
// the widest reading counts.
func excepts(entry string) bool {
	if entry == "*" {
		return true
	}
	name := strings.ToLower(strings.Trim(strings.TrimPrefix(entry, "*"), "."))
	if host, _, found := strings.Cut(name, ":"); found && strings.Count(name, ":") == 1 { // a port, not IPv6
		name = host
	}
	for _, host := range []string{GStaticHost, MetadataHost} {
		if name != "" && strings.HasSuffix(host, name) {
			return true
		}
	}
	return false
}
