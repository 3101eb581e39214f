package expression

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestExpressionsSelectAttributes(t *testing.T) {
	t.Parallel()
	person := []Attribute{
		{Name: "department", Values: []string{"Research"}},
		{Name: "team", Values: []string{"red", "blue"}},
		{Name: "empty"},
	}
	iap := []Attribute{{Name: "user_email", Values: []string{"alice@example.com"}}}
	for _, test := range []struct{ name, source, want string }{
		{"everything of the provider", `attributes.saml_attributes`, "department=Research team=red,blue"},
		{"names in a list", `attributes.saml_attributes.filter(a, a.name in ['team', 'none'])`, "team=red,blue"},
		{"what is not there is left out", `attributes.saml_attributes.filter(a, false).append(attributes.saml_attributes.selectByName('none'))`, ""},
		{"what is not there stays nothing under another name",
			`attributes.iap_attributes.append(attributes.saml_attributes.selectByName('none').emitAs('role').strict())`, "user_email=alice@example.com"},
		{"an attribute under another name", `attributes.iap_attributes.filter(a, false).append(attributes.saml_attributes.selectByName('department').emitAs('ou'))`, "ou=Research"},
		{"without the prefix", `attributes.iap_attributes.filter(a, false).append(attributes.saml_attributes.selectByName('department').strict())`, "!department=Research"},
		{"Google's own example, word for word",
			`attributes.saml_attributes.filter(x, x.name in ['team']).append(attributes.iap_attributes.selectByName('user_email').emitAs('custom').strict())`,
			"team=red,blue !custom=alice@example.com"},
		{"one list behind another", `attributes.iap_attributes.append(attributes.saml_attributes.filter(a, a.name == 'team' && 'red' in a.values))`,
			"user_email=alice@example.com team=red,blue"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, err := CompilePropagation(test.source)
			if err != nil {
				t.Fatal(err)
			}
			selected, err := p.Select(person, iap)
			if err != nil {
				t.Fatal(err)
			}
			if got := spell(selected); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func spell(attributes []Attribute) string {
	var words []string
	for _, a := range attributes {
		word := a.Name + "=" + strings.Join(a.Values, ",")
		if a.Exact {
			word = "!" + word
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestExpressionsAreRefusedWhen(t *testing.T) {
	t.Parallel()
	const one = `attributes.saml_attributes.filter(a, false).append(`
	for _, test := range []struct{ name, source, want string }{
		{"they are empty", ``, "Syntax error"},
		{"they do not parse", `attributes.saml_attributes.filter(`, "Syntax error"},
		{"they give one attribute and no list", `attributes.saml_attributes.selectByName('a')`, "append()"},
		{"they give text", `'alice'`, "list of attributes"},
		{"they name a list that there is not", `attributes.ldap_attributes`, "undeclared reference"},
		{"they use a function that IAP has not", `attributes.saml_attributes.filter(a, a.name.startsWith('x'))`, "undeclared reference"},
		{"they use a macro that IAP has not", `attributes.saml_attributes.map(a, a)`, "undeclared reference"},
		{"they are longer than the limit", strings.Repeat(" ", MaxExpression) + "attributes.saml_attributes", "limit"},
		{"they are nested too deep", strings.Repeat("(", 500) + "attributes.saml_attributes" + strings.Repeat(")", 500), "recursion"},
		{"a strict name is computed", one + `attributes.saml_attributes.selectByName(true ? 'a' : 'b').strict())`, "written out"},
		{"a strict attribute is chosen by a condition", one + `(true ? attributes.saml_attributes.selectByName('a') : attributes.saml_attributes.selectByName('b')).strict())`, "selectByName() selects"},
		{"a strict name is the assertion's header", one + `attributes.saml_attributes.selectByName('a').emitAs('X-Goog-IAP-JWT-Assertion').strict())`, "meaning of its own"},
		{"a strict name folds to the assertion's header", one + `attributes.saml_attributes.selectByName('x_goog_iap-jwt_assertion').strict())`, "meaning of its own"},
		{"a strict name becomes reserved later", one + `attributes.saml_attributes.selectByName('a').strict().emitAs('Authorization'))`, "meaning of its own"},
		{"a strict name frames the request", one + `attributes.saml_attributes.selectByName('Transfer-Encoding').strict())`, "meaning of its own"},
		{"a strict name breaks the header", one + `attributes.saml_attributes.selectByName('a').emitAs('a\r\nCookie: b').strict())`, "no name"},
		{"a condition stands between strict and its name", one + `(true ? attributes.saml_attributes.selectByName('a').strict() : attributes.saml_attributes.selectByName('b')).emitAs('Authorization'))`, "selectByName() selects"},
		{"an attribute is made up", `[expression.Attribute{name: 'Cookie', values: ['a=b'], strict: true}]`, "made up"},
		{"a strict name has none", one + `attributes.saml_attributes.selectByName('').strict())`, "no name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := CompilePropagation(test.source)
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want a refusal that says %q", err, test.want)
			}
		})
	}
}

func TestNamesOfStrictAttributesAreKnownBeforehand(t *testing.T) {
	t.Parallel()
	p, err := CompilePropagation(`attributes.saml_attributes
		.append(attributes.saml_attributes.selectByName('role').strict())
		.append(attributes.saml_attributes.selectByName('b').strict().emitAs('Team'))
		.append(attributes.saml_attributes.selectByName('c').emitAs('x').emitAs('Unit').strict().strict())
		.append(attributes.saml_attributes.selectByName('d').emitAs('with-prefix'))`)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.ExactNames); got != "[Team Unit role]" {
		t.Errorf("got %s", got)
	}
}

func TestMoreThan45AttributesAreRefused(t *testing.T) {
	t.Parallel()
	p, err := CompilePropagation(`attributes.saml_attributes`)
	if err != nil {
		t.Fatal(err)
	}
	many := make([]Attribute, MaxAttributes+1)
	for i := range many {
		many[i] = Attribute{Name: fmt.Sprint("a", i), Values: []string{"v"}}
	}
	if _, err := p.Select(many, nil); !errors.Is(err, ErrTooMany) {
		t.Errorf("46 attributes: got %v", err)
	}
	if selected, err := p.Select(many[:MaxAttributes], nil); err != nil || len(selected) != MaxAttributes {
		t.Errorf("45 attributes: got %d, %v", len(selected), err)
	}
}

func TestAnExpressionCannotKeepARequestBusy(t *testing.T) {
	t.Parallel()
	const all = "attributes.saml_attributes"
	person := make([]Attribute, MaxAttributes)
	for i := range person {
		person[i] = Attribute{Name: fmt.Sprint("a", i), Values: []string{"v"}}
	}
	for name, source := range map[string]string{
		"a filter in a filter":  all + ".filter(x, " + all + ".filter(y, x.name == y.name) != [])",
		"lists compared often":  all + ".filter(x, " + strings.Repeat(all+" == "+all+" && ", 50) + "true)",
		"names looked up often": all + ".filter(x, " + strings.Repeat(all+".selectByName('none').name == '' && ", 50) + "true)",
		"values searched often": all + ".filter(x, " + strings.Repeat("!('w' in x.values) && ", 100) + "true)",
	} {
		p, err := CompilePropagation(source)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := p.Select(person, nil); err == nil || !strings.Contains(err.Error(), "cost limit") {
			t.Errorf("%s: got %v, want a refusal for its cost", name, err)
		}
	}
	three := all + ".filter(x, " + all + ".filter(y, " + all + ".filter(z, z.name == '') == []) == [])"
	if err := Check(three); !errors.Is(err, ErrInvalid) {
		t.Errorf("three filters in each other are stored: %v", err)
	}
	p, err := CompilePropagation(all + ".filter(x, x.name in ['a1', 'a2', 'a3'] || 'v' in x.values).filter(x, x.name != 'a7').append(" + all + ".selectByName('a7'))")
	if err != nil {
		t.Fatal(err)
	}
	if selected, err := p.Select(person, nil); err != nil || len(selected) != MaxAttributes {
		t.Errorf("an ordinary expression for a person with all attributes: %d, %v", len(selected), err)
	}
}

func FuzzCompilePropagation(f *testing.F) {
	f.Add(`attributes.saml_attributes.filter(x, x.name in ['test']).append(attributes.iap_attributes.selectByName('exact').emitAs('custom').strict())`)
	f.Add(`attributes.saml_attributes.selectByName('a').strict()`)
	f.Add(`[attributes.saml_attributes.selectByName('a').strict()]`)
	f.Fuzz(func(t *testing.T, source string) {
		p, err := CompilePropagation(source)
		if err != nil {
			return
		}
		selected, err := p.Select([]Attribute{{Name: "a", Values: []string{"1"}}}, []Attribute{{Name: "exact", Values: []string{"2"}}})
		if err != nil {
			return
		}
		for _, a := range selected {
			if a.Exact && !strings.Contains("\n"+strings.Join(p.ExactNames, "\n")+"\n", "\n"+a.Name+"\n") {
				t.Errorf("%s sets the header %q, which nobody knew of", source, a.Name)
			}
		}
	})
}

func BenchmarkSelect(b *testing.B) {
	p, err := CompilePropagation(`attributes.saml_attributes.filter(x, x.name in ['team']).append(attributes.iap_attributes.selectByName('user_email').emitAs('custom').strict())`)
	if err != nil {
		b.Fatal(err)
	}
	person := []Attribute{{Name: "department", Values: []string{"Research"}}, {Name: "team", Values: []string{"red", "blue"}}}
	iap := []Attribute{{Name: "user_email", Values: []string{"alice@example.com"}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Select(person, iap); err != nil {
			b.Fatal(err)
		}
	}
}
