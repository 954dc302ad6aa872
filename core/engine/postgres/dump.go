package postgres

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// lockWait is how long pg_dump waits for a table that somebody holds exclusively, in milliseconds.
const lockWait = 5 * 60 * 1000

// accountsTrailer is the last thing that pg_dumpall writes.
const accountsTrailer = "-- PostgreSQL database cluster dump complete"

// dumpSettings see everything, and by its full name.
var dumpSettings = with(plainSettings, map[string]string{"search_path": "pg_catalog", "row_security": "off", "application_name": "mydb backup"})

// toolOptions are plainSettings for the tools, which also keep what they do out of the server's log.
const toolOptions = "PGOPTIONS=-c default_transaction_read_only=off -c role=none -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c log_statement=none -c log_min_error_statement=panic"

// dump is a backup. Each database is dumped and counted in one exported snapshot of its own: within a database everything is of one
// moment; the moments of several databases are a few milliseconds apart, and that of the roles is later.
type dump struct {
	server   engine.Server
	password string
	run      engine.RunTool
	parts    []engine.Part
	held     map[string]*held // by file
}

// held is a transaction that keeps a snapshot.
type held struct {
	conn     *pgx.Conn
	tx       pgx.Tx
	snapshot string
}

// Dump implements engine.Archiver.
func (e Engine) Dump(ctx context.Context, s engine.Server, secrets engine.Secrets, run engine.RunTool) (engine.Dump, error) {
	d := &dump{server: s, password: secrets.Admin, run: run, held: map[string]*held{}}
	names, err := d.databases(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the databases: %w", err)
	}
	d.parts = []engine.Part{{File: "accounts.sql", Kind: engine.PartAccounts, Command: accountsTool(s, secrets).Command}}
	for n, name := range names {
		p := engine.Part{File: strconv.Itoa(n+1) + ".dump", Kind: engine.PartDatabase, Database: name}
		if d.held[p.File], err = d.hold(ctx, name); err != nil {
			d.Close()
			return nil, fmt.Errorf("begin the backup of %s: %w", name, err)
		}
		p.Command = dumpTool(s, secrets, name, d.held[p.File].snapshot).Command
		d.parts = append(d.parts, p)
	}
	return d, nil
}

// databases lists those that hold anything: the one that every server has counts when somebody has made a table there.
func (d *dump) databases(ctx context.Context) (names []string, err error) {
	admin := login{user: AdminUser, password: d.password, database: maintenanceDB, settings: dumpSettings}
	err = withConn(ctx, d.server, admin, func(conn *pgx.Conn) error {
		names, err = userDatabases(ctx, conn)
		return err
	})
	return names, err
}

func userDatabases(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	rows, err := conn.Query(ctx, `select datname from pg_database where not datistemplate and datallowconn and (datname <> $1
		or exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
			and not exists (select from pg_depend x where x.classid = 'pg_class'::regclass and x.objid = c.oid and x.deptype = 'e')))
		order by datname`, maintenanceDB)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (d *dump) hold(ctx context.Context, database string) (*held, error) {
	conn, err := dial(ctx, d.server, login{user: AdminUser, password: d.password, database: database, settings: dumpSettings})
	if err != nil {
		return nil, err
	}
	h := &held{conn: conn}
	// Known from 17 on, so it cannot be among the settings of a login. An owner may have set that, too.
	_, err = conn.Exec(ctx, "select set_config(name, '0', false) from pg_settings where name = 'transaction_timeout'")
	if err == nil {
		h.tx, err = conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	}
	if err == nil {
		err = h.tx.QueryRow(ctx, "select pg_export_snapshot()").Scan(&h.snapshot)
	}
	if err != nil {
		hangUp(conn)
		return nil, err
	}
	return h, nil
}

// Parts implements engine.Dump.
func (d *dump) Parts() []engine.Part { return d.parts }

// Write implements engine.Dump.
func (d *dump) Write(ctx context.Context, p engine.Part, w io.Writer) error {
	secrets := engine.Secrets{Admin: d.password}
	if p.Kind == engine.PartAccounts {
		filter := &accountsFilter{to: bufio.NewWriter(w)}
		if err := d.run(ctx, accountsTool(d.server, secrets), nil, filter); err != nil {
			return err
		}
		return filter.end()
	}
	return d.run(ctx, dumpTool(d.server, secrets, p.Database, d.held[p.File].snapshot), nil, w)
}

// Contents implements engine.Dump.
func (d *dump) Contents(ctx context.Context, checksumBelow int64) (engine.Contents, error) {
	c := engine.Contents{Exact: true, Databases: []engine.ContentDatabase{}}
	for _, p := range d.parts[1:] {
		database, err := contents(ctx, d.held[p.File].tx, p.Database, checksumBelow)
		if err != nil {
			return c, fmt.Errorf("count the tables of %s: %w", p.Database, err)
		}
		c.Databases = append(c.Databases, database)
	}
	return c, serverFacts(ctx, d.server, d.password, &c)
}

// Close implements engine.Dump.
func (d *dump) Close() {
	for _, h := range d.held {
		hangUp(h.conn)
	}
}

// tool is a program of PostgreSQL with a way to log in as MyDB's admin, over TLS and to the right server only.
func tool(s engine.Server, secrets engine.Secrets, database string, command ...string) engine.Tool {
	connection := fmt.Sprintf("host='%s' port=%d user=%s dbname='%s' sslmode=verify-full sslrootcert=%s/ca.crt passfile=%[5]s/pgpass connect_timeout=20 application_name='mydb backup'",
		escape(s.Host), s.Port, AdminUser, escape(database), engine.ToolDir)
	return engine.Tool{
		Command: append(command, "--no-password", "--dbname="+connection),
		Env:     []string{toolOptions},
		Files: map[string][]byte{
			"ca.crt": s.PEM,
			"pgpass": []byte("*:*:*:" + AdminUser + ":" + secrets.Admin + "\n"), // MyDB's own passwords hold no colon and no backslash
		},
	}
}

// escape makes a value of a connection string.
func escape(value string) string { return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) }

