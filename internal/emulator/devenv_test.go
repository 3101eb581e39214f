package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/interception"
)

func TestAnEnvironmentInEachForm(t *testing.T) {
	t.Parallel()
	set := []interception.Variable{{Name: "A", Value: `it's $HOME "x" \`}, {Name: "B", Value: "plain"}}
	for format, want := range map[string]string{
		"sh":         "export A='it'\\''s $HOME \"x\" \\'\nexport B='plain'\n",
		"fish":       "set -gx A 'it\\'s $HOME \"x\" \\\\'\nset -gx B 'plain'\n",
		"powershell": "$env:A = 'it''s $HOME \"x\" \\'\n$env:B = 'plain'\n",
		"json":       "{\n  \"A\": \"it's $HOME \\\"x\\\" \\\\\",\n  \"B\": \"plain\"\n}\n",
	} {
		var out bytes.Buffer
		if err := WriteEnvironment(&out, format, set); err != nil || out.String() != want {
			t.Errorf("%s: %v\n%s", format, err, &out)
		}
	}
	var out bytes.Buffer
	if err := WriteEnvironment(&out, "dotenv", set[1:]); err != nil || out.String() != "B='plain'\n" {
		t.Errorf("dotenv: %v %s", err, &out)
	}
	for format, set := range map[string][]interception.Variable{
		"dotenv": set, "xml": set, "sh": {{Name: "A", Value: "two\nlines"}},
	} {
		var out bytes.Buffer
		if err := WriteEnvironment(&out, format, set); err == nil || out.Len() > 0 {
			t.Errorf("%s: %v %s", format, err, &out)
		}
	}
	// What a shell makes of it is what was meant.
	out.Reset()
	if err := WriteEnvironment(&out, "sh", set); err != nil {
		t.Fatal(err)
	}
	got, err := exec.Command("/bin/sh", "-c", out.String()+`printf %s "$A"`).Output()
	if err != nil || string(got) != set[0].Value {
		t.Errorf("%v %q", err, got)
	}
}

func TestTheEnvironmentOfARunningEmulator(t *testing.T) {
	t.Parallel()
	m := newMachine()
	m.info.DataDir = t.TempDir()
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	_, notes, err := EnvironmentOf(t.Context(), server.URL, nil)
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "--no-intercept") {
		t.Errorf("without interception: %v %v", notes, err)
	}

	authority := filepath.Join(m.info.DataDir, "interception", "ca.pem")
	if err := os.MkdirAll(filepath.Dir(authority), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(authority, []byte("ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeEnvironment(m.info.DataDir, interception.Environment{Proxy: "http://gatehouse:x@127.0.0.1:1", CAFile: authority}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(environmentFile(m.info.DataDir)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the credential: %v %v", info.Mode(), err)
	}
	set, _, err := EnvironmentOf(t.Context(), server.URL, []string{"IAP_AUDIENCE=old"})
	found := map[string]string{}
	for _, v := range set {
		found[v.Name] = v.Value
	}
	if err != nil || found["IAP_AUDIENCE"] != "/a" || found["HTTPS_PROXY"] != "http://gatehouse:x@127.0.0.1:1" || found["GCE_METADATA_HOST"] != "127.0.0.1:8080" || found["PORT"] != "" {
		t.Errorf("%v %v", found, err)
	}
	// Nobody else is told: the description says where, and the file system who.
	content, err := json.Marshal(m.info)
	if err != nil || strings.Contains(string(content), "gatehouse:x") {
		t.Errorf("%s %v", content, err)
	}
}

func TestWhoseEnvironmentCannotBeFound(t *testing.T) {
	t.Parallel()
	closed := listenLoopback(t)
	closed.Close()
	for endpoint, want := range map[string]string{"http://" + closed.Addr().String(): "start `gatehouse dev`", "hat": "--endpoint"} {
		if _, _, err := EnvironmentOf(context.Background(), endpoint, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}
