package reference

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/manifest"
)

// The files of the reference, beside those of the commands.
const (
	PageName   = "manifests.md"
	SchemaName = "manifests.schema.json"
)

// Page returns the reference of all kinds, as Markdown. root is the repository.
func Page(root string) ([]byte, error) {
	p := page{comments: newComments(root)}
	p.text(`# Manifests

The documents that [gatehouse apply](gatehouse_apply.md) reads. This page is written from the program; how to work with
manifests is in [Manifests](../manifests.md), and there is [an example with every field](../examples/complete.yaml).
Editors can check by [the JSON schema](` + SchemaName + `).

Every document has the same frame:

` + "```yaml" + `
apiVersion: ` + manifest.APIVersion + `
kind: BackendService
metadata:
  name: wiki
spec:
  hosts: [wiki.example.com]
  upstream: http://10.0.0.7:8080
` + "```" + `

A file holds any number of them, with a line ` + "`---`" + ` between two. JSON is read as well. Unknown and repeated fields, fields
without a value, anchors and aliases are refused. Paths of files are meant from the directory of the manifest, and the
server reads them.

| kind | |
|---|---|
`)
	for _, kind := range manifest.Kinds() {
		text, err := p.comments.ofType(kind.Spec)
		if err != nil {
			return nil, err
		}
		first, _, _ := strings.Cut(text, ". ")
		p.text("| [%s](#%s) | %s |\n", kind.Kind, strings.ToLower(string(kind.Kind)), strings.TrimSuffix(about(first, string(kind.Kind)), "."))
	}
	later := []string{}
	for _, kind := range manifest.LaterKinds() {
		later = append(later, string(kind))
	}
	p.text("\nThe kinds %s are refused by name: they come with later releases.\n", strings.Join(later, ", "))
	for _, kind := range manifest.Kinds() {
		text, err := p.comments.ofType(kind.Spec)
		if err != nil {
			return nil, err
		}
		p.text("\n## %s\n\n%s\n", kind.Kind, wrap(about(text, string(kind.Kind))))
		if err := p.fields(kind.Spec, "spec"); err != nil {
			return nil, err
		}
	}
	p.text("\n## Parts\n\nWhat fields of several kinds hold.\n")
	for i := 0; i < len(p.parts); i++ { // parts may add parts
		text, err := p.comments.ofType(p.parts[i])
		if err != nil {
			return nil, err
		}
		name := p.parts[i].Name()
		p.text("\n### %s\n\n%s\n", name, wrap(about(text, name)))
		if err := p.fields(p.parts[i], "field"); err != nil {
			return nil, err
		}
	}
	return p.out.Bytes(), nil
}

type page struct {
	comments *comments
	parts    []reflect.Type // structures within kinds, to be written behind them
	out      bytes.Buffer
}

func (p *page) text(format string, args ...any) { fmt.Fprintf(&p.out, format, args...) }

// about is a type's comment without its name at the front: the heading has it.
func about(text, name string) string {
	rest, found := strings.CutPrefix(text, name+" is ")
	if !found {
		rest = strings.TrimPrefix(text, name+" ")
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

// fields writes the table of a structure.
func (p *page) fields(t reflect.Type, title string) error {
	p.text("\n| %s | type | |\n|---|---|---|\n", title)
	for _, f := range manifest.Fields(t) {
		text, err := p.comments.ofField(f)
		if err != nil {
			return err
		}
		name := "`" + f.Name + "`"
		if f.Required {
			name = "**" + name + "**, required"
		}
		if inner := structure(f.Type); inner != nil && !slices.Contains(p.parts, inner) {
			p.parts = append(p.parts, inner)
		}
		p.text("| %s | %s | %s |\n", name, typeName(f.Type), strings.ReplaceAll(text, "|", `\|`))
	}
	return nil
}

// structure is the structure that a field holds, one or many; nil when it holds something else.
func structure(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct {
		return t
	}
	return nil
}

func typeName(t reflect.Type) string {
	if values := manifest.Enums()[t]; values != nil {
		return "`" + strings.Join(values, "`, `") + "`"
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "seconds, such as `3600s`"
	case t == reflect.TypeFor[manifest.Number]() || t.Kind() == reflect.Int64:
		return "whole number"
	case t.Kind() == reflect.Pointer:
		return typeName(t.Elem())
	case t.Kind() == reflect.Slice:
		return "list of " + typeName(t.Elem())
	case t.Kind() == reflect.Map:
		return "mapping from text to text"
	case t.Kind() == reflect.Bool:
		return "`true`, `false`"
	case t.Kind() == reflect.Struct:
		return fmt.Sprintf("[%s](#%s)", t.Name(), strings.ToLower(t.Name()))
	default:
		return "text"
	}
}

// wrap breaks text at 118 columns.
func wrap(text string) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		if column > 0 && column+1+len(word) > 118 {
			b.WriteByte('\n')
			column = 0
		} else if column > 0 {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
