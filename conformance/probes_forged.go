package conformance

import (
	"context"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
)

// forgery is what makes a forged assertion wrong in nothing but its signature.
var forgery = []Need{NeedAudience, NeedKeys}

// forgedProbes say the right things, signed by the wrong hand.
func forgedProbes() []Probe {
	return []Probe{
		{ID: "forged-unknown-key", Title: "signed with an attacker's key, under a kid that nobody publishes", Fault: Signature,
			Wants: []Need{NeedAudience}, attempts: one((*kit).forgedUnknown)},
		{ID: "forged-known-key", Title: "signed with an attacker's key, under a kid that is published", Fault: Signature,
			Needs: []Need{NeedKeys}, Wants: []Need{NeedAudience}, attempts: one((*kit).forgedKnown)},
		{ID: "forged-no-kid", Title: "signed with an attacker's key, and kid is missing or no key's name", Fault: Signature,
			Wants: []Need{NeedAudience}, attempts: each(forgedKeyIDs)},
		{ID: "alg-none", Title: "alg none, in every spelling", Fault: Algorithm, Wants: forgery, attempts: each(algNone)},
		{ID: "alg-hs256-empty", Title: "HS256 with an empty or guessable secret", Fault: Algorithm, Wants: forgery, attempts: each(hs256Guessed)},
		{ID: "alg-hs256-pem", Title: "HS256 with the public key, as PEM, for a secret", Fault: Algorithm,
			Needs: []Need{NeedKeys}, Wants: []Need{NeedAudience}, attempts: hs256Public((*published).pemSecrets)},
		{ID: "alg-hs256-jwk", Title: "HS256 with the public key, as JWK, for a secret", Fault: Algorithm,
			Needs: []Need{NeedKeys}, Wants: []Need{NeedAudience}, attempts: hs256Public((*published).jwkSecrets)},
		{ID: "alg-rs256", Title: "RS256, which IAP does not use, under a kid that is published", Fault: Algorithm, Wants: forgery,
			attempts: one(func(k *kit) string { return rs256(k.header(k.knownKey()), k.claims()) })},
		{ID: "alg-es384", Title: "ES384 with an attacker's P-384 key, under a kid that is published", Fault: Algorithm, Wants: forgery,
			attempts: one(func(k *kit) string { return k.forger.es384(k.header(k.knownKey()), k.claims()) })},
	}
}

func (k *kit) forgedKnown() string   { return k.forger.es256(k.header(k.knownKey()), k.claims()) }
func (k *kit) forgedUnknown() string { return k.forger.es256(k.header(k.forger.keyID), k.claims()) }

func forgedKeyIDs(k *kit) []string {
	header := k.header("")
	return []string{
		"no kid", k.forger.es256(header.without("kid"), k.claims()),
		"kid empty", k.forger.es256(header.with("kid", ""), k.claims()),
		"kid null", k.forger.es256(header.with("kid", nil), k.claims()),
		"kid a number", k.forger.es256(header.with("kid", 0), k.claims()),
		"kid a path", k.forger.es256(header.with("kid", "../../../../../../dev/null"), k.claims()),
		"kid a property of every object", k.forger.es256(header.with("kid", "constructor"), k.claims()),
	}
}

func algNone(k *kit) []string {
	var all []string
	header := k.header(k.knownKey())
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		unsigned := content(header.with("alg", alg), k.claims())
		all = append(all, "alg "+quoted(alg)+" and no signature", unsigned+".")
		all = append(all, "alg "+quoted(alg)+" and some signature", unsigned+"."+encode(make([]byte, 64)))
	}
	return append(all,
		"no alg and no signature", content(header.without("alg"), k.claims())+".",
		"alg null and no signature", content(header.with("alg", nil), k.claims())+".",
		"alg none without kid", content(header.with("alg", "none").without("kid"), k.claims())+".",
		"alg none, two parts", content(header.with("alg", "none"), k.claims()),
	)
}

func hs256Guessed(k *kit) []string {
	header := k.header(k.knownKey())
	return []string{
		"the empty secret", hs256(header, k.claims(), nil),
		"its kid", hs256(header, k.claims(), []byte(k.knownKey())),
		"the secret \"secret\"", hs256(header, k.claims(), []byte("secret")),
		"the secret \"null\"", hs256(header, k.claims(), []byte("null")),
		"the secret \"undefined\"", hs256(header, k.claims(), []byte("undefined")),
		"the audience", hs256(header, k.claims(), []byte(k.audience)),
	}
}

func hs256Public(secrets func(*published) map[string][]byte) func(context.Context, *kit) ([]attempt, error) {
	return func(_ context.Context, k *kit) ([]attempt, error) {
		found := secrets(k.keys)
		if len(found) == 0 {
			return nil, cannot("the keys are not published in this form")
		}
		var all []attempt
		for _, what := range sortedNames(found) {
			all = append(all, k.bearing(what, hs256(k.header(k.knownKey()), k.claims(), found[what])))
		}
		return all, nil
	}
}

