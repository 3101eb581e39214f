// Command releasecheck proves that the root module builds and passes its tests without the line that replaces
// github.com/gatehouse-iap/gatehouse/assertion by the directory beside it, as everybody who installs a release
// builds it. It works on a copy of the committed tree and changes nothing here.
//
// The version of the assertion module is -version. Before that is published, the module is taken from this tree,
// packed the way the go command packs a tag; -published insists on the published one.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const assertionPath = "github.com/gatehouse-iap/gatehouse/assertion"

func main() {
	log.SetFlags(0)
	log.SetPrefix("release-check: ")
	version := flag.String("version", "v0.1.0", "version of the assertion module to require")
	published := flag.Bool("published", false, "take the assertion module from where the go command finds it, not from this tree")
	flag.Parse()
	if err := check(*version, *published); err != nil {
		log.Fatal(err)
	}
	log.Printf("the root module builds and passes its tests with %s %s and no replace line", assertionPath, *version)
}

func check(version string, published bool) error {
	root, err := output("", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "gatehouse-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	tree := filepath.Join(work, "tree")
	if err := checkOut(root, tree); err != nil {
		return err
	}
	env := append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false", "GOWORK=off")
	if !published {
		proxy, err := packAssertion(tree, filepath.Join(work, "proxy"), version)
		if err != nil {
			return err
		}
		// A cache of its own would download every dependency again; without one, the packed module would stay
		// behind in the shared cache under the name of a release. It is removed again below.
		defer forget(version)
		env = append(env, "GOPROXY="+proxy+","+goEnv("GOPROXY"), "GONOSUMDB="+assertionPath)
	}
	return runAll(tree, env, [][]string{
		{"go", "mod", "edit", "-dropreplace=" + assertionPath, "-require=" + assertionPath + "@" + version},
		{"go", "mod", "tidy"},
		{"go", "build", "./..."},
		{"go", "test", "./..."},
	})
}

// checkOut copies the committed tree, without what git does not know, to dir.
func checkOut(root, dir string) error {
	if status, err := output(root, "git", "status", "--porcelain"); err != nil {
		return err
	} else if status != "" {
		return errors.New("the tree has changes that are not committed; commit or stash them first")
	}
	_, err := output(root, "git", "clone", "--quiet", "--no-hardlinks", root, dir)
	return err
}

// packAssertion writes the assertion module of the tree as a module proxy in dir and returns its address.
func packAssertion(tree, dir, version string) (string, error) {
	source := filepath.Join(tree, "assertion")
	license, err := os.ReadFile(filepath.Join(tree, "LICENSE"))
	if err != nil {
		return "", err
	}
	// The go command adds the repository's licence to a module that has none of its own.
	if err := os.WriteFile(filepath.Join(source, "LICENSE"), license, 0o644); err != nil {
		return "", err
	}
	gomod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return "", err
	}
	versions := filepath.Join(dir, filepath.FromSlash(assertionPath), "@v")
	if err := os.MkdirAll(versions, 0o755); err != nil {
		return "", err
	}
	files := map[string][]byte{
		"list":            []byte(version + "\n"),
		version + ".info": fmt.Appendf(nil, `{"Version":%q}`, version),
		version + ".mod":  gomod,
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(versions, name), content, 0o644); err != nil {
			return "", err
		}
	}
	archive, err := os.Create(filepath.Join(versions, version+".zip"))
	if err != nil {
		return "", err
	}
	defer archive.Close()
	if err := zip.CreateFromDir(archive, module.Version{Path: assertionPath, Version: version}, source); err != nil {
		return "", err
	}
	return "file://" + filepath.ToSlash(dir), archive.Close()
}

// forget removes the packed module from the module cache.
func forget(version string) {
	cache := goEnv("GOMODCACHE")
	path := filepath.FromSlash(assertionPath)
	extracted := filepath.Join(cache, path+"@"+version)
	// The go command writes its cache read-only.
	_ = filepath.WalkDir(extracted, func(name string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			return os.Chmod(name, 0o755)
		}
		return nil
	})
	_ = os.RemoveAll(extracted)
	packed, _ := filepath.Glob(filepath.Join(cache, "cache", "download", path, "@v", version+".*"))
	for _, name := range packed {
		_ = os.Remove(name)
	}
}

func runAll(dir string, env []string, commands [][]string) error {
	for _, command := range commands {
		log.Printf("%s", strings.Join(command, " "))
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(command, " "), err)
		}
	}
	return nil
}

func output(dir string, command ...string) (string, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}

func goEnv(name string) string {
	value, err := output("", "go", "env", name)
	if err != nil {
		log.Fatal(err)
	}
	return value
}