// dumpTool writes what compresses best: MyDB compresses itself, several times as fast as the tool's own default.
func dumpTool(s engine.Server, secrets engine.Secrets, database, snapshot string) engine.Tool {
	return tool(s, secrets, database, "pg_dump", "--format=custom", "--compress=0", "--snapshot="+snapshot, "--lock-wait-timeout="+strconv.Itoa(lockWait))
}

func accountsTool(s engine.Server, secrets engine.Secrets) engine.Tool {
	return tool(s, secrets, maintenanceDB, "pg_dumpall", "--roles-only")
}

// ownRoles are accounts that every server has already.
var ownRoles = []string{AdminUser, ProbeUser, ReplicationUser}

// accountsFilter passes on what pg_dumpall writes but for MyDB's own accounts, and for what only psql understands. A statement may have
// several lines: values and names hold line breaks when somebody has put them there.
type accountsFilter struct {
	to        *bufio.Writer
	statement bytes.Buffer
	quote     byte // that the statement is inside of; 0: of none
	complete  bool
}

func (f *accountsFilter) Write(p []byte) (int, error) {
	for _, b := range p {
		f.statement.WriteByte(b)
		switch {
		case bytes.HasPrefix(f.statement.Bytes(), []byte("--")): // a comment, whatever it quotes
		case f.quote == b: // quotes inside are doubled
			f.quote = 0
		case f.quote == 0 && (b == '\'' || b == '"'):
			f.quote = b
		}
		if b != '\n' || f.quote != 0 {
			continue
		}
		if err := f.pass(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (f *accountsFilter) pass() error {
	statement := f.statement.String()
	f.statement.Reset()
	f.complete = f.complete || strings.HasPrefix(statement, accountsTrailer)
	if strings.HasPrefix(statement, `\`) || ownRole(statement) {
		return nil
	}
	if strings.HasPrefix(statement, "GRANT ") { // who has granted it is not there on other servers
		statement = strings.Replace(statement, " GRANTED BY "+AdminUser+";", ";", 1)
	}
	_, err := f.to.WriteString(statement)
	return err
}

// ownRole tells a statement that makes or changes one of MyDB's own accounts, or lets it act as another.
func ownRole(line string) bool {
	for _, role := range ownRoles {
		if strings.HasPrefix(line, "GRANT ") && (strings.Contains(line, " TO "+role+" ") || strings.HasSuffix(line, " TO "+role+";\n")) {
			return true
		}
		for _, verb := range []string{"CREATE ROLE ", "ALTER ROLE ", "COMMENT ON ROLE "} {
			rest, found := strings.CutPrefix(line, verb+role)
			if found && strings.IndexAny(rest, "; ") == 0 {
				return true
			}
		}
	}
	return false
}

// end refuses what broke off before pg_dumpall had written its last line.
func (f *accountsFilter) end() error {
	if f.statement.Len() > 0 {
		if err := f.pass(); err != nil {
			return err
		}
	}
	if !f.complete {
		return engine.NotWhole("pg_dumpall", "It breaks off before its last line.")
	}
	return f.to.Flush()
}
