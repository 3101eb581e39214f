package config

import (
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestTracingIsRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Tracing{
		"": {},
		"tracing: {endpoint: \"http://localhost:4318\"}":                                  {Endpoint: "http://localhost:4318/v1/traces", SampleRatio: 0.1},
		"tracing: {endpoint: \"https://otel.example.com/x\", sampleRatio: 1}":             {Endpoint: "https://otel.example.com/x", SampleRatio: 1},
		"tracing: {endpoint: \"http://[::1]:4318/\", headers: [{name: x-key, env: KEY}]}": {Endpoint: "http://[::1]:4318/v1/traces", SampleRatio: 0.1, Headers: []TracingHeader{{"X-Key", Secret{Env: "KEY"}}}},
	} {
		c, err := Parse("/etc/gatehouse/gatehouse.yaml", []byte(least+text+"\n"))
		if err != nil || !reflect.DeepEqual(c.Tracing, want) {
			t.Errorf("%s is read as %+v, %v", text, c.Tracing, err)
		}
	}
}

func TestTracingThatCannotBeMeantIsAFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{endpoint: localhost:4318}":                                                                      "not the address of a collector",
		"{endpoint: \"http://user:planted@localhost\"}":                                                   "not the address of a collector",
		"{endpoint: \"http://localhost?key=1\"}":                                                          "not the address of a collector",
		"{sampleRatio: 0.5}":                                                                              "endpoint is missing",
		"{endpoint: \"http://localhost\", sampleRatio: 2}":                                                "not a number from 0 to 1",
		"{endpoint: \"http://localhost\", sampleRatio: .nan}":                                             "not a number from 0 to 1",
		"{endpoint: \"http://otel.example.com\", headers: [{name: A, env: KEY}]}":                         "plain HTTP",
		"{endpoint: \"https://otel.example.com\", headers: [{name: A}]}":                                  "either file or env",
		"{endpoint: \"https://otel.example.com\", headers: [{name: A, env: KEY, file: f}]}":               "either file or env",
		"{endpoint: \"https://otel.example.com\", headers: [{name: \"A: b\", env: KEY}]}":                 "not the name of a header",
		"{endpoint: \"https://otel.example.com\", headers: [{name: Authorization, env: \"Bearer xyz\"}]}": "not the name of a variable",
	} {
		if _, err := Parse("gatehouse.yaml", []byte(least+"tracing: "+text+"\n")); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "xyz") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestHeadersForTheCollectorAreReadAndNeverRepeated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	env := func(name string) (string, bool) { return map[string]string{"KEY": "planted-env"}[name], name == "KEY" }
	tracing := Tracing{Headers: []TracingHeader{{"A", Secret{File: write("good", "planted-file\n", 0o600)}}, {"B", Secret{Env: "KEY"}}}}
	if got, err := tracing.Header(env); err != nil || !reflect.DeepEqual(got, http.Header{"A": {"planted-file"}, "B": {"planted-env"}}) {
		t.Errorf("%v, %v", got, err)
	}
	for name, secret := range map[string]Secret{
		"no such file":             {File: filepath.Join(dir, "none")},
		"no such variable":         {Env: "NONE"},
		"an empty file":            {File: write("empty", "\n", 0o600)},
		"two lines":                {File: write("two", "planted\nX: y\n", 0o600)},
		"a file that all may read": {File: write("open", "planted", 0o644)},
	} {
		if value, err := (TracingHeader{"A", secret}).Value(env); err == nil || value != "" || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %q, %v", name, value, err)
		}
	}
}
