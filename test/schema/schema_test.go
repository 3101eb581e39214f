package schema

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func validate(t *testing.T, example string) (string, error) {
	t.Helper()
	schema := filepath.Join("..", "..", "docs", "reference", "manifests.schema.json")
	out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", filepath.Join("..", "python", "schema.py"), schema, example).CombinedOutput()
	return string(out), err
}

func TestAnotherValidatorTakesTheExampleByThePublishedSchema(t *testing.T) {
	t.Parallel()
	if out, err := validate(t, filepath.Join("..", "..", "docs", "examples", "complete.yaml")); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAnotherValidatorFindsTheMistakesThatEditorsShouldShow(t *testing.T) {
	t.Parallel()
	out, err := validate(t, filepath.Join("..", "..", "internal", "manifest", "testdata", "form.yaml"))
	if err == nil {
		t.Fatalf("mistakes are taken:\n%s", out)
	}
	for _, name := range []string{"unknown-field", "no-hosts", "text-for-a-list", "unknown-kind"} {
		if !strings.Contains(out, name) {
			t.Errorf("%s is taken:\n%s", name, out)
		}
	}
	if strings.Contains(out, "all-right") {
		t.Errorf("what is right is refused:\n%s", out)
	}
}
