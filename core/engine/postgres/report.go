package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// lockPatience is how long one table may keep a report waiting: somebody who holds it exclusively must not hang the rest.
const lockPatience = "300ms"

// SQLSTATEs that say why something was not read.
const (
	codeLocked    = "55P03" // lock_not_available
	codeCancelled = "57014" // query_canceled, also by statement_timeout
)

// Report implements engine.Engine. It logs in as the probe and becomes the tenant, so that it sees what the tenant may see. Rows
// that row security would hide make a count fail rather than lie.
func (Engine) Report(ctx context.Context, s engine.Server, secrets engine.Secrets, t engine.Tenant) (engine.Report, error) {
	r := reporter{server: s, password: secrets.Probe, tenant: t, out: engine.Report{
		At: time.Now().UTC(), Complete: true, Accounts: []engine.ReportAccount{}, Databases: []engine.ReportDatabase{},
	}}
	err := r.read(ctx)
	if err != nil && !timeOver(ctx, err) {
		return engine.Report{}, fmt.Errorf("report on %s: %w", t.Database, err)
	}
	r.out.Complete = r.out.Complete && err == nil
	return r.out, nil
}

// timeOver tells an error that comes from the deadline. The server counts its own time too, so that it does not go on when nobody
// waits any more.
func timeOver(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || hasCode(err, codeCancelled)
}

// reporter collects one report.
type reporter struct {
	server   engine.Server
	password string
	tenant   engine.Tenant
	out      engine.Report
	counts   []count
}

// count is a table whose rows are still to be counted.
type count struct {
	database, table int // places in the report
	bytes           int64
	sql             string
}

func (r *reporter) read(ctx context.Context) error {
	err := r.in(ctx, maintenanceDB, func(conn *pgx.Conn) error {
		if err := r.readAccounts(ctx, conn); err != nil {
			return err
		}
		return r.readDatabases(ctx, conn)
	})
	if err != nil {
		return err
	}
	for n := range r.out.Databases {
		if err := r.readDatabase(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// in runs do as the tenant in a database. The search path holds nothing of the tenant's, so that no name means something else there.
func (r *reporter) in(ctx context.Context, database string, do func(*pgx.Conn) error) error {
	settings := map[string]string{"search_path": "pg_catalog", "row_security": "off", "lock_timeout": lockPatience}
	if deadline, limited := ctx.Deadline(); limited {
		settings["statement_timeout"] = strconv.FormatInt(max(time.Until(deadline).Milliseconds(), 1), 10)
	}
	return withConn(ctx, r.server, login{user: ProbeUser, password: r.password, database: database, settings: settings}, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "set role "+quote(r.tenant.Username))
		if hasCode(err, "22023", "42704") { // how versions put "no such role"
			return &engine.RefusedError{Message: missingRole(r.tenant.Username), Err: err}
		}
		if err != nil {
			return err
		}
		return do(conn)
	})
}

// readAccounts lists the roles that are neither MyDB's nor the server's own, with what they may do in general and as members.
func (r *reporter) readAccounts(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `select rolname, rolcanlogin, array_remove(array[
			case when rolsuper then 'SUPERUSER' end, case when rolcreatedb then 'CREATEDB' end, case when rolcreaterole then 'CREATEROLE' end,
			case when rolreplication then 'REPLICATION' end, case when rolbypassrls then 'BYPASSRLS' end], null)
			|| array(select case g.rolname when '`+readers+`' then 'reads' when '`+writers+`' then 'reads and writes' else 'MEMBER OF ' || quote_ident(g.rolname) end
				from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid order by 1)
			|| array(select string_agg(x.privilege_type, ', ' order by x.privilege_type) || ' ON DATABASE ' || quote_ident(d.datname)
				from pg_database d, aclexplode(d.datacl) x where x.grantee = r.oid and not d.datistemplate group by d.datname order by 1)
		from pg_roles r where rolname !~ '^(pg|mydb)_' order by rolname`)
	if err != nil {
		return fmt.Errorf("list roles: %w", err)
	}
	r.out.Accounts, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a engine.ReportAccount, err error) {
		return a, row.Scan(&a.Name, &a.Login, &a.Rights)
	})
	if err != nil {
		return fmt.Errorf("list roles: %w", err)
	}
	return nil
}

// readDatabases lists the databases that the tenant may see into, but for the one that every server has.
func (r *reporter) readDatabases(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `select datname, pg_get_userbyid(datdba), pg_database_size(oid) from pg_database
		where not datistemplate and datallowconn and datname <> $1 and has_database_privilege(oid, 'connect') order by datname`, maintenanceDB)
	if err != nil {
		return fmt.Errorf("list databases: %w", err)
	}
	r.out.Databases, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (engine.ReportDatabase, error) {
		d := engine.ReportDatabase{Tables: []engine.ReportTable{}}
		return d, row.Scan(&d.Name, &d.Owner, &d.Bytes)
	})
	if err != nil {
		return fmt.Errorf("list databases: %w", err)
	}
	return nil
}

