// Package expression owns CEL: the environment that an expression of IapSettings is written in, checking it before
// it is stored, and evaluating it. It knows neither settings nor sessions.
package expression

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
)

// Attribute is a named list of values about a person.
type Attribute struct {
	Name   string   `cel:"name"`
	Values []string `cel:"values"`
	// Exact leaves out the prefix x-goog-iap-attr- where the attribute becomes a header: the function strict().
	Exact bool `cel:"strict"`
}

// Limits of an expression and of what it selects.
const (
	MaxExpression = 4096 // bytes of source
	MaxAttributes = 45   // selected: IAP's own number
	maxDepth      = 32   // of nesting
)

// ErrInvalid is wrapped by every refusal of an expression.
var ErrInvalid = errors.New("invalid expression")

// ErrTooMany reports an expression that selects more attributes than IAP hands on.
var ErrTooMany = fmt.Errorf("more than %d attributes are selected", MaxAttributes)

// Propagation is a checked expression that selects the attributes an application is told. It may be used by many
// goroutines at once.
type Propagation struct {
	program cel.Program
	// ExactNames are the names of headers that strict() may set, as written. Whoever forwards requests must delete
	// what clients send under them, also when the attribute is not there.
	ExactNames []string
}

// The two lists that an expression selects from.
const (
	providerAttributes = "attributes.saml_attributes"
	iapAttributes      = "attributes.iap_attributes"
)

// CompilePropagation checks an expression of attribute_propagation_settings. Its errors wrap ErrInvalid and say
// where the fault is.
func CompilePropagation(source string) (*Propagation, error) {
	if len(source) > MaxExpression {
		return nil, fmt.Errorf("%w: it has %d bytes; the limit is %d", ErrInvalid, len(source), MaxExpression)
	}
	environment, err := propagationEnvironment()
	if err != nil {
		return nil, err
	}
	checked, issues := environment.Compile(source)
	if issues.Err() != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, issues.Err())
	}
	if !checked.OutputType().IsExactType(cel.ListType(attributeType)) {
		return nil, fmt.Errorf("%w: it must give a list of attributes, not %s; a single one is added with append()",
			ErrInvalid, checked.OutputType())
	}
	names, err := exactNames(checked.NativeRep())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	program, err := environment.Program(checked, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return &Propagation{program: program, ExactNames: names}, nil
}

// Check says what CompilePropagation would.
func Check(source string) error {
	_, err := CompilePropagation(source)
	return err
}

// Select returns the attributes that an application is told about a person, in the expression's order. What
// selectByName() did not find is left out.
func (p *Propagation) Select(fromProvider, fromIAP []Attribute) ([]Attribute, error) {
	if p.program == nil {
		return nil, fmt.Errorf("%w: it was not compiled", ErrInvalid)
	}
	out, _, err := p.program.Eval(map[string]any{providerAttributes: fromProvider, iapAttributes: fromIAP})
	if err != nil {
		return nil, err
	}
	native, err := out.ConvertToNative(reflect.TypeFor[[]Attribute]())
	if err != nil {
		return nil, err
	}
	selected := slices.DeleteFunc(native.([]Attribute), func(a Attribute) bool { return a.Name == "" || len(a.Values) == 0 })
	if len(selected) > MaxAttributes {
		return nil, ErrTooMany
	}
	for _, a := range selected {
		if a.Exact && !slices.Contains(p.ExactNames, a.Name) {
			return nil, fmt.Errorf("%w: the strict attribute %q was not known beforehand", ErrInvalid, a.Name)
		}
	}
	return selected, nil
}

// attributeType is the type of an attribute in expressions.
var attributeType = cel.ObjectType("expression.Attribute")

// propagationEnvironment is made once: it takes longer than any expression.
var propagationEnvironment = sync.OnceValues(func() (*cel.Env, error) {
	base, err := cel.NewCustomEnv(
		cel.StdLib(cel.StdLibSubset(&env.LibrarySubset{
			IncludeMacros: []string{"filter"},
			IncludeFunctions: []*env.Function{
				env.NewFunction(operators.In), env.NewFunction(operators.Equals), env.NewFunction(operators.NotEquals),
				env.NewFunction(operators.LogicalAnd), env.NewFunction(operators.LogicalOr), env.NewFunction(operators.LogicalNot),
				// The macro filter expands to these.
				env.NewFunction(operators.Add), env.NewFunction(operators.Conditional), env.NewFunction(operators.NotStrictlyFalse),
			},
		})),
		ext.NativeTypes(reflect.TypeFor[Attribute](), ext.ParseStructTags(true)),
		cel.ParserExpressionSizeLimit(MaxExpression), cel.ParserRecursionLimit(maxDepth),
	)
	if err != nil {
		return nil, err
	}
	attributes := cel.ListType(attributeType)
	f := functions{base.CELTypeAdapter()}
	return base.Extend(
		cel.Variable(providerAttributes, attributes), cel.Variable(iapAttributes, attributes),
		cel.Function(functionSelect, cel.MemberOverload("attributes_select_by_name_string",
			[]*cel.Type{attributes, cel.StringType}, attributeType, cel.BinaryBinding(f.selectByName))),
		cel.Function(functionEmitAs, cel.MemberOverload("attribute_emit_as_string",
			[]*cel.Type{attributeType, cel.StringType}, attributeType, cel.BinaryBinding(f.emitAs))),
		cel.Function(functionStrict, cel.MemberOverload("attribute_strict",
			[]*cel.Type{attributeType}, attributeType, cel.UnaryBinding(f.strict))),
		cel.Function("append",
			cel.MemberOverload("attributes_append_attribute",
				[]*cel.Type{attributes, attributeType}, attributes, cel.BinaryBinding(f.appendOne)),
			cel.MemberOverload("attributes_append_attributes",
				[]*cel.Type{attributes, attributes}, attributes, cel.BinaryBinding(f.appendList))),
	)
})

// The functions that an attribute can go through.
const (
	functionSelect = "selectByName"
	functionEmitAs = "emitAs"
	functionStrict = "strict"
)

// functions are IAP's own, beside what CEL has.
type functions struct{ types.Adapter }

func (f functions) selectByName(list, name ref.Val) ref.Val {
	wanted, ok := name.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(name)
	}
	for it := list.(traits.Lister).Iterator(); it.HasNext() == types.True; {
		item := it.Next()
		if a, ok := item.Value().(Attribute); ok && a.Name == string(wanted) {
			return item
		}
	}
	return f.NativeToValue(Attribute{})
}

func (f functions) emitAs(attribute, name ref.Val) ref.Val {
	a, ok := attribute.Value().(Attribute)
	n, isString := name.(types.String)
	if !ok || !isString {
		return types.MaybeNoSuchOverloadErr(attribute)
	}
	if a.Name != "" { // what was not found stays nothing under another name
		a.Name = string(n)
	}
	return f.NativeToValue(a)
}

func (f functions) strict(attribute ref.Val) ref.Val {
	a, ok := attribute.Value().(Attribute)
	if !ok {
		return types.MaybeNoSuchOverloadErr(attribute)
	}
	a.Exact = true
	return f.NativeToValue(a)
}

func (f functions) appendOne(list, attribute ref.Val) ref.Val {
	return f.appendList(list, f.NativeToValue([]ref.Val{attribute}))
}

func (f functions) appendList(list, more ref.Val) ref.Val { return list.(traits.Adder).Add(more) }
