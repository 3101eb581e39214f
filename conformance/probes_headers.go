package conformance

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// headerProbes need nothing but the application's address: whoever gets in with them needs no key either.
func headerProbes() []Probe {
	return []Probe{
		{ID: "no-assertion", Title: "no assertion, and no identity", Fault: Unverified, attempts: nothing},
		{ID: "empty-assertion", Title: "an assertion header that is empty, or holds no JWT", Fault: Unverified, attempts: noJWT},
		{ID: "plain-email", Title: emailHeader + " alone", Fault: Unverified, attempts: plainEmail},
		{ID: "plain-id", Title: idHeader + " alone", Fault: Unverified, attempts: plainID},
		{ID: "plain-headers", Title: "both plain headers of IAP", Fault: Unverified, attempts: plainHeaders},
		{ID: "plain-aliases", Title: "the plain headers in other spellings", Fault: Unverified, attempts: plainAliases},
		{ID: "plain-duplicates", Title: "the plain headers twice, for two people", Fault: Unverified, attempts: plainDuplicates},
		{ID: "uid-cookie", Title: "the cookie GCP_IAP_UID, which scripts can write", Fault: Unverified, attempts: uidCookie},
		{ID: "other-proxies", Title: "identity headers of other proxies", Fault: Unverified, attempts: otherProxies},
	}
}

func nothing(context.Context, *kit) ([]attempt, error) { return []attempt{{}}, nil }

func noJWT(_ context.Context, k *kit) ([]attempt, error) {
	var all []attempt
	for _, value := range []string{"", "null", "undefined", "..", "{}", "e30.e30.", "true"} {
		all = append(all, k.bearing("value "+quoted(value), value))
	}
	return all, nil
}

// plain is a request that names somebody in headers.
func (k *kit) plain(what string, pairs ...string) attempt {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h[pairs[i]] = append(h[pairs[i]], pairs[i+1]) // as written: not canonical
	}
	return attempt{what: what, header: h, person: k.person}
}

const googleAccounts = "accounts.google.com:"

func plainEmail(_ context.Context, k *kit) ([]attempt, error) {
	return []attempt{
		k.plain("with its namespace", emailHeader, googleAccounts+k.person.email),
		k.plain("the bare address", emailHeader, k.person.email),
	}, nil
}

func plainID(_ context.Context, k *kit) ([]attempt, error) {
	return []attempt{
		k.plain("with its namespace", idHeader, k.person.subject),
		k.plain("the bare number", idHeader, strings.TrimPrefix(k.person.subject, googleAccounts)),
	}, nil
}

func plainHeaders(_ context.Context, k *kit) ([]attempt, error) {
	return []attempt{k.plain("", emailHeader, googleAccounts+k.person.email, idHeader, k.person.subject)}, nil
}

// plainAliases: frameworks that keep headers in environment variables (CGI, WSGI, Rack, PHP) do not tell "_" from
// "-", so that a proxy in front that deletes one spelling lets the other through.
func plainAliases(_ context.Context, k *kit) ([]attempt, error) {
	email, id := googleAccounts+k.person.email, k.person.subject
	var all []attempt
	for _, spelling := range []struct {
		what  string
		spell func(string) string
	}{
		{"with underscores", func(s string) string { return strings.ReplaceAll(s, "-", "_") }},
		{"one underscore", func(s string) string { return strings.Replace(s, "-", "_", 1) }},
		{"in lower case", strings.ToLower},
		{"in upper case", strings.ToUpper},
		{"in upper case with underscores", func(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "-", "_")) }},
		{"as environment variables", func(s string) string { return "HTTP_" + strings.ToUpper(strings.ReplaceAll(s, "-", "_")) }},
	} {
		all = append(all, k.plain(spelling.what, spelling.spell(emailHeader), email, spelling.spell(idHeader), id))
	}
	return all, nil
}

func plainDuplicates(_ context.Context, k *kit) ([]attempt, error) {
	return []attempt{k.plain("", emailHeader, googleAccounts+k.other.email, emailHeader, googleAccounts+k.person.email,
		idHeader, k.other.subject, idHeader, k.person.subject)}, nil
}

func uidCookie(_ context.Context, k *kit) ([]attempt, error) {
	return []attempt{
		k.plain("", "Cookie", "GCP_IAP_UID="+url.QueryEscape(strings.TrimPrefix(k.person.subject, googleAccounts))),
	}, nil
}

