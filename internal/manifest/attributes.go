package manifest

import (
	"maps"
	"slices"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// attributeList is a person's attributes in order of their names, so that the order of a document changes nothing.
func attributeList(named map[string][]string) []principal.Attribute {
	var list []principal.Attribute
	for _, name := range slices.Sorted(maps.Keys(named)) {
		list = append(list, principal.Attribute{Name: name, Values: named[name]})
	}
	return list
}

func attributeMap(list []principal.Attribute) map[string][]string {
	if len(list) == 0 {
		return nil
	}
	named := make(map[string][]string, len(list))
	for _, a := range list {
		named[a.Name] = a.Values
	}
	return named
}
