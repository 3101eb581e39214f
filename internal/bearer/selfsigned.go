package bearer

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/catalog"
	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// proveSelfSigned checks a token that a service account has signed with its own key, for a URL of ours.
func (v *Verifier) proveSelfSigned(t token, named string, view View, now time.Time) (*proof, error) {
	key, account, err := signer(t, named, view, now)
	if err != nil {
		return nil, err
	}
	var subject, audience string
	if err := t.texts(TextAudience, map[string]*string{"aud": &audience}); err != nil {
		return nil, err
	}
	if err := t.texts(TextUnparsable, map[string]*string{"sub": &subject}); err != nil {
		return nil, err
	}
	p := &proof{account: key, kid: t.kid, audience: audience}
	if p.IssuedAt, p.Expires, err = t.times(); err != nil {
		return nil, err
	}
	if err := checkTimes(p.IssuedAt, p.Expires, now, maxSelfSigned); err != nil {
		return nil, err
	}
	if err := notBefore(t, now); err != nil {
		return nil, err
	}
	if subject != named {
		return nil, refuse(TextUnparsable, "iss and sub are not the same service account")
	}
	if p.place, err = v.parsePlace(audience); err != nil {
		return nil, &Refusal{Text: TextAudience, Cause: err}
	}
	p.Identity = account.Identity()
	return p, nil
}

// signer checks that a token was signed by the service account that it names, and returns the key and the account.
func signer(t token, named string, view View, now time.Time) (*directory.VerificationKey, directory.Account, error) {
	if err := t.headerOnly(); err != nil {
		return nil, directory.Account{}, err
	}
	key, found := view.Directory.Key(t.kid)
	switch {
	case !found:
		return nil, directory.Account{}, refuse(TextSignature, "its key is not registered, or was deleted or switched off")
	case key.Account != named:
		return nil, directory.Account{}, refuse(TextSignature, "its key is of another service account")
	case !key.Usable(now):
		return nil, directory.Account{}, refuse(TextSignature, "its key has expired")
	}
	account, found := view.Directory.Account(key.Account)
	if !found || account.Kind != principal.ServiceAccount {
		return nil, directory.Account{}, refuse(TextSignature, "its service account is gone")
	}
	return key, account, t.verify(key.Public, "RS256")
}

// notBefore honours nbf where somebody else has set it.
func notBefore(t token, now time.Time) error {
	value, found := t.claims["nbf"]
	if !found {
		return nil
	}
	if from, ok := seconds(value); !ok || time.Unix(from, 0).After(now.Add(skew)) {
		return refuse(TextUnparsable, "it is not valid yet")
	}
	return nil
}

// place is what the audience of a self-signed token names: one address, or all below one.
type place struct {
	host  string // canonical
	path  string
	below bool // path ends in a slash, and everything that starts with it is meant
}

var errPlace = errors.New("its audience is not a URL of ours: SCHEME://HOST/PATH, or SCHEME://HOST/PATH/* for all below")

// parsePlace reads an audience. Scheme and port must be those by which we are reached.
func (v *Verifier) parsePlace(audience string) (place, error) {
	scheme, rest, found := strings.Cut(audience, "://")
	if !found || !strings.EqualFold(scheme, v.Scheme) {
		return place{}, errPlace
	}
	for i := range len(rest) {
		// Neither user nor query nor fragment, and nothing that a reader might take for one of the slashes.
		if c := rest[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`@?#\`, c) >= 0 {
			return place{}, errPlace
		}
	}
	authority, path := rest, "/"
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	host, err := catalog.CanonicalHost(authority)
	if err != nil || !v.ourPort(authority) {
		return place{}, errPlace
	}
	if prefix, below := strings.CutSuffix(path, "/*"); below {
		return place{host, prefix + "/", true}, nil
	}
	return place{host, path, false}, nil
}

// ourPort reports whether an authority names our port, or leaves out the one that its scheme implies.
func (v *Verifier) ourPort(authority string) bool {
	implied := map[string]int{"http": 80, "https": 443}[v.Scheme]
	ours := v.Port
	if ours == 0 {
		ours = implied
	}
	_, port, err := net.SplitHostPort(authority)
	if err != nil || port == "" {
		return ours == implied
	}
	return port == strconv.Itoa(ours)
}

// holds reports whether a request is in the place, in whichever of the three ways its path is read. Below a part of a
// host, an encoded slash is refused: whether it is one is up to the application.
func (p place) holds(host string, target catalog.Target) bool {
	if host != p.host || p.path == "" {
		return false
	}
	if !p.below {
		return target.Raw == p.path && target.Normalized == p.path && target.Decoded == p.path
	}
	if p.path != "/" && target.EncodedSlash {
		return false
	}
	return strings.HasPrefix(target.Raw, p.path) && strings.HasPrefix(target.Normalized, p.path) && strings.HasPrefix(target.Decoded, p.path)
}
