package manifest

import (
	"reflect"
	"strings"
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

// suggestion is ", did you mean NAME?" when a name is close to a known one, else empty.
func suggestion(name string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if distance := editDistance(strings.ToLower(name), strings.ToLower(k)); distance < least && distance < len(k) {
			best, least = k, distance
		}
	}
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}

// editDistance is Levenshtein's, of names that are bounded here.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			above := row[j]
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			row[j] = min(above+1, row[j-1]+1, cost)
			diagonal = above
		}
	}
	return row[len(b)]
}
