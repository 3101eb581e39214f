package settings

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-iap/gatehouse/internal/spelling"
)

// reader reads one document and goes on after a fault, so that all of them are told.
type reader struct{ faults Faults }

// Read reads the YAML of one document. What has no value counts as not set, as in Google's JSON.
func Read(node *yaml.Node) (Document, Faults) {
	var r reader
	var d Document
	if node.Kind != yaml.MappingNode {
		r.fault(node, "", "this is %s, and must be a mapping with accessSettings and applicationSettings", describe(node))
		return d, r.faults
	}
	rest := *node
	rest.Content = nil
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		var text *string
		switch key.Value {
		case "name":
			text = &d.Name
		case "etag":
			text = &d.Etag
		default:
			rest.Content = append(rest.Content, key, value)
			continue
		}
		if seen[key.Value] {
			r.fault(key, key.Value, "the field is there twice: keep one")
		}
		seen[key.Value] = true
		r.value(value, reflect.ValueOf(text).Elem(), key.Value)
	}
	d.Name = TrimName(d.Name)
	r.structure(&rest, reflect.ValueOf(&d.IapSettings).Elem(), "")
	return d, r.faults
}

func (r *reader) fault(node *yaml.Node, path, format string, args ...any) {
	r.faults = append(r.faults, Fault{path, node.Line, node.Column, fmt.Sprintf(format, args...)})
}

// value reads a node into v, which is settable.
func (r *reader) value(node *yaml.Node, v reflect.Value, path string) {
	switch {
	case node.Kind == yaml.AliasNode:
		r.fault(node, path, "aliases are not read: write the value out")
		return
	case node.Anchor != "":
		r.fault(node, path, "anchors are not read: leave out &%s", node.Anchor)
		return
	case isNull(node):
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if inner := v.Type().Elem(); inner.Kind() != reflect.Struct {
			if node = r.unwrapped(node, path); node == nil {
				return
			}
		}
		v.Set(reflect.New(v.Type().Elem()))
		r.value(node, v.Elem(), path)
	case reflect.Struct:
		r.structure(node, v, path)
	case reflect.Slice:
		r.list(node, v, path)
	default:
		r.scalar(node, v, path)
	}
}

// unwrapped returns what a wrapper message of Google's holds, {"value": …}, as gcloud writes it; nil for nothing.
func (r *reader) unwrapped(node *yaml.Node, path string) *yaml.Node {
	if node.Kind != yaml.MappingNode {
		return node
	}
	switch {
	case len(node.Content) == 0:
		return nil
	case len(node.Content) != 2 || node.Content[0].Value != "value":
		r.fault(node, path, "this is a mapping, and must be a value, or {value: …}")
		return nil
	case isNull(node.Content[1]):
		return nil
	default:
		return node.Content[1]
	}
}

func (r *reader) structure(node *yaml.Node, v reflect.Value, path string) {
	t := v.Type()
	if node.Kind != yaml.MappingNode {
		r.fault(node, path, "this is %s, and must be a mapping with the fields %s", describe(node), strings.Join(namesOf(t), ", "))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
			r.fault(key, path, "%s is no name of a field", describe(key))
			continue
		}
		f, known := fieldNamed(t, key.Value)
		if !known {
			r.unknown(key, value, t, path)
			continue
		}
		where := join(path, f.camel)
		if seen[f.camel] {
			r.fault(key, where, "the field is there twice: keep one")
			continue
		}
		seen[f.camel] = true
		r.value(value, v.Field(f.index), where)
	}
}

func (r *reader) unknown(key, value *yaml.Node, t reflect.Type, path string) {
	where := join(path, key.Value)
	if why := notOffered(t, key.Value); why != "" {
		if !isEmpty(value) {
			r.fault(key, where, "%s", why)
		}
		return
	}
	names := namesOf(t)
	meant := ""
	if nearest := spelling.Nearest(camelCase(key.Value), names); nearest != "" {
		meant = " (did you mean " + nearest + "?)"
	}
	if path == "" {
		names = append(names, "name", "etag")
	}
	r.fault(key, where, "there is no field %q here%s: the fields are %s", key.Value, meant, strings.Join(names, ", "))
}

func namesOf(t reflect.Type) []string {
	var names []string
	for _, f := range fieldsOf(t) {
		names = append(names, f.camel)
	}
	return names
}

// maxItems bounds every list.
const maxItems = 500

func (r *reader) list(node *yaml.Node, v reflect.Value, path string) {
	if node.Kind != yaml.SequenceNode {
		r.fault(node, path, "this is %s, and must be a list", describe(node))
		return
	}
	if len(node.Content) > maxItems {
		r.fault(node, path, "the list has %d items, and may have %d", len(node.Content), maxItems)
		return
	}
	list := reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content))
	for i, item := range node.Content {
		where := fmt.Sprintf("%s[%d]", path, i)
		if isNull(item) {
			r.fault(item, where, "there is no value here")
			continue
		}
		r.value(item, list.Index(i), where)
	}
	if list.Len() > 0 { // an empty list is one that is not set
		v.Set(list)
	}
}

func (r *reader) scalar(node *yaml.Node, v reflect.Value, path string) {
	if node.Kind != yaml.ScalarNode {
		r.fault(node, path, "this is %s, and must be %s", describe(node), wanted(v.Type()))
		return
	}
	tag := node.ShortTag()
	switch values, isEnum := enums(v.Type()); {
	case isEnum:
		r.enum(node, v, values, path)
	case v.Type() == reflect.TypeFor[time.Duration]():
		d, err := parseDuration(node.Value)
		if err != nil || tag != "!!str" {
			r.fault(node, path, "%q is no duration: write seconds with an s, such as 3600s", node.Value)
			return
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.Bool && tag == "!!bool":
		v.SetBool(strings.EqualFold(node.Value, "true"))
	case v.Kind() == reflect.String && tag == "!!str":
		v.SetString(node.Value)
	default:
		r.fault(node, path, "this is %s, and must be %s", describe(node), wanted(v.Type()))
	}
}

func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 3600s"
	case t.Kind() == reflect.Bool:
		return "true or false"
	default:
		return "text"
	}
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

// isEmpty reports whether a node says nothing, however deep.
func isEmpty(node *yaml.Node) bool {
	switch node.Kind {
	case yaml.ScalarNode:
		return isNull(node) || node.Value == ""
	case yaml.SequenceNode:
		return len(node.Content) == 0
	case yaml.MappingNode:
		for i := 1; i < len(node.Content); i += 2 {
			if !isEmpty(node.Content[i]) {
				return false
			}
		}
		return true
	default:
		return false
	}
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
	default:
		return "a value tagged " + node.ShortTag()
	}
}
