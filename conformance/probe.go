package conformance

import (
	"context"
	"net/http"
	"net/url"
	"slices"
)

// Need is something that a probe cannot do without, or is worth less without.
type Need string

// The needs.
const (
	// NeedAudience is the application's audience: a forgery for another one may be refused for that alone.
	NeedAudience Need = "audience"
	// NeedKeys are the keys that the application trusts, as they are published.
	NeedKeys Need = "keys"
	// NeedAssertion is a genuine assertion for the application.
	NeedAssertion Need = "assertion"
	// NeedMinter is somebody who signs any claims with the gate's own key.
	NeedMinter Need = "minter"
	// NeedCallback is an address of ours that the application can reach, at which a token may tell it to fetch keys.
	NeedCallback Need = "callback"
	// NeedGate is the gate, and a credential with which it lets us through.
	NeedGate Need = "gate"
)

// Fault is what an application does wrong that accepts a probe. It decides which remedy is printed.
type Fault string

// The faults.
const (
	Unverified Fault = "unverified" // people are believed without a verified assertion
	Signature  Fault = "signature"  // the signature is not checked, or not in full
	Algorithm  Fault = "algorithm"  // the token chooses how it is checked
	Key        Fault = "key"        // the token chooses the key
	Times      Fault = "times"      // iat, exp or the lifetime are not checked
	Audience   Fault = "audience"   // an assertion for another application will do
	Issuer     Fault = "issuer"     // a token of another issuer will do
	Place      Fault = "place"      // read elsewhere than in the one header
	Form       Fault = "form"       // one assertion has several spellings
)

// Probe is one way to fool an application.
type Probe struct {
	ID    string
	Title string // what is sent, in words
	Fault Fault
	// Needs are what the probe cannot be made without.
	Needs []Need
	// Wants are what a refusal proves little without: the probe is made, and only an acceptance counts.
	Wants []Need
	// Lax probes start from a genuine assertion or the gate's own key in the hands of the prober: accepting them
	// alone lets no stranger in, but it is one check less than IAP's guide asks for.
	Lax bool

	attempts func(ctx context.Context, k *kit) ([]attempt, error)
}

// Probes returns all of them, in the order in which they are made.
func Probes() []Probe {
	return slices.Concat(headerProbes(), forgedProbes(), signatureProbes(), keyProbes(), placeProbes(),
		genuineProbes(), mintedClaimProbes(), mintedTimeProbes(), mintedHeaderProbes(), gateProbes())
}

// attempt is one request of a probe.
type attempt struct {
	what   string // how it differs from the probe's other attempts; "" when it is the only one
	header http.Header
	query  url.Values
	person person // whom it speaks for, if the application believes it
	fetch  string // a path of our callback that nobody but a fooled application asks for
	gate   bool   // sent through the gate
}

// person is an identity that the gate has not vouched for.
type person struct{ email, subject string }

// Headers of IAP, with those that applications have been seen to read in their place.
const (
	assertionHeader = "X-Goog-IAP-JWT-Assertion"
	emailHeader     = "X-Goog-Authenticated-User-Email"
	idHeader        = "X-Goog-Authenticated-User-Id"
	jwtHeader       = "X-Goog-Authenticated-User-JWT" // before November 2017
)

// bearing is a request with that assertion, and nothing else unusual.
func (k *kit) bearing(what, token string) attempt {
	return attempt{what: what, header: http.Header{assertionHeader: {token}}, person: k.person}
}

// one turns the one assertion of a probe into its attempts.
func one(token func(k *kit) string) func(context.Context, *kit) ([]attempt, error) {
	return func(_ context.Context, k *kit) ([]attempt, error) {
		return []attempt{k.bearing("", token(k))}, nil
	}
}

// each turns variants, what differs and the token in turn, into attempts.
func each(variants func(k *kit) []string) func(context.Context, *kit) ([]attempt, error) {
	return func(_ context.Context, k *kit) ([]attempt, error) {
		pairs := variants(k)
		var all []attempt
		for i := 0; i+1 < len(pairs); i += 2 {
			all = append(all, k.bearing(pairs[i], pairs[i+1]))
		}
		return all, nil
	}
}
