package manifest

import (
	"bytes"
	"io"
	"reflect"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

// Write writes documents down, so that reading them gives them again. The manifest that owns one is in a comment.
func Write(w io.Writer, documents []Document) error {
	for i, d := range documents {
		if i > 0 {
			if _, err := io.WriteString(w, "---\n"); err != nil {
				return err
			}
		}
		text, err := render(d, d.Source != "")
		if err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// render writes one document down.
func render(d Document, comment bool) ([]byte, error) {
	root := mapping(
		"apiVersion", text(APIVersion),
		"kind", text(string(d.Kind)),
		"metadata", mapping("name", text(d.Name)),
	)
	if spec := encode(reflect.ValueOf(specFrom(d))); len(spec.Content) > 0 {
		root.Content = append(root.Content, text("spec"), spec)
	}
	if comment {
		root.HeadComment = "# belongs to " + strconv.Quote(d.Source)
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	err := encoder.Encode(root)
	return b.Bytes(), err
}

func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

func mapping(pairs ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i < len(pairs); i += 2 {
		n.Content = append(n.Content, text(pairs[i].(string)), pairs[i+1].(*yaml.Node))
	}
	return n
}

// encode writes a value of the types of spec.go, in the order of their fields and without what is empty.
func encode(v reflect.Value) *yaml.Node {
	switch v.Kind() {
	case reflect.Pointer:
		return encode(v.Elem())
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, field := range Fields(v.Type()) {
			if value := v.FieldByIndex(field.Index); !value.IsZero() && !(value.Kind() == reflect.Slice && value.Len() == 0) {
				n.Content = append(n.Content, text(field.Name), encode(value))
			}
		}
		return n
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n.Content = append(n.Content, encode(v.Index(i)))
		}
		return n
	case reflect.Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return bytes.Compare([]byte(a.String()), []byte(b.String())) })
		for _, key := range keys {
			n.Content = append(n.Content, text(key.String()), encode(v.MapIndex(key)))
		}
		return n
	case reflect.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v.Bool())}
	case reflect.Int64:
		if d, isDuration := v.Interface().(time.Duration); isDuration {
			return text(settings.FormatDuration(d))
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v.Int(), 10)}
	default:
		return text(v.String()) // numbers too, in quotes as gcloud prints them: some readers would round them
	}
}

// Diff shows what becomes of a document, line by line; either side may be nil.
func Diff(beforeName string, before *Document, afterName string, after *Document) ([]byte, error) {
	sides := [2][]byte{}
	for i, d := range []*Document{before, after} {
		if d == nil {
			continue
		}
		text, err := render(*d, false)
		if err != nil {
			return nil, err
		}
		sides[i] = text
	}
	return diff.Diff(beforeName, sides[0], afterName, sides[1]), nil
}
