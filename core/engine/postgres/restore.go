package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// maxAccounts is how long the text of accounts may be, in bytes.
const maxAccounts = 64 << 20

// CheckPart implements engine.Archiver. pg_restore reads an archive to its end only when it writes all of it somewhere; a list of
// contents is not enough.
func (e Engine) CheckPart(ctx context.Context, _ engine.Server, _ engine.Secrets, p engine.Part, data io.Reader, run engine.RunTool) error {
	if p.Kind == engine.PartAccounts {
		_, err := readAccounts(data)
		return err
	}
	return run(ctx, engine.Tool{Command: []string{"pg_restore", "--file=/dev/null"}}, data, nil)
}

func readAccounts(data io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(data, maxAccounts+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxAccounts || !bytes.Contains(text, []byte(accountsTrailer)) {
		return nil, errors.New("the accounts of the backup break off before their end")
	}
	return text, nil
}

// RestorePart implements engine.Archiver.
func (e Engine) RestorePart(ctx context.Context, s engine.Server, secrets engine.Secrets, p engine.Part, data io.Reader, run engine.RunTool) error {
	admin := login{user: AdminUser, password: secrets.Admin, database: maintenanceDB, settings: adminSettings}
	if p.Kind == engine.PartAccounts {
		text, err := readAccounts(data)
		if err != nil {
			return err
		}
		return withConn(ctx, s, admin, func(conn *pgx.Conn) error {
			if err := clearServer(ctx, conn); err != nil {
				return fmt.Errorf("remove what an earlier try has left: %w", err)
			}
			// As one script: a value that somebody has set may hold a line break.
			if err := conn.PgConn().Exec(ctx, string(text)).Close(); err != nil {
				return fmt.Errorf("make the accounts: %w", err)
			}
			return nil
		})
	}
	command := []string{"pg_restore", "--exit-on-error", "--create"}
	if p.Database == maintenanceDB {
		command = []string{"pg_restore", "--exit-on-error", "--clean", "--if-exists"}
	} else {
		err := withConn(ctx, s, admin, func(conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "drop database if exists "+quote(p.Database)+" with (force)")
			return err
		})
		if err != nil {
			return fmt.Errorf("remove what an earlier try has left of %s: %w", p.Database, err)
		}
	}
	return run(ctx, tool(s, secrets, maintenanceDB, command...), data, nil)
}

// clearServer takes away all databases and roles but those that every server has.
func clearServer(ctx context.Context, conn *pgx.Conn) error {
	for _, q := range []struct{ list, drop string }{
		{"select datname from pg_database where not datistemplate and datname <> '" + maintenanceDB + "'", "drop database if exists %s with (force)"},
		{"select rolname from pg_roles where rolname !~ '^pg_' and rolname not in ('" + AdminUser + "', '" + ProbeUser + "', '" + ReplicationUser + "')", "drop owned by %[1]s cascade; drop role %[1]s"},
	} {
		rows, err := conn.Query(ctx, q.list)
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := conn.PgConn().Exec(ctx, fmt.Sprintf(q.drop, quote(name))).Close(); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// Missing implements engine.Archiver: it looks for the extensions of all databases among those that the server has the files of.
func (Engine) Missing(ctx context.Context, s engine.Server, secrets engine.Secrets, c engine.Contents) (missing []string, err error) {
	names := c.Extensions()
	if len(names) == 0 {
		return nil, nil
	}
	admin := login{user: AdminUser, password: secrets.Admin, database: maintenanceDB, settings: adminSettings}
	err = withConn(ctx, s, admin, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "select x from unnest($1::text[]) x where x not in (select name from pg_available_extensions) order by x", names)
		if err != nil {
			return err
		}
		missing, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return missing, err
}

// LockAccounts implements engine.Archiver.
func (Engine) LockAccounts(ctx context.Context, s engine.Server, secrets engine.Secrets, except string) (locked []string, err error) {
	admin := login{user: AdminUser, password: secrets.Admin, database: maintenanceDB, settings: adminSettings}
	err = withConn(ctx, s, admin, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "select rolname from pg_roles where rolcanlogin and rolname !~ '^(pg|mydb)_' and rolname <> $1 order by 1", except)
		if err != nil {
			return err
		}
		if locked, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
		for _, role := range locked {
			if _, err := conn.Exec(ctx, "alter role "+quote(role)+" nologin"); err != nil {
				return fmt.Errorf("lock %s: %w", role, err)
			}
		}
		return nil
	})
	return locked, err
}
