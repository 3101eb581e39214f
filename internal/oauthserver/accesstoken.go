package oauthserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/bearer"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// access is what an access token holds, sealed. It ends with what it was given for: a grant of a person, or a key of a
// service account.
type access struct {
	Grant    GrantID            `json:"g,omitzero"`
	Key      string             `json:"k,omitempty"`
	Identity principal.Identity `json:"i"`
	Scope    string             `json:"s,omitempty"`
	Expires  int64              `json:"x"` // seconds since 1970
}

var accessUse = []byte("access token")

// maxAccessToken bounds what is decoded at all.
const maxAccessToken = 4 << 10

func (s *Server) sealAccess(a access) string {
	plain, err := json.Marshal(a)
	if err != nil {
		panic(err) // strings, numbers and bytes only
	}
	return bearer.AccessTokenPrefix + encoding.EncodeToString(s.Sealer.Seal(plain, accessUse))
}

func (s *Server) openAccess(token string) (access, error) {
	text, found := strings.CutPrefix(token, bearer.AccessTokenPrefix)
	if !found || len(text) > maxAccessToken {
		return access{}, ErrGone
	}
	sealed, err := encoding.DecodeString(text)
	if err != nil {
		return access{}, ErrGone
	}
	plain, err := s.Sealer.Open(sealed, accessUse)
	if err != nil {
		return access{}, ErrGone
	}
	var a access
	if err := json.Unmarshal(plain, &a); err != nil {
		return access{}, ErrGone
	}
	return a, nil
}

// AccessToken returns whom an access token speaks for, and until when; ErrGone for one that counts no more. It asks the
// store, so that a revocation counts at once.
func (s *Server) AccessToken(ctx context.Context, token string) (principal.Identity, time.Time, error) {
	a, err := s.openAccess(token)
	if err != nil {
		return principal.Identity{}, time.Time{}, err
	}
	now, expires := s.Now(), time.Unix(a.Expires, 0)
	directory := s.Directory()
	if !now.Before(expires) || directory.Suspended(a.Identity) {
		return principal.Identity{}, time.Time{}, ErrGone
	}
	if a.Key != "" {
		if !directory.AccountKey(a.Key, now) {
			return principal.Identity{}, time.Time{}, ErrGone
		}
		return a.Identity, expires, nil
	}
	_, record, err := s.Store.Grant(ctx, a.Grant, Hash{})
	switch {
	case errors.Is(err, session.ErrNotFound):
		return principal.Identity{}, time.Time{}, ErrGone
	case err != nil:
		return principal.Identity{}, time.Time{}, err
	case a.Grant == GrantID{} || !s.usable(record, now) || record.Identity.Subject != a.Identity.Subject:
		return principal.Identity{}, time.Time{}, ErrGone
	}
	return record.Identity, expires, nil
}

func newGrantID() (id GrantID) {
	rand.Read(id[:]) // never fails (crypto/rand)
	return id
}

// Userinfo tells a program whose access token it holds (OpenID Connect Core, 5.3).
func (s *Server) Userinfo(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		s.writeFault(w, r, &fault{http.StatusMethodNotAllowed, errInvalidRequest, "use GET"})
		return
	}
	if wait := s.limit.take(s.ClientAddr(r), 1, s.Now()); wait > 0 {
		s.writeFault(w, r, tooMany(w, wait))
		return
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		token = ""
	}
	identity, _, err := s.AccessToken(r.Context(), strings.TrimSpace(token))
	if errors.Is(err, ErrGone) {
		s.limit.charge(s.ClientAddr(r), failure, s.Now())
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": errInvalidToken, "error_description": "send an access token of this host as Authorization: Bearer"})
		return
	}
	if err != nil {
		s.writeFault(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Subject       string `json:"sub"`
		Email         string `json:"email"`
		EmailVerified bool   `json:"email_verified"`
		HostedDomain  string `json:"hd,omitempty"`
	}{identity.Subject, identity.Email, true, identity.HostedDomain})
}

// Revoke ends what a token belongs to (RFC 7009): with a refresh or an access token of a person ends the grant, and with
// that both. That a token is not known is no error.
func (s *Server) Revoke(w http.ResponseWriter, r *http.Request) {
	form, err := s.form(w, r)
	if err == nil {
		if err = s.revoke(r.Context(), form["token"], form["client_id"]); err == nil {
			writeJSON(w, http.StatusOK, struct{}{})
			return
		}
		s.limit.charge(s.ClientAddr(r), failure, s.Now())
	}
	s.writeFault(w, r, err)
}

func (s *Server) revoke(ctx context.Context, token, client string) error {
	var id GrantID
	var refresh Hash
	switch {
	case token == "":
		return invalid(errInvalidRequest, "token is missing")
	case isSecret(token, refreshPrefix):
		refresh = hashOf(token)
	default:
		a, err := s.openAccess(token)
		if err != nil {
			return nil
		}
		if a.Key != "" {
			return invalid(errUnsupportedToken, "an access token of a service account ends with the key: gatehouse iam service-accounts keys delete")
		}
		id = a.Grant
	}
	grant, _, err := s.Store.Grant(ctx, id, refresh)
	switch {
	case errors.Is(err, ErrGone), errors.Is(err, session.ErrNotFound):
		return nil
	case err != nil:
		return err
	case client != "" && client != grant.Client:
		return invalid(errInvalidClient, "the token was given to another program")
	}
	s.Log.InfoContext(ctx, "a program's grant was revoked", "client", grant.Client, "session", grant.Session.String())
	return s.Store.EndGrant(ctx, grant.ID)
}
