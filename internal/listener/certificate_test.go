package listener

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"strings"
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
	strict := serve(t, Spec{Certificates: load(t, files), MinVersion: tls.VersionTLS13}, http.NotFoundHandler())
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
	if _, err := Open(t.Context(), Spec{Address: "127.0.0.1:0", Certificates: load(t, files), MinVersion: tls.VersionTLS10}, nil); err == nil {
		t.Error("a listener with TLS 1.0 opens")
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
