package principal

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Attribute is something that an identity provider, or our own directory, says about a person besides who they are:
// a name with one value or more. Nothing is decided by it; applications can be told.
type Attribute struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Bounds of what is kept about one person.
const (
	MaxAttributes     = 45
	maxAttributeName  = 256     // bytes
	maxAttributeBytes = 8 << 10 // of all names and values together
)

// CheckAttributes refuses what could not be handed on: too much, names that are there twice, control characters.
func CheckAttributes(attributes []Attribute) error {
	if len(attributes) > MaxAttributes {
		return fmt.Errorf("%d attributes are more than %d", len(attributes), MaxAttributes)
	}
	size := 0
	for i, a := range attributes {
		if a.Name == "" || len(a.Name) > maxAttributeName || !printable(a.Name) {
			return fmt.Errorf("attribute %d has a name that is not 1 to %d bytes of text", i+1, maxAttributeName)
		}
		if slices.ContainsFunc(attributes[:i], func(b Attribute) bool { return b.Name == a.Name }) {
			return fmt.Errorf("the attribute %q is there twice", a.Name)
		}
		size += len(a.Name)
		for _, value := range a.Values {
			if !printable(value) {
				return fmt.Errorf("a value of the attribute %q is not text", a.Name)
			}
			size += len(value)
		}
	}
	if size > maxAttributeBytes {
		return fmt.Errorf("the attributes have %d bytes; the limit is %d", size, maxAttributeBytes)
	}
	return nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
