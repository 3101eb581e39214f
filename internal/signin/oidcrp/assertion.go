package oidcrp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // only names the certificate, as RFC 7515 has it; Entra looks it up by this name
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// assertionLifetime is how long a proof of who we are is good for.
const assertionLifetime = time.Minute

// assertion proves who we are at the token endpoint (RFC 7523).
func (c *client) assertion(audience string) (string, error) {
	text, err := c.config.PrivateKey.Read() // each time: it may have been rotated
	if err != nil {
		return "", err
	}
	key, certificate, err := readKey(text)
	if err != nil {
		return "", err
	}
	algorithm, err := signingAlgorithm(key)
	if err != nil {
		return "", err
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	if certificate != nil {
		short, long := sha1.Sum(certificate), sha256.Sum256(certificate)
		options = options.WithHeader("x5t", base64.RawURLEncoding.EncodeToString(short[:])).
			WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(long[:]))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		return "", err
	}
	var id [16]byte
	rand.Read(id[:]) // never fails (crypto/rand)
	now := c.now()
	payload, err := json.Marshal(map[string]any{
		"iss": c.config.ClientID, "sub": c.config.ClientID, "aud": audience, "jti": hex.EncodeToString(id[:]),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// readKey reads a private key in PEM, and the certificate beside it if there is one.
func readKey(text []byte) (key crypto.Signer, certificate []byte, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		var parsed any
		switch block.Type {
		case "CERTIFICATE":
			if certificate == nil {
				certificate = block.Bytes
			}
			continue
		case "PRIVATE KEY":
			parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			parsed, err = x509.ParseECPrivateKey(block.Bytes)
		default:
			continue
		}
		if err != nil {
			return nil, nil, errors.New("it cannot be parsed") // the library's text might hold some of it
		}
		signer, ok := parsed.(crypto.Signer)
		if !ok || key != nil {
			return nil, nil, errors.New("there must be exactly one key that signs")
		}
		key = signer
	}
	if key == nil {
		return nil, nil, errors.New("there is no private key in PEM")
	}
	return key, certificate, nil
}

func signingAlgorithm(key crypto.Signer) (jose.SignatureAlgorithm, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return jose.RS256, nil
	case ed25519.PrivateKey:
		return jose.EdDSA, nil
	case *ecdsa.PrivateKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return jose.ES256, nil
		case 384:
			return jose.ES384, nil
		case 521:
			return jose.ES512, nil
		}
	}
	return "", fmt.Errorf("a key of type %T signs with nothing that providers take", key)
}
