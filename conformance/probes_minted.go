package conformance

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
)

var withMinter = []Need{NeedMinter}

// draft is an assertion that the gate's own key is to sign.
type draft struct {
	what   string
	header object // what to change in the header; nil: nothing
	claims object
}

// minted makes the attempts of a probe whose assertions are signed by the gate.
func minted(drafts func(k *kit) []draft) func(context.Context, *kit) ([]attempt, error) {
	return func(ctx context.Context, k *kit) ([]attempt, error) {
		var all []attempt
		for _, d := range drafts(k) {
			token, err := k.minter.Mint(ctx, d.header, d.claims)
			if err != nil {
				return nil, fmt.Errorf("cannot mint: %w", err)
			}
			all = append(all, k.bearing(d.what, token))
		}
		return all, nil
	}
}

// changed is a draft with one claim changed.
func (k *kit) changed(what, claim string, value any) draft {
	return draft{what: what, claims: k.claims().with(claim, value)}
}

// mintedClaimProbes are signed by the gate and meant for somebody else.
func mintedClaimProbes() []Probe {
	return []Probe{
		{ID: "wrong-audience", Title: "signed by the gate, for another application", Fault: Audience, Needs: withMinter, attempts: minted(wrongAudience)},
		{ID: "audience-array", Title: "aud is a list, with this application in it", Fault: Audience, Needs: withMinter, Lax: true, attempts: minted(audienceList)},
		{ID: "no-audience", Title: "aud is missing", Fault: Audience, Needs: withMinter, attempts: minted(noAudience)},
		{ID: "wrong-issuer", Title: "signed by the gate, and iss is not IAP", Fault: Issuer, Needs: withMinter, attempts: minted(wrongIssuer)},
		{ID: "no-issuer", Title: "iss is missing", Fault: Issuer, Needs: withMinter, attempts: minted(noIssuer)},
	}
}

func wrongAudience(k *kit) []draft {
	return []draft{
		k.changed("another backend service", "aud", "/projects/1/global/backendServices/1"),
		k.changed("ours and one digit more", "aud", k.audience+"0"),
		k.changed("ours less one digit", "aud", k.audience[:len(k.audience)-1]),
		k.changed("ours in upper case", "aud", strings.ToUpper(k.audience)),
		k.changed("empty", "aud", ""),
		k.changed("any", "aud", "*"),
	}
}

func audienceList(k *kit) []draft {
	return []draft{
		k.changed("alone", "aud", []string{k.audience}),
		k.changed("after another", "aud", []string{"/projects/1/global/backendServices/1", k.audience}),
	}
}

func noAudience(k *kit) []draft {
	return []draft{
		{what: "missing", claims: k.claims().without("aud")},
		{what: "missing, and azp is right", claims: k.claims().without("aud").with("azp", k.audience)},
		k.changed("an empty list", "aud", []string{}),
	}
}

func wrongIssuer(k *kit) []draft {
	return []draft{
		k.changed("another issuer", "iss", "https://issuer.invalid"),
		k.changed("Google accounts", "iss", "https://accounts.google.com"),
		k.changed("without its scheme", "iss", strings.TrimPrefix(assertion.Issuer, "https://")),
		k.changed("with a slash at its end", "iss", assertion.Issuer+"/"),
	}
}

func noIssuer(k *kit) []draft {
	return []draft{{what: "missing", claims: k.claims().without("iss")}, k.changed("empty", "iss", "")}
}

