package identityprovider

import (
	"encoding/json"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// maxValues bounds the values of one attribute.
const maxValues = 2000

// AttributesOf returns the claims that are kept for applications, in the order of the configuration. Applications get
// text: a number or a boolean is written as JSON writes it, and what is an object is passed over.
func (p Provider) AttributesOf(claims map[string]json.RawMessage) []principal.Attribute {
	var found []principal.Attribute
	for _, name := range p.Attributes {
		raw, present := claims[name]
		if !present {
			continue
		}
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil {
			items = []json.RawMessage{raw}
		}
		attribute := principal.Attribute{Name: name}
		for _, item := range items[:min(len(items), maxValues)] {
			if value, ok := plainValue(item); ok {
				attribute.Values = append(attribute.Values, value)
			}
		}
		if len(attribute.Values) > 0 {
			found = append(found, attribute)
		}
	}
	return found
}

func plainValue(raw json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, text != "" // null reads as empty
	}
	if strings.ContainsAny(string(raw[:1]), "{[") {
		return "", false
	}
	return string(raw), true
}
