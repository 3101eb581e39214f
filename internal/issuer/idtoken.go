package issuer

import (
	"encoding/json"
	"fmt"
	"time"
)

// IDTokenLifetime is how long an ID token is valid.
const IDTokenLifetime = time.Hour

// IDTokenClaims are what an ID token says. Subject and Email stand without namespace, as Google's do.
type IDTokenClaims struct {
	Issuer       string // the auth host's URL
	Audience     string // the OAuth client id of the service that the token is for
	Subject      string
	Email        string
	HostedDomain string // empty for accounts that no organisation manages
	// ComputeEngine is the machine that a service account asked from, which its metadata server describes; nil for none.
	ComputeEngine *ComputeEngine
	// Provider names the identity provider that vouches for the person; empty for accounts of our own directory.
	Provider string
	// Nonce is what the client has asked to find in the token; empty for none.
	Nonce string
}

// ComputeEngine is the claim google.compute_engine.
type ComputeEngine struct {
	InstanceID    string `json:"instance_id"`
	InstanceName  string `json:"instance_name"`
	ProjectID     string `json:"project_id"`
	ProjectNumber int64  `json:"project_number"`
	Zone          string `json:"zone"`
	// Created is when the machine was made, in seconds since 1970.
	Created int64 `json:"instance_creation_timestamp"`
}

// ClaimProvider is the claim, of ours, that has IDTokenClaims.Provider: whether that provider may still vouch for the
// address is asked whenever the token is used.
const ClaimProvider = "gatehouse_provider"

// MintIDToken signs an ID token: RS256, one audience, valid for an hour.
func (s *KeySet) MintIDToken(c IDTokenClaims, now time.Time) (string, error) {
	if c.Issuer == "" || c.Audience == "" {
		return "", fmt.Errorf("%w: issuer and audience must be set", ErrClaims)
	}
	if err := checkIdentity(c.Subject, c.Email); err != nil {
		return "", err
	}
	if err := checkText(c.Issuer, c.Audience, c.HostedDomain, c.Provider, c.Nonce); err != nil {
		return "", err
	}
	signer, err := s.Signer(IDToken, now)
	if err != nil {
		return "", err
	}
	issued := now.Unix()
	payload := append(make([]byte, 0, 512), '{')
	payload = appendMember(payload, "aud", c.Audience)
	payload = appendMember(payload, "azp", c.Audience)
	payload = appendMember(payload, "email", c.Email)
	payload = append(appendName(payload, "email_verified"), "true"...)
	payload = appendNumber(payload, "exp", issued+int64(IDTokenLifetime/time.Second))
	if c.ComputeEngine != nil {
		machine, err := json.Marshal(c.ComputeEngine)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrClaims, err)
		}
		payload = append(append(append(appendName(payload, "google"), `{"compute_engine":`...), machine...), '}')
	}
	if c.Provider != "" {
		payload = appendMember(payload, ClaimProvider, c.Provider)
	}
	if c.HostedDomain != "" {
		payload = appendMember(payload, "hd", c.HostedDomain)
	}
	payload = appendNumber(payload, "iat", issued)
	payload = appendMember(payload, "iss", c.Issuer)
	if c.Nonce != "" {
		payload = appendMember(payload, "nonce", c.Nonce)
	}
	payload = appendMember(payload, "sub", c.Subject)
	return signer.Sign(append(payload, '}'))
}
