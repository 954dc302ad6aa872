package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mydb-project/mydb/core/engine"
)

// SourceForm implements engine.Importer.
func (Engine) SourceForm() engine.SourceForm {
	return engine.SourceForm{
		Schemes: []string{"postgres", "postgresql"}, Port: 5432, Default: engine.TLSPrefer,
		TLS: map[string]string{
			"sslmode=disable": engine.TLSOff, "sslmode=allow": engine.TLSPrefer, "sslmode=prefer": engine.TLSPrefer, "sslmode=require": engine.TLSRequire,
		},
		Ignored: []string{"application_name", "connect_timeout", "channel_binding", "target_session_attrs"},
	}
}

// sslModes are the words of libpq.
var sslModes = map[string]string{engine.TLSOff: "disable", engine.TLSPrefer: "prefer", engine.TLSRequire: "require"}

// dialSource logs in to a source, at the address that was checked and nowhere else. Simple queries also go through a pooler.
func dialSource(ctx context.Context, src engine.Source) (*pgx.Conn, error) {
	if err := src.Reach(ctx); err != nil {
		return nil, err
	}
	cfg, err := pgx.ParseConfig(fmt.Sprintf("host='%s' port=%d user='%s' dbname='%s' sslmode=%s connect_timeout=5",
		src.Address, src.Port, escape(src.Username), escape(src.Database), sslModes[src.TLS]))
	if err != nil {
		return nil, errors.New("prepare a connection to the source") // the cause repeats the settings
	}
	cfg.Password = src.Password
	cfg.RuntimeParams = map[string]string{"application_name": "mydb import"}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	cfg.ConnectTimeout = 2 * connectTimeout
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, src.Problem(ctx, "PostgreSQL", sourceRefusal(src, err), err)
	}
	for _, sql := range []string{"set statement_timeout = 0", "set idle_in_transaction_session_timeout = 0", "set search_path = pg_catalog", "set row_security = off", "set client_encoding = 'UTF8'"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			hangUp(conn)
			return nil, fmt.Errorf("prepare the source's session: %w", err)
		}
	}
	return conn, nil
}

// sourceRefusal puts into words what a server that speaks PostgreSQL says no to; empty when it said nothing.
func sourceRefusal(src engine.Source, err error) string {
	var pg *pgconn.PgError
	switch {
	case !errors.As(err, &pg):
		if src.TLS == engine.TLSRequire && strings.Contains(err.Error(), "refused TLS") {
			return fmt.Sprintf("The source %s does not encrypt connections, or is no PostgreSQL. Write sslmode=disable if the network between is yours alone.", src)
		}
		return ""
	case pg.Code == "28P01", pg.Code == "28000" && strings.Contains(pg.Message, "role"):
		return fmt.Sprintf("The source %s refuses the user name or the password.", src)
	case pg.Code == "3D000":
		return fmt.Sprintf("The source has no database %s: look at the end of the address.", src)
	default:
		return fmt.Sprintf("The source %s refuses the connection: %s.", src, strings.TrimSuffix(pg.Message, "."))
	}
}

// Look implements engine.Importer.
func (Engine) Look(ctx context.Context, src engine.Source, version string) (engine.Found, error) {
	var out engine.Found
	conn, err := dialSource(ctx, src)
	if err != nil {
		return out, err
	}
	defer hangUp(conn)
	err = conn.QueryRow(ctx, "select split_part(current_setting('server_version'), ' ', 1), (select count(*) from pg_class c where "+countedTables+")").Scan(&out.ServerVersion, &out.Tables)
	if err != nil {
		return out, fmt.Errorf("look at the source: %w", err)
	}
	if major(out.ServerVersion) > major(version) {
		return out, &engine.RefusedError{Err: errors.New("a later version"), Message: fmt.Sprintf(
			"The source is PostgreSQL %s and cannot be brought into the older %s. Choose version %d or a later one.", out.ServerVersion, version, major(out.ServerVersion))}
	}
	// Not every user may ask for it; then nothing is known.
	_ = conn.QueryRow(ctx, "select system_identifier::text from pg_control_system()").Scan(&out.System)
	return out, nil
}

// countedTables are those that hold rows of their own, but for what extensions have made.
const countedTables = `c.relkind = 'r' and c.relpersistence <> 't' and c.relnamespace not in (select oid from pg_namespace where nspname ~ '^pg_' or nspname = 'information_schema')
	and not exists (select from pg_depend x where x.classid = 'pg_class'::regclass and x.objid = c.oid and x.deptype = 'e')`

// major is the first number of a version such as 15.4 or 9.6.
func major(version string) int {
	first, _, _ := strings.Cut(version, ".")
	n, _ := strconv.Atoi(first)
	return n
}

// sourceTool is a program of PostgreSQL that logs in to a source.
func sourceTool(src engine.Source, command ...string) engine.Tool {
	connection := fmt.Sprintf("host='%s' port=%d user='%s' dbname='%s' sslmode=%s passfile=%s/pgpass connect_timeout=20 application_name='mydb import'",
		src.Address, src.Port, escape(src.Username), escape(src.Database), sslModes[src.TLS], engine.ToolDir)
	return engine.Tool{
		Command: append(command, "--no-password", "--dbname="+connection),
		Files:   map[string][]byte{"pgpass": []byte("*:*:*:*:" + passEscape.Replace(src.Password) + "\n")},
		Secrets: []string{src.Password},
	}
}

// passEscape is for a field of libpq's file of passwords.
var passEscape = strings.NewReplacer(`\`, `\\`, `:`, `\:`)
