package examples

import (
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gatehouse-iap/gatehouse/test/harness"
)

const (
	// cutOffVariable marks the run of these tests on a machine of its own, with a loopback and no other network. There
	// `gatehouse dev` finds its usual port free, as READMEs have it, and nobody else can answer in the place of Google.
	cutOffVariable = "GATEHOUSE_TEST_CUT_OFF"
	directory      = "../../examples"
)

// chromium is the one browser of the run; every test opens a page with cookies of its own.
var chromium *harness.Browser

func TestMain(m *testing.M) {
	if os.Getenv(cutOffVariable) == "" {
		os.Exit(cutOff())
	}
	if err := harness.RaiseLoopback(); err != nil {
		log.Fatal(err)
	}
	browser, err := harness.LaunchBrowser()
	if err != nil {
		log.Fatal(err)
	}
	chromium = browser
	code := m.Run()
	browser.Close()
	os.Exit(code)
}

// cutOff prepares what needs a network, and runs this program again without one.
func cutOff() int {
	programs, err := os.MkdirTemp("", "gatehouse-examples-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(programs)
	if err := errors.Join(collectPrograms(programs), prepare()); err != nil {
		log.Print(err)
		return 1
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), cutOffVariable+"=1", "PATH="+programs+":"+os.Getenv("PATH"), "GOPROXY=off", "GOTOOLCHAIN=local")
	harness.CutOff(cmd)
	if err := cmd.Run(); err != nil {
		log.Printf("in a network namespace of its own, which needs the kernel's user namespaces: %v", err)
		return 1
	}
	return 0
}

// collectPrograms makes a directory for PATH: our binary under its name, and the Python for which Debian packages
// libraries.
func collectPrograms(dir string) error {
	binary, err := harness.BuiltBinary()
	if err == nil {
		binary, err = filepath.Abs(binary)
	}
	if err != nil {
		return err
	}
	return errors.Join(os.Symlink(binary, filepath.Join(dir, "gatehouse")), os.Symlink("/usr/bin/python3", filepath.Join(dir, "python3")))
}

// prepare has modules downloaded and compiled. What READMEs install otherwise is there after make setup.
func prepare() error {
	modules, err := filepath.Glob(filepath.Join(directory, "*", "go.mod"))
	if err != nil || len(modules) == 0 {
		return errors.Join(err, errors.New("no example has a go.mod"))
	}
	for _, module := range modules {
		cmd := exec.Command("go", "vet", "./...")
		cmd.Dir = filepath.Dir(module)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go vet in %s: %w\n%s", cmd.Dir, err, out)
		}
	}
	return nil
}
