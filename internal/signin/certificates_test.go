package signin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A private authority is replaced every few years, and its file with it.
func TestTheFileOfAProvidersAuthorityIsReadAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	secure := httptest.NewTLSServer(f.corp)
	t.Cleanup(secure.Close)
	f.corp.Issuer = secure.URL
	f.outside[strings.TrimPrefix(secure.URL, "https://")] = f.corp
	file := filepath.Join(t.TempDir(), "ca.pem")
	right := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	write := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(stranger(t))
	p := f.corpProvider()
	p.OIDC.CAFile = file
	f.use(t, p)

	if page := newBrowser(t, f.world).get(appURL + "/"); page.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("by the wrong authority: %s", page.Status)
	}
	f.logged(t, "certificate")
	write(right)
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")

	write([]byte("half a certif")) // whoever writes it is not done yet
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	f.logged(t, "those of before count")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")

	write(stranger(t)) // the authority is not trusted any more, and nothing that it vouched for either
	f.clock.advance(time.Second)
	if page := newBrowser(t, f.world).get(appURL + "/"); page.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("by an authority that was taken away: %s", page.Status)
	}
}

func TestWithoutItsFileAProviderIsNotTrustedBlindly(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	p := f.corpProvider()
	p.OIDC.CAFile = filepath.Join(t.TempDir(), "missing.pem")
	f.use(t, p)
	page := newBrowser(t, f.world).get(appURL + "/")
	f.nobody(t, page)
	f.logged(t, "caFile")
	if page.StatusCode != http.StatusBadRequest || !strings.Contains(page.body, "provider_misconfigured") {
		t.Errorf("%s: %s", page.Status, page.body)
	}
}

// stranger is the certificate of an authority that has vouched for nobody.
func stranger(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "stranger"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
