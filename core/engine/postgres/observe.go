package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// Sample implements engine.Engine.
func (Engine) Sample(ctx context.Context, s engine.Server, adminPassword string) (out engine.Sample, err error) {
	admin := login{user: AdminUser, password: adminPassword, database: maintenanceDB, settings: adminSettings}
	var longest float64
	err = withConn(ctx, s, admin, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `with clients as (select * from pg_stat_activity where backend_type = 'client backend' and usename not like 'mydb\_%')
			select clock_timestamp(), pg_postmaster_start_time(), (select sum(pg_database_size(oid)) from pg_database)::bigint,
				(select count(*) from clients), current_setting('max_connections')::int,
				(select coalesce(extract(epoch from max(clock_timestamp() - query_start)), 0) from clients where state = 'active')::float8,
				(select max(backend_start) from clients)`).Scan(&out.At, &out.UpSince, &out.Bytes, &out.Connections, &out.MaxConnections, &longest, &out.LastLogin)
	})
	if err != nil {
		return out, fmt.Errorf("measure the server: %w", err)
	}
	out.LongestQuery = time.Duration(max(longest, 0) * float64(time.Second))
	return out, nil
}

// Limits of a report: it neither waits for locks nor lets one table use up the time of all others unseen.
var reportSettings = map[string]string{"lock_timeout": "1000", "row_security": "off", "idle_in_transaction_session_timeout": "60000"}

// Report implements engine.Engine. It reads as the tenant does: MyDB's probe account acts in the tenant's place. Row security makes a
// count fail, because a count of the rows that one may see would look exact.
func (e Engine) Report(ctx context.Context, s engine.Server, secrets engine.Secrets, t engine.Tenant) (engine.Report, error) {
	out := engine.Report{At: time.Now(), Complete: true}
	probe := login{user: ProbeUser, password: secrets.Probe, database: maintenanceDB, settings: reportSettings}
	err := e.asTenant(ctx, s, probe, t, func(conn *pgx.Conn) (err error) {
		if out.Accounts, err = accounts(ctx, conn); err != nil {
			return err
		}
		out.Databases, err = databases(ctx, conn, t)
		return err
	})
	for i := range out.Databases {
		if err != nil {
			break
		}
		d := &out.Databases[i]
		probe.database = d.Name
		err = e.asTenant(ctx, s, probe, t, func(conn *pgx.Conn) error {
			complete, err := countTables(ctx, conn, d)
			out.Complete = out.Complete && complete
			return err
		})
	}
	if ctx.Err() != nil {
		out.Complete = false
		return out, nil //nolint:nilerr // what there was time for is the answer
	}
	if err != nil {
		return out, refusal(fmt.Errorf("report: %w", err))
	}
	return out, nil
}

func (e Engine) asTenant(ctx context.Context, s engine.Server, l login, t engine.Tenant, do func(*pgx.Conn) error) error {
	return withConn(ctx, s, l, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "set role "+quote(t.Username))
		if hasCode(err, "22023", "42704") { // no such role
			return &engine.RefusedError{Message: missingRole(t.Username), Err: err}
		}
		if err != nil {
			return fmt.Errorf("act as %s: %w", t.Username, err)
		}
		return do(conn)
	})
}

func accounts(ctx context.Context, conn *pgx.Conn) ([]engine.ReportAccount, error) {
	rows, _ := conn.Query(ctx, `select rolname as name, rolcanlogin as login, array_remove(array[case when rolcreatedb then 'CREATEDB' end,
			case when rolcreaterole then 'CREATEROLE' end, case when rolreplication then 'REPLICATION' end], null)
			|| coalesce((select array_agg(case g.rolname when '`+readers+`' then 'reads' when '`+writers+`' then 'reads and writes' else 'member of ' || g.rolname end order by g.rolname)
				from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid), '{}') as rights
		from pg_roles r where not rolsuper and rolname not like 'mydb\_%' and rolname not like 'pg\_%' order by rolname`)
	out, err := pgx.CollectRows(rows, pgx.RowToStructByName[engine.ReportAccount])
	if err != nil {
		return nil, fmt.Errorf("list the accounts: %w", err)
	}
	return out, nil
}

func databases(ctx context.Context, conn *pgx.Conn, t engine.Tenant) ([]engine.ReportDatabase, error) {
	rows, _ := conn.Query(ctx, `select datname, pg_database_size(d.oid) from pg_database d join pg_roles r on r.oid = d.datdba
		where r.rolname = $1 and datallowconn order by datname`, t.Username)
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (engine.ReportDatabase, error) {
		d := engine.ReportDatabase{Owner: t.Username, Tables: []engine.ReportTable{}}
		err := row.Scan(&d.Name, &d.Bytes)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("list the databases: %w", err)
	}
	return out, nil
}

// countTables lists ordinary and partitioned tables, the latter with what their partitions hold, and counts their rows.
func countTables(ctx context.Context, conn *pgx.Conn, d *engine.ReportDatabase) (complete bool, err error) {
	rows, _ := conn.Query(ctx, `select n.nspname, c.relname,
			case c.relkind when 'p' then (select coalesce(sum(pg_total_relation_size(relid)), 0) from pg_partition_tree(c.oid)) else pg_total_relation_size(c.oid) end::bigint
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind in ('r', 'p') and not c.relispartition and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
		order by n.nspname, c.relname`)
	d.Tables, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t engine.ReportTable, err error) {
		err = row.Scan(&t.Schema, &t.Name, &t.Bytes)
		return t, err
	})
	if err != nil {
		return false, fmt.Errorf("list the tables: %w", err)
	}
	complete = true
	for i := range d.Tables {
		t := &d.Tables[i]
		var n int64
		err := conn.QueryRow(ctx, "select count(*) from "+pgx.Identifier{t.Schema, t.Name}.Sanitize()).Scan(&n)
		switch {
		case err == nil:
			t.Rows = &n
		case ctx.Err() != nil:
			return false, errors.Join(ctx.Err(), err)
		case hasCode(err, "42501", "42P01"): // no right to read, or dropped a moment ago
		default: // locked, say
			complete = false
		}
		if conn.IsClosed() {
			return false, err
		}
	}
	return complete, nil
}
