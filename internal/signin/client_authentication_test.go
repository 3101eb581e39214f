package signin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/signin/oidctest"
)

// tokenRequests keeps what the token endpoint was asked.
type tokenRequests struct {
	mu   sync.Mutex
	form url.Values
	auth string
}

func (k *tokenRequests) serve(_ http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path == "/token" && r.ParseForm() == nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.form, k.auth = r.PostForm, r.Header.Get("Authorization")
	}
	return false
}

func TestTheSecretGoesWhereItIsConfiguredTo(t *testing.T) {
	t.Parallel()
	for way, inForm := range map[identityprovider.ClientAuthentication]bool{
		"": false, identityprovider.ClientSecretBasic: false, identityprovider.ClientSecretPost: true,
	} {
		f := newFederation(t)
		p := f.corpProvider()
		p.OIDC.ClientAuthentication = way
		f.use(t, p)
		var asked tokenRequests
		f.corp.Bend(oidctest.Bends{Serve: asked.serve})
		newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
		if got := asked.form.Get("client_secret") != ""; got != inForm || (asked.auth != "") == inForm {
			t.Errorf("%q: in the form %v, in the header %v", way, got, asked.auth != "")
		}
	}
}

func TestASecretThatIsRotatedIsReadAnew(t *testing.T) {
	t.Parallel()
	f := newFederation(t)
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	f.corp.ClientSecret = "the next one"
	if err := os.WriteFile(filepath.Join(f.dir, "corp"), []byte("the next one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
	if err := os.WriteFile(filepath.Join(f.dir, "corp"), []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p := newBrowser(t, f.world).get(appURL + "/"); p.StatusCode != http.StatusBadRequest || !strings.Contains(p.body, "Error code 7") || strings.Contains(p.body, "redirect URI") {
		t.Errorf("with an empty secret: %s: %s", p.Status, p.body)
	}
	if err := os.Remove(filepath.Join(f.dir, "corp")); err != nil {
		t.Fatal(err)
	}
	if p := newBrowser(t, f.world).get(appURL + "/"); !strings.Contains(p.body, "Error code 7") {
		t.Errorf("without a secret: %s", p.Status)
	}
	f.logged(t, "client secret")
}

func TestAPrivateKeyProvesWhoWeAre(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gatehouse"}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, rsaKey.Public(), rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	ecDER, ecErr := x509.MarshalPKCS8PrivateKey(ec)
	for name, test := range map[string]struct {
		file      string
		algorithm jose.SignatureAlgorithm
		key       any
		named     bool // by its certificate, as Entra wants
	}{
		"ES256": {encode("PRIVATE KEY", ecDER, ecErr), jose.ES256, ec.Public(), false},
		"RS256 with certificate": {
			encode("CERTIFICATE", certificate, nil) + encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil), jose.RS256, rsaKey.Public(), true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFederation(t)
			file := filepath.Join(f.dir, "key.pem")
			if err := os.WriteFile(file, []byte(test.file), 0o600); err != nil {
				t.Fatal(err)
			}
			p := f.corpProvider()
			p.OIDC.ClientAuthentication, p.OIDC.ClientSecret, p.OIDC.PrivateKey = identityprovider.PrivateKeyJWT, nil, &identityprovider.Secret{File: file}
			f.use(t, p)
			var asked tokenRequests
			f.corp.Bend(oidctest.Bends{Serve: asked.serve})
			newBrowser(t, f.world).get(appURL+"/").wantHello(t, "alice@corp.example", appHost+"/")
			signed, err := jose.ParseSignedCompact(asked.form.Get("client_assertion"), []jose.SignatureAlgorithm{test.algorithm})
			if err != nil {
				t.Fatal(err)
			}
			payload, err := signed.Verify(test.key)
			if err != nil {
				t.Fatal(err)
			}
			var claims struct {
				Iss, Sub, Aud, Jti string
				Iat, Exp           int64
			}
			if err := json.Unmarshal(payload, &claims); err != nil {
				t.Fatal(err)
			}
			if claims.Iss != "0oa-corp" || claims.Sub != "0oa-corp" || claims.Aud != f.corp.Issuer+"/token" || claims.Jti == "" || claims.Exp-claims.Iat != 60 {
				t.Errorf("claims %+v", claims)
			}
			_, named := signed.Signatures[0].Protected.ExtraHeaders["x5t#S256"]
			if asked.form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || asked.auth != "" || named != test.named {
				t.Errorf("form %v, Authorization %q, named %v", asked.form, asked.auth, named)
			}
		})
	}
}
