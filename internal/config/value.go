package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
)

// key is one line of the table: what is written, what it means, and where it goes.
type key struct {
	name     string
	meaning  string
	standard string // what holds when the key is left out, in words; empty when nothing does
	example  string // a value in YAML's flow style
	required bool
	// restart says that a change takes effect when the server is started again.
	restart bool
	value   value
}

// value is how a key's value is read, bound to the variable that it is read into.
type value interface {
	// kind says what is written, with its article: "a duration".
	kind() string
	read(r *reader, at string, n *yaml.Node)
	// keys are those of one element, for the reference; nil where the value has none.
	keys() []key
	// list says that there may be many elements.
	list() bool
	// current is the bound value, and elements the keys bound to each part of it that has keys.
	current() any
	elements() [][]key
}

// scalar is a single value.
type scalar[T any] struct {
	target *T
	what   string
	tags   []string // YAML's own types that are accepted; text when empty
	secret bool     // what stands there by mistake may be a secret: it is not repeated
	parse  func(string) (T, error)
}

func (s scalar[T]) kind() string      { return s.what }
func (s scalar[T]) keys() []key       { return nil }
func (s scalar[T]) list() bool        { return false }
func (s scalar[T]) current() any      { return *s.target }
func (s scalar[T]) elements() [][]key { return nil }

func (s scalar[T]) read(r *reader, at string, n *yaml.Node) {
	if v, ok := s.one(r, at, n); ok {
		*s.target = v
	}
}

func (s scalar[T]) one(r *reader, at string, n *yaml.Node) (T, bool) {
	var zero T
	if n.Kind != yaml.ScalarNode {
		r.add(position(n), at, "here must be "+s.what+", not "+describe(n), "")
		return zero, false
	}
	quoted := describe(n)
	if s.secret {
		quoted = "what is written here"
	}
	tags := s.tags
	if len(tags) == 0 {
		tags = []string{"!!str"}
	}
	if !slices.Contains(tags, n.Tag) {
		fix := ""
		if slices.Contains(tags, "!!str") {
			fix = "write it in quotes if the text is meant"
		}
		r.add(position(n), at, quoted+" is not "+s.what, fix)
		return zero, false
	}
	v, err := s.parse(n.Value)
	if err != nil {
		var refused refusal
		errors.As(err, &refused)
		r.add(position(n), at, quoted+" "+err.Error(), refused.fix)
		return zero, false
	}
	return v, true
}

// scalars is a list of single values.
type scalars[T any] struct {
	target *[]T
	what   string
	item   scalar[T]
}

func (s scalars[T]) kind() string      { return s.what }
func (s scalars[T]) keys() []key       { return nil }
func (s scalars[T]) list() bool        { return true }
func (s scalars[T]) current() any      { return *s.target }
func (s scalars[T]) elements() [][]key { return nil }

func (s scalars[T]) read(r *reader, at string, n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		r.add(position(n), at, "here must be a list, not "+describe(n), "write ["+describeItem(n)+"]")
		return
	}
	list := []T{}
	for i, element := range n.Content {
		path := fmt.Sprintf("%s[%d]", at, i)
		r.places[path] = position(element)
		v, _ := s.item.one(r, path, element) // a wrong one keeps its place, so that indices stay true
		list = append(list, v)
	}
	*s.target = list
}

func describeItem(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return printable(n.Value)
	}
	return "…"
}

// section is a mapping that is always there.
type section[T any] struct {
	target *T
	of     func(*T) []key
}

func (s section[T]) kind() string                            { return "keys" }
func (s section[T]) keys() []key                             { return s.of(new(T)) }
func (s section[T]) list() bool                              { return false }
func (s section[T]) current() any                            { return *s.target }
func (s section[T]) elements() [][]key                       { return [][]key{s.of(s.target)} }
func (s section[T]) read(r *reader, at string, n *yaml.Node) { r.mapping(at, n, s.of(s.target)) }

// optional is a mapping whose presence means something.
type optional[T any] struct {
	target **T
	of     func(*T) []key
}

func (o optional[T]) kind() string { return "keys" }
func (o optional[T]) keys() []key  { return o.of(new(T)) }
func (o optional[T]) list() bool   { return false }
func (o optional[T]) current() any { return *o.target }

func (o optional[T]) elements() [][]key {
	if *o.target == nil {
		return nil
	}
	return [][]key{o.of(*o.target)}
}

func (o optional[T]) read(r *reader, at string, n *yaml.Node) {
	*o.target = new(T)
	r.mapping(at, n, o.of(*o.target))
}

// sections is a list of mappings.
type sections[T any] struct {
	target *[]T
	of     func(*T) []key
}

func (s sections[T]) kind() string { return "a list of keys" }
func (s sections[T]) keys() []key  { return s.of(new(T)) }
func (s sections[T]) list() bool   { return true }
func (s sections[T]) current() any { return *s.target }

func (s sections[T]) elements() [][]key {
	var all [][]key
	for i := range *s.target {
		all = append(all, s.of(&(*s.target)[i]))
	}
	return all
}

func (s sections[T]) read(r *reader, at string, n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		r.add(position(n), at, "here must be a list, not "+describe(n), "begin the element with a hyphen")
		return
	}
	*s.target = make([]T, len(n.Content))
	for i, element := range n.Content {
		path := fmt.Sprintf("%s[%d]", at, i)
		r.places[path] = position(element)
		if element.Kind == yaml.AliasNode {
			r.add(position(element), path, "aliases (*name) are not used here", "write the value itself")
			continue
		}
		r.mapping(path, element, s.of(&(*s.target)[i]))
	}
}

// NeedsRestart lists the keys in which next differs from c and that a running server does not take up.
func (c *Config) NeedsRestart(next *Config) []string { return restartKeys("", c.keys(), next.keys()) }

func restartKeys(path string, before, after []key) (changed []string) {
	for i, k := range before {
		at, other := join(path, k.name), after[i].value
		parts, otherParts := k.value.elements(), other.elements()
		switch {
		case parts == nil && otherParts == nil || len(parts) != len(otherParts):
			if k.restart && !reflect.DeepEqual(k.value.current(), other.current()) {
				changed = append(changed, at)
			}
		default:
			for j := range parts {
				part := at
				if k.value.list() {
					part = fmt.Sprintf("%s[%d]", at, j)
				}
				changed = append(changed, restartKeys(part, parts[j], otherParts[j])...)
			}
		}
	}
	return changed
}
