package manifest

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder reads the YAML of one document into the types of spec.go, by the names in their json tags. It goes on
// after a fault, so that all of them are told.
type decoder struct {
	parser   *parser
	at       *place
	subject  string
	document int // its index in parser.documents; -1 as long as there is none
	dir      string
	envelope bool // reading the envelope: spec is read later
	bare     bool // reading a policy whose resource is given already
}

func (d *decoder) fault(node *yaml.Node, path, format string, args ...any) {
	d.parser.fault(d.document, d.subject, path, d.at.offset+max(node.Line, 1), max(node.Column, 1), format, args...)
}

// value reads a node into v, which is settable.
func (d *decoder) value(node *yaml.Node, v reflect.Value, path string) {
	switch {
	case node.Kind == yaml.AliasNode:
		d.fault(node, path, "aliases are not read: write the value out")
		return
	case node.Anchor != "":
		d.fault(node, path, "anchors are not read: leave out &%s", node.Anchor)
	}
	if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" {
		d.fault(node, path, "there is no value here: give one, or leave the field out")
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(node, v.Elem(), path)
	case reflect.Struct:
		d.structure(node, v, path)
	case reflect.Slice:
		d.list(node, v, path)
	case reflect.Map:
		d.table(node, v, path)
	default:
		d.scalar(node, v, path)
	}
}

func (d *decoder) structure(node *yaml.Node, v reflect.Value, path string) {
	if node.Kind != yaml.MappingNode {
		d.fault(node, path, "this is %s, and must be a mapping with the fields %s", describe(node), strings.Join(namesOf(v.Type()), ", "))
		return
	}
	fields := Fields(v.Type())
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name := key.Value
		where := join(path, name)
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
			d.fault(key, path, "%s is no name of a field", describe(key))
			continue
		}
		if seen[name] {
			d.fault(key, where, "the field is there twice: keep one")
			continue
		}
		seen[name] = true
		field, known := fieldOf(fields, name)
		switch {
		case known && d.bare && name == "resource":
		case known:
			d.value(value, v.FieldByIndex(field.Index), where)
			d.resolvePath(name, v.FieldByIndex(field.Index))
		case d.envelope && path == "" && name == "spec":
		default:
			d.unknown(key, v.Type(), where)
		}
	}
	for _, field := range fields {
		if field.Required && !seen[field.Name] && !(d.bare && field.Name == "resource") {
			d.fault(node, join(path, field.Name), "%s is missing", field.Name)
		}
	}
}

func (d *decoder) unknown(key *yaml.Node, in reflect.Type, path string) {
	why := ""
	for _, t := range append([]reflect.Type{in}, embedded(in)...) {
		if why == "" {
			why = refusal(t, key.Value)
		}
	}
	if why != "" {
		d.fault(key, path, "%s", why)
		return
	}
	names := namesOf(in)
	if d.envelope && in == reflect.TypeFor[Envelope]() {
		names = append(names, "spec")
	}
	d.fault(key, path, "there is no field %q here%s: the fields are %s", key.Value, suggestion(key.Value, names), strings.Join(names, ", "))
}

// resolvePath makes the path of a file absolute: the server that reads it works elsewhere.
func (d *decoder) resolvePath(field string, v reflect.Value) {
	if v.Kind() != reflect.String || field != "file" && !strings.HasSuffix(field, "File") {
		return
	}
	if path := v.String(); path != "" && !filepath.IsAbs(path) {
		v.SetString(filepath.Join(d.dir, path))
	}
}

func (d *decoder) list(node *yaml.Node, v reflect.Value, path string) {
	if node.Kind != yaml.SequenceNode {
		d.fault(node, path, "this is %s, and must be a list: [first, second], or a line with a hyphen for each", describe(node))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content))
	for i, item := range node.Content {
		d.value(item, list.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	v.Set(list)
}

// table reads a mapping from text to text.
func (d *decoder) table(node *yaml.Node, v reflect.Value, path string) {
	if node.Kind != yaml.MappingNode {
		d.fault(node, path, "this is %s, and must be a mapping", describe(node))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name, item := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		d.value(key, name, path)
		d.value(value, item, join(path, key.Value))
		if v.MapIndex(name).IsValid() {
			d.fault(key, join(path, key.Value), "the entry is there twice: keep one")
		}
		v.SetMapIndex(name, item)
	}
}

func (d *decoder) scalar(node *yaml.Node, v reflect.Value, path string) {
	if node.Kind != yaml.ScalarNode {
		d.fault(node, path, "this is %s, and must be %s", describe(node), typeName(v.Type()))
		return
	}
	tag := node.ShortTag()
	switch {
	case v.Type() == reflect.TypeFor[Number]():
		if tag != "!!int" && tag != "!!str" || !isDigits(node.Value) {
			d.fault(node, path, "%q is not a whole number", node.Value)
			return
		}
		v.SetString(node.Value)
	case v.Kind() == reflect.String && tag == "!!str":
		v.SetString(node.Value)
	case v.Kind() == reflect.String:
		d.fault(node, path, "this is %s, and must be text: put it in quotes, as in %q", describe(node), node.Value)
	case v.Kind() == reflect.Bool && tag == "!!bool":
		value, err := strconv.ParseBool(strings.ToLower(node.Value))
		if err != nil {
			d.fault(node, path, "%q is neither true nor false", node.Value)
		}
		v.SetBool(value)
	case v.Kind() == reflect.Int64 && tag == "!!int":
		value, err := strconv.ParseInt(node.Value, 10, 64)
		if err != nil {
			d.fault(node, path, "%s is not a whole number in decimal digits", node.Value)
		}
		v.SetInt(value)
	default:
		d.fault(node, path, "this is %s, and must be %s", describe(node), typeName(v.Type()))
	}
}

func isDigits(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "0123456789") == ""
}

// describe says what a node is, in words of people who write YAML.
func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch node.ShortTag() {
	case "!!str":
		return "text"
	case "!!int", "!!float":
		return "the number " + node.Value
	case "!!bool":
		return "the switch " + node.Value
	case "!!null":
		return "nothing"
	case "!!timestamp":
		return "the date " + node.Value
	default:
		return "a value tagged " + node.ShortTag()
	}
}

func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Number]() || t.Kind() == reflect.Int64:
		return "a whole number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	default:
		return "text"
	}
}
