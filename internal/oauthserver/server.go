package oauthserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/bearer"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/sealing"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// The paths of the endpoints, named as Google's are.
const (
	PathAuthorize   = issuer.PathAuthorize
	PathConsent     = "/signin/consent"
	PathToken       = issuer.PathToken
	PathRevoke      = issuer.PathRevoke
	PathUserinfo    = issuer.PathUserinfo
	PathAccountKeys = "/service_accounts/v1/jwk/"
)

// googleTokenURL is the audience that Google's libraries write into assertions whatever the key file says.
const googleTokenURL = "https://oauth2.googleapis.com/token"

// Lifetimes of what is given.
const (
	codeLifetime    = time.Minute
	consentLifetime = 10 * time.Minute
	// AccessTokenLifetime is how long an access token is valid.
	AccessTokenLifetime = time.Hour
)

// Directory is what must be known of people, programs and applications, as requests see it now.
type Directory interface {
	// Suspended reports whether an identity does not count any more.
	Suspended(identity principal.Identity) bool
	// Audience reports whether some application takes ID tokens for it: its own OAuth client id, or a programmatic client.
	Audience(id string) bool
	// Client returns what people call the program with a client id; false for one that is nobody's.
	Client(id string) (name string, found bool)
	// AccountKey reports whether a key of a service account still counts.
	AccountKey(id string, now time.Time) bool
	// AccountKeys returns the public keys of a service account; false where there is no such account.
	AccountKeys(email string, now time.Time) ([]*directory.VerificationKey, bool)
}

// SignIn is what the authorization endpoint needs of sign-in.
type SignIn interface {
	// Present returns the live session of a browser at the auth host.
	Present(r *http.Request) (session.Record, bool, error)
	// SignInHere lets somebody sign in and go on to a page of the auth host.
	SignInHere(w http.ResponseWriter, r *http.Request, target, app, email string, choose, login bool)
	// Unavailable answers when the store fails.
	Unavailable(w http.ResponseWriter, r *http.Request, cause error)
	// ServeHTTP answers authorization requests that are not of programs.
	ServeHTTP(w http.ResponseWriter, r *http.Request)
}

// Assertions verifies what service accounts sign for the token endpoint.
type Assertions interface {
	VerifyAssertion(assertion string, audiences ...string) (bearer.Grant, error)
}

// Server is the authorization server. Fill in the fields before first use; do not copy.
type Server struct {
	// URL is the auth host's, without a slash at the end.
	URL string
	// TokenURL is another name of the token endpoint; empty for none.
	TokenURL   string
	Store      Store
	SignIn     SignIn
	Assertions Assertions
	Directory  func() Directory
	// MintIDToken signs an ID token.
	MintIDToken func(ctx context.Context, claims issuer.IDTokenClaims) (string, error)
	// Sealer is for access tokens and consent; never a signing key.
	Sealer *sealing.Sealer
	Pages  *pages.Renderer
	// ClientAddr returns whom a request comes from, past trusted proxies.
	ClientAddr func(*http.Request) netip.Addr
	Now        func() time.Time
	Log        *slog.Logger

	limit limiter
}

// encoding is how secrets are written. It is strict: one spelling for each.
var encoding = base64.RawURLEncoding.Strict()

// The beginnings of our secrets, by which people and scanners of source code know them.
const (
	codePrefix    = "gatehouse_ac_"
	refreshPrefix = "gatehouse_rt_"
)

// newSecret draws 256 bits and returns them as they are given away and as they are stored.
func newSecret(prefix string) (secret string, hash Hash) {
	var b [32]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	secret = prefix + encoding.EncodeToString(b[:])
	return secret, hashOf(secret)
}

func hashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }

// isSecret reports whether s has the form of a secret of ours, before the store is asked for it.
func isSecret(s, prefix string) bool {
	rest, found := strings.CutPrefix(s, prefix)
	if !found {
		return false
	}
	b, err := encoding.DecodeString(rest)
	return err == nil && len(b) == 32
}

// usable reports whether the sign-in behind a grant still counts. That the browser is idle does not end it.
func (s *Server) usable(record session.Record, now time.Time) bool {
	return record.Parent.IsZero() && now.Before(record.Expires) && !record.Unconfirmed(now) && !s.Directory().Suspended(record.Identity)
}

// claims are what an ID token for an audience says about somebody.
func (s *Server) claims(identity principal.Identity, audience string) issuer.IDTokenClaims {
	c := issuer.IDTokenClaims{
		Issuer: s.URL, Audience: audience, Subject: identity.Subject, Email: identity.Email, HostedDomain: identity.HostedDomain,
	}
	if identity.Provider != directory.LocalProvider {
		c.Provider = identity.Provider
	}
	return c
}
