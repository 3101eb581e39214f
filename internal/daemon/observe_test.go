package daemon

import (
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/tracing/tracingtest"
)

func TestTracesGoToTheCollectorThatTheConfigurationNames(t *testing.T) {
	t.Parallel()
	receiver := tracingtest.Start(t)
	w := newWorld(t)
	w.env["KEY"] = "customer-7"
	w.write("gatehouse.yaml", plainConfig+"tracing: {endpoint: \""+receiver.URL+"\", sampleRatio: 1, headers: [{name: X-Key, env: KEY}]}\n")
	w.start()
	w.get(0, "http://app.localhost/traced")
	if err := w.stop(); err != nil { // sends what waits
		t.Fatal(err)
	}
	spans := receiver.Named("GET")
	if len(spans) != 1 || tracingtest.Attributes(spans[0].GetAttributes())["url.path"] != "/traced" {
		t.Errorf("the spans of the request are %v", spans)
	}
	for _, header := range receiver.Headers() {
		if header.Get("X-Key") != "customer-7" {
			t.Errorf("the collector gets %v", header)
		}
	}
}

func TestTheLimitsOfTheConfigurationHoldAndAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.edit("gatehouse.yaml", `[{address: "127.0.0.1:0"}]`, `[{address: "127.0.0.1:0", limits: {maxURLBytes: 2048}}]`)
	w.start()
	for length, status := range map[int]int{1000: 200, 3000: 414} {
		if a := w.get(0, "http://app.localhost/"+strings.Repeat("u", length)); a.status != status {
			t.Errorf("an address of %d bytes gets %d", length, a.status)
		}
	}
	w.expectMetric(`gatehouse_refused_requests_total{reason="url"} 1`)
}
