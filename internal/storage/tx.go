package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrReadOnly reports a write through a store that was handed out for reading.
var ErrReadOnly = errors.New("the store was opened for reading here")

// tx is one transaction. The stores of all rooms are bound to one.
//
// A statement that fails ends the transaction, whatever its caller makes of the error: PostgreSQL would refuse
// to go on, and SQLite undoes everything so far when a write is interrupted, after which a further write would
// be committed by itself. So no store relies on a failing statement to find a conflict.
type tx struct {
	sql      *sql.Tx
	prepared map[string]*sql.Stmt
	readOnly bool
	failed   error
	position int64 // of the last change that this transaction made; 0 before the first
	recorded int64 // position of the last administrative entry that it wrote; 0 before the first
}

// exec runs a statement that changes rows, and says how many.
func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := t.writable(); err != nil {
		return 0, err
	}
	var result sql.Result
	var err error
	if statement, found := t.prepared[query]; found {
		result, err = t.sql.StmtContext(ctx, statement).ExecContext(ctx, args...)
	} else {
		result, err = t.sql.ExecContext(ctx, query, args...)
	}
	if err != nil {
		return 0, t.fail(err)
	}
	rows, err := result.RowsAffected()
	if err != nil {
		return 0, t.fail(err)
	}
	return rows, nil
}

// scanner copies the columns of the row at hand.
type scanner func(into ...any) error

// query runs a statement and calls each for every row. No other statement may run before it returns.
func (t *tx) query(ctx context.Context, each func(scanner) error, query string, args ...any) error {
	if t.failed != nil {
		return t.failed
	}
	rows, err := t.rows(ctx, query, args)
	if err != nil {
		return t.fail(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return t.fail(err)
		}
	}
	if err := rows.Err(); err != nil {
		return t.fail(err)
	}
	return nil
}

func (t *tx) rows(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	if statement, found := t.prepared[query]; found {
		return t.sql.StmtContext(ctx, statement).QueryContext(ctx, args...)
	}
	return t.sql.QueryContext(ctx, query, args...)
}

// row runs a statement that gives one row or none, and reports which.
func (t *tx) row(ctx context.Context, each func(scanner) error, query string, args ...any) (found bool, err error) {
	err = t.query(ctx, func(scan scanner) error {
		found = true
		return each(scan)
	}, query, args...)
	return found && err == nil, err
}

// exists reports whether a statement gives a row.
func (t *tx) exists(ctx context.Context, query string, args ...any) (bool, error) {
	return t.row(ctx, func(scanner) error { return nil }, query, args...)
}

func (t *tx) writable() error {
	if t.readOnly {
		return ErrReadOnly
	}
	return t.failed
}

func (t *tx) fail(err error) error {
	if t.failed == nil {
		t.failed = fmt.Errorf("the store failed: %w", err)
	}
	return t.failed
}

// insertBatch is how many rows one INSERT takes: most of the gain, while parameters stay cheap to look up.
const insertBatch = 64

// insert adds many rows. row appends the columns of row i to args.
func (t *tx) insert(ctx context.Context, into string, columns, rows int, row func(i int, args []any) []any) error {
	if err := t.writable(); err != nil {
		return err
	}
	whole, err := t.sql.PrepareContext(ctx, into+values(columns, insertBatch))
	if err != nil {
		return t.fail(err)
	}
	defer whole.Close()
	args := make([]any, 0, columns*insertBatch)
	for i := range rows {
		args = row(i, args)
		if len(args) == columns*insertBatch {
			if _, err := whole.ExecContext(ctx, args...); err != nil {
				return t.fail(err)
			}
			args = args[:0]
		}
	}
	if len(args) == 0 {
		return nil
	}
	_, err = t.exec(ctx, into+values(columns, len(args)/columns), args...)
	return err
}

// values returns " VALUES ($1, $2), ($3, $4)" for two columns and two rows.
func values(columns, rows int) string {
	var b strings.Builder
	b.WriteString(" VALUES ")
	for i := range rows {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("(" + parameters(i*columns+1, columns) + ")")
	}
	return b.String()
}

// parameters returns "$3, $4" for two parameters from the third.
func parameters(from, count int) string {
	var b strings.Builder
	for i := range count {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(from+i))
	}
	return b.String()
}
