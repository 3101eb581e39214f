package front

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"log"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// chromium is the one browser of the run; every test opens a page with cookies of its own. It takes the one
// certificate of the run, for *.example.com, and finds all these hosts on this machine.
var (
	chromium    *harness.Browser
	certificate *x509.Certificate
	privateKey  *ecdsa.PrivateKey
)

func TestMain(m *testing.M) {
	if err := makeCertificate(); err != nil {
		log.Fatal(err)
	}
	var err error
	if chromium, err = harness.LaunchBrowser(harness.OverTLS("example.com", certificate)...); err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	chromium.Close()
	os.Exit(code)
}

func makeCertificate() (err error) {
	if privateKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "example.com"}, DNSNames: []string{"*.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, privateKey.Public(), privateKey)
	if err != nil {
		return err
	}
	certificate, err = x509.ParseCertificate(der)
	return err
}
