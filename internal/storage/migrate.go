package storage

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"database/sql"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrNewer reports a store that a later release has written. What it means by its tables is not known here.
var ErrNewer = errors.New("the store was written by a later release of gatehouse")

// migrate brings the schema up to this release. Each migration is one transaction, so a process that dies
// meanwhile leaves a whole one or none.
func migrate(ctx context.Context, dialect goose.Dialect, writer *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(dialect, writer, files,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	current, known, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the version of the store: %w", err)
	}
	if current > known {
		return fmt.Errorf("%w: it has schema %d, and this release knows %d: run that release, or restore the backup from before it", ErrNewer, current, known)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the store: %w", err)
	}
	return nil
}
