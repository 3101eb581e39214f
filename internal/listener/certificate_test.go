package listener

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTheCertificateIsTheOneForTheName(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	address := serve(t, Spec{Certificates: load(t,
		a.write("default", order{names: []string{"gate.test"}}),
		a.write("wild", order{names: []string{"*.apps.test"}}),
		a.write("one", order{names: []string{"one.apps.test", "xn--bcher-kva.test"}}),
	)}, http.NotFoundHandler())
	for name, want := range map[string]string{
		"gate.test":          "gate.test",
		"":                   "gate.test",
		"unknown.test":       "gate.test",
		"two.apps.test":      "*.apps.test",
		"TWO.Apps.Test":      "*.apps.test",
		"one.apps.test":      "one.apps.test,xn--bcher-kva.test",
		"xn--bcher-kva.test": "one.apps.test,xn--bcher-kva.test",
		"a.two.apps.test":    "gate.test", // a wildcard is one label
		"apps.test":          "gate.test",
	} {
		if got, _ := present(t, address, &tls.Config{ServerName: name}); got != want {
			t.Errorf("for %q the server presents %s", name, got)
		}
	}
}

func TestAClientGetsACertificateWhoseKeyItCanUse(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	address := serve(t, Spec{Certificates: load(t,
		a.write("ecdsa", order{names: []string{"gate.test"}}), a.write("rsa", order{names: []string{"gate.test"}, rsa: true}),
	)}, http.NotFoundHandler())
	_, modern := present(t, address, &tls.Config{ServerName: "gate.test"})
	_, old := present(t, address, &tls.Config{
		ServerName: "gate.test", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
	})
	if modern != "2" || old != "3" {
		t.Errorf("serial numbers %s and %s", modern, old)
	}
}

func TestOldProtocolsAndSuitesAreRefused(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	files := a.write("a", order{names: []string{"gate.test"}, rsa: true})
	address := serve(t, Spec{Certificates: load(t, files)}, http.NotFoundHandler())
	modern := files
	modern.MinVersion = tls.VersionTLS13
	strict := serve(t, Spec{Certificates: load(t, modern)}, http.NotFoundHandler())
	for name, c := range map[string]struct {
		address string
		config  *tls.Config
		works   bool
	}{
		"TLS 1.1":                  {address, &tls.Config{MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}, false},
		"TLS 1.2":                  {address, &tls.Config{MaxVersion: tls.VersionTLS12}, true},
		"TLS 1.2 with CBC":         {address, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}}, false},
		"TLS 1.2 without secrecy":  {address, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}, false},
		"TLS 1.3":                  {address, &tls.Config{MinVersion: tls.VersionTLS13}, true},
		"TLS 1.2 where 1.3 is set": {strict, &tls.Config{MaxVersion: tls.VersionTLS12}, false},
		"TLS 1.3 where 1.3 is set": {strict, &tls.Config{}, true},
	} {
		c.config.InsecureSkipVerify = true
		c.config.ServerName = "gate.test"
		err := tls.Client(dial(t, c.address), c.config).Handshake()
		if works := err == nil; works != c.works {
			t.Errorf("%s: %v", name, err)
		}
	}
	files.MinVersion = tls.VersionTLS10
	if _, err := LoadCertificates([]CertificateFiles{files}, nil); err == nil {
		t.Error("a certificate for TLS 1.0 is taken")
	}
}

func TestACertificateCanDemandMoreForItsHosts(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	strict := a.write("strict", order{names: []string{"strict.test"}})
	strict.MinVersion = tls.VersionTLS13
	address := serve(t, Spec{Certificates: load(t, a.write("lax", order{names: []string{"lax.test"}}), strict)}, http.NotFoundHandler())
	for name, works := range map[string]bool{"lax.test": true, "strict.test": false} {
		c := tls.Client(dial(t, address), &tls.Config{ServerName: name, MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true})
		if err := c.Handshake(); (err == nil) != works {
			t.Errorf("TLS 1.2 for %s: %v", name, err)
		}
	}
}

