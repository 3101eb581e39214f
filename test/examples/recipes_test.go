package examples

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// There is no Docker here to run the recipes with. That they can be read, name what is there and call commands that exist
// is as much as can be said.

// composeFile is what recipes use of the Compose specification; what is not in it is refused.
type composeFile struct {
	Services map[string]struct {
		Image       string            `yaml:"image"`
		NetworkMode string            `yaml:"network_mode"`
		WorkingDir  string            `yaml:"working_dir"`
		Environment map[string]string `yaml:"environment"`
		Command     string            `yaml:"command"`
		Volumes     []string          `yaml:"volumes"`
		Extends     string            `yaml:"extends"`
		Profiles    []string          `yaml:"profiles"`
	} `yaml:"services"`
	Volumes map[string]any `yaml:"volumes"`
}

func TestTheComposeRecipeNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	var file composeFile
	decoder := yaml.NewDecoder(strings.NewReader(read(t, "compose", "compose.yaml")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	for name, service := range file.Services {
		base := service
		if service.Extends != "" {
			base = file.Services[service.Extends]
		}
		if base.Image == "" {
			t.Errorf("%s has no image", name)
		}
		if base.NetworkMode != "host" {
			t.Errorf("%s is not on the host's network, where the emulator's loopback is", name)
		}
		for _, volume := range service.Volumes {
			from, rest, found := strings.Cut(volume, ":")
			_, named := file.Volumes[from]
			if !found || !strings.HasPrefix(rest, "/") || !named && !there(filepath.Join("compose", from)) {
				t.Errorf("%s: there is no %s", name, volume)
			}
		}
		callsWhatExists(t, strings.ReplaceAll(service.Command, "$$", "$"))
	}
	if len(file.Services) == 0 {
		t.Error("there are no services")
	}
	saysNotRun(t, "compose")
}

// devcontainerFile is what recipes use of the Dev Container specification; what is not in it is refused.
type devcontainerFile struct {
	Name            string                    `json:"name"`
	Image           string                    `json:"image"`
	Mounts          []string                  `json:"mounts"`
	ForwardPorts    []int                     `json:"forwardPorts"`
	PortsAttributes map[string]map[string]any `json:"portsAttributes"`
}

var lineComment = regexp.MustCompile(`(?m)^\s*//.*$`)

func TestTheDevContainerRecipeNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	text := lineComment.ReplaceAllString(read(t, "devcontainer", ".devcontainer", "devcontainer.json"), "")
	var file devcontainerFile
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if file.Image == "" || !slices.Contains(file.ForwardPorts, 8080) || file.PortsAttributes["8080"]["requireLocalPort"] != true {
		t.Errorf("no image, or port 8080 is not the same outside: %+v", file)
	}
	for _, mount := range file.Mounts {
		fields := map[string]string{}
		for field := range strings.SplitSeq(mount, ",") {
			name, value, _ := strings.Cut(field, "=")
			fields[name] = value
		}
		source := strings.ReplaceAll(fields["source"], "${localWorkspaceFolder}", "devcontainer")
		if fields["type"] != "bind" || !strings.HasPrefix(fields["target"], "/") || !there(source) {
			t.Errorf("there is no %s", mount)
		}
	}
	saysNotRun(t, "devcontainer")
}

// there reports whether a path below the examples leads to something. The binary is made by `make build`.
func there(path string) bool {
	if filepath.Base(path) == "gatehouse" && filepath.Base(filepath.Dir(path)) == "bin" {
		return filepath.Clean(filepath.Join(directory, path)) == filepath.Clean(filepath.Join(directory, "..", "bin", "gatehouse"))
	}
	_, err := os.Stat(filepath.Join(directory, path))
	return err == nil
}

var gatehouseCall = regexp.MustCompile(`gatehouse (dev|check)((?: --[a-z-]+)?[^"&]*)`)

// callsWhatExists holds a shell's line against the shell, and its calls of gatehouse against the command's own help.
func callsWhatExists(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("sh", "-n", "-c", line).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
	calls := gatehouseCall.FindAllStringSubmatch(line, -1)
	if len(calls) == 0 {
		t.Errorf("%s calls no gatehouse", line)
	}
	for _, call := range calls {
		help, err := exec.Command(harness.Binary(t), call[1], "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		for word := range strings.FieldsSeq(call[2]) {
			if word == "--" {
				break // what follows is the app's
			}
			flag, _, _ := strings.Cut(word, "=")
			if strings.HasPrefix(flag, "--") && !bytes.Contains(help, []byte(flag)) {
				t.Errorf("%s: gatehouse %s has no %s", line, call[1], flag)
			}
		}
	}
}

func saysNotRun(t *testing.T, example string) {
	t.Helper()
	if !strings.Contains(read(t, example, "README.md"), "**Not run**") {
		t.Errorf("%s/README.md does not say that nobody has run it", example)
	}
}
