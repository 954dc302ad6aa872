package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mydb-project/mydb/core/engine"
)

// loader runs a script as the tenant, one statement after the other, up to the first that fails.
type loader struct {
	into    engine.Target
	conn    *pgconn.PgConn // the tenant's
	script  *script
	leftOut engine.LeftOut
	// fresh says that the script has made nothing yet but schemas and collations: nothing of it could lie in wait for what MyDB's admin installs.
	fresh bool
}

// loadSettings keep the tenant's session from being ended while a dump is loaded.
var loadSettings = with(plainSettings, map[string]string{"application_name": "mydb import"})

// load runs a script to its end.
func load(ctx context.Context, in io.Reader, into engine.Target) (engine.LeftOut, error) {
	t := into.Tenant
	conn, err := dial(ctx, into.Server, login{user: t.Username, password: t.Password, database: t.Database, settings: loadSettings})
	if err != nil {
		return nil, err
	}
	defer hangUp(conn)
	l := &loader{into: into, conn: conn.PgConn(), script: newScript(in), leftOut: engine.LeftOut{}, fresh: true}
	dumped := engine.Announced(l.script.in, dumpedFrom)
	for {
		st, err := l.script.next()
		if errors.Is(err, io.EOF) {
			return l.leftOut, l.end()
		}
		if err == nil {
			err = l.run(ctx, st)
		}
		if err != nil {
			return l.leftOut, engine.OfLater(err, "PostgreSQL", dumped, strconv.Itoa(major(conn.PgConn().ParameterStatus("server_version"))))
		}
	}
}

// dumpedFrom is where pg_dump says in the beginning of a dump of what version it is.
var dumpedFrom = regexp.MustCompile(`(?m)^-- Dumped from database version (\d+)`)

// end refuses a script that has begun a transaction and not ended it.
func (l *loader) end() error {
	if l.conn.TxStatus() != 'I' {
		return errCutOff
	}
	return nil
}

func (l *loader) run(ctx context.Context, st statement) error {
	if len(st.words) == 0 {
		return nil // nothing but a semicolon
	}
	if what := notTaken(st); what != "" {
		l.leftOut[what]++
		return nil
	}
	var err error
	switch {
	case st.is("CREATE", "DATABASE"), st.is("DROP", "DATABASE"), st.is("ALTER", "DATABASE"):
		return &engine.RefusedError{Message: fmt.Sprintf("Line %d of the dump makes or changes a database: it was made with --create. Make it without --create.", st.line), Err: errors.New("database in a dump")}
	case st.is("CREATE", "EXTENSION"):
		return l.extension(ctx, st)
	case st.is("COPY") && st.has("FROM", "STDIN"):
		err = l.copy(ctx, st)
	default:
		err = l.conn.Exec(ctx, st.text).Close()
	}
	l.fresh = l.fresh && harmless(st)
	switch {
	case st.is("SET") && hasCode(err, "42704"): // of a later version
		l.leftOut["settings that this version does not have"]++
		return nil
	case st.is("CREATE", "POLICY") && hasCode(err, "42704"): // nobody can be whom it is about
		l.leftOut["policies for accounts that are not here"]++
		return nil
	}
	if err != nil {
		return refused(st, err)
	}
	return l.mind(st)
}

// notTaken is what a statement is about that an import does not take along: the tenant owns everything, and who has access is MyDB's.
func notTaken(st statement) string {
	switch {
	case st.is("GRANT"), st.is("REVOKE"), st.is("ALTER", "DEFAULT", "PRIVILEGES"):
		return "grants"
	case st.is("ALTER") && st.has("OWNER", "TO") && !st.has("RENAME"), st.is("SET", "SESSION", "AUTHORIZATION"):
		return "owners"
	case st.is("COMMENT", "ON", "EXTENSION"), st.is("DROP", "EXTENSION"):
		return "remarks on extensions"
	case st.is("CREATE", "PUBLICATION"), st.is("ALTER", "PUBLICATION"), st.is("CREATE", "SUBSCRIPTION"), st.is("ALTER", "SUBSCRIPTION"):
		return "publications and subscriptions"
	case st.is("SECURITY", "LABEL"):
		return "security labels"
	case st.is("CREATE", "SCHEMA", "PUBLIC"):
		return "the schema public, which is there"
	}
	return ""
}

var (
	plainSchema = regexp.MustCompile(`(?i)^create\s+schema\s+("(?:[^"]|"")+"|[\w$]+)\s*;$`)
	searchPath  = regexp.MustCompile(`(?i)^select\s+pg_catalog\.set_config\('search_path',\s*'',\s*false\)\s*;$`)
	extension   = regexp.MustCompile(`(?i)^create\s+extension\s+(?:if\s+not\s+exists\s+)?("(?:[^"]|"")+"|[a-z_][\w$]*)(?:\s+with)?(?:\s+schema\s+("(?:[^"]|"")+"|[a-z_][\w$]*))?\s*(?:cascade\s*)?;$`)
)

