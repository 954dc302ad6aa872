package core

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DB is what a query needs: a pool, a connection or a transaction.
type DB interface {
	execer
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// execer is what a statement without an answer needs: a DB or together.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// together collects statements that go to the server in one round trip, when they are sent.
type together struct{ batch pgx.Batch }

// Exec implements execer. What the statement has to say comes from send.
func (t *together) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	t.batch.Queue(sql, args...)
	return pgconn.CommandTag{}, nil
}

// send runs all statements in their order, up to the first that fails.
func (t *together) send(ctx context.Context, tx pgx.Tx) error {
	return tx.SendBatch(ctx, &t.batch).Close()
}

// violates tells which constraint an error is about; empty for any other error.
func violates(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code[:2] == "23" { // integrity constraint violation
		return pgErr.ConstraintName
	}
	return ""
}

// isUnreachable tells whether the metadata database could not be asked, in contrast to having refused.
func isUnreachable(err error) bool {
	var (
		connectErr *pgconn.ConnectError
		netErr     net.Error
		pgErr      *pgconn.PgError
	)
	switch {
	case errors.As(err, &connectErr), errors.As(err, &netErr), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return true
	case errors.As(err, &pgErr):
		return pgErr.Code[:2] == "57" || pgErr.Code[:2] == "08" || pgErr.Code == "53300" // shutting down, connection, too many
	}
	return errors.Is(err, context.DeadlineExceeded)
}

// inTable puts the name of a table before each of some columns.
func inTable(table, columns string) string {
	return table + "." + strings.ReplaceAll(columns, ", ", ", "+table+".")
}

func one[T any](ctx context.Context, db DB, sql string, args ...any) (T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		var zero T
		return zero, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
}

func many[T any](ctx context.Context, db DB, sql string, args ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[T])
}
