package settings

import (
	"fmt"
	"reflect"
	"strings"
)

// Mask says which fields of a document a patch replaces; nil is all of them.
type Mask [][]int

// ParseMask reads google.protobuf.FieldMask in its JSON form: paths parted by commas, in camelCase or snake_case, with
// or without the name of the message before them. Empty, and "*", is all of the document.
func ParseMask(s string) (Mask, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	mask := Mask{}
	all := false
	for path := range strings.SplitSeq(s, ",") {
		path = strings.TrimSpace(path)
		for _, prefix := range [...]string{"iapSettings", "iap_settings"} {
			if rest, found := strings.CutPrefix(path, prefix); found && (rest == "" || rest[0] == '.') {
				path = strings.TrimPrefix(rest, ".")
				if rest == "" {
					path = "*"
				}
			}
		}
		switch path {
		case "", "name", "etag": // says which document and which version, and is no part of it
		case "*":
			all = true
		default:
			at, err := findPath(path)
			if err != nil {
				return nil, err
			}
			mask = append(mask, at)
		}
	}
	if all {
		return nil, nil
	}
	return mask, nil
}

// findPath returns the indices of the fields that a path names.
func findPath(path string) ([]int, error) {
	t := reflect.TypeFor[IapSettings]()
	var at []int
	for name := range strings.SplitSeq(path, ".") {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return nil, fmt.Errorf("%w: updateMask: %q goes into a field that has no fields of its own", ErrInvalid, path)
		}
		f, known := fieldNamed(t, name)
		if !known {
			if why := notOffered(t, name); why != "" {
				return nil, fmt.Errorf("%w: updateMask: %q: %s", ErrInvalid, path, why)
			}
			return nil, fmt.Errorf("%w: updateMask: settings have no field %q; there is %s", ErrInvalid, path, strings.Join(namesOf(t), ", "))
		}
		at = append(at, f.index)
		t = t.Field(f.index).Type
	}
	return at, nil
}

// Patch returns stored settings with the fields of a mask replaced by those of patch; what patch does not set is not
// set afterwards.
func (m Mask) Patch(stored, patch IapSettings) IapSettings {
	if m == nil {
		return clone(patch)
	}
	out := clone(stored)
	for _, path := range m {
		replace(reflect.ValueOf(&out).Elem(), reflect.ValueOf(patch), path)
	}
	prune(reflect.ValueOf(&out).Elem())
	return out
}

// replace copies the field at a path; a message on the way that is missing in from has nothing set.
func replace(to, from reflect.Value, path []int) {
	if from.Kind() == reflect.Pointer {
		if from.IsNil() {
			from = reflect.New(from.Type().Elem())
		}
		if to.IsNil() {
			to.Set(reflect.New(to.Type().Elem()))
		}
		replace(to.Elem(), from.Elem(), path)
		return
	}
	if len(path) == 1 {
		deepCopy(to.Field(path[0]), from.Field(path[0]))
		return
	}
	replace(to.Field(path[0]), from.Field(path[0]), path[1:])
}
