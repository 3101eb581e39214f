package enforcement_test

import (
	"flag"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/enforcement"
	"github.com/gatehouse-iap/gatehouse/internal/policy"
	"github.com/gatehouse-iap/gatehouse/internal/session"
	"github.com/gatehouse-iap/gatehouse/internal/settings"
)

var update = flag.Bool("update", false, "write testdata/challenge.golden")

// dimension is one thing about a request that the answer to somebody unknown may depend on.
type dimension struct {
	name   string
	values []aspect
}

// aspect is one value of it: what a reader is told, and the headers (name and value in turn) that say so.
type aspect struct {
	label   string
	headers []string
}

func header(name string, values ...string) []aspect {
	aspects := []aspect{{"none", nil}}
	for _, value := range values {
		label := value
		if value == "" {
			label = "(empty)"
		}
		aspects = append(aspects, aspect{label, []string{name, value}})
	}
	return aspects
}

// dimensions are in the order in which the table asks about them.
func dimensions() []dimension {
	methods := []aspect{}
	for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "QUERY"} {
		methods = append(methods, aspect{method, nil})
	}
	fetch := []aspect{{"none", nil}}
	modes, dests := []string{"", "navigate", "cors", "no-cors", "same-origin", "websocket", "later"}, []string{"", "document", "iframe", "empty", "image", "later"}
	for _, mode := range modes {
		for _, dest := range dests {
			if mode == "" && dest == "" {
				continue
			}
			var headers []string
			if mode != "" {
				headers = append(headers, "Sec-Fetch-Mode", mode)
			}
			if dest != "" {
				headers = append(headers, "Sec-Fetch-Dest", dest)
			}
			fetch = append(fetch, aspect{orNone(mode) + "/" + orNone(dest), headers})
		}
	}
	purposes := slices.Concat(header("Sec-Purpose", "prefetch", "prefetch;prerender", "later"),
		[]aspect{{"Purpose: prefetch", []string{"Purpose", "prefetch"}}, {"Upgrade: websocket", []string{"Upgrade", "websocket"}}})
	return []dimension{
		{"bearer token", []aspect{
			{"none", nil},
			{"Authorization: Basic", []string{"Authorization", "Basic YTpi"}},
			{"empty", []string{"Authorization", "Bearer "}},
			{"no JWT", []string{"Authorization", "Bearer ya29.opaque"}},
			{"a JWT of nobody we know", []string{"Authorization", "Bearer a.b.c"}},
			{"the same in Proxy-Authorization", []string{"Proxy-Authorization", "Bearer a.b.c"}},
		}},
		{"method", methods},
		{"X-Requested-With", header("X-Requested-With", "xmlhttpRequest", "com.example.app")},
		{"Accept", header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8", "*/*", "application/json, */*",
			"", "application/json", "text/html;q=0", "no type")},
		{"Sec-Fetch-Mode/Sec-Fetch-Dest", fetch},
		{"Sec-Purpose, Upgrade", purposes},
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// answers asks about the full product and returns one line for each, in the order of the product.
func answers(t *testing.T, dims []dimension, more ...string) []string {
	t.Helper()
	point, record := newPoint(t, theService(), settings.IapSettings{})
	point.Sessions = sessions{err: session.ErrNone}
	total := 1
	for _, d := range dims {
		total *= len(d.values)
	}
	lines := make([]string, total)
	known := map[string]string{}
	for i := range lines {
		request := enforcement.Request{Method: "GET", Host: "app.test", Target: "/", Header: http.Header{}, Peer: netip.MustParseAddr("192.0.2.1")}
		for rest, at := i, len(dims)-1; at >= 0; at-- {
			value := dims[at].values[rest%len(dims[at].values)]
			rest /= len(dims[at].values)
			if dims[at].name == "method" {
				request.Method = value.label
			}
			for h := 0; h < len(value.headers); h += 2 {
				request.Header.Add(value.headers[h], value.headers[h+1])
			}
		}
		for h := 0; h < len(more); h += 2 {
			request.Header.Set(more[h], more[h+1])
		}
		v := check(t, point, &request)
		point.Settle(&v, true)
		line := "302 to sign in"
		switch {
		case v.Outcome == enforcement.SignIn && v.Status == http.StatusFound && v.Reason == policy.NoCredential:
		case v.Outcome == enforcement.Refuse && v.Status == http.StatusUnauthorized && v.SignInURL == "https://app.test/?gcp-iap-mode=GATEHOUSE_SIGN_IN":
			line = "401 " + v.Sentence
		default:
			t.Fatalf("%v: neither 302 nor 401 but %+v", request, v)
		}
		if record.Status != v.Status {
			t.Fatalf("%v: recorded with %d", request, record.Status)
		}
		if known[line] == "" {
			known[line] = line
		}
		lines[i] = known[line]
	}
	return lines
}

