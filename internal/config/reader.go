package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-iap/gatehouse/internal/spelling"
)

// reader walks a document along the table of keys and collects what is wrong.
type reader struct {
	file   string
	faults Faults
	// places holds where each key that is present stands, by its path: "listeners[0].tls".
	places map[string]place
	// parsed says that the text was one YAML mapping at all, so that checking further makes sense.
	parsed bool
}

type place struct{ line, column int }

func parse(file string, text []byte) (*Config, *reader) {
	c := &Config{File: file}
	r := &reader{file: file, places: map[string]place{"": {1, 1}}}
	document, err := decode(text)
	if err != nil {
		line, problem := yamlProblem(err)
		r.add(place{line, 1}, "", problem, "")
		return c, r
	}
	if document == nil {
		r.add(place{1, 1}, "", "the file is empty", "write one with `gatehouse config init`")
		return c, r
	}
	r.parsed = document.Kind == yaml.MappingNode
	r.mapping("", document, c.keys())
	if r.parsed {
		c.derive(r)
	}
	return c, r
}

var errSeveralDocuments = errors.New("yaml: the file holds several documents, separated by ---; one is read")

// decode returns the one document of a text, nil for an empty one.
func decode(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, more yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	}
	switch err := decoder.Decode(&more); {
	case err == nil:
		return nil, errSeveralDocuments
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	if len(document.Content) != 1 || document.Content[0].Tag == "!!null" {
		return nil, nil
	}
	return document.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^(?:line (\d+): )?(?s:(.*))$`)

// yamlProblem takes the parser's error apart. It knows lines, and stops at the first thing it cannot read.
func yamlProblem(err error) (line int, problem string) {
	match := yamlLine.FindStringSubmatch(strings.TrimPrefix(err.Error(), "yaml: "))
	line, _ = strconv.Atoi(match[1])
	return max(line, 1), "this is not YAML: " + match[2]
}

func (r *reader) add(at place, key, problem, fix string) {
	r.faults = append(r.faults, Fault{File: r.file, Line: at.line, Column: at.column, Key: key, Problem: problem, Fix: fix})
}

// fault adds one about a key that may not be there: then it is about the nearest one above it.
func (r *reader) fault(key, problem, fix string) {
	at, found := r.places[key]
	for above := key; !found; at, found = r.places[above] {
		above = above[:max(strings.LastIndexAny(above, ".["), 0)]
	}
	r.add(at, key, problem, fix)
}

// has reports whether a key is written in the file.
func (r *reader) has(key string) bool {
	_, found := r.places[key]
	return found
}

func (r *reader) err() error {
	if len(r.faults) == 0 {
		return nil
	}
	r.faults.sort()
	return r.faults
}

func position(n *yaml.Node) place { return place{max(n.Line, 1), max(n.Column, 1)} }

// mapping reads the keys of one mapping.
func (r *reader) mapping(path string, n *yaml.Node, keys []key) {
	if n.Kind != yaml.MappingNode {
		found := "a single value" // which is not repeated: it may be a secret
		if n.Kind != yaml.ScalarNode {
			found = describe(n)
		}
		r.add(position(n), path, "here must be keys with values, not "+found, "the keys are "+names(keys))
		return
	}
	seen := map[string]place{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		at := join(path, printable(name.Value))
		if first, twice := seen[name.Value]; twice {
			r.add(position(name), at, fmt.Sprintf("the key is given twice, first on line %d", first.line), "keep one")
			continue
		}
		seen[name.Value] = position(name)
		index := slices.IndexFunc(keys, func(k key) bool { return k.name == name.Value })
		if index < 0 || name.Kind != yaml.ScalarNode {
			r.add(position(name), at, "there is no such key", suggestion(name.Value, keys))
			continue
		}
		r.places[at] = position(value)
		r.value(at, value, keys[index])
	}
	for _, k := range keys {
		if _, found := seen[k.name]; k.required && !found {
			r.add(position(n), join(path, k.name), "the key is missing", "add "+k.name+": "+k.example)
		}
	}
}

func (r *reader) value(at string, n *yaml.Node, k key) {
	switch {
	case n.Kind == yaml.AliasNode:
		r.add(position(n), at, "aliases (*name) are not used here", "write the value itself")
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		r.add(position(n), at, "the key has no value", "write "+k.value.kind()+", or leave the key out")
	default:
		k.value.read(r, at, n)
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// describe says what a node is.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	default:
		return strconv.Quote(shortened(n.Value))
	}
}

func shortened(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return text
}

// printable keeps what is quoted from the file from acting on a terminal.
func printable(text string) string {
	quoted := strconv.Quote(shortened(text))
	return quoted[1 : len(quoted)-1]
}

func names(keys []key) string {
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = k.name
	}
	return strings.Join(list, ", ")
}

// suggestion names the key that was probably meant.
func suggestion(name string, keys []key) string {
	known := make([]string, len(keys))
	for i, k := range keys {
		known[i] = k.name
	}
	if nearest := spelling.Nearest(name, known); nearest != "" {
		return "did you mean " + nearest + "?"
	}
	return "the keys here are " + names(keys)
}
