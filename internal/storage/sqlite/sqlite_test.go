package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/storage"
	"github.com/gatehouse-iap/gatehouse/internal/storage/storagetest"
)

// openTemp opens a new store that is closed when the test ends.
func openTemp(t *testing.T) *storage.DB {
	t.Helper()
	return openDir(t, filepath.Join(t.TempDir(), "data"))
}

func openDir(t *testing.T, dir string) *storage.DB {
	t.Helper()
	db, err := Open(t.Context(), dir)
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

func TestConformance(t *testing.T) { storagetest.Run(t, openTemp) }
