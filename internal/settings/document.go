package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Document is google.cloud.iap.v1.IapSettings: what stands on one resource, and which. Etag is an addition of ours.
type Document struct {
	IapSettings
	// Name is the resource as it was written, without ":iapSettings"; empty where it was not.
	Name string `json:"name,omitempty"`
	// Etag names this version of the document; empty on a write overwrites whatever is there, as in IAP.
	Etag string `json:"etag,omitempty"`
}

// ErrInvalid is wrapped by every refusal of a document.
var ErrInvalid = errors.New("invalid settings")

// Fault is one thing that is wrong with a document, and where.
type Fault struct {
	Path         string // such as "accessSettings.reauthSettings.maxAge"
	Line, Column int    // 0 where the document was not read from text
	Text         string // what is wrong, and what to do
}

// String says where it is and what is wrong.
func (f Fault) String() string {
	if f.Path == "" {
		return f.Text
	}
	return f.Path + ": " + f.Text
}

// Faults are all that is wrong with a document. They wrap ErrInvalid.
type Faults []Fault

func (f Faults) Error() string {
	texts := make([]string, len(f))
	for i, fault := range f {
		texts[i] = fault.String()
	}
	return ErrInvalid.Error() + ": " + strings.Join(texts, "; ")
}

// Unwrap makes faults ErrInvalid.
func (f Faults) Unwrap() error { return ErrInvalid }

func (f Faults) orNil() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// Parse reads one document, JSON or YAML, as gcloud, Terraform and Google's client libraries write it: names in
// camelCase or snake_case, values plain or as {"value": …}, enums by name or number. What it does not know is an
// error. Its rules beyond form are those of Rules.Canonical.
func Parse(data []byte) (Document, error) {
	node, err := parseNode(data)
	if err != nil {
		return Document{}, err
	}
	document, faults := Read(node)
	return document, faults.orNil()
}

func parseNode(data []byte) (*yaml.Node, error) {
	if json.Valid(data) {
		return jsonNode(data)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var node yaml.Node
	if err := decoder.Decode(&node); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: the document is empty; {} takes all settings away", ErrInvalid)
		}
		return nil, fmt.Errorf("%w: %s", ErrInvalid, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one document", ErrInvalid)
	}
	return node.Content[0], nil
}

// TrimName takes what names the settings themselves off the name of their resource: "projects/1:iapSettings", as
// their URL has it, or "projects/1/iapSettings", as Terraform's id.
func TrimName(name string) string {
	for _, suffix := range [...]string{":iapSettings", "/iapSettings"} {
		if trimmed, found := strings.CutSuffix(name, suffix); found {
			return trimmed
		}
	}
	return name
}
