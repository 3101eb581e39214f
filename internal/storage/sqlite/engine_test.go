package sqlite

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheVersionGateRefusesWhatMayCorruptTheStore(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		version string
		accept  bool
	}{
		{"3.51.3", true}, {"3.51.10", true}, {"3.52.0", true}, {"4.0.0", true},
		{"3.51.2", false}, {"3.40.1", false}, {"3.9.99", false}, {"2.99.99", false},
		{"", false}, {"3.51", false}, {"new", false},
	} {
		if err := acceptVersion(test.version); (err == nil) != test.accept {
			t.Errorf("%q: %v", test.version, err)
		}
	}
}

// TestConnectionsAreAsDurableAndAsRestrictedAsTheyShouldBe asks SQLite itself.
func TestConnectionsAreAsDurableAndAsRestrictedAsTheyShouldBe(t *testing.T) {
	t.Parallel()
	engine, err := open(t.Context(), filepath.Join(t.TempDir(), FileName))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		pool    *sql.DB
		pragmas map[string]string
	}{
		{engine.Writer, map[string]string{
			"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000", "temp_store": "2", "fullfsync": "1",
		}},
		{engine.Readers, map[string]string{"journal_mode": "wal", "query_only": "1", "busy_timeout": "5000", "temp_store": "2"}},
	} {
		for pragma, want := range test.pragmas {
			var got string
			if err := test.pool.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %s, want %s (%v)", pragma, got, want, err)
			}
		}
	}
	if _, err := engine.Readers.ExecContext(t.Context(), `CREATE TABLE t (x BIGINT)`); err == nil || !strings.Contains(err.Error(), "readonly") {
		t.Errorf("a reader writes: %v", err)
	}
	if err := engine.Readers.Close(); err != nil {
		t.Error(err)
	}
	if err := engine.Writer.Close(); err != nil {
		t.Error(err)
	}
}