// signatureProbes bring no signature worth the name.
func signatureProbes() []Probe {
	return []Probe{
		{ID: "signature-missing", Title: "ES256 and a published kid, without a signature", Fault: Signature, Wants: forgery, attempts: each(signatureMissing)},
		{ID: "signature-zero", Title: "ES256 and a published kid, with r and s zero or the curve's order", Fault: Signature, Wants: forgery, attempts: each(signatureZero)},
		{ID: "payload-swapped", Title: "other claims under a genuine signature", Fault: Signature, Needs: []Need{NeedAssertion}, attempts: one(payloadSwapped)},
		{ID: "signature-truncated", Title: "a genuine assertion with part of its signature", Fault: Signature, Needs: []Need{NeedAssertion}, attempts: each(signatureTruncated)},
	}
}

func signatureMissing(k *kit) []string {
	signed := content(k.header(k.knownKey()), k.claims())
	return []string{
		"empty", signed + ".",
		"two parts", signed,
		"not base64", signed + ".!",
		"one byte", signed + "." + encode([]byte{0}),
	}
}

// signatureZero: implementations that forget to look at the range of r and s accept these for any key.
func signatureZero(k *kit) []string {
	signed := content(k.header(k.knownKey()), k.claims())
	order := k.forger.p256.Params().N
	pair := func(r, s *big.Int) string {
		raw := make([]byte, 64)
		r.FillBytes(raw[:32])
		s.FillBytes(raw[32:])
		return signed + "." + encode(raw)
	}
	zero, one := new(big.Int), big.NewInt(1)
	return []string{
		"r = s = 0", pair(zero, zero),
		"r = s = n", pair(order, order),
		"r = n, s = 0", pair(order, zero),
		"r = s = 1", pair(one, one),
		"r = s = 0 in ASN.1", signed + "." + encode(derSignature(zero, zero)),
	}
}

func payloadSwapped(k *kit) string {
	swapped := k.genuine
	swapped.payload = encode(marshal(k.genuineClaims.with("email", k.other.email).with("sub", k.other.subject)))
	return swapped.String()
}

func signatureTruncated(k *kit) []string {
	raw, _ := base64.RawURLEncoding.DecodeString(k.genuine.signature) // parseCompact has read it
	shortened := func(signature []byte) string {
		cut := k.genuine
		cut.signature = encode(signature)
		return cut.String()
	}
	flipped := slices.Clone(raw)
	flipped[63] ^= 1
	return []string{
		"r alone", shortened(raw[:32]),
		"one byte less", shortened(raw[:63]),
		"one bit changed", shortened(flipped),
	}
}

// keyProbes bring the key along with which they want to be verified.
func keyProbes() []Probe {
	return []Probe{
		{ID: "header-jwk", Title: "the attacker's key in the header, as jwk", Fault: Key, Wants: forgery, attempts: each(headerJWK)},
		{ID: "header-x5c", Title: "the attacker's certificate in the header, as x5c", Fault: Key, Wants: forgery, attempts: each(headerX5C)},
		{ID: "header-jku", Title: "the address of the attacker's keys in the header, as jku or x5u", Fault: Key,
			Needs: []Need{NeedCallback}, Wants: forgery, attempts: headerJKU},
	}
}

func headerJWK(k *kit) []string {
	known, own := k.knownKey(), k.forger.keyID
	return []string{
		"under a published kid", k.forger.es256(k.header(known).with("jwk", k.forger.jwk(known)), k.claims()),
		"under its own kid", k.forger.es256(k.header(own).with("jwk", k.forger.jwk(own)), k.claims()),
		"without kid", k.forger.es256(k.header("").with("jwk", k.forger.jwk(own)).without("kid"), k.claims()),
	}
}

func headerX5C(k *kit) []string {
	chain := []string{base64.StdEncoding.EncodeToString(k.forger.certificate(k.now()))}
	return []string{
		"under a published kid", k.forger.es256(k.header(k.knownKey()).with("x5c", chain), k.claims()),
		"under its own kid", k.forger.es256(k.header(k.forger.keyID).with("x5c", chain), k.claims()),
	}
}

func headerJKU(_ context.Context, k *kit) ([]attempt, error) {
	var all []attempt
	for _, name := range []string{"jku", "x5u"} {
		for what, kid := range map[string]string{"its own kid": k.forger.keyID, "a published kid": k.knownKey()} {
			path := k.callback.path(name, kid)
			header := k.header(kid).with(name, k.callback.base+path)
			attempt := k.bearing(name+" under "+what, k.forger.es256(header, k.claims()))
			attempt.fetch = path
			all = append(all, attempt)
		}
	}
	slices.SortFunc(all, func(a, b attempt) int { return strings.Compare(a.what, b.what) })
	return all, nil
}
