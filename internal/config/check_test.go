package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pair writes a certificate and its key, and returns their names.
func pair(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return write(t, dir, name+".crt", encode("CERTIFICATE", certificate), 0o644), write(t, dir, name+".key", encode("PRIVATE KEY", secret), 0o600)
}

var rootKeyText = base64.StdEncoding.EncodeToString(make([]byte, 32))

func TestReadLooksAtWhatTheFileNames(t *testing.T) {
	t.Parallel()
	environ := func(name string) (string, bool) {
		value, found := map[string]string{"ROOT": rootKeyText, "TWO": rootKeyText + " " + rootKeyText, "BAD": "hunter2"}[name]
		return value, found
	}
	for name, c := range map[string]struct {
		more    string // of the file
		prepare func(t *testing.T, dir string)
		problem string // empty: accepted
	}{
		"everything there":                   {more: "rootKey: {env: ROOT}\nmanifests: [m]", prepare: func(t *testing.T, dir string) { write(t, dir, "m", "", 0o600) }},
		"a root key that is to be made":      {more: "rootKey: {file: new.key}"},
		"a variable that is not set":         {more: "rootKey: {env: NONE}", problem: "g.yaml:5:16: rootKey.env: the variable NONE is not set"},
		"a variable that is no key":          {more: "rootKey: {env: BAD}", problem: "rootKey.env: the variable BAD: root key: line 1 is not the base64"},
		"a root key that others may read":    {more: "rootKey: {file: r}", prepare: func(t *testing.T, dir string) { write(t, dir, "r", rootKeyText, 0o640) }, problem: "chmod 600"},
		"a manifest that is not there":       {more: "manifests: [m]", problem: "g.yaml:5:13: manifests[0]:"},
		"a certificate that is not there":    {prepare: func(t *testing.T, dir string) { remove(t, dir+"/a.crt") }, problem: "certificates[0].certFile:"},
		"a key that is not there":            {prepare: func(t *testing.T, dir string) { remove(t, dir+"/a.key") }, problem: "certificates[0].keyFile:"},
		"a private key that all may read":    {prepare: func(t *testing.T, dir string) { chmod(t, dir+"/a.key", 0o644) }, problem: "chmod 600"},
		"a private key of a group":           {prepare: func(t *testing.T, dir string) { chmod(t, dir+"/a.key", 0o640) }},
		"a certificate of another key":       {prepare: func(t *testing.T, dir string) { pair(t, dir, "b"); rename(t, dir+"/b.key", dir+"/a.key") }, problem: "are not a pair"},
		"a certificate that is none":         {prepare: func(t *testing.T, dir string) { write(t, dir, "a.crt", "x", 0o644) }, problem: "are not a pair"},
		"authorities that are not there":     {more: "audit: {lines: {syslog: \"tls://log\", syslogCaFile: none.pem}}", problem: "audit.lines.syslogCaFile: open "},
		"authorities that are none":          {more: "audit: {lines: {syslog: \"tls://log\", syslogCaFile: g.yaml}}", problem: "holds no certificate in PEM"},
		"authorities of a collector":         {more: "audit: {lines: {syslog: \"tls://log\", syslogCaFile: a.crt}}"},
		"a root key beside a wrong manifest": {more: "rootKey: {env: NONE}\nmanifests: [m]", problem: "manifests[0]:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			pair(t, dir, "a")
			if c.prepare != nil {
				c.prepare(t, dir)
			}
			text := strings.Replace(least, `{address: ":443"}`, `{address: ":443", tls: {certificates: [{certFile: a.crt, keyFile: a.key}]}}`, 1)
			text = strings.Replace(text, "/var/lib/gatehouse", "data", 1)
			file := write(t, dir, "g.yaml", text+c.more+"\n", 0o644)
			_, err := Read(file, Source{LookupEnv: environ})
			switch {
			case c.problem == "" && err != nil:
				t.Error(err)
			case c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)):
				t.Errorf("lacks %q: %v", c.problem, err)
			case err != nil && strings.Contains(err.Error(), "hunter2"):
				t.Errorf("shows a secret: %v", err)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// A pipe in the place of a file would hold whoever reads it for ever, with every signal but SIGKILL.
func TestAPipeInThePlaceOfAFileIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(pipe, Source{}); err == nil || !strings.Contains(err.Error(), "not an ordinary file") {
		t.Errorf("as the configuration: %v", err)
	}
	file := write(t, dir, "gatehouse.yaml", strings.Replace(least, `":443"`, `":443", tls: {certificates: [{certFile: pipe, keyFile: /dev/zero}]}`, 1), 0o600)
	_, err := Read(file, Source{})
	for _, want := range []string{"certificates[0].certFile: " + pipe + ": not an ordinary file", "keyFile: /dev/zero: not an ordinary file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("as a certificate: %v", err)
		}
	}
}

func TestAFileThatCannotBeReadSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir + "/none": "gatehouse config init", dir: "not an ordinary file",
		write(t, dir, "huge", strings.Repeat("#", maxFile+1), 0o600): "is it the right file?",
	} {
		if _, err := Read(path, Source{LookupEnv: os.LookupEnv}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
