package assertiontest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sort"
	"time"

	"github.com/gatehouse-iap/gatehouse/assertion"
)

// draft is an assertion before it is signed.
type draft struct {
	header map[string]any // without alg and kid, which sign sets
	claims map[string]any
}

// Option changes an assertion before it is signed. The result is as valid as the changes leave it.
type Option func(*draft)

// Claim sets a claim, for example Claim("hd", "example.com").
func Claim(name string, value any) Option {
	return func(d *draft) { d.claims[name] = value }
}

// Without leaves claims out.
func Without(names ...string) Option {
	return func(d *draft) {
		for _, name := range names {
			delete(d.claims, name)
		}
	}
}

// AccessLevels adds the names of access levels that the request met.
func AccessLevels(names ...string) Option {
	return Claim("google", map[string]any{"access_levels": names})
}

// IssuedAt sets iat, and exp ten minutes later.
func IssuedAt(t time.Time) Option {
	return func(d *draft) { d.issue(t, assertion.MaxLifetime) }
}

// Lifetime sets exp to that long after iat.
func Lifetime(lifetime time.Duration) Option {
	return func(d *draft) {
		if iat, ok := d.claims["iat"].(int64); ok {
			d.claims["exp"] = iat + int64(lifetime/time.Second)
		}
	}
}

// Workforce turns the assertion into one for an identity of a workforce pool.
func Workforce(pool, subject string) Option {
	return func(d *draft) {
		name := "locations/global/workforcePools/" + pool
		d.claims["identity_source"] = assertion.SourceWorkforce
		d.claims["sub"] = "sts.google.com:" + subject
		d.claims["workforce_identity"] = map[string]any{
			"iam_principal":       "principal://iam.googleapis.com/" + name + "/subject/" + subject,
			"workforce_pool_name": name,
		}
	}
}

// ExternalIdentity turns the assertion into one for an identity of Identity Platform; tenant may be "".
func ExternalIdentity(project, tenant, uid string) Option {
	return func(d *draft) {
		namespace := "securetoken.google.com/" + project
		firebase := map[string]any{"sign_in_provider": "password"}
		if tenant != "" {
			namespace += "/" + tenant
			firebase["tenant"] = tenant
		}
		gcip := map[string]any{"sub": uid, "user_id": uid, "email_verified": true, "auth_time": d.claims["iat"], "firebase": firebase}
		if email, ok := d.claims["email"].(string); ok {
			gcip["email"] = email
			firebase["identities"] = map[string]any{"email": []string{email}}
			d.claims["email"] = namespace + ":" + email
		}
		d.claims["identity_source"] = assertion.SourceGCIP
		d.claims["sub"] = namespace + ":" + uid
		d.claims["gcip"] = gcip
	}
}

func (d *draft) issue(t time.Time, lifetime time.Duration) {
	d.claims["iat"] = t.Unix()
	d.claims["exp"] = t.Unix() + int64(lifetime/time.Second)
}

func (d *draft) apply(options []Option) *draft {
	for _, option := range options {
		option(d)
	}
	return d
}

// sign returns the assertion as IAP would sign it.
func (d *draft) sign(k key) string {
	content := d.content("ES256", k.id)
	return content + "." + encode(signature(k, content))
}

// content returns header "." payload. The header begins with alg, typ, kid, as IAP's does.
func (d *draft) content(alg, keyID string) string {
	return encode(d.headerJSON(alg, keyID)) + "." + encode(marshal(d.claims))
}

func (d *draft) headerJSON(alg, keyID string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"alg":%s`, marshal(alg))
	if typ, ok := d.header["typ"]; ok {
		fmt.Fprintf(&b, `,"typ":%s`, marshal(typ))
	}
	if keyID != "" {
		fmt.Fprintf(&b, `,"kid":%s`, marshal(keyID))
	}
	names := make([]string, 0, len(d.header))
	for name := range d.header {
		if name != "typ" {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(&b, `,%s:%s`, marshal(name), marshal(d.header[name]))
	}
	b.WriteByte('}')
	return b.Bytes()
}

// signature returns r || s over the content.
func signature(k key, content string) []byte {
	digest := sha256.Sum256([]byte(content))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, digest[:])
	if err != nil {
		panic(err) // the system has no randomness
	}
	raw := make([]byte, 64)
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return raw
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func marshal(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("assertiontest: a claim cannot be written as JSON: %v", err))
	}
	return data
}
