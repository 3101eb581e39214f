package bearer

import (
	"slices"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// Grant is what a service account asks of the token endpoint with an assertion that it has signed (RFC 7523).
type Grant struct {
	Identity principal.Identity
	// KeyID is the key that signed: what is given lasts no longer than it.
	KeyID string
	// TargetAudience is whom an ID token is asked for; empty when an access token is asked for.
	TargetAudience string
}

// VerifyAssertion checks a service account's assertion for the token endpoint, which has several names. An assertion
// that is meant for anything else, a bearer token for an application above all, is none. Its error is a *Refusal whose
// Cause is for the one who asks as well.
func (v *Verifier) VerifyAssertion(assertion string, audiences ...string) (Grant, error) {
	if len(assertion) > maxToken {
		return Grant{}, refuse(TextUnparsable, "it is too long")
	}
	view := v.View()
	now := v.Now()
	t, err := parseToken(assertion, true)
	if err != nil {
		return Grant{}, err
	}
	var named, audience string
	if err := t.texts(TextUnparsable, map[string]*string{"iss": &named}); err != nil {
		return Grant{}, err
	}
	key, account, err := assertionSigner(t, named, view, now)
	if err != nil {
		return Grant{}, err
	}
	if err := t.texts(TextAudience, map[string]*string{"aud": &audience}); err != nil {
		return Grant{}, err
	}
	if !slices.Contains(audiences, audience) {
		return Grant{}, refuse(TextAudience, "its audience is not this token endpoint")
	}
	var issued, expires time.Time
	if issued, expires, err = t.times(); err != nil {
		return Grant{}, err
	}
	if err := checkTimes(issued, expires, now, maxSelfSigned); err != nil {
		return Grant{}, err
	}
	if err := notBefore(t, now); err != nil {
		return Grant{}, err
	}
	subject, err := t.optionalText("sub")
	if err != nil {
		return Grant{}, err
	}
	if subject != "" && subject != named {
		return Grant{}, refuse(TextUnparsable, "sub is somebody else: a service account speaks for itself only")
	}
	target, err := t.optionalText("target_audience")
	return Grant{Identity: account.Identity(), KeyID: key.ID, TargetAudience: target}, err
}

// assertionSigner is signer for assertions, which Google's library for Node signs without naming the key: then any key
// of the account may have signed. An account has few.
func assertionSigner(t token, named string, view View, now time.Time) (*directory.VerificationKey, directory.Account, error) {
	if t.kid != "" {
		return signer(t, named, view, now)
	}
	for _, key := range view.Directory.KeysOf(named, now) {
		t.kid = key.ID
		if key, account, err := signer(t, named, view, now); err == nil {
			return key, account, nil
		}
	}
	return nil, directory.Account{}, refuse(TextSignature, "it is signed by no key of the service account that it names")
}
