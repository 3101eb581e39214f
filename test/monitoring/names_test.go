package monitoring

import (
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/gatehouse-iap/gatehouse/internal/metrics"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
)

// known are the labels of every series that the gate has, by the name that queries use.
func known() map[string][]string {
	all := map[string][]string{"up": nil}
	m := metrics.New("test")
	for _, s := range m.Series() {
		all[s.Name] = s.Labels
		if s.Kind == metrics.Histogram {
			delete(all, s.Name)
			all[s.Name+"_bucket"] = append(slices.Clone(s.Labels), "le")
			all[s.Name+"_count"], all[s.Name+"_sum"] = s.Labels, s.Labels
		}
	}
	// Those of the runtime and of the process are there without anything having happened.
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if fields := strings.Fields(line); len(fields) == 4 && fields[1] == "TYPE" && !strings.HasPrefix(fields[2], "gatehouse_") {
			all[fields[2]] = nil
		}
	}
	return all
}

// faults says which names in an expression do not exist.
func faults(series map[string][]string, text string) (found []string) {
	parsed, err := parser.ParseExpr(text)
	if err != nil {
		return []string{err.Error()}
	}
	allowed := []string{"job", "instance"} // Prometheus's own
	var grouping []string
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			names, exists := series[n.Name]
			if !exists {
				found = append(found, "there is no series "+n.Name)
			}
			allowed = append(allowed, names...)
			for _, matcher := range n.LabelMatchers {
				found = append(found, checkMatcher(n.Name, matcher, append(names, "job", "instance", labels.MetricName))...)
			}
		case *parser.AggregateExpr:
			grouping = append(grouping, n.Grouping...)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				grouping = append(append(grouping, n.VectorMatching.MatchingLabels...), n.VectorMatching.Include...)
			}
		}
		return nil
	})
	for _, label := range grouping {
		if !slices.Contains(allowed, label) {
			found = append(found, "no series here has the label "+label)
		}
	}
	return found
}

func checkMatcher(name string, matcher *labels.Matcher, names []string) (found []string) {
	if !slices.Contains(names, matcher.Name) {
		found = append(found, name+" has no label "+matcher.Name)
	}
	if matcher.Name == "reason" && !slices.ContainsFunc(policy.Reasons(), func(r policy.Reason) bool { return matcher.Matches(string(r)) }) {
		found = append(found, "no reason is "+matcher.Value)
	}
	return found
}

func TestEveryNameInDashboardAndAlertsExists(t *testing.T) {
	t.Parallel()
	series := known()
	for _, e := range expressions(t) {
		for _, fault := range faults(series, e.text) {
			t.Errorf("%s: %s\n%s", e.where, fault, e.text)
		}
	}
}

func TestEveryNameOnThePageExists(t *testing.T) {
	t.Parallel()
	series := known()
	page, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("`((?:gatehouse|process)_[a-z_]+)`").FindAllSubmatch(page, -1)
	if len(found) < 20 {
		t.Fatalf("only %d names were found", len(found))
	}
	for _, name := range found {
		_, plain := series[string(name[1])]
		if _, histogram := series[string(name[1])+"_bucket"]; !plain && !histogram {
			t.Errorf("docs/monitoring.md names %s, and there is no such series", name[1])
		}
	}
}

func TestANameThatDoesNotExistIsFound(t *testing.T) {
	t.Parallel()
	series := known()
	for name, text := range map[string]string{
		"a series":                   `gatehouse_decision_total`,
		"a histogram's plain name":   `rate(gatehouse_request_duration_seconds[5m])`,
		"a label to choose by":       `gatehouse_decisions_total{status="403"}`,
		"a label to sum by":          `sum by (status) (rate(gatehouse_decisions_total[5m]))`,
		"a label to join by":         `gatehouse_ready and on (service) gatehouse_sessions`,
		"a reason":                   `gatehouse_decisions_total{reason="forbidden"}`,
		"something that is no query": `sum by (`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if len(faults(series, text)) == 0 {
				t.Errorf("%s passes", text)
			}
		})
	}
}
