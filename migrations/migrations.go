// Package migrations brings the metadata database to the schema that this binary expects: MyDB's own numbered SQL files, applied
// once each, in order, up only, and River's migrations.
package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed *.sql
var files embed.FS

// lockKey is the advisory lock that lets one process migrate at a time. Any fixed number does: this one is "mydb" in ASCII.
const lockKey = 0x6d796462

// Run migrates the database at ownerURL, or at appURL where that is empty, and grants the role of appURL what it needs. Neither
// address appears in an error.
func Run(ctx context.Context, ownerURL, appURL string) error {
	app, err := pgx.ParseConfig(appURL)
	if err != nil {
		return errors.New("MYDB_DATABASE_URL (its value is a secret) is not an address such as postgres://user:password@host:5432/mydb")
	}
	if ownerURL == "" {
		ownerURL = appURL
	}
	pool, err := pgxpool.New(ctx, ownerURL)
	if err != nil {
		return errors.New("MYDB_MIGRATE_URL (its value is a secret) is not an address such as postgres://user:password@host:5432/mydb")
	}
	defer pool.Close()
	return Up(ctx, pool, app.User)
}

type migration struct {
	version int
	name    string
}

// Up applies what is missing, and grants appRole what the application needs and no more. It must run as a role that owns the
// schema. Two processes may call it at once: the second waits, and finds nothing to do. An empty appRole, or the migrating role
// itself, is granted nothing.
func Up(ctx context.Context, pool *pgxpool.Pool, appRole string) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to migrate: %w", err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", lockKey); err != nil {
		return fmt.Errorf("take the migration lock: %w", err)
	}
	defer conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock($1)", lockKey) //nolint:errcheck // the lock ends with the connection

	if err := upOwn(ctx, conn.Conn(), Newest()); err != nil {
		return err
	}
	river, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return fmt.Errorf("prepare River's migrations: %w", err)
	}
	if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("apply River's migrations: %w", err)
	}
	return grant(ctx, conn.Conn(), appRole)
}

// UpTo applies MyDB's own migrations up to a version in the caller's transaction, which must be of a role that owns the schema. River's
// are left to Up.
func UpTo(ctx context.Context, tx pgx.Tx, version int) error {
	// What one migration has left to be checked at the commit would keep the next one from altering the table.
	if _, err := tx.Exec(ctx, "set constraints all immediate"); err != nil {
		return fmt.Errorf("prepare to migrate: %w", err)
	}
	return upOwn(ctx, tx, version)
}

// database is what migrations are applied to: a connection, or a transaction.
type database interface {
	querier
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Begin(ctx context.Context) (pgx.Tx, error)
}

func upOwn(ctx context.Context, db database, upTo int) error {
	if _, err := db.Exec(ctx, `create table if not exists schema_versions (
		version int primary key, name text not null, applied_at timestamptz not null default now())`); err != nil {
		return fmt.Errorf("create schema_versions: %w", err)
	}
	all, err := list()
	if err != nil {
		return err
	}
	have, err := current(ctx, db)
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.version <= have || m.version > upTo {
			continue
		}
		if err := apply(ctx, db, m); err != nil {
			return err
		}
	}
	return nil
}

func apply(ctx context.Context, db database, m migration) error {
	sql, err := files.ReadFile(m.name)
	if err != nil {
		return fmt.Errorf("read migration %s: %w", m.name, err)
	}
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, string(sql)); err != nil {
			return fmt.Errorf("apply migration %s: %w", m.name, err)
		}
		_, err := tx.Exec(ctx, "insert into schema_versions (version, name) values ($1, $2)", m.version, m.name)
		return err
	})
}

// Newest is the version of the schema that this binary expects.
func Newest() int {
	all, err := list()
	if err != nil {
		panic(err) // the names of the files are part of the binary, and tested
	}
	return all[len(all)-1].version
}

// Current is the version of a database's schema; 0 when it has none. A transaction stays usable.
func Current(ctx context.Context, tx pgx.Tx) (int, error) {
	var there bool
	if err := tx.QueryRow(ctx, "select to_regclass('public.schema_versions') is not null").Scan(&there); err != nil || !there {
		return 0, err
	}
	return current(ctx, tx)
}

func list() ([]migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	out := make([]migration, 0, len(names)) // Glob sorts
	for _, name := range names {
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("migration %s: the name must start with a number", name)
		}
		out = append(out, migration{version, name})
	}
	return out, nil
}

// querier is what both a pool and a connection can do.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func current(ctx context.Context, db querier) (int, error) {
	var version int
	err := db.QueryRow(ctx, "select coalesce(max(version), 0) from schema_versions").Scan(&version)
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == "42P01" { // undefined_table
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read schema_versions: %w", err)
	}
	return version, nil
}

// Behind tells how many of MyDB's own migrations the database lacks. A negative number means that it is newer than this binary.
func Behind(ctx context.Context, db querier) (int, error) {
	have, err := current(ctx, db)
	return Newest() - have, err
}

// grant gives the application's role all it needs. It never owns a table, so it cannot alter one, and of the audit trail it may
// only add to and read.
func grant(ctx context.Context, conn *pgx.Conn, role string) error {
	if role == "" || role == conn.Config().User {
		return nil
	}
	r := pgx.Identifier{role}.Sanitize()
	for _, sql := range []string{
		"grant usage on schema public to " + r,
		"grant select, insert, update, delete on all tables in schema public to " + r,
		"grant usage, select on all sequences in schema public to " + r,
		"grant execute on all functions in schema public to " + r,
		"revoke update, delete, truncate on audit, audit_chain, audit_batches, audit_anchors from " + r,
		"revoke insert, update, delete, truncate on audit_pruned from " + r,
		"revoke insert, update, delete, truncate on schema_versions from " + r,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("grant to the application's role: %w", err)
		}
	}
	return nil
}
