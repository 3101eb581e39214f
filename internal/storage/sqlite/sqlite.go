// Package sqlite opens the store in a data directory: it owns the directory's lock and permissions, the
// connections with their pragmas, and the check of SQLite's version. It holds no SQL of any room (storage).
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"

	"github.com/gatehouse-iap/gatehouse/internal/storage"
)

// FileName is the database's name in the data directory.
const FileName = "gatehouse.db"

// maxReaders bounds the reading connections, each of which holds a page cache of up to 2 MB.
const maxReaders = 4

// Open opens the store in dataDir, which it makes when it is not there. It refuses a directory that is not ours
// alone, and one that another server holds (ErrLocked).
func Open(ctx context.Context, dataDir string) (*storage.DB, error) {
	dir, err := filepath.Abs(dataDir)
	if err != nil {
		return nil, err
	}
	if err := prepareDir(dir); err != nil {
		return nil, err
	}
	release, err := lock(dir)
	if err != nil {
		return nil, err
	}
	engine, err := open(ctx, filepath.Join(dir, FileName))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the store in %s: %w", dir, err), release())
	}
	engine.Release = release
	return storage.Open(ctx, engine)
}

func open(ctx context.Context, file string) (storage.Engine, error) {
	if err := createFile(file); err != nil {
		return storage.Engine{}, err
	}
	writer, err := pool(file, 1, writing())
	if err != nil {
		return storage.Engine{}, err
	}
	if err := checkVersion(ctx, writer); err != nil {
		return storage.Engine{}, errors.Join(err, writer.Close())
	}
	readers, err := pool(file, maxReaders, reading())
	if err != nil {
		return storage.Engine{}, errors.Join(err, writer.Close())
	}
	return storage.Engine{Writer: writer, Readers: readers, Dialect: goose.DialectSQLite3}, nil
}

// pool keeps its connections open: opening one runs all its pragmas.
func pool(file string, size int, options url.Values) (*sql.DB, error) {
	name := url.URL{Scheme: "file", OmitHost: true, Path: file, RawQuery: options.Encode()}
	connector, err := driver.NewConnector(name.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// writing is how the one connection that writes is opened.
func writing() url.Values {
	options := common()
	options.Set("_journal_mode", "WAL")
	options.Set("_synchronous", "FULL") // a commit that was acknowledged survives a power cut
	options.Set("_txlock", "immediate") // a transaction that reads, then writes, must not fail in between
	options.Set("_foreign_keys", "1")
	options.Add("_pragma", "journal_size_limit(33554432)") // a huge write does not keep its log for ever
	options.Add("_pragma", "fullfsync(1)")                 // macOS: fsync alone does not reach the disk
	options.Add("_pragma", "checkpoint_fullfsync(1)")
	return options
}

// reading is how the connections that only read are opened.
func reading() url.Values {
	options := common()
	options.Set("_query_only", "1")
	return options
}

func common() url.Values {
	return url.Values{
		"_busy_timeout": {"5000"},
		"_defensive":    {"1"},
		"_dqs":          {"0"},                  // a misspelt column is an error, not a string
		"_pragma":       {"temp_store(MEMORY)"}, // nothing of ours in /tmp
	}
}
