package certauthority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const host = "www.gstatic.com"

var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func verify(a *Authority, c *x509.Certificate, name string, at time.Time) error {
	roots := x509.NewCertPool()
	roots.AddCert(a.Certificate)
	_, err := c.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at})
	return err
}

func TestALeafProvesItsHostAndNoOther(t *testing.T) {
	t.Parallel()
	a, err := New(host, now)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := a.Issue(now)
	if err != nil {
		t.Fatal(err)
	}
	for name, fine := range map[string]bool{host: true, "gstatic.com": false, "www.google.com": false, "127.0.0.1": false} {
		if err := verify(a, leaf.Certificate, name, now); (err == nil) != fine {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, at := range map[string]time.Time{"before it is issued": now.Add(-2 * time.Hour), "after a year and a bit": now.Add(LeafLifetime + time.Second)} {
		if verify(a, leaf.Certificate, host, at) == nil {
			t.Errorf("it holds %s", name)
		}
	}
	if leaf.Key.Curve != elliptic.P256() || a.Key.Curve != elliptic.P256() || leaf.Certificate.IsCA {
		t.Error("the leaf is of another kind")
	}
}

// The authority's key in the wrong hands: what it signs counts for one host only.
func TestAnythingElseThatTheKeySignsIsRefused(t *testing.T) {
	t.Parallel()
	a, err := New(host, now)
	if err != nil {
		t.Fatal(err)
	}
	spiffe, _ := url.Parse("spiffe://corp.example/x")
	for name, bend := range map[string]func(c *x509.Certificate){
		"another host":                  func(c *x509.Certificate) { c.DNSNames = []string{"accounts.google.com"} },
		"the domain above":              func(c *x509.Certificate) { c.DNSNames = []string{"gstatic.com"} },
		"a wildcard over the host":      func(c *x509.Certificate) { c.DNSNames = []string{"*.gstatic.com"} },
		"another host beside ours":      func(c *x509.Certificate) { c.DNSNames = []string{host, "accounts.google.com"} },
		"an address":                    func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} },
		"an address of IPv6":            func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv6loopback} },
		"a mailbox":                     func(c *x509.Certificate) { c.EmailAddresses = []string{"alice@corp.example"} },
		"a workload":                    func(c *x509.Certificate) { c.URIs = []*url.URL{spiffe} },
		"a client":                      func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} },
		"program code":                  func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} },
		"another host among many kinds": func(c *x509.Certificate) { c.DNSNames, c.URIs = []string{host}, []*url.URL{spiffe} },
	} {
		template, err := newTemplate(now, LeafLifetime)
		if err != nil {
			t.Fatal(err)
		}
		bend(template)
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		forged, err := sign(template, a.Certificate, key, a.Key)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(a.Certificate)
		options := x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: template.ExtKeyUsage}
		if _, err := forged.Certificate.Verify(options); err == nil {
			t.Errorf("a certificate for %s is accepted", name)
		}
	}
}

func TestNoAuthorityBelowTheAuthority(t *testing.T) {
	t.Parallel()
	a, err := New(host, now)
	if err != nil {
		t.Fatal(err)
	}
	template, err := newTemplate(now, LeafLifetime)
	if err != nil {
		t.Fatal(err)
	}
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	middle, err := sign(template, a.Certificate, a.Key, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := (&Authority{middle, host}).Issue(now)
	if err != nil {
		t.Fatal(err)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(a.Certificate)
	between.AddCert(middle.Certificate)
	if _, err := leaf.Certificate.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now, DNSName: host}); err == nil {
		t.Error("an authority below the authority is accepted")
	}
}

func TestTheConstraintsAreCritical(t *testing.T) {
	t.Parallel()
	a, err := New(host, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range a.Certificate.Extensions {
		if e.Id.String() == "2.5.29.30" && e.Critical {
			return
		}
	}
	t.Error("a client that knows no name constraints would accept any name")
}

func TestInitWritesFilesThatAServerCanUse(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	files, err := Init(dir, host, now)
	if err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]fs.FileMode{files.CAKey: 0o600, files.LeafKey: 0o600, files.CACert: 0o644, files.LeafCert: 0o644} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
	if _, err := tls.LoadX509KeyPair(files.LeafCert, files.LeafKey); err != nil {
		t.Error(err)
	}
}

func TestInitOverwritesNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ca.crt", "ca.key", host + ".crt", host + ".key"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Init(dir, host, now); err == nil || !strings.Contains(err.Error(), "never overwritten") {
			t.Errorf("%s: %v", name, err)
		}
		entries, _ := os.ReadDir(dir)
		text, _ := os.ReadFile(filepath.Join(dir, name))
		if len(entries) != 1 || string(text) != "precious" {
			t.Errorf("beside %s there is %v now", name, entries)
		}
	}
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := Init(dir, host, now); err == nil {
		t.Error("a key was written through a link that leads nowhere")
	}
}

func TestRenewReplacesTheLeafAndKeepsTheAuthority(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files, err := Init(dir, host, now)
	if err != nil {
		t.Fatal(err)
	}
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	authority, leaf, leafKey := read(files.CACert)+read(files.CAKey), read(files.LeafCert), read(files.LeafKey)
	later := now.Add(300 * 24 * time.Hour)
	_, expires, err := Renew(dir, host, later)
	if err != nil {
		t.Fatal(err)
	}
	if authority != read(files.CACert)+read(files.CAKey) || leaf == read(files.LeafCert) || leafKey == read(files.LeafKey) || !expires.Equal(later.Add(LeafLifetime)) {
		t.Errorf("renewed until %v", expires)
	}
	if _, err := tls.LoadX509KeyPair(files.LeafCert, files.LeafKey); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(files.LeafKey); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key is %v %v", info.Mode(), err)
	}
}

// A server that runs as somebody of the group must be able to read what root renews.
func TestARenewedKeyIsReadableByWhoeverCouldReadTheOneBefore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files, err := Init(dir, host, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(files.LeafKey, 0o640); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(files.LeafKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Renew(dir, host, now); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(files.LeafKey)
	if err != nil || after.Mode() != before.Mode() || os.SameFile(before, after) ||
		after.Sys().(*syscall.Stat_t).Uid != before.Sys().(*syscall.Stat_t).Uid || after.Sys().(*syscall.Stat_t).Gid != before.Sys().(*syscall.Stat_t).Gid {
		t.Errorf("%v, then %v, %v", before, after, err)
	}
}

func TestRenewRefusesWhatIsNotOurAuthority(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bend func(t *testing.T, files Files)
		host string
		at   time.Time
		want string
	}{
		"no authority":           {func(t *testing.T, f Files) { remove(t, f.CACert) }, host, now, "does not exist"},
		"an authority elsewhere": {func(*testing.T, Files) {}, "other.example", now, "not of other.example"},
		"an unreadable key":      {func(t *testing.T, f Files) { write(t, f.CAKey, "hunter2") }, host, now, "not a PEM file"},
		"a key of another":       {func(t *testing.T, f Files) { rename(t, f.LeafKey, f.CAKey) }, host, now, "not a pair"},
		"a leaf for authority":   {func(t *testing.T, f Files) { rename(t, f.LeafCert, f.CACert); rename(t, f.LeafKey, f.CAKey) }, host, now, "not that of an authority"},
		"an ended authority":     {func(*testing.T, Files) {}, host, now.Add(AuthorityLifetime + time.Hour), "ended on"},
	} {
		dir := t.TempDir()
		files, err := Init(dir, host, now)
		if err != nil {
			t.Fatal(err)
		}
		c.bend(t, files)
		if _, _, err := Renew(dir, c.host, c.at); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