// classes groups the values of a dimension that never make a difference between them.
func classes(dims []dimension, lines []string, at int) [][]int {
	inner := 1
	for _, d := range dims[at+1:] {
		inner *= len(d.values)
	}
	count := len(dims[at].values)
	same := func(a, b int) bool {
		for outer := 0; outer < len(lines); outer += inner * count {
			for i := range inner {
				if lines[outer+a*inner+i] != lines[outer+b*inner+i] {
					return false
				}
			}
		}
		return true
	}
	var groups [][]int
	for value := range count {
		i := slices.IndexFunc(groups, func(group []int) bool { return same(group[0], value) })
		if i < 0 {
			groups = append(groups, []int{value})
			continue
		}
		groups[i] = append(groups[i], value)
	}
	return groups
}

// table writes the answers as a decision table: rows are read from the top, and a dot says that a column makes no
// difference in the row.
type table struct {
	dims   []dimension
	lines  []string
	groups [][][]int
	rows   [][]string
}

func (b *table) index(choice []int) int {
	i := 0
	for at, d := range b.dims {
		i = i*len(d.values) + choice[at]
	}
	return i
}

// descend adds the rows below a choice of the first values.
func (b *table) descend(choice []int, cells []string) (combinations int) {
	if line, all := b.uniform(choice); all {
		row := slices.Clone(cells)
		for range len(b.dims) - len(cells) {
			row = append(row, "·")
		}
		combinations = 1
		for at, d := range b.dims {
			if at >= len(choice) {
				combinations *= len(d.values)
			}
		}
		b.rows = append(b.rows, append(row, line))
		return combinations
	}
	for n, group := range b.groups[len(choice)] {
		b.descend(append(slices.Clone(choice), group[0]), append(slices.Clone(cells), className(n)))
	}
	return 0
}

func (b *table) uniform(choice []int) (string, bool) {
	line := ""
	var all func([]int) bool
	all = func(c []int) bool {
		if len(c) == len(b.dims) {
			here := b.lines[b.index(c)]
			if line == "" {
				line = here
			}
			return here == line
		}
		for _, group := range b.groups[len(c)] {
			if !all(append(slices.Clone(c), group[0])) {
				return false
			}
		}
		return true
	}
	ok := all(choice)
	return line, ok
}

func className(n int) string { return string(rune('A' + n)) }

func (b *table) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "# What somebody who is not signed in is answered, on a resource that is not open to everybody.\n#\n"+
		"# A test asks about every combination of the values below (%d of them) and writes this page from the answers:\n"+
		"#   go test ./internal/enforcement -run TestTheAnswerToSomebodyUnknown -update\n#\n"+
		"# First the values. Those of one line are never answered differently, whatever the rest of the request is.\n", len(b.lines))
	for at, d := range b.dims {
		fmt.Fprintf(&out, "\n%s\n", d.name)
		for n, group := range b.groups[at] {
			var labels []string
			for _, value := range group {
				labels = append(labels, d.values[value].label)
			}
			fmt.Fprintf(&out, "  %s  %s\n", className(n), strings.Join(labels, " | "))
		}
	}
	out.WriteString("\n# Then the answers. A dot says that the column makes no difference. Both answers have the body\n" +
		"# \"Invalid IAP credentials: …\" as text/html, X-Goog-IAP-Generated-Response: true and, the 401, X-Gatehouse-Sign-In.\n" +
		"# User-Agent is in no column: it is not looked at.\n\n")
	header := []string{}
	for _, d := range b.dims {
		header = append(header, d.name)
	}
	rows := append([][]string{append(header, "answer")}, b.rows...)
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		for i, cell := range row {
			if i == len(row)-1 {
				out.WriteString(cell + "\n")
				continue
			}
			out.WriteString(cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+2))
		}
	}
	return out.String()
}

func TestTheAnswerToSomebodyUnknownIsTheTable(t *testing.T) {
	t.Parallel()
	dims := dimensions()
	b := &table{dims: dims, lines: answers(t, dims)}
	for at := range dims {
		b.groups = append(b.groups, classes(dims, b.lines, at))
	}
	b.descend(nil, nil)
	const golden = "testdata/challenge.golden"
	got := b.String()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the answers have changed; look at them, then write them with -update:\n%s", got)
	}
}

func TestNoAnswerDependsOnWhatTheProgramCallsItself(t *testing.T) {
	t.Parallel()
	dims := dimensions()
	for at := range dims { // a thinned product is enough: a rule would need its own reason to be in the gaps
		if last := len(dims[at].values) - 1; last > 3 {
			dims[at].values = append(slices.Clone(dims[at].values[:3]), dims[at].values[last])
		}
	}
	want := answers(t, dims)
	for _, agent := range []string{
		"", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36", "curl/8.5.0",
		"GoogleHC/1.0", "kube-probe/1.30", "Googlebot/2.1", "XMLHttpRequest",
	} {
		if got := answers(t, dims, "User-Agent", agent); !slices.Equal(got, want) {
			t.Errorf("User-Agent %q changes an answer", agent)
		}
	}
}
