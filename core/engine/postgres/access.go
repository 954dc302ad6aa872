package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// Colleagues get login roles of their own. What they may do comes from two roles without a login, which hold the rights on what the
// tenant has and, by default privileges, on what anybody of them makes later. pg_read_all_data is no alternative: it reads the
// verifiers in pg_authid.
const (
	readers = "mydb_readers"
	writers = "mydb_writers"
)

// Grant implements engine.Engine. A writer may also make tables, which are the tenant's too.
func (e Engine) Grant(ctx context.Context, s engine.Server, adminPassword string, t engine.Tenant, a engine.Access) error {
	admin := login{user: AdminUser, password: adminPassword, database: maintenanceDB, settings: adminSettings}
	err := withConn(ctx, s, admin, func(conn *pgx.Conn) error { return ensureAccess(ctx, conn, t, a) })
	if err != nil {
		return refusal(fmt.Errorf("make the account %s: %w", a.Username, err))
	}
	return e.inDatabasesOf(ctx, s, admin, t, func(conn *pgx.Conn, database string) error { return openDatabase(ctx, conn, database, t, a) })
}

// ensureAccess makes the roles and the memberships.
func ensureAccess(ctx context.Context, conn *pgx.Conn, t engine.Tenant, a engine.Access) error {
	password, roles := "", []string{readers, writers}
	if a.Password != "" {
		verifier, err := scramVerifier(a.Password)
		if err != nil {
			return err
		}
		password, roles = " password '"+verifier+"'", append(roles, a.Username)
	}
	for _, role := range roles {
		if err := ensure(ctx, conn, "select from pg_roles where rolname = $1", role, "create role "+quote(role)); err != nil {
			return fmt.Errorf("make role %s: %w", role, err)
		}
	}
	role, with, without := quote(a.Username), quote(readers), quote(writers)
	if a.Write {
		with, without = without, with
	}
	return execAll(ctx, conn,
		"alter role "+role+" login nosuperuser nocreatedb nocreaterole noreplication nobypassrls"+password,
		"grant "+with+" to "+role,
		"revoke "+without+" from "+role,
	)
}

// inDatabasesOf does something in every database that the tenant owns.
func (e Engine) inDatabasesOf(ctx context.Context, s engine.Server, admin login, t engine.Tenant, do func(*pgx.Conn, string) error) error {
	var names []string
	err := withConn(ctx, s, admin, func(conn *pgx.Conn) (err error) {
		rows, _ := conn.Query(ctx, `select datname from pg_database d join pg_roles r on r.oid = d.datdba
			where r.rolname = $1 and datallowconn and not datistemplate order by datname`, t.Username)
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return fmt.Errorf("list the databases of %s: %w", t.Username, err)
	}
	for _, name := range names {
		admin.database = name
		if err := withConn(ctx, s, admin, func(conn *pgx.Conn) error { return do(conn, name) }); err != nil {
			return refusal(fmt.Errorf("in database %s: %w", name, err))
		}
	}
	return nil
}

// openDatabase gives the two roles their rights on all that is there, and on all that the tenant or the account makes later.
func openDatabase(ctx context.Context, conn *pgx.Conn, database string, t engine.Tenant, a engine.Access) error {
	both := quote(readers) + ", " + quote(writers)
	if err := execAll(ctx, conn, "grant connect, temporary on database "+quote(database)+" to "+both); err != nil {
		return err
	}
	rows, _ := conn.Query(ctx, `select nspname from pg_namespace where nspname not like 'pg\_%' and nspname <> 'information_schema'`)
	schemas, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list the schemas: %w", err)
	}
	for _, schema := range schemas {
		in := quote(schema)
		err := execAll(ctx, conn,
			"grant usage on schema "+in+" to "+both,
			"grant create on schema "+in+" to "+quote(writers),
			"grant select on all tables in schema "+in+" to "+both,
			"grant insert, update, delete, truncate on all tables in schema "+in+" to "+quote(writers),
			"grant select on all sequences in schema "+in+" to "+both,
			"grant usage, update on all sequences in schema "+in+" to "+quote(writers),
		)
		if err != nil {
			return err
		}
	}
	if err := execAll(ctx, conn, later(t.Username, "")...); err != nil {
		return err
	}
	return execAll(ctx, conn, later(a.Username, t.Username)...)
}

