package bearer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/identityprovider"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// proveForeign checks an ID token of an identity provider. The provider's keys are those at hand: one that is not
// among them is refused now and looked for in the background.
func (v *Verifier) proveForeign(ctx context.Context, t token, p identityprovider.Provider, view View, now time.Time) (*proof, error) {
	if err := t.headerOnly("x5t", "x5t#S256"); err != nil { // hashes of certificates, which Entra sends; not used
		return nil, err
	}
	published := v.ProviderKeys.Current(p.Name)
	if published != nil && published.Issuer != p.OIDC.Issuer {
		published = nil
	}
	if t.kid == "" {
		return nil, refuse(TextSignature, "it names no key")
	}
	key, found := published.Find(t.kid, t.algorithm)
	if !found {
		v.ProviderKeys.Renew(p.Name)
		return nil, refuse(TextSignature, "its key is not among those that the identity provider is known to publish; they are looked for")
	}
	if err := t.verify(key, p.OIDC.SigningAlgorithms()...); err != nil {
		return nil, err
	}
	f := &proof{kid: t.kid, provider: p.Name, published: published, providers: view.Providers}
	if err := t.texts(TextAudience, map[string]*string{"aud": &f.audience}); err != nil {
		return nil, err
	}
	var err error
	if f.IssuedAt, f.Expires, err = t.times(); err != nil {
		return nil, err
	}
	if err := checkTimes(f.IssuedAt, f.Expires, now, maxForeign); err != nil {
		return nil, err
	}
	if err := notBefore(t, now); err != nil {
		return nil, err
	}
	if err := isIDToken(t); err != nil {
		return nil, err
	}
	return f, v.identify(ctx, f, t, p, view, now)
}

// isIDToken refuses what a provider signs with the same keys for other purposes: logout tokens (which have events) and
// the access and refresh tokens of Keycloak, whose claim typ tells them from ID tokens.
func isIDToken(t token) error {
	if _, found := t.claims["events"]; found {
		return refuse(TextUnparsable, "it is a logout token, or another one about events")
	}
	if value, found := t.claims["typ"]; found {
		if kind, ok := text(value); !ok || kind != "ID" && kind != "JWT" {
			return refuse(TextUnparsable, fmt.Sprintf("it is a token of the type %.40s, not an ID token", value))
		}
	}
	return nil
}

// identify fills in whom the token speaks for.
func (v *Verifier) identify(ctx context.Context, f *proof, t token, p identityprovider.Provider, view View, now time.Time) error {
	claimed, err := claimsOf(t, p)
	if err != nil {
		return err
	}
	if f.Identity, err = view.Providers.Admit(p, claimed); err != nil {
		return &Refusal{Text: TextEmail, Cause: err}
	}
	number, err := identityprovider.NewNumber(p, claimed.Subject)
	if err != nil {
		return &Refusal{Text: TextUnparsable, Cause: err}
	}
	if p.Groups != nil {
		f.Groups = p.GroupAddresses(list(t.claims[p.Groups.ClaimName()]))
	}
	f.Attributes = p.AttributesOf(t.claims)
	if err := principal.CheckAttributes(f.Attributes); err != nil {
		return &Refusal{Text: TextUnparsable, Cause: err}
	}
	f.Identity.Subject, err = v.People.Number(ctx, identityprovider.Link{
		Issuer: p.OIDC.Issuer, Subject: claimed.Subject, Number: number, Email: f.Identity.Email, Created: now, LastSignIn: now,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	return nil
}

// claimsOf reads what the token says about the person, by the provider's configuration.
func claimsOf(t token, p identityprovider.Provider) (c identityprovider.Claimed, err error) {
	if err = t.texts(TextUnparsable, map[string]*string{"sub": &c.Subject}); err != nil {
		return c, err
	}
	name := p.OIDC.EmailClaim
	if name == "" {
		name = "email"
	}
	if err = t.texts(TextEmail, map[string]*string{name: &c.Email}); err != nil {
		return c, err
	}
	_, said := t.claims["email_verified"]
	c.EmailVerified = name == "email" && t.isTrue("email_verified") || p.TrustEmail && (name != "email" || !said)
	c.HostedDomain, err = t.optionalText("hd")
	return c, err
}

// maxGroups bounds the values of a groups claim.
const maxGroups = 2000

// list returns a claim that is a list of strings, or one string. What is not a string is passed over.
func list(value json.RawMessage) []string {
	if one, ok := text(value); ok {
		return []string{one}
	}
	var many []json.RawMessage
	if json.Unmarshal(value, &many) != nil {
		return nil
	}
	var values []string
	for _, item := range many[:min(len(many), maxGroups)] {
		if s, ok := text(item); ok && s != "" {
			values = append(values, s)
		}
	}
	return values
}
