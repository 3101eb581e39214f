package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
)

// jwk has its members in Google's order.
type jwk struct {
	Algorithm string `json:"alg"`
	Curve     string `json:"crv,omitempty"`
	Exponent  string `json:"e,omitempty"`
	ID        string `json:"kid"`
	Type      string `json:"kty"`
	Modulus   string `json:"n,omitempty"`
	Use       string `json:"use"`
	X         string `json:"x,omitempty"`
	Y         string `json:"y,omitempty"`
}

type jwks struct {
	Keys []jwk `json:"keys"`
}

func jwkSet(keys []PublicKey) jwks {
	set := jwks{Keys: []jwk{}}
	for _, key := range keys {
		if member, ok := newJWK(key.ID, key.Key); ok {
			set.Keys = append(set.Keys, member)
		}
	}
	return set
}

func newJWK(id string, public crypto.PublicKey) (jwk, bool) {
	encode := base64.RawURLEncoding.EncodeToString
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 4, then both coordinates, each padded to 32 bytes
		if err != nil || len(point) != 65 {
			return jwk{}, false
		}
		return jwk{Algorithm: "ES256", Curve: "P-256", ID: id, Type: "EC", Use: "sig", X: encode(point[1:33]), Y: encode(point[33:])}, true
	case *rsa.PublicKey:
		exponent := big.NewInt(int64(key.E)).Bytes()
		return jwk{Algorithm: "RS256", Exponent: encode(exponent), ID: id, Type: "RSA", Modulus: encode(key.N.Bytes()), Use: "sig"}, true
	default:
		return jwk{}, false
	}
}

func pemMap(keys []PublicKey) (map[string]string, error) {
	pems := make(map[string]string, len(keys))
	for _, key := range keys {
		der, err := x509.MarshalPKIXPublicKey(key.Key)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", key.ID, err)
		}
		pems[key.ID] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	return pems, nil
}

// metadata describes the issuer of ID tokens and its endpoints for programs (OpenID Connect Discovery, RFC 8414).
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Revocation    string   `json:"revocation_endpoint"`
	Userinfo      string   `json:"userinfo_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	ResponseModes []string `json:"response_modes_supported"`
	Grants        []string `json:"grant_types_supported"`
	Challenges    []string `json:"code_challenge_methods_supported"`
	ClientAuth    []string `json:"token_endpoint_auth_methods_supported"`
	IssInAnswers  bool     `json:"authorization_response_iss_parameter_supported"`
	ResponseTypes []string `json:"response_types_supported"`
	SubjectTypes  []string `json:"subject_types_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	Scopes        []string `json:"scopes_supported"`
	Claims        []string `json:"claims_supported"`
}

func newMetadata(issuer string) metadata {
	return metadata{
		Issuer: issuer, JWKS: issuer + PathCerts,
		Authorization: issuer + PathAuthorize, Token: issuer + PathToken, Revocation: issuer + PathRevoke, Userinfo: issuer + PathUserinfo,
		ResponseModes: []string{"query"}, Challenges: []string{"S256"}, ClientAuth: []string{"none"}, IssInAnswers: true,
		Grants:        []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"},
		ResponseTypes: []string{"code"}, SubjectTypes: []string{"public"}, Algorithms: []string{"RS256"},
		Scopes: []string{"openid", "email"},
		Claims: []string{"aud", "azp", "email", "email_verified", "exp", "hd", "iat", "iss", "sub"},
	}
}
