package storage

import "context"

// Meta returns what SetMeta stored under a name; nil when there is nothing.
func (db *DB) Meta(ctx context.Context, name string) ([]byte, error) {
	var value []byte
	err := db.read(ctx, func(t *tx) error {
		_, err := t.row(ctx, func(scan scanner) error { return scan(&value) }, `SELECT value FROM meta WHERE name = $1`, name)
		return err
	})
	return value, err
}

// SetMeta stores a value about the store itself, such as the check value of its root key. It adds no change row.
func (db *DB) SetMeta(ctx context.Context, name string, value []byte) error {
	if value == nil {
		value = []byte{} // nil would be NULL
	}
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO meta (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		return err
	})
}