// later are the default privileges on what a role makes from now on. The tenant has all rights on what colleagues make.
func later(maker, tenant string) []string {
	of := "alter default privileges for role " + quote(maker) + " grant "
	both := " to " + quote(readers) + ", " + quote(writers)
	out := []string{
		of + "usage on schemas" + both,
		of + "create on schemas to " + quote(writers),
		of + "select on tables" + both,
		of + "insert, update, delete, truncate on tables to " + quote(writers),
		of + "select on sequences" + both,
		of + "usage, update on sequences to " + quote(writers),
	}
	if tenant != "" {
		for _, kind := range []string{"schemas", "tables", "sequences", "functions", "types"} {
			out = append(out, of+"all on "+kind+" to "+quote(tenant))
		}
	}
	return out
}

// Revoke implements engine.Engine.
func (e Engine) Revoke(ctx context.Context, s engine.Server, adminPassword string, t engine.Tenant, username string) error {
	admin := login{user: AdminUser, password: adminPassword, database: maintenanceDB, settings: adminSettings}
	role := quote(username)
	there := false
	err := withConn(ctx, s, admin, func(conn *pgx.Conn) error {
		if err := conn.QueryRow(ctx, "select exists (select from pg_roles where rolname = $1)", username).Scan(&there); err != nil || !there {
			return err
		}
		if err := execAll(ctx, conn, "alter role "+role+" nologin"); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", username)
		return err
	})
	if err != nil || !there {
		return refusal(err)
	}
	if err := e.everywhere(ctx, s, admin, "reassign owned by "+role+" to "+quote(t.Username), "drop owned by "+role); err != nil {
		return err
	}
	err = withConn(ctx, s, admin, func(conn *pgx.Conn) error { return execAll(ctx, conn, "drop role if exists "+role) })
	if err != nil {
		return refusal(fmt.Errorf("remove the account %s: %w", username, err))
	}
	return nil
}

// everywhere runs statements in every database of the server: a role cannot go while anything anywhere is its own.
func (e Engine) everywhere(ctx context.Context, s engine.Server, admin login, statements ...string) error {
	var names []string
	err := withConn(ctx, s, admin, func(conn *pgx.Conn) (err error) {
		rows, _ := conn.Query(ctx, "select datname from pg_database where datallowconn and not datistemplate order by datname")
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return fmt.Errorf("list the databases: %w", err)
	}
	for _, name := range slices.Compact(names) {
		admin.database = name
		if err := withConn(ctx, s, admin, func(conn *pgx.Conn) error { return execAll(ctx, conn, statements...) }); err != nil {
			return refusal(fmt.Errorf("in database %s: %w", name, err))
		}
	}
	return nil
}

func execAll(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			verb, _, _ := strings.Cut(sql, " password ") // a verifier stays out of messages
			return fmt.Errorf("%s: %w", verb, err)
		}
	}
	return nil
}

// Login implements engine.Engine.
func (Engine) Login(ctx context.Context, s engine.Server, t engine.Tenant) error {
	conn, err := dial(ctx, s, login{user: t.Username, password: t.Password, database: t.Database})
	if err != nil {
		return fmt.Errorf("log in as %s: %w", t.Username, err)
	}
	hangUp(conn)
	return nil
}

// EndSessions implements engine.Engine.
func (Engine) EndSessions(ctx context.Context, s engine.Server, adminPassword, username string) error {
	admin := login{user: AdminUser, password: adminPassword, database: maintenanceDB, settings: adminSettings}
	return withConn(ctx, s, admin, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", username)
		return err
	})
}
