package manifest_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/manifest"
	"github.com/gatehouse-iap/gatehouse/internal/manifest/reference"
)

const example = "../../docs/examples/complete.yaml"

func TestTheExampleIsAppliedAndChangesNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	documents, err := manifest.Load(example)
	if err != nil {
		t.Fatal(err)
	}
	a := newAdmin(t)
	a.ProjectID, a.ProjectNumber = "corp-internal", 415104041262
	hash := filepath.Join(t.TempDir(), "hash")
	if err := os.WriteFile(hash, []byte("a hash"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, d := range documents {
		if d.User != nil && d.User.PasswordHash != nil {
			d.User.PasswordHash.File = hash // the one that it names is not there
		}
	}
	plan, err := a.Apply(t.Context(), actor, documents, admin.ApplyOptions{})
	if err != nil || len(plan.Changes) != len(documents)-1 {
		t.Fatalf("%d changes of %d documents, %v", len(plan.Changes), len(documents), err)
	}
	if plan, err = a.Apply(t.Context(), actor, documents, admin.ApplyOptions{}); err != nil || len(plan.Changes) != 0 {
		t.Errorf("the second time: %+v, %v", plan, err)
	}
}

func TestTheExampleHasEveryFieldOfEveryKind(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, document := range exampleDocuments(t) {
		var walk func(path string, v any)
		walk = func(path string, v any) {
			switch v := v.(type) {
			case map[string]any:
				for key, value := range v {
					seen[path+"."+key] = true
					walk(path+"."+key, value)
				}
			case []any:
				for _, value := range v {
					walk(path, value)
				}
			}
		}
		kind := document["kind"].(string)
		if kind == "AppEngineApp" || kind == "CloudRunService" {
			kind = "BackendService" // what they share is shown once
			seen["CloudRunService.region"], seen["CloudRunService.service"] = true, true
		}
		walk(kind, document["spec"])
	}
	for _, kind := range manifest.Kinds() {
		if kind.Kind == admin.KindAppEngineApp || kind.Kind == admin.KindCloudRunService {
			continue
		}
		var check func(t2 reflect.Type, path string)
		check = func(of reflect.Type, path string) {
			for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
				of = of.Elem()
			}
			if of.Kind() != reflect.Struct {
				return
			}
			for _, f := range manifest.Fields(of) {
				where := path + "." + f.Name
				if !seen[where] && !strings.HasSuffix(path, "Secret") && f.Name != "env" && f.Name != "file" { // either is enough
					t.Errorf("%s is not in %s", where, example)
				}
				check(f.Type, where)
			}
		}
		check(kind.Spec, string(kind.Kind))
	}
}

// exampleDocuments are the documents of the example as any reader of YAML sees them.
func exampleDocuments(t *testing.T) (documents []map[string]any) {
	t.Helper()
	file, err := os.Open(example)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for decoder := yaml.NewDecoder(file); ; {
		var document map[string]any
		if err := decoder.Decode(&document); err != nil {
			break
		}
		documents = append(documents, document)
	}
	if len(documents) < 10 {
		t.Fatalf("the example has %d documents", len(documents))
	}
	return documents
}

func TestTheSchemaTakesTheExampleAndNothingThatTheProgramRefusesForItsForm(t *testing.T) {
	t.Parallel()
	text, err := reference.Schema("../..")
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	for _, document := range exampleDocuments(t) {
		if err := matches(schema, document); err != nil {
			t.Errorf("%v: %v", document["metadata"], err)
		}
		document["extra"] = true
		if matches(schema, document) == nil {
			t.Errorf("%v with a field too many is taken", document["metadata"])
		}
		delete(document, "extra")
		spec := document["spec"].(map[string]any)
		spec["extra"] = "x"
		if matches(schema, document) == nil {
			t.Errorf("%v with a field too many in spec is taken", document["metadata"])
		}
		delete(spec, "extra")
		document["kind"] = "Tenant"
		if matches(schema, document) == nil {
			t.Errorf("%v of another kind is taken", document["metadata"])
		}
	}
	for says, text := range map[string]string{
		"a service without hosts":     one("BackendService", "wiki", "{upstream: 'http://x'}"),
		"a service without upstream":  one("BackendService", "wiki", "{hosts: [wiki.example.com]}"),
		"a service with both fields":  one("BackendService", "wiki", "{hosts: [wiki.example.com], upstream: 'http://x', upstreams: ['http://y']}"),
		"a host that is no list":      one("BackendService", "wiki", "{hosts: wiki.example.com, upstream: 'http://x'}"),
		"a switch that is text":       one("BackendService", "wiki", "{hosts: [a.example], upstream: 'http://x', iap: {enabled: 'true'}}"),
		"a number that is none":       one("Project", "dev-project", "{projectNumber: twelve}"),
		"a provider of no known kind": one("IdentityProvider", "x", "{kind: saml, domains: [a.example]}"),
		"a secret in the open":        one("User", "a@example.com", "{passwordHash: $argon2id$}"),
	} {
		var document any
		if err := yaml.Unmarshal([]byte(text), &document); err != nil {
			t.Fatal(err)
		}
		if matches(schema, document) == nil {
			t.Errorf("the schema takes %s", says)
		}
		if _, err := parse(text); err == nil {
			t.Errorf("the program takes %s", says)
		}
	}
}

// matches reads the part of JSON Schema that the schema is written in; test/schema asks a validator that others wrote.
func matches(schema map[string]any, v any) error {
	if all, ok := schema["oneOf"].([]any); ok {
		fit := 0
		var why []error
		for _, one := range all {
			err := matches(one.(map[string]any), v)
			if err == nil {
				fit++
			}
			why = append(why, err)
		}
		if fit != 1 {
			return errors.Join(append([]error{errors.New("fits not exactly one")}, why...)...)
		}
	}
	if constant, ok := schema["const"]; ok && v != constant {
		return errors.New("is not the constant")
	}
	if values, ok := schema["enum"].([]any); ok && !slices.Contains(values, v) {
		return errors.New("is none of the values")
	}
	kinds, ok := schema["type"].([]any)
	if !ok {
		kinds = []any{schema["type"]}
	}
	kind := ""
	switch v := v.(type) {
	case string:
		kind = "string"
		if pattern, ok := schema["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(v) {
			return errors.New("does not match")
		}
	case bool:
		kind = "boolean"
	case int:
		kind = "integer"
	case []any:
		kind = "array"
		items, _ := schema["items"].(map[string]any)
		for _, item := range v {
			if err := matches(items, item); err != nil {
				return err
			}
		}
	case map[string]any:
		kind = "object"
		if err := matchesObject(schema, v); err != nil {
			return err
		}
	}
	if schema["type"] != nil && !slices.Contains(kinds, any(kind)) {
		return errors.New("has another type")
	}
	return nil
}

func matchesObject(schema, v map[string]any) error {
	if required, ok := schema["required"].([]any); ok {
		for _, name := range required {
			if _, present := v[name.(string)]; !present {
				return errors.New(name.(string) + " is missing")
			}
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, value := range v {
		property, known := properties[name].(map[string]any)
		if !known {
			if property, known = schema["additionalProperties"].(map[string]any); !known && schema["additionalProperties"] == false {
				return errors.New(name + " is unknown")
			}
		}
		if !known {
			continue
		}
		if err := matches(property, value); err != nil {
			return errors.Join(errors.New(name), err)
		}
	}
	return nil
}
