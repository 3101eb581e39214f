package iam

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-iap/gatehouse/internal/principal"
)

// MaxPrincipals bounds the members of one policy, over all its bindings.
const MaxPrincipals = 1500

// document is a policy as written, with the fields that we know of but do not carry out, so that refusing
// them can say why.
type document struct {
	Version      int               `yaml:"version"`
	Etag         string            `yaml:"etag"`
	Bindings     []documentBinding `yaml:"bindings"`
	AuditConfigs []any             `yaml:"auditConfigs"`
}

type documentBinding struct {
	Role      string   `yaml:"role"`
	Members   []string `yaml:"members"`
	Condition any      `yaml:"condition"`
}

// Parse reads one policy document, JSON or YAML, as gcloud prints it. Whatever is not understood is an error
// that wraps ErrInvalid: an unknown or repeated field, a condition, an unknown role or member, a second document.
func Parse(data []byte) (Policy, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	var d document
	if err := decoder.Decode(&d); err != nil {
		if errors.Is(err, io.EOF) {
			return Policy{}, fmt.Errorf("%w: the document is empty", ErrInvalid)
		}
		return Policy{}, fmt.Errorf("%w: %s", ErrInvalid, plainYAMLError(err))
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Policy{}, fmt.Errorf("%w: more than one document", ErrInvalid)
	}
	if len(d.AuditConfigs) > 0 {
		return Policy{}, fmt.Errorf("%w: auditConfigs are not supported: every decision is recorded already", ErrInvalid)
	}
	policy := Policy{Version: d.Version, Etag: d.Etag}
	for i, b := range d.Bindings {
		if b.Condition != nil {
			return Policy{}, fmt.Errorf("%w: bindings[%d] (%s) has a condition, and conditions are not supported yet: remove the binding or grant it without", ErrInvalid, i, b.Role)
		}
		policy.Bindings = append(policy.Bindings, Binding{Role: b.Role, Members: b.Members})
	}
	return policy.Canonical()
}

// plainYAMLError says in users' words what yaml reports about Go types.
func plainYAMLError(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	return yamlWords().Replace(strings.TrimPrefix(text, "unmarshal errors:\n  "))
}

func yamlWords() *strings.Replacer {
	return strings.NewReplacer(
		"\n  ", "; ",
		" not found in type iam.documentBinding", " is unknown in a binding",
		" not found in type iam.document", " is unknown in a policy",
		"cannot unmarshal !!seq", "a list",
		"cannot unmarshal !!map", "a mapping",
		"cannot unmarshal !!str", "text",
		"cannot unmarshal !!", "",
		" into []iam.documentBinding", " stands where a list of bindings belongs",
		" into iam.documentBinding", " stands where a binding belongs",
		" into iam.document", " stands where a policy belongs",
		" into []string", " stands where a list of members belongs",
		" into string", " stands where text belongs",
		" into int", " stands where a number belongs",
	)
}

// Validate reports what in the policy is not understood.
func (p Policy) Validate() error {
	_, err := p.Canonical()
	return err
}

// Canonical returns the policy with canonical members, each once, and without bindings that name nobody.
// Its errors wrap ErrInvalid.
func (p Policy) Canonical() (Policy, error) {
	if p.Version != 0 && p.Version != 1 && p.Version != 3 {
		return Policy{}, fmt.Errorf("%w: version %d: IAM knows 1 and 3", ErrInvalid, p.Version)
	}
	out := Policy{Version: p.Version, Etag: p.Etag}
	total := 0
	for i, b := range p.Bindings {
		if _, known := roles[b.Role]; !known {
			return Policy{}, fmt.Errorf("%w: bindings[%d]: role %q is unknown; to let people use an application, grant %s", ErrInvalid, i, b.Role, RoleHTTPSResourceAccessor)
		}
		members, err := canonicalMembers(b.Members)
		if err != nil {
			return Policy{}, fmt.Errorf("%w: bindings[%d] (%s): %w", ErrInvalid, i, b.Role, err)
		}
		if total += len(members); total > MaxPrincipals {
			return Policy{}, fmt.Errorf("%w: more than %d members: put people into a group and grant the group", ErrInvalid, MaxPrincipals)
		}
		if len(members) > 0 {
			out.Bindings = append(out.Bindings, Binding{Role: b.Role, Members: members})
		}
	}
	return out, nil
}

func canonicalMembers(members []string) ([]string, error) {
	var out []string
	for _, s := range members {
		member, err := principal.ParseMember(s)
		if err != nil {
			return nil, err
		}
		if canonical := member.String(); !slices.Contains(out, canonical) {
			out = append(out, canonical)
		}
	}
	return out, nil
}
