package enforcement

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/bearer"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/session"
)

// authenticate recognises who asks: Proxy-Authorization for us, Authorization for us, session cookie, nobody.
// It returns false when it has refused. A token for us that fails never falls back to the cookie.
func (c *check) authenticate(ctx context.Context) bool {
	c.asked = true
	for _, header := range [...]string{"Proxy-Authorization", "Authorization"} {
		verified, err := c.verifyBearer(ctx, header)
		if errors.Is(err, bearer.ErrForeign) {
			continue
		}
		c.verdict.StripAuthorization = header == "Authorization"
		return c.acceptBearer(verified, err)
	}
	return c.acceptSession(ctx)
}

// errGivenTwice refuses a header with several values of which one is for us: nothing says which was meant.
var errGivenTwice = &bearer.Refusal{Text: bearer.TextUnparsable}

// verifyBearer returns what the bearer token of a header proves; bearer.ErrForeign when there is none for us.
func (c *check) verifyBearer(ctx context.Context, header string) (bearer.Verified, error) {
	values := c.request.Header[header]
	for _, value := range values {
		token, isBearer := bearerToken(value)
		switch {
		case !isBearer:
		case len(values) == 1:
			served := c.verdict.Served
			return c.Bearers.Verify(ctx, token, bearer.Request{
				ClientID: served.Service.OAuthClientID, Clients: served.Settings.ProgrammaticClients,
				Host: c.verdict.Host, Target: c.verdict.Target,
			})
		case c.Bearers.Recognises(token):
			return bearer.Verified{}, errGivenTwice
		}
	}
	return bearer.Verified{}, bearer.ErrForeign
}

// holdsOurBearer reports whether any value of a header is a bearer token for us, good or not.
func (c *check) holdsOurBearer(header string) bool {
	for _, value := range c.request.Header[header] {
		if token, isBearer := bearerToken(value); isBearer && c.Bearers.Recognises(token) {
			return true
		}
	}
	return false
}

// bearerToken returns what follows the scheme Bearer (RFC 6750; the scheme is case-insensitive). A tab divides the two as
// well, although it should not: applications read it so, and a token for us must not reach them unseen.
func bearerToken(value string) (string, bool) {
	scheme, token := value, ""
	if i := strings.IndexAny(value, " \t"); i >= 0 {
		scheme, token = value[:i], value[i:]
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.Trim(token, " \t"), true
}

func (c *check) acceptBearer(verified bearer.Verified, err error) bool {
	v := c.verdict
	if err != nil {
		var refusal *bearer.Refusal
		if errors.As(err, &refusal) {
			c.unauthorized(policy.BearerInvalid)
			v.Sentence = refusal.Text
		} else {
			v.refuse(http.StatusServiceUnavailable, policy.StoreFailed)
		}
		return false
	}
	v.Identity, v.Credential, v.Expires = verified.Identity, audit.BearerToken, verified.Expires
	c.groups, c.told = verified.Groups, verified.Attributes
	if v.Identity.Provider != directory.LocalProvider {
		return true
	}
	if account, found := c.view.Directory.Account(v.Identity.Email); found && account.Subject == v.Identity.Subject {
		v.Identity = account.Identity() // as it is now
	}
	return true
}

// session returns the one that the request names, or that an exchange was let in by.
func (c *check) session(ctx context.Context) (*session.Record, error) {
	v := c.verdict
	switch {
	case c.again == nil:
		cookie := v.Served.Cookie(v.Host)
		return c.Sessions.Authenticate(ctx, c.request.Header["Cookie"], cookie.Scope(v.Host), cookie.Name, v.Served.Resource)
	case c.again.session.IsZero():
		return nil, session.ErrNone
	default:
		return c.Sessions.Resume(ctx, c.again.session, v.Served.Resource, c.used)
	}
}

func (c *check) acceptSession(ctx context.Context) bool {
	v := c.verdict
	record, err := c.session(ctx)
	switch {
	case err == nil:
		v.Identity, v.Credential = record.Identity, audit.SessionCookie
		v.Session, v.Expires, c.groups = record.ID, record.Expires, record.Groups
		c.told, c.proof = record.Attributes, record.Proof()
		if record.Ask(c.now) && c.canFollow() {
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
