package credentials

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// KeyFile is the key of a service account in the form that Google's libraries read: the value of
// GOOGLE_APPLICATION_CREDENTIALS names such a file.
type KeyFile struct {
	Type          string `json:"type"`
	ProjectID     string `json:"project_id"`
	PrivateKeyID  string `json:"private_key_id"`
	PrivateKey    string `json:"private_key"` // PKCS #8, PEM
	ClientEmail   string `json:"client_email"`
	ClientID      string `json:"client_id"` // the account's number
	AuthURI       string `json:"auth_uri"`
	TokenURI      string `json:"token_uri"`
	AuthCertURL   string `json:"auth_provider_x509_cert_url"`
	ClientCertURL string `json:"client_x509_cert_url"`
	Universe      string `json:"universe_domain"`
}

// typeServiceAccount is the type of a key file.
const typeServiceAccount = "service_account"

// googleUniverse is what libraries take for their own when nothing is said. Another name makes some of them talk to
// other endpoints, and others refuse the file.
const googleUniverse = "googleapis.com"

const keyBits = 2048

// NewPair makes the key pair of a service account: the private key as a key file has it, and the public one in PEM.
func NewPair() (private, public string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return "", "", err
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	publicDER, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", "", err
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("PRIVATE KEY", privateDER), encode("PUBLIC KEY", publicDER), nil
}

// NewKeyFile fills in what a key file says about a key that an auth host knows.
func NewKeyFile(private, keyID, email, number, project, authURL, tokenURL string) KeyFile {
	return KeyFile{
		Type: typeServiceAccount, ProjectID: project, PrivateKeyID: keyID, PrivateKey: private, ClientEmail: email, ClientID: number,
		AuthURI: authURL + "/o/oauth2/v2/auth", TokenURI: tokenURL,
		AuthCertURL: authURL + "/oauth2/v3/certs", ClientCertURL: authURL + "/service_accounts/v1/jwk/" + email, Universe: googleUniverse,
	}
}

// Write writes the file for its owner only. It overwrites nothing: a key that is lost this way is lost.
func (k KeyFile) Write(path string) (err error) {
	text, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%s exists and is never overwritten: name another file", path)
		}
		return err
	}
	_, err = file.Write(append(text, '\n'))
	return errors.Join(err, file.Sync(), file.Close())
}

// maxKeyFile bounds what is read of a file that somebody names.
const maxKeyFile = 64 << 10

// ReadKeyFile reads a key file and checks that a token can be asked for with it.
func ReadKeyFile(path string) (KeyFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return KeyFile{}, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return KeyFile{}, err
	}
	var k KeyFile
	if err := json.Unmarshal(text, &k); err != nil {
		return KeyFile{}, fmt.Errorf("%s is not a key file: %w", path, err)
	}
	if k.Type != typeServiceAccount {
		return KeyFile{}, fmt.Errorf("%s is of type %q, not %s: make one with `gatehouse iam service-accounts keys create`", path, k.Type, typeServiceAccount)
	}
	if _, err := k.key(); err != nil {
		return KeyFile{}, fmt.Errorf("%s: %w", path, err)
	}
	if k.ClientEmail, err = principal.ParseAddress(k.ClientEmail); err != nil {
		return KeyFile{}, fmt.Errorf("%s: client_email: %w", path, err)
	}
	if _, err := k.AuthHost(); err != nil {
		return KeyFile{}, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

func (k KeyFile) key() (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(k.PrivateKey))
	if block == nil || k.PrivateKeyID == "" {
		return nil, errors.New("it has no private key, or no id of it")
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("private_key: %w", err)
	}
	key, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("private_key is not an RSA key")
	}
	return key, nil
}

// assertion signs what the token endpoint gives a token for.
func (k KeyFile) assertion(targetAudience string, now time.Time) (string, error) {
	key, err := k.key()
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: k.PrivateKeyID}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	const backdated = 10 // seconds, for a server whose clock is behind ours
	claims := map[string]any{"iss": k.ClientEmail, "aud": k.TokenURI, "iat": now.Unix() - backdated, "exp": now.Unix() - backdated + 3600}
	if targetAudience != "" {
		claims["target_audience"] = targetAudience
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
