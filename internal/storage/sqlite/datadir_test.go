package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-iap/gatehouse/internal/admin"
	"github.com/gatehouse-iap/gatehouse/internal/audit"
	"github.com/gatehouse-iap/gatehouse/internal/storage"
)

func TestASecondServerIsRefusedAndToldWhoHoldsTheDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	c := startChild(t, dir)
	positions := map[int]int64{}
	c.acknowledged(1, positions)
	pid := strconv.Itoa(c.command.Process.Pid)
	if _, err := Open(t.Context(), dir); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "pid "+pid+";") {
		t.Errorf("Open beside pid %s: %v", pid, err)
	}
	c.kill(positions)
	openDir(t, dir) // the lock went with its holder
}

func TestASecondOpenInOneProcessIsRefusedUntilTheFirstIsClosed(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first := openDir(t, dir)
	if _, err := Open(t.Context(), dir); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("the second Open: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	openDir(t, dir)
}

func TestAFailedOpenGivesTheLockBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, FileName)
	if err := os.WriteFile(file, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir); err == nil {
		t.Fatal("a file that is no database was opened")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	openDir(t, dir)
}

func TestAStoreOfALaterReleaseIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	db, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	engine, err := open(t.Context(), filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Writer.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(engine.Readers.Close(), engine.Writer.Close()); err != nil {
		t.Fatal(err)
	}
	if db, err := Open(t.Context(), dir); !errors.Is(err, storage.ErrNewer) {
		t.Errorf("%v, %v", db, err)
	}
}

func TestTheDataDirectoryIsOursAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b") // both are made
	openDir(t, dir)
	for _, path := range []string{dir, filepath.Dir(dir)} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		if info, err := file.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file.Name(), info.Mode(), err)
		}
	}
}

func TestADirectoryThatOthersMayUseIsRefused(t *testing.T) {
	t.Parallel()
	for _, mode := range []os.FileMode{0o750, 0o701, 0o720, 0o755, 0o777} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "chmod 700") {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
			t.Errorf("mode %04o: %v was made, %v", mode, files, err)
		}
	}
}

func TestAFileInThePlaceOfTheDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if _, err := Open(t.Context(), path); err == nil {
			t.Errorf("%s was opened", path)
		}
	}
}

func TestADirectoryWithAnyNameHoldsTheStoreItself(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"with space", "100%41", "a?mode=memory", "a#b", "ü&_query_only=1"} {
		dir := filepath.Join(t.TempDir(), name)
		db := openDir(t, dir)
		if err := db.SetMeta(t.Context(), "name", []byte(name)); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(filepath.Join(dir, FileName)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAReopenedStoreHasEverythingAndIsNotNew(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	db := openDir(t, dir)
	entry := &audit.Entry{Time: epoch, Actor: audit.Actor{Kind: "system"}, Action: "test"}
	if _, err := db.Do(t.Context(), entry, func(admin.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for range 2 { // closing twice does no harm
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := db.Entries(t.Context(), 1); err == nil {
		t.Error("a closed store answers")
	}
	again := openDir(t, dir)
	if entries, err := again.Entries(t.Context(), 9); err != nil || len(entries) != 1 || again.Created() {
		t.Errorf("%d entries, %v; created %v", len(entries), err, again.Created())
	}
}

func TestMetadataAloneMakesAStoreNoLongerNew(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	for round, want := range []bool{true, true, false} {
		db := openDir(t, dir)
		if db.Created() != want {
			t.Errorf("round %d: created %v", round, db.Created())
		}
		if round == 1 {
			if err := db.SetMeta(t.Context(), "check", []byte{1}); err != nil {
				t.Error(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
	openDir(t, dir)
}
