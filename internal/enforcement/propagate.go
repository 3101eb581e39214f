package enforcement

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/expression"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// Header is a prebuilt header that the application is sent. Its values are shared: nobody may write to them.
type Header struct {
	Name   string // in canonical form
	Values []string
}

const (
	attributePrefix = "X-Goog-Iap-Attr-"
	headerRCToken   = "Ingress-Authorization"
	// rcTokenScheme stands before the token: what service meshes take it by.
	rcTokenScheme    = "Istio "
	headerServerless = "X-Serverless-Authorization"
)

// tell works out what the application is told about a person besides who they are: attributes as headers and in
// tokens, the token for a service mesh, Cloud Run's own header. What cannot be worked out is not left out: the
// request is refused, or an application that restricts by attributes would be open to everybody.
func (c *check) tell(claims *issuer.Claims, recognised bool) bool {
	v := c.verdict
	if s := v.Served.Serverless; s != nil {
		v.Headers = append(v.Headers, Header{headerServerless, s.Values(c.now)})
	}
	var selected []principal.Attribute
	where := v.Served.Settings.Attributes
	if v.Served.Propagation != nil && recognised {
		attributes, err := v.Served.Propagation.Select(c.attributes())
		if err == nil && where.Header {
			v.Headers, err = appendAttributeHeaders(v.Headers, attributes)
		}
		if err != nil {
			c.Log.Error("the attributes that an application is to be told could not be worked out", "request", v.ID.String(), "resource", v.Served.Resource, "error", err)
			v.refuse(http.StatusServiceUnavailable, policy.AttributesFailed)
			return false
		}
		for _, a := range attributes {
			selected = append(selected, principal.Attribute{Name: a.Name, Values: a.Values})
		}
	}
	if audience := v.Served.Settings.RCTokenAudience; audience != "" {
		mesh := *claims
		mesh.Audience = audience
		if where.RCToken {
			mesh.Additional = selected
		}
		prepared, err := c.Asserter.Assert(mesh)
		if err != nil {
			v.refuse(http.StatusServiceUnavailable, policy.SigningFailed)
			return false
		}
		v.Headers = append(v.Headers, Header{headerRCToken, []string{rcTokenScheme + prepared.Assertion[0]}})
	}
	if where.JWT {
		claims.Additional = selected
	}
	return true
}

// attributes are the two lists that an expression selects from: what the provider says, or our own directory, and
// what the gate knows by itself.
func (c *check) attributes() (fromProvider, fromIAP []expression.Attribute) {
	identity := c.verdict.Identity
	stored := c.told
	if identity.Provider == directory.LocalProvider {
		account, _ := c.view.Directory.Account(identity.Email)
		stored = account.Attributes
	}
	fromProvider = make([]expression.Attribute, len(stored))
	for i, a := range stored {
		fromProvider[i] = expression.Attribute{Name: a.Name, Values: a.Values}
	}
	return fromProvider, []expression.Attribute{{Name: "user_email", Values: []string{identity.Email}}}
}

// appendAttributeHeaders appends one header an attribute. Values are percent-encoded, so that the comma between
// them is never part of one.
func appendAttributeHeaders(headers []Header, attributes []expression.Attribute) ([]Header, error) {
	start := len(headers)
	for _, a := range attributes {
		name := a.Name
		if !a.Exact {
			name = attributePrefix + percentEncoded(a.Name)
		}
		name = http.CanonicalHeaderKey(name)
		for _, other := range headers[start:] {
			if sameFolded(other.Name, name) {
				return nil, fmt.Errorf("two attributes become the header %s", name)
			}
		}
		values := make([]string, len(a.Values))
		for i, value := range a.Values {
			values[i] = percentEncoded(value)
		}
		headers = append(headers, Header{name, []string{strings.Join(values, ",")}})
	}
	return headers, nil
}

// sameFolded reports whether two header names are one to applications that fold them as CGI does. Some servers make _
// of a hyphen alone, and others of everything but letters and digits.
func sameFolded(a, b string) bool {
	return strings.EqualFold(strings.Map(foldSign, a), strings.Map(foldSign, b))
}

func foldSign(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return '_'
}

// percentEncoded writes every byte but RFC 3986's unreserved ones as %XX.
func percentEncoded(s string) string {
	const digits = "0123456789ABCDEF"
	clean := true
	for i := range len(s) {
		clean = clean && unreserved(s[i])
	}
	if clean {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		if c := s[i]; unreserved(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(b)
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
