package providers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// The key that proves the gate to the provider is replaced while it serves: the provider does not know the new one.
func TestAPrivateKeyProvesTheGateToTheProvider(t *testing.T) {
	t.Parallel()
	site, app := harness.NewSite(t), harness.StartHello(t)
	site.Init(t, "--host="+appHost, "--upstream="+app.URL)
	public, text := clientKey(t)
	site.Write(t, "partner-key", text)
	registration := harness.Register(site.Auth, partnerID)
	registration.ClientKey = public
	partner := harness.StartNodeProvider(t, registration)
	site.Write(t, "apps.yaml", site.Read(t, "apps.yaml")+"\n---"+strings.NewReplacer("ISSUER", partner.Issuer,
		"clientSecret: {file: partner-secret}", "clientAuthentication: private_key_jwt\n    privateKey: {file: partner-key}").Replace(manifest))
	gate := serve(t, site, app)
	signedIn(t, site, erin)
	if partner.Count(t, "authorization_code") != 1 {
		t.Error("the provider gave no token by code")
	}

	_, text = clientKey(t)
	site.Write(t, "partner-key", text)
	visitor := harness.NewVisitor(t)
	form := visitor.Open(site.URL(appHost) + "/")
	answer := visitor.Send(form, "login", erin, "password", harness.NodePassword)
	if answer.StatusCode == http.StatusOK || !strings.Contains(answer.Text, "provider_misconfigured") {
		t.Errorf("with a key that the provider does not know: status %d\n%s", answer.StatusCode, answer.Text)
	}
	eventually(t, "the log says why", func() bool { return strings.Contains(gate.Output(), "invalid_client") })
}

// clientKey makes a key: what the provider is told of it, and its text as an administrator writes it into a file.
func clientKey(t *testing.T) (public map[string]string, text string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes() // 4, and the coordinates
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	public = map[string]string{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "x": encode(point[1:33]), "y": encode(point[33:])}
	return public, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
