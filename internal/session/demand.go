package session

import (
	"slices"
	"time"
)

// Factor is how a person must have proved who they are.
type Factor string

// The factors, from weak to strong.
const (
	AnyFactor    Factor = ""
	SecondFactor Factor = "second-factor"
	SecurityKey  Factor = "security-key"
)

// Proof is how and when a person has proved who they are, as far as that is known.
type Proof struct {
	AuthTime time.Time // zero where the identity provider does not say
	AMR      []string  // RFC 8176
	ACR      string    // the claim acr
}

// Proof returns how and when the person of a session proved who they are.
func (r *Record) Proof() Proof { return Proof{AuthTime: r.AuthTime, AMR: r.AMR, ACR: r.ACR} }

// Demand is a proof that an application asks for. The zero value asks for none.
type Demand struct {
	MaxAge time.Duration // since the person proved who they are; zero asks for no proof at all
	Factor Factor
}

// IsZero reports whether nothing is demanded.
func (d Demand) IsZero() bool { return d.MaxAge == 0 }

// MetBy reports whether a proof is what is demanded. What a provider does not say is not proved.
func (d Demand) MetBy(p Proof, now time.Time) bool {
	if d.IsZero() {
		return true
	}
	if p.AuthTime.IsZero() || now.Sub(p.AuthTime) >= d.MaxAge {
		return false
	}
	switch d.Factor {
	case AnyFactor:
		return true
	case SecondFactor:
		return p.hasSecurityKey() || slices.ContainsFunc(p.AMR, isSecondFactor)
	case SecurityKey:
		return p.hasSecurityKey()
	default:
		return false
	}
}

// hasSecurityKey reads the two words that say it: RFC 8176's proof of possession of a key in hardware, and OpenID's
// EAP contexts for methods that cannot be phished, of which only phrh says hardware; providers send phr for passkeys.
func (p Proof) hasSecurityKey() bool {
	return slices.Contains(p.AMR, "hwk") || slices.Contains(p.AMR, "sc") || p.ACR == "phrh" || p.ACR == "phr"
}

// isSecondFactor reports whether a method of RFC 8176 is one that nobody has besides a password: mfa says so itself,
// the others are things that somebody has or is.
func isSecondFactor(method string) bool {
	switch method {
	case "mfa", "otp", "sms", "tel", "swk", "fpt", "face", "iris", "retina", "vbm":
		return true
	}
	return false
}