// A client chooses which of several certificates it can use. It does not choose the minimum with that.
func TestTheStrictestOfTheCertificatesForAHostCounts(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	strict, lax := a.write("strict", order{names: []string{"both.test"}}), a.write("lax", order{names: []string{"both.test", "lax.test"}, rsa: true})
	strict.MinVersion = tls.VersionTLS13
	for name, store := range map[string]*CertificateStore{"the strict one first": load(t, strict, lax), "the lax one first": load(t, lax, strict)} {
		address := serve(t, Spec{Certificates: store}, codes)
		old := &tls.Config{ServerName: "both.test", MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
		if err := tls.Client(dial(t, address), old).Handshake(); err == nil {
			t.Errorf("%s: a client that can only use RSA gets TLS 1.2", name)
		}
		if code := codeFor(t, address, "lax.test", "both.test", "h2"); code != CodeOtherConnection {
			t.Errorf("%s: the strict host over the connection of the lax one: code %d", name, code)
		}
		if code := codeFor(t, address, "both.test", "both.test", "h2"); code != 0 {
			t.Errorf("%s: the strict host over its own: code %d", name, code)
		}
	}
}

// What is there now is as good as nothing: a pipe would hold the reader, and a key that others read is not a secret.
func TestFilesThatAreNoFilesLeaveTheCertificateAsItWas(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(files CertificateFiles) error{
		"a pipe for the certificate": func(files CertificateFiles) error {
			return errors.Join(os.Remove(files.CertFile), syscall.Mkfifo(files.CertFile, 0o600))
		},
		"a pipe for the key": func(files CertificateFiles) error {
			return errors.Join(os.Remove(files.KeyFile), syscall.Mkfifo(files.KeyFile, 0o600))
		},
		"a directory for the certificate": func(files CertificateFiles) error {
			return errors.Join(os.Remove(files.CertFile), os.Mkdir(files.CertFile, 0o700))
		},
		"a device for the key": func(files CertificateFiles) error {
			return errors.Join(os.Remove(files.KeyFile), os.Symlink("/dev/zero", files.KeyFile))
		},
		"a key that everybody may read": func(files CertificateFiles) error { return os.Chmod(files.KeyFile, 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t)
			files := a.write("a", order{names: []string{"gate.test"}})
			store := load(t, files)
			_, serial := present(t, serve(t, Spec{Certificates: store}, http.NotFoundHandler()), &tls.Config{ServerName: "gate.test"})
			if err := spoil(files); err != nil {
				t.Fatal(err)
			}
			for reading, err := range map[string]error{"a reload": store.Reload(), "a start": func() error { _, err := LoadCertificates([]CertificateFiles{files}, nil); return err }()} {
				if err == nil || !strings.Contains(err.Error(), "a.") {
					t.Errorf("%s: %v", reading, err)
				}
			}
			if problem := store.Certificates()[0].Problem; problem == "" {
				t.Error("no problem is told")
			}
			if _, now := present(t, serve(t, Spec{Certificates: store}, http.NotFoundHandler()), &tls.Config{ServerName: "gate.test"}); now != serial {
				t.Errorf("certificate %s, then %s", serial, now)
			}
		})
	}
}

