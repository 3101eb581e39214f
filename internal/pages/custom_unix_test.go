//go:build unix

package pages_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-iap/gatehouse/internal/pages"
)

func TestANamedPipeAmongTheTemplatesIsRefusedAndNotWaitedFor(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"signin.html", "static/logo.png"} {
		dir := own(t)
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
		answer := make(chan error, 1)
		go func() {
			_, err := pages.LoadCustom(dir)
			answer <- err
		}()
		select {
		case err := <-answer:
			if err == nil || !strings.Contains(err.Error(), "not a regular file") {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: still waiting for somebody to write into it", name)
		}
	}
}
