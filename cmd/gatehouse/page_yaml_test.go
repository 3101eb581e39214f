package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-iap/gatehouse/internal/certauthority"
	"github.com/gatehouse-iap/gatehouse/internal/config"
	"github.com/gatehouse-iap/gatehouse/internal/googleendpoints"
	"github.com/gatehouse-iap/gatehouse/internal/manifest"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

var yamlBlock = regexp.MustCompile("(?s)\n```yaml\n(.*?)```")

// Whoever copies an example must not have to mend it first. An example of a new form fails here until it is said how it
// is checked.
func TestTheYAMLOfThePagesIsTaken(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
			if err := takePageYAML(t.TempDir(), block[1]); err != nil {
				t.Errorf("%s: %v\n%s", filepath.Base(page), err, block[1])
			}
		}
	}
}

func takePageYAML(dir, text string) error {
	switch {
	case strings.Contains(text, "apiVersion: gatehouse.dev/v1"):
		_, err := manifest.Parse([]manifest.Input{{Name: "page", Dir: dir, Data: []byte(text)}}, manifest.Options{})
		return err
	case strings.HasPrefix(text, "spec:"): // a part of a service
		whole := "apiVersion: gatehouse.dev/v1\nkind: BackendService\nmetadata: {name: part}\n" + text
		if !strings.Contains(text, "upstream") {
			whole += "  upstream: http://10.0.0.1\n"
		}
		return takePageYAML(dir, whole)
	case strings.Contains(text, "Settings:"):
		var node yaml.Node
		if err := yaml.Unmarshal([]byte(text), &node); err != nil {
			return err
		}
		if _, faults := settings.Read(node.Content[0]); len(faults) > 0 {
			return errors.New(faults[0].Path + ": " + faults[0].Text)
		}
		return nil
	case strings.HasPrefix(text, "services:"):
		return strict(text, &composeFile{})
	case strings.Contains(text, "apiVersion: v1\n"), strings.Contains(text, "apiVersion: apps/v1\n"):
		return strict(text, &kubernetesObject{})
	case strings.HasPrefix(text, "- run: "): // a step of GitHub's workflows
		return strict(text, &[]struct{ Run string }{})
	}
	return takeConfig(dir, text)
}

// takeConfig reads a part of gatehouse.yaml with the rest around it.
func takeConfig(dir, text string) error {
	whole := "project: {id: my-project, number: 1}\nexternalURL: https://auth.example.com\ndataDir: data\n" + text
	if !strings.Contains(text, "listeners:") {
		whole += "listeners: [{address: \":8443\", tls: {certificates: [{certFile: tls.crt, keyFile: tls.key}]}}]\n"
	}
	// What it names is there: the certificates of the one authority that the gate can make, under each name.
	ca := filepath.Join(dir, "ca")
	if _, err := certauthority.Init(ca, googleendpoints.GStaticHost, time.Now()); err != nil {
		return err
	}
	for _, suffix := range []string{"crt", "key"} {
		if err := os.Link(filepath.Join(ca, googleendpoints.GStaticHost+"."+suffix), filepath.Join(dir, "tls."+suffix)); err != nil {
			return err
		}
	}
	whole = strings.NewReplacer("/etc/gatehouse/", dir+"/", "/var/log/gatehouse/", dir+"/").Replace(whole)
	if err := os.WriteFile(filepath.Join(dir, "collector"), []byte("Bearer x"), 0o600); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "pages"), 0o700); err != nil {
		return err
	}
	file := filepath.Join(dir, "gatehouse.yaml")
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		return err
	}
	_, err := config.Read(file, config.Source{LookupEnv: func(string) (string, bool) { return "", false }})
	return err
}

