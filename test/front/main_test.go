package front

import (
	"log"
	"os"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

// chromium is the one browser of the run; every test opens a page with cookies of its own. It takes the one
// certificate of the run, for *.example.com, and finds all these hosts on this machine.
var (
	chromium    *harness.Browser
	certificate = harness.SelfSigned("*.example.com")
)

func TestMain(m *testing.M) {
	var err error
	if chromium, err = harness.LaunchBrowser(harness.OverTLS("example.com", certificate.Pair.Leaf)...); err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	chromium.Close()
	os.Exit(code)
}
