package server

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/sealing"
)

func TestADataDirectoryOpensOnlyAsItWasMade(t *testing.T) {
	t.Parallel()
	otherKey := func(t *testing.T, dir string) {
		file := filepath.Join(dir, rootKeyFile)
		remove(t, file)
		if _, err := sealing.CreateKeyFile(file); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		before func(t *testing.T, dir string)
		dev    bool
		want   string // in the error; empty: it opens
	}{
		"untouched, it opens again":                    {before: func(*testing.T, string) {}, dev: true},
		"serve refuses what dev made":                  {before: func(*testing.T, string) {}, want: "made by `gatehouse dev`"},
		"without its root key it says what to do":      {before: func(t *testing.T, dir string) { remove(t, filepath.Join(dir, rootKeyFile)) }, dev: true, want: "put it back"},
		"another root key is refused":                  {before: otherKey, dev: true, want: "not the one that this store was made with"},
		"a root key that others can read is refused":   {before: func(t *testing.T, dir string) { loosen(t, filepath.Join(dir, rootKeyFile), 0o644) }, dev: true, want: "chmod 600"},
		"a directory that others can enter is refused": {before: func(t *testing.T, dir string) { loosen(t, dir, 0o755) }, dev: true, want: "chmod 700"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			made, err := openState(t.Context(), Options{DataDir: dir, Dev: true})
			if err != nil {
				t.Fatal(err)
			}
			made.close()
			test.before(t, dir)
			_, missing := os.Stat(filepath.Join(dir, rootKeyFile))

			s, err := openState(t.Context(), Options{DataDir: dir, Dev: test.dev})
			if err == nil {
				s.close()
			}
			switch {
			case test.want == "" && err != nil:
				t.Fatal(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("the error is %v, and does not say %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "root key: root key") {
				t.Errorf("the error repeats itself: %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, rootKeyFile)); missing != nil && err == nil {
				t.Error("a new root key was made over a store that has one")
			}
		})
	}
}

func TestOnlyOneServerOpensADataDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first, err := openState(t.Context(), Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer first.close()
	if second, err := openState(t.Context(), Options{DataDir: dir}); err == nil {
		second.close()
		t.Error("a second one opened it")
	} else if !strings.Contains(err.Error(), "held by pid") {
		t.Errorf("the error does not say who holds it: %v", err)
	}
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

func loosen(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestProductionSignsAndSignsInForNobody(t *testing.T) {
	t.Parallel()
	s := &Server{}
	if _, err := s.SignAssertion(nil, []byte("{}")); !errors.Is(err, errNotDev) {
		t.Errorf("it signed: %v", err)
	}
	if err := s.SignIn(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), "a@example.com", ""); !errors.Is(err, errNotDev) {
		t.Errorf("it signed in: %v", err)
	}
}
