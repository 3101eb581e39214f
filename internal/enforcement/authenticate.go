package enforcement

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/bearer"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// authenticate recognises who asks: Proxy-Authorization for us, Authorization for us, session cookie, nobody.
// It returns false when it has refused. A token for us that fails never falls back to the cookie.
func (c *check) authenticate(ctx context.Context) bool {
	for _, header := range [...]string{"Proxy-Authorization", "Authorization"} {
		token, ours := c.ourBearer(header)
		if !ours {
			continue
		}
		c.verdict.StripAuthorization = header == "Authorization"
		return c.acceptBearer(token)
	}
	return c.acceptSession(ctx)
}

// ourBearer returns the bearer token of a header when it is for us. A header that is given twice is for us when
// any of its values is, and then fails: nothing says which was meant.
func (c *check) ourBearer(header string) (string, bool) {
	values := c.request.Header[header]
	for _, value := range values {
		token, isBearer := bearerToken(value)
		if !isBearer || !c.Bearers.Recognises(token) {
			continue
		}
		if len(values) > 1 {
			return "", true
		}
		return token, true
	}
	return "", false
}

// bearerToken returns what follows the scheme Bearer (RFC 6750; the scheme is case-insensitive).
func bearerToken(value string) (string, bool) {
	scheme, token, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}

func (c *check) acceptBearer(token string) bool {
	v := c.verdict
	verified, err := c.Bearers.Verify(token, v.Served.Service.OAuthClientID)
	if err != nil {
		c.unauthorized(policy.BearerInvalid)
		v.Sentence = sentenceUnparsable
		var refusal *bearer.Refusal
		if errors.As(err, &refusal) {
			v.Sentence = refusal.Text
		}
		return false
	}
	v.Identity, v.Credential = verified.Identity, audit.BearerToken
	if account, found := c.view.Directory.Account(verified.Identity.Email); found && account.Subject == verified.Identity.Subject {
		v.Identity = account.Identity() // a token does not say whether it is a user's or a service account's
	}
	return true
}

func (c *check) acceptSession(ctx context.Context) bool {
	v := c.verdict
	cookie := v.Served.Cookie(v.Host)
	record, err := c.Sessions.Authenticate(ctx, c.request.Header["Cookie"], cookie.Scope(v.Host), cookie.Name, v.Served.Resource)
	switch {
	case err == nil:
		v.Identity, v.Credential = record.Identity, audit.SessionCookie
		c.sessionID, c.groups = record.ID.String(), record.Groups
		c.told, c.proof = record.Attributes, record.Proof()
		if record.Ask(c.now) && canFollow(c.request) {
			v.Outcome, v.Status, v.Reason = SignIn, http.StatusFound, policy.ConfirmationDue
			return false
		}
	case errors.Is(err, session.ErrNone):
		c.denied = policy.NoCredential
	case errors.Is(err, session.ErrInvalid):
		c.denied = policy.CookieInvalid
	case errors.Is(err, session.ErrEnded):
		c.denied = policy.SessionEnded
	default:
		v.refuse(http.StatusServiceUnavailable, policy.StoreFailed)
		return false
	}
	return true
}

// The sentences of IAP's 401, word for word: clients parse them.
const (
	sentenceEmpty      = "Invalid IAP credentials: empty token"
	sentenceUnparsable = "Invalid IAP credentials: Unable to parse JWT"
	sentenceSignature  = "Invalid IAP credentials: JWT signature is invalid"
)
