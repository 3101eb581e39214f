package hostile

import (
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// Gatehouse's listener speaks HTTP/2 as Go's net/http does, with limits of its own. What h2spec finds there beyond what
// it finds at a bare server of Go is a fault of the limits. Some of its cases race with the answer to the request, so
// one that only the gate fails is asked again of both.
func TestH2specFindsNothingBeyondWhatItFindsAtGo(t *testing.T) {
	t.Parallel()
	w := start(t)
	bare := httptest.NewUnstartedServer(answer)
	bare.EnableHTTP2, bare.TLS = true, &tls.Config{Certificates: []tls.Certificate{w.pair}}
	bare.StartTLS()
	defer bare.Close()

	targets := [2]string{w.address, bare.Listener.Addr().String()}
	var failed [2]map[string]string
	done := make(chan error, 2)
	for i, address := range targets {
		go func() {
			cases, all, err := h2spec(t, address)
			if failed[i] = cases; err == nil && all < 100 {
				err = fmt.Errorf("h2spec ran %d cases only", all)
			}
			done <- err
		}()
	}
	for range targets {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	for name, what := range failed[0] {
		if _, also := failed[1][name]; also || !again(t, targets, name) {
			continue
		}
		t.Errorf("h2spec %s fails at the gate and not at Go: %s", name, what)
	}
	t.Logf("%d cases fail at the gate, %d at Go", len(failed[0]), len(failed[1]))
}

// again reports whether a case fails three times more at the gate, and never at Go.
func again(t *testing.T, targets [2]string, name string) bool {
	section, _, _ := strings.Cut(name, ": ")
	for range 3 {
		atGate, _, err := h2spec(t, targets[0], section)
		if err != nil {
			t.Error(err)
		}
		atGo, _, err := h2spec(t, targets[1], section)
		if err != nil {
			t.Error(err)
		}
		_, gate := atGate[name]
		if _, bare := atGo[name]; bare || !gate {
			return false
		}
	}
	return true
}

// report is JUnit's form, in which h2spec writes what it found.
type report struct {
	Suites []struct {
		Cases []struct {
			Section string  `xml:"package,attr"`
			Title   string  `xml:"classname,attr"`
			Failure *string `xml:"failure"`
			Error   *string `xml:"error"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// h2spec runs the cases of sections, or all, and returns those that fail, by section and title, and how many there are.
func h2spec(t *testing.T, address string, sections ...string) (failed map[string]string, all int, err error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, 0, err
	}
	file := filepath.Join(t.TempDir(), "report.xml")
	args := append(slices.Clone(sections), "--host", host, "--port", port, "--tls", "--insecure", "--timeout", "1", "--junit-report", file)
	out, runErr := exec.Command(harness.H2Spec(t), args...).CombinedOutput() // it fails when a case does
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, 0, fmt.Errorf("h2spec: %w: %w\n%s", runErr, err, out)
	}
	var found report
	if err := xml.Unmarshal(content, &found); err != nil {
		return nil, 0, err
	}
	failed = map[string]string{}
	for _, suite := range found.Suites {
		for _, c := range suite.Cases {
			all++
			if c.Failure != nil {
				failed[c.Section+": "+c.Title] = *c.Failure
			}
			if c.Error != nil {
				failed[c.Section+": "+c.Title] = *c.Error
			}
		}
	}
	return failed, all, nil
}
