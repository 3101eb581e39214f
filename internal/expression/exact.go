package expression

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// exactNames returns the names of all headers that strict() may set. They must be known beforehand: where a person
// does not have the attribute, what a client sends under its name has to go all the same. So that no way around is
// left, attributes come from the two lists only, and go through functions in chains that start with selectByName().
func exactNames(checked *ast.AST) ([]string, error) {
	var names []string
	for _, node := range ast.MatchDescendants(ast.NavigateAST(checked), ast.AllMatcher()) {
		if node.Kind() == ast.StructKind {
			return nil, fmt.Errorf("an attribute cannot be made up: select it from %s or %s", providerAttributes, iapAttributes)
		}
		if !(isCall(node, functionStrict) || isCall(node, functionEmitAs)) || continued(node) {
			continue
		}
		name, isExact, err := emitted(node)
		if err != nil {
			return nil, err
		}
		if isExact {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func isCall(e ast.Expr, function string) bool {
	return e.Kind() == ast.CallKind && e.AsCall().FunctionName() == function && e.AsCall().IsMemberFunction()
}

// continued reports whether an attribute goes through another function of its chain.
func continued(node ast.NavigableExpr) bool {
	parent, found := node.Parent()
	if !found || !(isCall(parent, functionEmitAs) || isCall(parent, functionStrict)) {
		return false
	}
	return parent.AsCall().Target().ID() == node.ID()
}

// emitted says under which name the attribute at the end of a chain is handed on, and whether without the prefix.
// The name of one that keeps the prefix may be computed.
func emitted(e ast.Expr) (name string, isExact bool, err error) {
	known, named := false, false
	for {
		switch {
		case isCall(e, functionStrict):
			isExact = true
		case isCall(e, functionEmitAs), isCall(e, functionSelect):
			if !named {
				name, known = literal(e.AsCall().Args()[0])
				named = true
			}
		default:
			return "", false, fmt.Errorf("emitAs() and strict() need an attribute that selectByName() selects")
		}
		if isCall(e, functionSelect) {
			return exactName(name, known, isExact)
		}
		e = e.AsCall().Target()
	}
}

func exactName(name string, known, isExact bool) (string, bool, error) {
	switch {
	case !isExact:
		return "", false, nil
	case !known:
		return "", true, fmt.Errorf("the name of an attribute that is strict() must be written out: emitAs('NAME') or selectByName('NAME')")
	}
	return name, true, checkExactName(name)
}

func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().(types.String)
	return string(text), ok
}

// taken are the beginnings, folded as CGI folds names, of headers that have a meaning of their own: a person's
// attribute must not frame a request, stand for a credential, or pass for another word of the gate.
var taken = [...]string{
	"x_goog_", "x_google_", "x_appengine_", "x_forwarded", "forwarded", "x_original_", "x_rewrite_url", "x_real_ip",
	"x_serverless_", "ingress_authorization", "client_cert", "authorization", "proxy_", "cookie", "set_cookie", "sec_",
	"host", "content_", "transfer_encoding", "connection", "keep_alive", "te", "trailer", "upgrade", "expect", "via",
	"http2_settings", "x_http_method", "x_method_override", "range", "if_", "origin", "x_request_id", "traceparent", "tracestate",
}

// checkExactName refuses names that no attribute may have as a header.
func checkExactName(name string) error {
	folded := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r == '-' || r == '_':
			return '_'
		}
		return -1
	}, name)
	if name == "" || len(folded) != len(name) || len(name) > 128 {
		return fmt.Errorf("a strict() attribute becomes the header %q, which is no name of 1 to 128 letters, digits, - and _", name)
	}
	for _, prefix := range taken {
		exact := prefix == "te" || prefix == "via" || prefix == "host" || prefix == "range" || prefix == "origin"
		if folded == prefix || !exact && strings.HasPrefix(folded, prefix) {
			return fmt.Errorf("a strict() attribute cannot become the header %q, which has a meaning of its own", name)
		}
	}
	return nil
}