// otherProxies: an application that can live behind several proxies must not believe those that it is not behind.
func otherProxies(_ context.Context, k *kit) ([]attempt, error) {
	var all []attempt
	for _, name := range []string{
		"X-Forwarded-Email", "X-Forwarded-User", "X-Forwarded-Preferred-Username", "X-Auth-Request-Email", "X-Auth-Request-User",
		"Remote-User", "X-Remote-User", "Remote-Email", "X-Webauth-User", "X-Authenticated-User", "Cf-Access-Authenticated-User-Email",
		"Tailscale-User-Login", "X-Ms-Client-Principal-Name",
	} {
		all = append(all, k.plain(name, name, k.person.email))
	}
	return all, nil
}

// placeProbes put a forged assertion where one has no business to be.
func placeProbes() []Probe {
	return []Probe{
		{ID: "assertion-aliases", Title: "a forged assertion under other spellings of the header", Fault: Signature, Wants: forgery, attempts: assertionAliases},
		{ID: "old-header", Title: "a forged assertion in " + jwtHeader, Fault: Signature, Wants: forgery, attempts: oldHeader},
		{ID: "two-forged", Title: "two forged assertions", Fault: Signature, Wants: forgery, attempts: twoForged},
		{ID: "forged-in-query", Title: "a forged assertion in the query", Fault: Place, Wants: forgery, attempts: forgedInQuery},
		{ID: "forged-in-cookie", Title: "a forged assertion in a cookie", Fault: Place, Wants: forgery, attempts: forgedInCookie},
		{ID: "forged-as-bearer", Title: "a forged assertion as Authorization: Bearer", Fault: Place, Wants: forgery, attempts: forgedAsBearer},
	}
}

func assertionAliases(_ context.Context, k *kit) ([]attempt, error) {
	token := k.forgedKnown()
	underscores := strings.ReplaceAll(assertionHeader, "-", "_")
	return []attempt{
		k.plain("with underscores", underscores, token),
		k.plain("in upper case with underscores", strings.ToUpper(underscores), token),
		k.plain("one underscore", strings.Replace(assertionHeader, "-", "_", 1), token),
		k.plain("in lower case", strings.ToLower(assertionHeader), token),
		k.plain("as an environment variable", "HTTP_"+strings.ToUpper(underscores), token),
	}, nil
}

func oldHeader(_ context.Context, k *kit) ([]attempt, error) {
	return []attempt{k.plain("", jwtHeader, k.forgedKnown())}, nil
}

func twoForged(_ context.Context, k *kit) ([]attempt, error) {
	return []attempt{
		k.plain("two header lines", assertionHeader, k.forgedKnown(), assertionHeader, k.forgedUnknown()),
		k.plain("in one line", assertionHeader, k.forgedKnown()+", "+k.forgedUnknown()),
	}, nil
}

// tokenParameters are names under which applications take tokens.
var tokenParameters = []string{assertionHeader, strings.ToLower(assertionHeader), "jwt", "assertion", "token", "id_token", "access_token"}

func forgedInQuery(_ context.Context, k *kit) ([]attempt, error) {
	return k.inQuery(k.forgedKnown()), nil
}

func (k *kit) inQuery(token string) []attempt {
	var all []attempt
	for _, name := range tokenParameters {
		all = append(all, attempt{what: name, query: url.Values{name: {token}}, person: k.person})
	}
	return all
}

func forgedInCookie(_ context.Context, k *kit) ([]attempt, error) {
	return k.inCookie(k.forgedKnown()), nil
}

func (k *kit) inCookie(token string) []attempt {
	var all []attempt
	for _, name := range append([]string{"GCP_IAAP_AUTH_TOKEN_0123456789ABCDEF", "__Host-GCP_IAP_AUTH_TOKEN_0123456789ABCDEF"}, tokenParameters...) {
		all = append(all, k.plain(name, "Cookie", name+"="+token))
	}
	return all
}

func forgedAsBearer(_ context.Context, k *kit) ([]attempt, error) {
	return []attempt{
		k.plain("Authorization", "Authorization", "Bearer "+k.forgedKnown()),
		k.plain("Proxy-Authorization", "Proxy-Authorization", "Bearer "+k.forgedKnown()),
		k.plain("X-Serverless-Authorization", "X-Serverless-Authorization", "Bearer "+k.forgedKnown()),
	}, nil
}
