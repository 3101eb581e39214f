package conformance

import (
	"context"
	"encoding/base64"
	"strings"
)

var withAssertion = []Need{NeedAssertion}

// genuineProbes take a genuine assertion and change its spelling or its place. All are lax: who holds one is let in
// anyway. But a program that takes several spellings for one assertion is one that others can be fooled with, and
// a link that carries an assertion signs in whoever follows it.
func genuineProbes() []Probe {
	return []Probe{
		{ID: "signature-der", Title: "a genuine assertion with its signature in ASN.1", Fault: Form, Needs: withAssertion, Lax: true, attempts: each(signatureDER)},
		{ID: "signature-trailing", Title: "a genuine assertion with bytes after its signature", Fault: Form, Needs: withAssertion, Lax: true, attempts: each(signatureTrailing)},
		{ID: "encoding", Title: "a genuine assertion in other encodings", Fault: Form, Needs: withAssertion, Lax: true, attempts: each(encodings)},
		{ID: "whitespace", Title: "a genuine assertion with spaces inside", Fault: Form, Needs: withAssertion, Lax: true, attempts: each(whitespace)},
		{ID: "genuine-and-forged", Title: "a genuine and a forged assertion in one request", Fault: Place, Needs: withAssertion, Lax: true, attempts: genuineAndForged},
		{ID: "genuine-in-query", Title: "a genuine assertion in the query", Fault: Place, Needs: withAssertion, Lax: true, attempts: genuineInQuery},
		{ID: "genuine-in-cookie", Title: "a genuine assertion in a cookie", Fault: Place, Needs: withAssertion, Lax: true, attempts: genuineInCookie},
		{ID: "genuine-elsewhere", Title: "a genuine assertion in other headers", Fault: Place, Needs: withAssertion, Lax: true, attempts: genuineElsewhere},
	}
}

func signatureDER(k *kit) []string {
	der := k.genuine
	der.signature = encode(k.genuine.der())
	return []string{"", der.String()}
}

func signatureTrailing(k *kit) []string {
	raw, _ := base64.RawURLEncoding.DecodeString(k.genuine.signature) // parseCompact has read it
	longer := k.genuine
	longer.signature = encode(append(raw, 0))
	return []string{
		"a zero byte more", longer.String(),
		"text after the base64", k.genuine.String() + "!",
		"a fourth part", k.genuine.String() + ".",
		"a fourth part with text", k.genuine.String() + ".e30",
	}
}

// encodings are other texts that a careless decoder reads as the same bytes.
func encodings(k *kit) []string {
	padded := func(part string) string { return part + strings.Repeat("=", (4-len(part)%4)%4) }
	standard := strings.NewReplacer("-", "+", "_", "/")
	var all []string
	add := func(what string, changed compact) {
		if changed != k.genuine { // by chance nothing needs padding, or has a letter that differs
			all = append(all, what, changed.String())
		}
	}
	c := k.genuine
	add("padding after the signature", compact{c.header, c.payload, padded(c.signature)})
	add("padding everywhere", compact{padded(c.header), padded(c.payload), padded(c.signature)})
	add("the signature in the other base64 alphabet", compact{c.header, c.payload, standard.Replace(c.signature)})
	add("bits after the end of the signature", compact{c.header, c.payload, setSpareBit(c.signature)})
	return append(all,
		"percent-encoded dots", strings.ReplaceAll(c.String(), ".", "%2E"),
		"in quotes", `"`+c.String()+`"`,
		"after the word Bearer", "Bearer "+c.String(),
	)
}

// setSpareBit changes the last letter of 64 bytes in base64 in a bit that stands for nothing.
func setSpareBit(signature string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, signature[len(signature)-1])
	return signature[:len(signature)-1] + string(alphabet[last^1])
}

func whitespace(k *kit) []string {
	c := k.genuine
	half := len(c.signature) / 2
	return []string{
		"after the first dot", c.header + ". " + c.payload + "." + c.signature,
		"a tab before the last dot", c.header + "." + c.payload + "\t." + c.signature,
		"inside the signature", compact{c.header, c.payload, c.signature[:half] + " " + c.signature[half:]}.String(),
		"inside the payload", compact{c.header, c.payload[:4] + " " + c.payload[4:], c.signature}.String(),
	}
}

func genuineAndForged(_ context.Context, k *kit) ([]attempt, error) {
	genuine := k.genuine.String()
	forged := k.forger.es256(k.header(k.knownKey()), k.claimsOf(k.other))
	all := []attempt{
		k.plain("genuine first", assertionHeader, genuine, assertionHeader, forged),
		k.plain("forged first", assertionHeader, forged, assertionHeader, genuine),
		k.plain("genuine first, in one line", assertionHeader, genuine+","+forged),
		k.plain("forged first, in one line", assertionHeader, forged+","+genuine),
	}
	for i := range all {
		all[i].person = k.other
	}
	return all, nil
}

func genuineInQuery(_ context.Context, k *kit) ([]attempt, error) {
	return k.inQuery(k.genuine.String()), nil
}

func genuineInCookie(_ context.Context, k *kit) ([]attempt, error) {
	return k.inCookie(k.genuine.String()), nil
}

func genuineElsewhere(_ context.Context, k *kit) ([]attempt, error) {
	token := k.genuine.String()
	return []attempt{
		k.plain(jwtHeader, jwtHeader, token),
		k.plain("Authorization", "Authorization", "Bearer "+token),
		k.plain("Proxy-Authorization", "Proxy-Authorization", "Bearer "+token),
	}, nil
}
