package bearer

import (
	"crypto/rsa"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// proveOurs checks an ID token that this gate has minted: in exactly the types that it mints, one audience above all.
func (v *Verifier) proveOurs(t token, view View, now time.Time) (*proof, error) {
	if err := t.headerOnly(); err != nil {
		return nil, err
	}
	public, found := view.Keys.Verifiable(issuer.IDToken, t.kid, now)
	if !found {
		return nil, refuse(TextSignature, "its key is not one of ours, or no longer")
	}
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, refuse(TextSignature, "its key is no RSA key")
	}
	if err := t.verify(key, "RS256"); err != nil {
		return nil, err
	}
	p := &proof{ours: true, kid: t.kid}
	if err := t.texts(TextAudience, map[string]*string{"aud": &p.audience}); err != nil {
		return nil, err
	}
	if err := t.texts(TextEmail, map[string]*string{"email": &p.Identity.Email}); err != nil {
		return nil, err
	}
	if err := t.texts(TextUnparsable, map[string]*string{"sub": &p.Identity.Subject}); err != nil {
		return nil, err
	}
	var err error
	if p.Identity.HostedDomain, err = t.optionalText("hd"); err != nil {
		return nil, err
	}
	if p.Identity.Provider, err = t.optionalText(issuer.ClaimProvider); err != nil {
		return nil, err
	}
	if p.IssuedAt, p.Expires, err = t.times(); err != nil {
		return nil, err
	}
	if _, found := t.claims["nbf"]; found {
		return nil, refuse(TextUnparsable, "it has nbf, which we do not mint")
	}
	if err := checkTimes(p.IssuedAt, p.Expires, now, issuer.IDTokenLifetime); err != nil {
		return nil, err
	}
	switch {
	case p.audience == "":
		return nil, refuse(TextAudience, "its audience is empty")
	case p.Identity.Subject == "":
		return nil, refuse(TextUnparsable, "it has no subject")
	case !t.isTrue("email_verified"):
		return nil, refuse(TextEmail, "its address is not verified")
	}
	if email, err := principal.ParseAddress(p.Identity.Email); err != nil || email != p.Identity.Email {
		return nil, refuse(TextEmail, "its address is not in canonical form")
	}
	p.Identity.Kind = principal.User
	if p.Identity.Provider == "" {
		p.Identity.Provider, p.Identity.Kind = directory.LocalProvider, v.kindOf(p.Identity, view)
	}
	return p, nil
}

// kindOf says what sort of account a local identity is: the directory knows, and for one that is gone by now its
// address tells.
func (v *Verifier) kindOf(identity principal.Identity, view View) principal.Kind {
	if account, found := view.Directory.Account(identity.Email); found && account.Subject == identity.Subject {
		return account.Kind
	}
	if strings.HasSuffix(identity.Email, ".gserviceaccount.com") {
		return principal.ServiceAccount
	}
	return principal.User
}