func (r *reporter) readDatabase(ctx context.Context, n int) error {
	err := r.in(ctx, r.out.Databases[n].Name, func(conn *pgx.Conn) error {
		if err := r.readTables(ctx, conn, n); err != nil {
			return err
		}
		if err := r.readGrants(ctx, conn, r.out.Databases[n].Name); err != nil {
			return err
		}
		return r.countRows(ctx, conn)
	})
	if hasCode(err, "3D000", "42501") { // dropped meanwhile, or somebody shut the tenant out
		return nil
	}
	if err != nil {
		return fmt.Errorf("read database %s: %w", r.out.Databases[n].Name, err)
	}
	return nil
}

// tablesSQL lists tables from the catalogue alone, which no lock on a table holds up. A partition is part of its table. A table
// with a part on another server is not counted, because that server would have to answer.
const tablesSQL = `select c.oid, n.nspname, c.relname, c.relkind = 'p', c.relpages::bigint * current_setting('block_size')::int,
		has_table_privilege(c.oid, 'select') and not exists (
			with recursive parts as (select inhrelid from pg_inherits where inhparent = c.oid and c.relkind = 'p'
				union all select i.inhrelid from pg_inherits i join parts p on i.inhparent = p.inhrelid)
			select from parts join pg_class f on f.oid = parts.inhrelid where f.relkind = 'f')
	from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
		and has_schema_privilege(n.oid, 'usage')
	order by n.nspname, c.relname`

type foundTable struct {
	engine.ReportTable
	oid                   uint32
	partitioned, readable bool
}

func (r *reporter) readTables(ctx context.Context, conn *pgx.Conn, n int) error {
	rows, err := conn.Query(ctx, tablesSQL)
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f foundTable, err error) {
		return f, row.Scan(&f.oid, &f.Schema, &f.Name, &f.partitioned, &f.Bytes, &f.readable)
	})
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	d := &r.out.Databases[n]
	for _, f := range found { // all names first: when the time is over, at least they are there
		d.Tables = append(d.Tables, f.ReportTable)
	}
	r.counts = r.counts[:0]
	for i, f := range found {
		if err := r.measure(ctx, conn, f, &d.Tables[i]); err != nil {
			return err
		}
		if f.readable {
			r.counts = append(r.counts, count{n, i, d.Tables[i].Bytes, countSQL(f)})
		}
	}
	return nil
}

// countSQL leaves out tables that inherit from an ordinary table: they are in the list themselves.
func countSQL(f foundTable) string {
	name := pgx.Identifier{f.Schema, f.Name}.Sanitize()
	if f.partitioned {
		return "select count(*) from " + name
	}
	return "select count(*) from only " + name
}

// measure reads a table's size with all that belongs to it. Of a table that somebody holds, the catalogue's estimate stays.
func (r *reporter) measure(ctx context.Context, conn *pgx.Conn, f foundTable, out *engine.ReportTable) error {
	var bytes *int64
	err := conn.QueryRow(ctx, `with recursive parts as (select $1::oid as id union all select i.inhrelid from pg_inherits i join parts p on i.inhparent = p.id where $2)
		select sum(pg_total_relation_size(id))::bigint from parts`, f.oid, f.partitioned).Scan(&bytes)
	switch {
	case hasCode(err, codeLocked):
		r.out.Complete = false
	case err != nil:
		return fmt.Errorf("measure %s: %w", f.Name, err)
	case bytes != nil:
		out.Bytes = *bytes
	}
	return nil
}

// countRows counts exactly, smallest tables first: when the time is over, most are there.
func (r *reporter) countRows(ctx context.Context, conn *pgx.Conn) error {
	slices.SortStableFunc(r.counts, func(a, b count) int { return cmp.Compare(a.bytes, b.bytes) })
	for _, c := range r.counts {
		var n int64
		err := conn.QueryRow(ctx, c.sql).Scan(&n)
		switch {
		case err == nil:
			r.out.Databases[c.database].Tables[c.table].Rows = &n
		case hasCode(err, codeLocked):
			r.out.Complete = false
		case timeOver(ctx, err) || conn.IsClosed():
			return fmt.Errorf("count rows: %w", err)
		}
		// Anything else stays without a count: dropped meanwhile, damaged, or partly hidden by row security.
	}
	return nil
}

// readGrants adds, for each account, what it may do with the tables of others in this database.
func (r *reporter) readGrants(ctx context.Context, conn *pgx.Conn, database string) error {
	rows, err := conn.Query(ctx, `select g.rolname, x.privilege_type, n.nspname, count(*)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) x join pg_roles g on g.oid = x.grantee
		where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and x.grantee <> c.relowner
		group by 1, 2, 3 order by 1, 3, 2`)
	if err != nil {
		return fmt.Errorf("list grants: %w", err)
	}
	var name, right, schema string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&name, &right, &schema, &n}, func() error {
		i := slices.IndexFunc(r.out.Accounts, func(a engine.ReportAccount) bool { return a.Name == name })
		if i >= 0 {
			on := fmt.Sprintf("%s ON %d TABLES IN %s", right, n, pgx.Identifier{database, schema}.Sanitize())
			r.out.Accounts[i].Rights = append(r.out.Accounts[i].Rights, on)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list grants: %w", err)
	}
	return nil
}
