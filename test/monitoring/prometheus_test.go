package monitoring

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

func TestPromtoolTakesTheFiles(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"check", "config", "prometheus.yaml"}} {
		cmd := exec.Command("promtool", args...)
		cmd.Dir = filesDir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

func TestPrometheusScrapesAGateAndEvaluatesEverything(t *testing.T) {
	t.Parallel()
	site, app := harness.NewSite(t), harness.Echo(t)
	site.Init(t, "--host=app.localhost", "--upstream="+app.URL)
	site.Write(t, "apps.yaml", strings.Replace(site.Read(t, "apps.yaml"), "allAuthenticatedUsers]", "allUsers]", 1))
	site.Serve(t)
	for range 3 {
		harness.Get(t, harness.Client(nil), site.URL("app.localhost")+"/").Seen(t)
	}
	p := startPrometheus(t, site)

	for name, wanted := range map[string]string{
		`up{job="gatehouse"}`: "1", `gatehouse_ready`: "1",
		`sum(gatehouse_decisions_total{reason="granted_public",code="none"})`:  "3",
		`sum(gatehouse_upstream_responses_total{code="200"})`:                  "3",
		`sum(gatehouse_request_duration_seconds_count)`:                        "3",
		`sum(gatehouse_decision_duration_seconds_count)`:                       "3",
		`sum(gatehouse_upstream_header_duration_seconds_bucket{le="+Inf"})`:    "3",
		`gatehouse_requests_in_flight`:                                         "0",
		`gatehouse_assertions_signed_total`:                                    "1",
		`gatehouse_assertions_reused_total`:                                    "2",
		`count(gatehouse_signing_key_age_seconds{purpose="assertion"} < 600)`:  "1",
		`count(gatehouse_store_duration_seconds_count{operation="write"} > 0)`: "1",
		`sum(gatehouse_store_errors_total)`:                                    "0",
		`count(gatehouse_snapshot_refreshes_total{result="rebuilt"} > 0)`:      "1",
		`sum(gatehouse_decision_log_dropped_total)`:                            "0",
		`count(gatehouse_reload_successful == 1)`:                              "5",
	} {
		if got := p.value(t, name); got != wanted {
			t.Errorf("%s is %q, not %q", name, got, wanted)
		}
	}
	for _, e := range expressions(t) {
		if _, fault := p.query(t, e.text); fault != "" {
			t.Errorf("%s: %s\n%s", e.where, fault, e.text)
		}
	}
	p.noAlerts(t)
}

type prometheus struct{ address string }

var (
	healthPort = regexp.MustCompile(`admin: \{address: "([^"]+)"`)
	target     = regexp.MustCompile(`targets: \[[^\]]*\]`)
)

// startPrometheus runs one with the configuration that the documents give, made faster, until it has scraped the gate.
func startPrometheus(t *testing.T, site *harness.Site) prometheus {
	t.Helper()
	dir := t.TempDir()
	admin := healthPort.FindStringSubmatch(site.Read(t, "gatehouse.yaml"))
	if admin == nil {
		t.Fatal("the configuration names no listener for health")
	}
	config := string(read(t, "prometheus.yaml"))
	if !target.MatchString(config) || strings.Count(config, "15s") != 2 {
		t.Fatalf("prometheus.yaml is not as this test expects it:\n%s", config)
	}
	config = strings.ReplaceAll(target.ReplaceAllString(config, fmt.Sprintf("targets: [%q]", admin[1])), "15s", "200ms")
	for name, text := range map[string][]byte{"prometheus.yaml": []byte(config), "alerts.yaml": read(t, "alerts.yaml")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := prometheus{harness.FreeAddress(t)}
	harness.Shell(t, dir, "exec prometheus --config.file=prometheus.yaml --storage.tsdb.path=data --web.listen-address="+p.address+" 2>&1")
	tooLate := time.After(harness.Patience)
	for {
		// Two scrapes, so that the one before holds what was asked of the gate.
		if got, _ := p.try(`count_over_time(up{job="gatehouse"}[1m]) > 1`); got != "" {
			return p
		}
		select {
		case <-tooLate:
			t.Fatal("Prometheus has not scraped the gate")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// try returns the one value of a query, empty for none, and what is wrong with it.
func (p prometheus) try(query string) (value, fault string) {
	response, err := http.Get("http://" + p.address + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return "", err.Error()
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []struct{ Value [2]any } }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", err.Error()
	}
	if answer.Status != "success" {
		return "", answer.Status + " " + answer.Error
	}
	if len(answer.Data.Result) == 1 {
		value, _ = answer.Data.Result[0].Value[1].(string)
	}
	return value, ""
}

func (p prometheus) query(t *testing.T, query string) (value, fault string) {
	t.Helper()
	return p.try(query)
}

func (p prometheus) value(t *testing.T, query string) string {
	t.Helper()
	value, fault := p.try(query)
	if fault != "" {
		t.Errorf("%s: %s", query, fault)
	}
	return value
}

// noAlerts makes sure that nothing is wrong with a gate that is well.
func (p prometheus) noAlerts(t *testing.T) {
	t.Helper()
	response, err := http.Get("http://" + p.address + "/api/v1/rules?type=alert")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, State, Health, LastError string }
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, group := range answer.Data.Groups {
		for _, rule := range group.Rules {
			rules++
			if rule.State != "inactive" || rule.Health == "err" {
				t.Errorf("alert %s is %s, %s %s", rule.Name, rule.State, rule.Health, rule.LastError)
			}
		}
	}
	if rules != len(alerts(t)) {
		t.Errorf("Prometheus has %d alerts", rules)
	}
}