// strict reads each document of a text into the same form, and refuses fields that the form does not have.
func strict(text string, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.KnownFields(true)
	for {
		if err := decoder.Decode(into); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// composeFile is what the recipe uses of the Compose specification.
type composeFile struct {
	Services map[string]struct {
		Image, Command any
		Volumes        []string
		Sysctls        map[string]string
		Environment    map[string]string
		Networks       any
	}
	Networks, Volumes map[string]struct{}
}

// kubernetesObject is what the recipe uses of Kubernetes' Service and Deployment.
type kubernetesObject struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name string }
	Spec       struct {
		ClusterIP string `yaml:"clusterIP"`
		Selector  any
		Ports     []struct {
			Name       string
			Port       int
			TargetPort int `yaml:"targetPort"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				HostAliases []struct {
					IP        string
					Hostnames []string
				} `yaml:"hostAliases"`
				Containers []struct {
					Name, Image  string
					Env          []struct{ Name, Value string }
					VolumeMounts []struct {
						Name      string
						MountPath string `yaml:"mountPath"`
						ReadOnly  bool   `yaml:"readOnly"`
					} `yaml:"volumeMounts"`
				}
				Volumes []struct {
					Name      string
					ConfigMap struct{ Name string } `yaml:"configMap"`
				}
			}
		}
	}
}

// The recipes are not run in the tests, which have neither a cluster nor containers: what one part of them says, the
// other parts must say too.
func TestThePartsOfTheRecipesFitTogether(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/unchanged-apps.md")
	if err != nil {
		t.Fatal(err)
	}
	hosts := []string{"www.gstatic.com", "metadata.google.internal"}
	var compose composeFile
	var service, deployment kubernetesObject
	for _, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
		switch {
		case strings.HasPrefix(block[1], "services:"):
			err = yaml.Unmarshal([]byte(block[1]), &compose)
		case strings.Contains(block[1], "apiVersion: apps/v1"):
			one, other, _ := strings.Cut(block[1], "---\n")
			err = errors.Join(err, yaml.Unmarshal([]byte(one), &service), yaml.Unmarshal([]byte(other), &deployment))
		}
		if err != nil {
			t.Fatal(err)
		}
	}

	pod := deployment.Spec.Template.Spec
	if len(pod.HostAliases) != 1 || pod.HostAliases[0].IP != service.Spec.ClusterIP || !slices.Equal(pod.HostAliases[0].Hostnames, hosts) {
		t.Errorf("the pod's hosts file has %v, and the service is at %s", pod.HostAliases, service.Spec.ClusterIP)
	}
	if len(service.Spec.Ports) != 2 || service.Spec.Ports[0].Port != 443 || service.Spec.Ports[1].Port != 80 {
		t.Errorf("applications connect to 443 and 80; the service has %+v", service.Spec.Ports)
	}
	for _, port := range []string{`"` + ":8444" + `"`, `"` + ":8081" + `"`} {
		if !strings.Contains(string(text), port) {
			t.Errorf("the page does not say which listener is %s", port)
		}
	}
	container := pod.Containers[0]
	for _, variable := range container.Env {
		if !strings.HasPrefix(variable.Value, container.VolumeMounts[0].MountPath+"/") {
			t.Errorf("%s is not below what is mounted", variable.Value)
		}
		if file := filepath.Base(variable.Value); !strings.Contains(string(text), "--from-file="+file) {
			t.Errorf("the config map has no %s", file)
		}
	}
	if pod.Volumes[0].ConfigMap.Name != "gatehouse-ca" || !strings.Contains(string(text), "kubectl create configmap gatehouse-ca ") {
		t.Errorf("the pod's config map is %s", pod.Volumes[0].ConfigMap.Name)
	}

	aliases, _ := compose.Services["gatehouse"].Networks.(map[string]any)
	apps, _ := aliases["apps"].(map[string]any)
	if names, _ := apps["aliases"].([]any); len(names) != 2 || names[0] != hosts[0] || names[1] != hosts[1] {
		t.Errorf("the gate's names on the network are %v", aliases)
	}
	mounted := strings.Join(compose.Services["wiki"].Volumes, " ")
	for name, file := range compose.Services["wiki"].Environment {
		if !strings.Contains(mounted, ":"+file+":ro") {
			t.Errorf("%s=%s is not mounted", name, file)
		}
	}
}