func TestBadCertificateFilesAreAllNamedAtOnce(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	good, other := a.write("good", order{names: []string{"a.test"}}), a.write("other", order{names: []string{"b.test"}})
	nameless := a.write("nameless", order{})
	_, err := LoadCertificates([]CertificateFiles{
		{CertFile: a.dir + "/missing.crt", KeyFile: good.KeyFile}, good, {CertFile: good.CertFile, KeyFile: other.KeyFile}, nameless,
	}, nil)
	for _, want := range []string{"missing.crt", "private key does not match", "nameless.crt: it names no host"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if _, err := LoadCertificates(nil, nil); err == nil {
		t.Error("a store without certificates is made")
	}
}

func TestAReloadDropsNoConnectionAndNewOnesGetTheNewCertificate(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	store := load(t, a.write("a", order{names: []string{"gate.test"}}))
	address := serve(t, Spec{Certificates: store}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code := HostCode(r, "gate.test"); code != 0 {
			t.Errorf("on the old connection the host gets code %d", code)
		}
		_, _ = io.WriteString(w, "hello")
	}))
	c := tls.Client(dial(t, address), &tls.Config{ServerName: "gate.test", RootCAs: a.pool})
	reader := bufio.NewReader(c)
	ask := func() {
		t.Helper()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: gate.test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); err != nil || string(body) != "hello" {
			t.Fatalf("%q, %v", body, err)
		}
	}
	ask()
	a.write("a", order{names: []string{"new.test"}})
	if err := store.Reload(); err != nil {
		t.Fatal(err)
	}
	ask()
	if names, _ := present(t, address, &tls.Config{ServerName: "new.test"}); names != "new.test" {
		t.Errorf("a new connection is presented %s", names)
	}
}

func TestABadNewFileKeepsTheOldCertificateAndSaysSo(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	files, still := a.write("a", order{names: []string{"a.test"}}), a.write("b", order{names: []string{"b.test"}})
	var log lines
	store, err := LoadCertificates([]CertificateFiles{files, still}, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	keep := func(file string) func() {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	restoreCert, restoreKey := keep(files.CertFile), keep(files.KeyFile)
	for name, spoil := range map[string]func(){
		"a torn file":            func() { _ = os.WriteFile(files.CertFile, []byte("-----BEGIN CERTIFICATE-----\nMII"), 0o600) },
		"an empty key":           func() { _ = os.WriteFile(files.KeyFile, nil, 0o600) },
		"another's key":          func() { data, _ := os.ReadFile(still.KeyFile); _ = os.WriteFile(files.KeyFile, data, 0o600) },
		"no file":                func() { _ = os.Remove(files.CertFile) },
		"an expired one":         func() { a.write("a", order{names: []string{"a.test"}, expired: true}) },
		"one that names no host": func() { a.write("a", order{}) },
	} {
		spoil()
		before := log.count("cannot be used")
		for range 3 { // every look finds it, and one tells
			if err := store.Reload(); err == nil {
				t.Errorf("%s: the reload succeeds", name)
			}
		}
		infos := store.Certificates()
		if !store.Covers("a.test") || infos[0].Problem == "" || infos[1].Problem != "" || !infos[0].NotAfter.After(time.Now()) {
			t.Errorf("%s: the store holds %+v", name, infos)
		}
		if got := log.count("cannot be used") - before; got != 1 {
			t.Errorf("%s: told %d times", name, got)
		}
		restoreCert()
		restoreKey()
		if err := store.Reload(); err != nil || store.Certificates()[0].Problem != "" {
			t.Errorf("%s, put right: %v", name, err)
		}
	}
}

func TestChangedFilesAreFoundWithoutBeingTold(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	store := load(t, a.write("a", order{names: []string{"old.test"}}))
	before := store.set.Load()
	_ = store.reload((*certificate).changed)
	if store.set.Load() != before {
		t.Error("an unchanged file makes a new set")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go store.Watch(ctx)
	a.write("a", order{names: []string{"new.test"}})
	for !store.Covers("new.test") {
		if ctx.Err() != nil {
			t.Fatal("the change is not found")
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestAnExpiredCertificateIsUsedAtTheStartAndReported(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	var log lines
	store, err := LoadCertificates([]CertificateFiles{a.write("a", order{names: []string{"a.test", "192.0.2.7"}, expired: true})}, log.logger())
	if err != nil || log.count("out of its dates") != 1 {
		t.Fatalf("%v, %q", err, log.buf.String())
	}
	if info := store.Certificates()[0]; info.NotAfter.After(time.Now()) || strings.Join(info.Names, " ") != "a.test 192.0.2.7" {
		t.Errorf("%+v", info)
	}
}