// mintedTimeProbes are signed by the gate, at another time.
func mintedTimeProbes() []Probe {
	return []Probe{
		{ID: "expired", Title: "signed by the gate, and exp is past", Fault: Times, Needs: withMinter, attempts: minted(expired)},
		{ID: "future-iat", Title: "signed by the gate, and iat is in the future", Fault: Times, Needs: withMinter, attempts: minted(future)},
		{ID: "exp-missing", Title: "exp is missing", Fault: Times, Needs: withMinter, attempts: minted(noExpiry)},
		{ID: "exp-string", Title: "exp is text", Fault: Times, Needs: withMinter, attempts: minted(textExpiry)},
		{ID: "exp-huge", Title: "valid until a time that never comes", Fault: Times, Needs: withMinter, attempts: minted(hugeExpiry)},
		{ID: "long-lifetime", Title: "valid for an hour, which IAP never grants", Fault: Times, Needs: withMinter, Lax: true, attempts: minted(longLifetime)},
		{ID: "iat-missing", Title: "iat is missing", Fault: Times, Needs: withMinter, Lax: true, attempts: minted(noIssueTime)},
	}
}

// at is a draft issued at some distance from now, valid as long as usual.
func (k *kit) at(what string, distance time.Duration) draft {
	issued := k.now().Add(distance)
	claims := k.claims().with("iat", issued.Unix()).with("exp", issued.Add(assertion.MaxLifetime).Unix())
	return draft{what: what, claims: claims}
}

func expired(k *kit) []draft {
	return []draft{
		k.at("an hour ago", -time.Hour-assertion.MaxLifetime),
		k.at("ten minutes ago", -2*assertion.MaxLifetime),
		k.changed("at the beginning of time", "exp", 0),
		k.changed("before it", "exp", -1),
	}
}

func future(k *kit) []draft {
	return []draft{k.at("in an hour", time.Hour), k.at("in ten minutes", assertion.MaxLifetime)}
}

func noExpiry(k *kit) []draft {
	return []draft{{claims: k.claims().without("exp")}}
}

func textExpiry(k *kit) []draft {
	return []draft{
		k.changed("a number in quotes", "exp", fmt.Sprint(k.now().Add(time.Minute).Unix())),
		k.changed("a date", "exp", k.now().Add(time.Minute).UTC().Format(time.RFC3339)),
		k.changed("any text", "exp", "never"),
	}
}

func hugeExpiry(k *kit) []draft {
	return []draft{
		k.changed("in a hundred years", "exp", k.now().AddDate(100, 0, 0).Unix()),
		k.changed("1e300", "exp", 1e300),
	}
}

func longLifetime(k *kit) []draft {
	return []draft{k.changed("", "exp", k.now().Add(time.Hour).Unix())}
}

func noIssueTime(k *kit) []draft {
	return []draft{{what: "", claims: k.claims().without("iat")}}
}

// mintedHeaderProbes are good in all but what their header asks for.
func mintedHeaderProbes() []Probe {
	return []Probe{
		{ID: "kid-missing", Title: "signed by the gate, without kid", Fault: Key, Needs: withMinter, Lax: true, attempts: minted(func(k *kit) []draft {
			return []draft{k.headed("missing", "kid", nil), k.headed("empty", "kid", "")}
		})},
		{ID: "header-crit", Title: "signed by the gate, and crit asks for processing that nobody knows", Fault: Key, Needs: withMinter, Lax: true, attempts: minted(func(k *kit) []draft {
			return []draft{{header: object{"crit": []string{"x-unknown"}, "x-unknown": true}, claims: k.claims()}}
		})},
		{ID: "header-typ", Title: "signed by the gate, and typ says that it is a token of another kind", Fault: Key, Needs: withMinter, Lax: true, attempts: minted(func(k *kit) []draft {
			return []draft{k.headed("", "typ", "at+jwt")}
		})},
		{ID: "alg-mislabelled", Title: "signed by the gate with ES256, and alg says otherwise", Fault: Algorithm, Needs: withMinter, Lax: true, attempts: minted(func(k *kit) []draft {
			return []draft{k.headed("es256", "alg", "es256"), k.headed("none", "alg", "none"), k.headed("HS256", "alg", "HS256"), k.headed("null", "alg", nil)}
		})},
	}
}

// headed is a good draft with one member of the header changed; nil takes it away.
func (k *kit) headed(what, name string, value any) draft {
	return draft{what: what, header: object{name: value}, claims: k.claims()}
}
