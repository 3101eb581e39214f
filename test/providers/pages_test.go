package providers

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestTheManifestsOfTheProvidersPagesAreValid(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/providers/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := yamlBlock.FindAllStringSubmatch(string(text), -1)
		if len(blocks) == 0 && filepath.Base(page) != "README.md" {
			t.Errorf("%s shows no manifest", page)
		}
		for _, block := range blocks {
			site := harness.NewSite(t)
			site.Write(t, "provider.yaml", block[1])
			site.CLI(t, "apply", "--offline", "-f", "provider.yaml")
			if !strings.Contains(block[1], "kind: IdentityProvider") {
				t.Errorf("%s: the manifest declares no provider", page)
			}
		}
	}
}
