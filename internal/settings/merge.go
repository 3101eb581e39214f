package settings

import (
	"encoding/json"
	"reflect"
	"slices"

	"github.com/gatehouse-iap/gatehouse/internal/resource"
)

// Level is what stands on one resource of the hierarchy.
type Level struct {
	Resource resource.Name
	Settings IapSettings
}

// Merged is what several levels come to.
type Merged struct {
	Settings IapSettings
	// From says on which resource each field stands that is set, by its path.
	From map[string]resource.Name
}

// Merge walks the levels from the highest down. What is set lower wins, field by field; a list is one field.
// Reauthentication alone can be protected from above: see mergeReauth.
func Merge(levels []Level) Merged {
	m := Merged{From: map[string]resource.Name{}}
	for _, level := range levels {
		m.add(reflect.ValueOf(&m.Settings).Elem(), reflect.ValueOf(level.Settings), level.Resource, "")
	}
	return m
}

func (m Merged) add(to, from reflect.Value, name resource.Name, path string) {
	for _, f := range fieldsOf(from.Type()) {
		lower, where := from.Field(f.index), join(path, f.camel)
		switch {
		case lower.IsZero():
		case lower.Type() == reflect.TypeFor[*ReauthSettings]():
			m.mergeReauth(to.Field(f.index).Addr().Interface().(**ReauthSettings), *lower.Interface().(*ReauthSettings), name, where)
		case lower.Kind() == reflect.Pointer && lower.Type().Elem().Kind() == reflect.Struct:
			if to.Field(f.index).IsNil() {
				to.Field(f.index).Set(reflect.New(lower.Type().Elem()))
			}
			m.add(to.Field(f.index).Elem(), lower.Elem(), name, where)
		default:
			deepCopy(to.Field(f.index), lower)
			m.From[where] = name
		}
	}
}

// strength orders the methods of reauthentication.
var strength = map[ReauthMethod]int{ReauthLogin: 1, ReauthEnrolledSecondFactors: 2, ReauthSecureKey: 3}

// mergeReauth adds the reauthentication of a lower level. Below MINIMUM it can only become stricter, in method and
// age each by itself, and stays MINIMUM; otherwise the lower one replaces the higher one as a whole.
func (m Merged) mergeReauth(to **ReauthSettings, lower ReauthSettings, name resource.Name, path string) {
	if *to == nil || (*to).PolicyType != ReauthMinimum {
		*to = &lower
		for _, f := range fieldsOf(reflect.TypeFor[ReauthSettings]()) {
			m.From[join(path, f.camel)] = name
		}
		return
	}
	if merged := *to; strength[lower.Method] > strength[merged.Method] {
		merged.Method, m.From[path+".method"] = lower.Method, name
	}
	if merged := *to; lower.MaxAge < merged.MaxAge {
		merged.MaxAge, m.From[path+".maxAge"] = lower.MaxAge, name
	}
}

// Setting is one field that is set.
type Setting struct {
	Field string        `json:"field"` // its path
	Value any           `json:"value"`
	From  resource.Name `json:"from"` // the resource on which it stands
}

// List lists the fields that are set, in the order of their paths.
func (m Merged) List() []Setting {
	text, err := json.Marshal(m.Settings)
	var plain any
	if err == nil {
		err = json.Unmarshal(text, &plain)
	}
	if err != nil { // every field is a string, a switch, a number or a list of strings
		panic("settings: " + err.Error())
	}
	list := []Setting{}
	var walk func(value any, path string)
	walk = func(value any, path string) {
		if fields, isMessage := value.(map[string]any); isMessage {
			for name, inner := range fields {
				walk(inner, join(path, name))
			}
			return
		}
		list = append(list, Setting{Field: path, Value: value, From: m.From[path]})
	}
	walk(plain, "")
	slices.SortFunc(list, func(a, b Setting) int {
		if a.Field < b.Field {
			return -1
		}
		return 1
	})
	return list
}
