// Package sqlitetest gives tests a data directory whose store has its schema already. Making the schema costs many
// times what most tests cost; it is made once in a process, and copied.
package sqlitetest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/storage"
	"github.com/gatehouse-iap/gatehouse/internal/storage/sqlite"
)

// Data returns a data directory of the test's own with an empty store, as the first start leaves it.
func Data(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	Fill(t, dir)
	return dir
}

// Fill makes dir such a data directory. It may be there, empty.
func Fill(t testing.TB, dir string) {
	t.Helper()
	files, err := pristine()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Open opens an empty store and closes it when the test ends.
func Open(t testing.TB) *storage.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), Data(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// pristine is what the files of a new data directory hold, by name.
var pristine = sync.OnceValues(func() (map[string][]byte, error) {
	parent, err := os.MkdirTemp("", "gatehouse-store-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(parent) }() // what is left over is the system's to delete
	dir := filepath.Join(parent, "data")
	db, err := sqlite.Open(context.Background(), dir)
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte, len(entries))
	for _, entry := range entries {
		if files[entry.Name()], err = os.ReadFile(filepath.Join(dir, entry.Name())); err != nil {
			return nil, err
		}
	}
	return files, nil
})