// harmless reports whether a statement leaves nothing behind that could be mistaken for something of an extension. pg_dump writes no
// others before extensions.
func harmless(st statement) bool {
	return st.is("SET") || st.is("COMMENT", "ON") || st.is("DROP") || st.is("CREATE", "COLLATION") || searchPath.MatchString(st.text) || plainSchema.MatchString(st.text)
}

// extension installs one that the site offers, as the superuser: a tenant may install only those that PostgreSQL trusts.
func (l *loader) extension(ctx context.Context, st statement) error {
	parts := extension.FindStringSubmatch(st.text)
	if parts == nil {
		return refused(st, l.conn.Exec(ctx, st.text).Close())
	}
	name, schema := unquote(parts[1]), unquote(parts[2])
	if name == "plpgsql" {
		return nil // every database has it
	}
	there := l.conn.ExecParams(ctx, "select from pg_extension where extname = $1", [][]byte{[]byte(name)}, nil, nil, nil).Read()
	switch {
	case there.Err != nil:
		return there.Err
	case there.CommandTag.RowsAffected() > 0:
		return nil
	case !slices.Contains(l.into.Extensions, name):
		return &engine.RefusedError{Err: errors.New("extension " + name), Message: fmt.Sprintf(
			"The extension %.60s is needed, and this site does not offer it. Ask an administrator to put it on the list, or choose a template that has it.", name)}
	case !l.fresh:
		return &engine.RefusedError{Err: errors.New("extension " + name), Message: fmt.Sprintf(
			"The dump needs the extension %s in the midst of other things. Choose it among the extensions of the new database, so that it is there from the start.", name)}
	}
	return l.install(ctx, name, schema)
}

func (l *loader) install(ctx context.Context, name, schema string) error {
	sql := "create extension if not exists " + quote(name)
	if schema != "" {
		sql += " with schema " + quote(schema)
	}
	admin := login{user: AdminUser, password: l.into.Secrets.Admin, database: l.into.Tenant.Database, settings: adminSettings}
	err := withConn(ctx, l.into.Server, admin, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql+" cascade")
		return err
	})
	if hasCode(err, "0A000", "58P01") {
		return &engine.RefusedError{Message: fmt.Sprintf("The extension %s is needed, and is not available in this version of PostgreSQL. Choose another version, or ask an administrator to add it to the image.", name), Err: err}
	}
	return refusal(err)
}

// copy passes on the rows that follow the statement.
func (l *loader) copy(ctx context.Context, st statement) error {
	rows, err := l.script.rows()
	if err != nil {
		return err
	}
	if _, err := l.conn.CopyFrom(ctx, rows, st.text); err != nil {
		if rows.err != nil && !errors.Is(rows.err, io.EOF) {
			return rows.err // what the server says then is of no interest
		}
		return err
	}
	_, err = io.Copy(io.Discard, rows)
	return err
}

// mind keeps up with what a statement has changed in the way in which texts are read.
func (l *loader) mind(st statement) error {
	l.script.backslashes = l.conn.ParameterStatus("standard_conforming_strings") == "off"
	switch encoding := l.conn.ParameterStatus("client_encoding"); encoding {
	case "SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004": // in which a quote or backslash may be half of a letter
		return &engine.RefusedError{Message: fmt.Sprintf("The dump is written in the encoding %s (line %d). Make it with --encoding=UTF8.", encoding, st.line), Err: errors.New("encoding")}
	}
	return nil
}

// passing are the classes of errors that come from the server's condition and not from the script: connections, conflicts, no memory or
// disk, an operator's doing, the system, a bug.
var passing = []string{"08", "40", "53", "57", "58", "XX"}

// refused says at which line the server did not go on.
func refused(st statement, err error) error {
	var pg *pgconn.PgError
	if err == nil || !errors.As(err, &pg) || slices.Contains(passing, codeClass(pg.Code)) {
		return err
	}
	return &engine.RefusedError{Message: fmt.Sprintf("PostgreSQL refused what the dump says up to line %d: %s.", st.line, strings.TrimSuffix(pg.Message, ".")), Err: err}
}

// unquote is a name as the server keeps it.
func unquote(name string) string {
	if inner, quoted := strings.CutPrefix(name, `"`); quoted {
		return strings.ReplaceAll(strings.TrimSuffix(inner, `"`), `""`, `"`)
	}
	return strings.ToLower(name)
}
