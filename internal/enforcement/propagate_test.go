package enforcement_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/directory"
	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/expression"
	"github.com/gatehouse-iap/gatehouse/internal/issuer"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/principal"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
	"github.com/gatehouse-iap/gatehouse/internal/snapshot"
	"github.com/gatehouse-iap/gatehouse/internal/specialurl"
)

// spelling signs by spelling out what it is given.
type spelling struct{}

func (spelling) Assert(c issuer.Claims) (*issuer.Prepared, error) {
	return &issuer.Prepared{Assertion: []string{fmt.Sprint(c.Audience, " ", c.Additional)}}, nil
}

func (s spelling) AssertFlawed(c issuer.Claims, _ specialurl.Test) (*issuer.Prepared, error) {
	return s.Assert(c)
}

// propagating makes the only service hand attributes on.
func propagating(source string, where settings.Attributes, audience string, told ...principal.Attribute) func(*enforcement.Point) {
	return func(p *enforcement.Point) {
		compiled, err := expression.CompilePropagation(source)
		if err != nil {
			compiled = &expression.Propagation{} // as the snapshot does
		}
		served, _ := p.View().Served("projects/1/iap_web/compute/services/1")
		served.Propagation = compiled
		served.Settings = &settings.Effective{Attributes: where, RCTokenAudience: audience}
		p.Asserter = spelling{}
		record := session.Record{ID: session.NewID(), Identity: alice.Identity(), Attributes: told}
		if told != nil {
			record.Identity.Provider = "corp"
		}
		p.Sessions = sessions{record: record}
		known := p.View
		p.View = func() *snapshot.Snapshot {
			view := *known()
			view.Directory = directory.NewView().With(directory.Update{Accounts: map[string]*directory.Account{alice.Email: {
				Kind: alice.Kind, Email: alice.Email, Subject: alice.Subject, Attributes: []principal.Attribute{{Name: "site", Values: []string{"Berlin"}}},
			}}}, view.Principals.Edit())
			return &view
		}
	}
}

func TestApplicationsAreToldTheAttributesThatTheirSettingsSelect(t *testing.T) {
	t.Parallel()
	const all = `attributes.saml_attributes`
	header := settings.Attributes{Header: true}
	for _, c := range []struct {
		name, source string
		where        settings.Attributes
		audience     string
		told         []principal.Attribute
		want         string // headers, then the assertion
	}{
		{"a local account's attributes come from the directory", all, header, "", nil,
			"X-Goog-Iap-Attr-Site: Berlin | /projects/1/global/backendServices/1 []"},
		{"the address is one of IAP's own attributes", `attributes.iap_attributes`, header, "", nil,
			"X-Goog-Iap-Attr-User_email: alice%40example.com | /projects/1/global/backendServices/1 []"},
		{"an expression that finds nothing sets no header", `attributes.saml_attributes.filter(a, a.name == 'role')`, header, "", nil,
			" | /projects/1/global/backendServices/1 []"},
		{"attributes go into the assertion where the settings say so", all, settings.Attributes{JWT: true}, "", nil,
			" | /projects/1/global/backendServices/1 [{site [Berlin]}]"},
		{"a token for the mesh has its own audience, and attributes only where the settings say so", all, settings.Attributes{JWT: true}, "mesh", nil,
			"Ingress-Authorization: Istio mesh [] | /projects/1/global/backendServices/1 [{site [Berlin]}]"},
		{"attributes go into the token for the mesh", all, settings.Attributes{RCToken: true}, "mesh", nil,
			"Ingress-Authorization: Istio mesh [{site [Berlin]}] | /projects/1/global/backendServices/1 []"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := ask(t, propagating(c.source, c.where, c.audience, c.told...))
			if r.verdict.Outcome != enforcement.Forward {
				t.Fatalf("refused: %s", r.verdict.Reason)
			}
			var headers []string
			for _, h := range r.verdict.Headers {
				headers = append(headers, h.Name+": "+strings.Join(h.Values, "; "))
			}
			if got := strings.Join(headers, "\n") + " | " + r.verdict.Prepared.Assertion[0]; got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestAnApplicationThatCannotBeToldEverythingIsToldNothing(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{
		"an expression that does not compile":                            `attributes.`,
		"two attributes that an application would take for one header":   `attributes.saml_attributes.append(attributes.iap_attributes.selectByName('user_email').emitAs('SITE'))`,
		"two that differ in a character which applications fold as well": `attributes.iap_attributes.append(attributes.saml_attributes.selectByName('site').emitAs('user-email'))`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := ask(t, propagating(source, settings.Attributes{Header: true}, ""))
			if r.verdict.Outcome != enforcement.Refuse || r.verdict.Status != 503 || r.verdict.Reason != policy.AttributesFailed {
				t.Errorf("got %+v", r.verdict)
			}
			if r.verdict.Prepared != nil {
				t.Error("an assertion was made")
			}
		})
	}
}
