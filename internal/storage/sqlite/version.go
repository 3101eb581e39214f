package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// oldest is the first SQLite without the bug that corrupts a database when its write-ahead log is reset
// (sqlite.org/wal.html, "the WAL-reset bug").
var oldest = version{3, 51, 3}

type version [3]int

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

func (v version) before(other version) bool {
	for i := range v {
		if v[i] != other[i] {
			return v[i] < other[i]
		}
	}
	return false
}

// checkVersion guards against a build with another SQLite.
func checkVersion(ctx context.Context, db *sql.DB) error {
	var text string
	if err := db.QueryRowContext(ctx, `SELECT sqlite_version()`).Scan(&text); err != nil {
		return err
	}
	return acceptVersion(text)
}

func acceptVersion(text string) error {
	var v version
	if _, err := fmt.Sscanf(text, "%d.%d.%d", &v[0], &v[1], &v[2]); err != nil {
		return fmt.Errorf("SQLite calls its version %q, which cannot be read: %w", text, err)
	}
	if v.before(oldest) {
		return fmt.Errorf("SQLite %s may corrupt the store; build with %s or newer", text, oldest)
	}
	return nil
}
