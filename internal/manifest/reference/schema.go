package reference

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/manifest"
)

// schema is a part of JSON Schema 2020-12.
type schema struct {
	Schema               string             `json:"$schema,omitempty"`
	Title                string             `json:"title,omitempty"`
	Description          string             `json:"description,omitempty"`
	Type                 any                `json:"type,omitempty"`
	Const                string             `json:"const,omitempty"`
	Enum                 []string           `json:"enum,omitempty"`
	Pattern              string             `json:"pattern,omitempty"`
	Minimum              *int               `json:"minimum,omitempty"`
	Required             []string           `json:"required,omitempty"`
	Properties           map[string]*schema `json:"properties,omitempty"`
	AdditionalProperties any                `json:"additionalProperties,omitempty"`
	Items                *schema            `json:"items,omitempty"`
	OneOf                []*schema          `json:"oneOf,omitempty"`
}

// Schema returns the JSON schema of one document. root is the repository.
func Schema(root string) ([]byte, error) {
	c := newComments(root)
	all := &schema{
		Schema: "https://json-schema.org/draft/2020-12/schema",
		Title:  "A document of " + manifest.APIVersion,
	}
	for _, kind := range manifest.Kinds() {
		text, err := c.ofType(kind.Spec)
		if err != nil {
			return nil, err
		}
		spec, err := c.structure(kind.Spec)
		if err != nil {
			return nil, err
		}
		document, err := c.structure(reflect.TypeFor[manifest.Envelope]())
		if err != nil {
			return nil, err
		}
		document.Title, document.Description = string(kind.Kind), text
		document.Properties["apiVersion"].Const = manifest.APIVersion
		document.Properties["kind"].Const = string(kind.Kind)
		document.Properties["spec"] = spec
		if len(spec.Required) > 0 {
			document.Required = append(document.Required, "spec")
		}
		all.OneOf = append(all.OneOf, document)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(all)
	return out.Bytes(), err
}

func (c *comments) structure(t reflect.Type) (*schema, error) {
	s := &schema{Type: "object", Properties: map[string]*schema{}, AdditionalProperties: false}
	for _, f := range manifest.Fields(t) {
		text, err := c.ofField(f)
		if err != nil {
			return nil, err
		}
		property, err := c.value(f.Type)
		if err != nil {
			return nil, err
		}
		property.Description = text
		s.Properties[f.Name] = property
		if f.Required {
			s.Required = append(s.Required, f.Name)
		}
	}
	if s.Properties["upstreams"] != nil { // a service has either
		s.OneOf = []*schema{{Required: []string{"upstream"}}, {Required: []string{"upstreams"}}}
	}
	return s, nil
}

func (c *comments) value(t reflect.Type) (*schema, error) {
	if values := manifest.Enums()[t]; values != nil {
		return &schema{Type: "string", Enum: values}, nil
	}
	if t == reflect.TypeFor[manifest.Number]() {
		zero := 0
		return &schema{Type: []string{"integer", "string"}, Minimum: &zero, Pattern: "^[0-9]+$"}, nil
	}
	if t == reflect.TypeFor[time.Duration]() {
		return &schema{Type: "string", Pattern: `^[0-9]+(\.[0-9]{1,9})?s$`}, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return c.value(t.Elem())
	case reflect.Struct:
		return c.structure(t)
	case reflect.Slice:
		items, err := c.value(t.Elem())
		return &schema{Type: "array", Items: items}, err
	case reflect.Map:
		values, err := c.value(t.Elem())
		return &schema{Type: "object", AdditionalProperties: values}, err
	case reflect.Bool:
		return &schema{Type: "boolean"}, nil
	case reflect.Int64:
		return &schema{Type: "integer"}, nil
	default:
		return &schema{Type: "string"}, nil
	}
}
