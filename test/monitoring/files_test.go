package monitoring

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const filesDir = "../../docs/monitoring"

// expression is one query of the dashboard or of an alert.
type expression struct{ where, text string }

// variables stand in the dashboard where Grafana puts what people choose.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$resource", ".*")

func expressions(t *testing.T) []expression {
	t.Helper()
	return append(alerts(t), dashboard(t)...)
}

func alerts(t *testing.T) (all []expression) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(read(t, "alerts.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			all = append(all, expression{"alert " + rule.Alert, rule.Expr})
			checkRunbook(t, rule.Alert, rule.Annotations["runbook"])
		}
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

// checkRunbook holds a link of an alert against the headings of the page.
func checkRunbook(t *testing.T, alert, link string) {
	t.Helper()
	path, anchor, _ := strings.Cut(link, "#")
	page, err := os.ReadFile(filepath.Join("../..", path))
	if err != nil {
		t.Errorf("alert %s leads to no page: %v", alert, err)
		return
	}
	found := anchor == ""
	for line := range strings.Lines(string(page)) {
		if title, heading := strings.CutPrefix(line, "## "); heading {
			found = found || strings.ReplaceAll(strings.ToLower(strings.TrimSpace(title)), " ", "-") == anchor
		}
	}
	if !found {
		t.Errorf("alert %s leads to %s, and there is no such heading", alert, link)
	}
}

// panel is what is read of the dashboard.
type panel struct {
	ID      int
	Title   string
	Targets []struct{ Expr string }
	Panels  []panel
}

func dashboard(t *testing.T) (all []expression) {
	t.Helper()
	var file struct {
		Panels      []panel
		Annotations struct{ List []struct{ Name, Expr string } }
		Templating  struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(read(t, "dashboard.json"), &file); err != nil {
		t.Fatal(err)
	}
	add := func(where, text string) { all = append(all, expression{where, variables.Replace(text)}) }
	ids := map[int]bool{}
	var walk func([]panel)
	walk = func(panels []panel) {
		for _, p := range panels {
			if ids[p.ID] {
				t.Errorf("two panels have the id %d", p.ID)
			}
			ids[p.ID] = true
			for _, target := range p.Targets {
				add("panel "+p.Title, target.Expr)
			}
			walk(p.Panels)
		}
	}
	walk(file.Panels)
	for _, a := range file.Annotations.List {
		add("annotation "+a.Name, a.Expr)
	}
	for _, v := range file.Templating.List {
		// label_values(METRIC, LABEL) is Grafana's own.
		if inner, found := strings.CutPrefix(v.Definition, "label_values("); found {
			metric, label, _ := strings.Cut(strings.TrimSuffix(inner, ")"), ",")
			add("variable "+v.Name, "sum by ("+label+") ("+metric+")")
		}
	}
	if len(all) < 20 {
		t.Fatalf("the dashboard has only %d expressions", len(all))
	}
	return all
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filesDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
