package oauthserver

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/bearer"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// tokens is the answer of the token endpoint.
type tokens struct {
	AccessToken  string `json:"access_token,omitempty"`
	ExpiresIn    int64  `json:"expires_in,omitempty"`
	TokenType    string `json:"token_type,omitempty"`
	Scope        string `json:"scope,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
}

const grantJWTBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// Token is the token endpoint. It takes no cookie and says nothing to scripts of other origins.
func (s *Server) Token(w http.ResponseWriter, r *http.Request) {
	form, err := s.form(w, r)
	if err == nil {
		var given tokens
		if given, err = s.token(r, form); err == nil {
			writeJSON(w, http.StatusOK, given)
			return
		}
		s.limit.charge(s.ClientAddr(r), failure, s.Now())
	}
	s.writeFault(w, r, err)
}

func (s *Server) token(r *http.Request, form map[string]string) (tokens, error) {
	switch form["grant_type"] {
	case grantJWTBearer:
		return s.byAssertion(r.Context(), form)
	case "authorization_code":
		return s.byCode(r, form)
	case "refresh_token":
		return s.byRefreshToken(r, form)
	case "":
		return tokens{}, invalid(errInvalidRequest, "grant_type is missing")
	default:
		return tokens{}, invalid(errUnsupportedGrant, "grant_type is authorization_code, refresh_token or "+grantJWTBearer)
	}
}

// byAssertion gives a service account the token that it asks for with an assertion of its own (RFC 7523).
func (s *Server) byAssertion(ctx context.Context, form map[string]string) (tokens, error) {
	endpoints := []string{s.URL + PathToken, googleTokenURL}
	if s.TokenURL != "" {
		endpoints = append(endpoints, s.TokenURL)
	}
	asked, err := s.Assertions.VerifyAssertion(form["assertion"], endpoints...)
	var refusal *bearer.Refusal
	switch {
	case errors.As(err, &refusal):
		return tokens{}, invalid(errInvalidGrant, "the assertion is not accepted: "+refusal.Cause.Error())
	case err != nil:
		return tokens{}, err
	case s.Directory().Suspended(asked.Identity):
		return tokens{}, invalid(errInvalidGrant, "the service account is switched off or gone")
	}
	if asked.TargetAudience == "" {
		return s.accessToken(access{Key: asked.KeyID, Identity: asked.Identity}), nil
	}
	if err := s.checkAudience(asked.TargetAudience); err != nil {
		return tokens{}, err
	}
	id, err := s.MintIDToken(ctx, s.claims(asked.Identity, asked.TargetAudience))
	return tokens{IDToken: id}, err
}

// checkAudience refuses to mint for an audience that no application here takes: it is a mistake, which the application
// would answer with less; and we vouch for nobody to others.
func (s *Server) checkAudience(audience string) error {
	if !s.Directory().Audience(audience) {
		return invalid(errInvalidRequest, "no application here takes ID tokens for this audience: use the application's OAuth client id")
	}
	return nil
}

// accessToken answers with an opaque access token.
func (s *Server) accessToken(a access) tokens {
	a.Expires = s.Now().Add(AccessTokenLifetime).Unix()
	return tokens{AccessToken: s.sealAccess(a), ExpiresIn: int64(AccessTokenLifetime/time.Second) - 1, TokenType: "Bearer", Scope: a.Scope}
}

// client returns the client id of a request. The clients are programs on people's computers: they have no secret, and
// one that is sent, as Google's libraries do, is not looked at.
func (s *Server) client(r *http.Request, form map[string]string) (string, error) {
	id := form["client_id"]
	if name, _, basic := r.BasicAuth(); basic {
		plain, err := url.QueryUnescape(name) // RFC 6749, 2.3.1
		if err != nil || id != "" && id != plain {
			return "", invalid(errInvalidRequest, "the client is named twice, and differently")
		}
		id = plain
	}
	if id == "" {
		return "", &fault{http.StatusUnauthorized, errInvalidClient, "client_id is missing"}
	}
	if _, found := s.Directory().Client(id); !found {
		return "", &fault{http.StatusUnauthorized, errInvalidClient, "no program with this client_id is known here"}
	}
	return id, nil
}

// gone is said of every code and refresh token that gives nothing, whatever the reason.
func gone(what string) *fault {
	return invalid(errInvalidGrant, "the "+what+" is not known, was used, was revoked or has expired, or the person has signed out: sign in again")
}

// byCode redeems a code. It is used up by the attempt, so that nobody tries twice.
func (s *Server) byCode(r *http.Request, form map[string]string) (tokens, error) {
	client, err := s.client(r, form)
	if err != nil {
		return tokens{}, err
	}
	if !isSecret(form["code"], codePrefix) {
		return tokens{}, gone("code")
	}
	now := s.Now()
	var grant Grant
	var refresh, nonce string
	var record session.Record
	err = s.Store.RedeemCode(r.Context(), hashOf(form["code"]), now, func(code Code, found session.Record) (Grant, error) {
		if code.Client != client || code.RedirectURI != form["redirect_uri"] || !provesChallenge(form["code_verifier"], code.Challenge) || !s.usable(found, now) {
			return Grant{}, ErrGone
		}
		record, nonce = found, code.Nonce
		grant = Grant{
			ID: newGrantID(), Session: found.ID, Client: client, Scope: code.Scope, CodeHash: code.Hash, Created: now, Expires: now.Add(AccessTokenLifetime),
		}
		if code.Offline {
			refresh, grant.Refresh = newSecret(refreshPrefix)
			grant.Expires = found.Expires
		}
		return grant, nil
	})
	switch {
	case errors.Is(err, ErrGone), errors.Is(err, session.ErrNotFound):
		return tokens{}, gone("code")
	case err != nil:
		return tokens{}, err
	}
	s.Log.InfoContext(r.Context(), "a program was given tokens", "client", client, "email", record.Identity.Email,
		"session", record.ID.String(), "offline", refresh != "", "peer", s.ClientAddr(r))
	given, err := s.forPerson(r.Context(), grant, record, client, nonce)
	given.RefreshToken = refresh
	return given, err
}

// byRefreshToken gives new tokens of a grant. The refresh token stays the same, as at Google: programs that run side by
// side share it, and what ends it is the end of the sign-in behind it.
func (s *Server) byRefreshToken(r *http.Request, form map[string]string) (tokens, error) {
	client, err := s.client(r, form)
	if err != nil {
		return tokens{}, err
	}
	if !isSecret(form["refresh_token"], refreshPrefix) {
		return tokens{}, gone("refresh token")
	}
	now := s.Now()
	grant, record, err := s.Store.Grant(r.Context(), GrantID{}, hashOf(form["refresh_token"]))
	switch {
	case errors.Is(err, ErrGone), errors.Is(err, session.ErrNotFound):
		return tokens{}, gone("refresh token")
	case err != nil:
		return tokens{}, err
	case grant.Client != client || !now.Before(grant.Expires) || !s.usable(record, now):
		return tokens{}, gone("refresh token")
	}
	audience := cmp.Or(form["audience"], client)
	if audience != client {
		if err := s.checkAudience(audience); err != nil {
			return tokens{}, err
		}
	}
	return s.forPerson(r.Context(), grant, record, audience, "")
}

// forPerson answers with an access token and an ID token for one audience.
func (s *Server) forPerson(ctx context.Context, grant Grant, record session.Record, audience, nonce string) (tokens, error) {
	given := s.accessToken(access{Grant: grant.ID, Identity: record.Identity, Scope: grant.Scope})
	claims := s.claims(record.Identity, audience)
	claims.Nonce = nonce
	var err error
	given.IDToken, err = s.MintIDToken(ctx, claims)
	return given, err
}
