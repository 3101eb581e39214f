package manifest

import (
	"reflect"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/spelling"
)

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}

func namesOf(t reflect.Type) []string {
	fields := Fields(t)
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names
}

func fieldOf(fields []Field, name string) (Field, bool) {
	for _, f := range fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// embedded lists the types that are embedded in a type.
func embedded(t reflect.Type) (types []reflect.Type) {
	for i := range t.NumField() {
		if f := t.Field(i); f.Anonymous {
			types = append(append(types, f.Type), embedded(f.Type)...)
		}
	}
	return types
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// suggestion is " (did you mean NAME?)" when a name is close to a known one, else empty.
func suggestion(name string, known []string) string {
	if nearest := spelling.Nearest(name, known); nearest != "" {
		return " (did you mean " + nearest + "?)"
	}
	return ""
}
