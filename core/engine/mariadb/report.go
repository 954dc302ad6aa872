package mariadb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/mydb-project/mydb/core/engine"
)

// Report implements engine.Engine. Accounts are read as MyDB's admin, everything else as the probe, which sees what the tenant sees.
func (Engine) Report(ctx context.Context, s engine.Server, secrets engine.Secrets, t engine.Tenant) (engine.Report, error) {
	out := engine.Report{At: time.Now().UTC()}
	err := asAdmin(ctx, s, secrets.Admin, func(conn *session) (err error) {
		out.Accounts, err = accounts(ctx, conn)
		return err
	})
	if err == nil {
		err = reportContent(ctx, s, secrets, &out)
	}
	if err != nil && !timeOver(ctx, err) {
		return engine.Report{}, fmt.Errorf("report on %s: %w", t.Database, err)
	}
	out.Complete = err == nil
	return out, nil
}

// timeOver tells an error that comes from the deadline. The server counts its own time, so that it does not go on when nobody
// waits any more; its answer may come a moment before ctx ends.
func timeOver(ctx context.Context, err error) bool {
	return ctx.Err() != nil || hasNumber(err, errStatementTime)
}

// accounts lists all accounts but MyDB's and the server's own, with their rights.
func accounts(ctx context.Context, conn *session) ([]engine.ReportAccount, error) {
	names, err := conn.column(ctx, `select user from mysql.global_priv
		where user not like 'mydb\_%' and user not in ('mariadb.sys', 'PUBLIC') and host = '%' order by user`)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	var out []engine.ReportAccount
	for _, name := range names {
		grants, err := conn.column(ctx, "show grants for "+account(name))
		if err != nil {
			return nil, fmt.Errorf("list the rights of %s: %w", name, err)
		}
		var locked bool
		err = conn.one(ctx, &locked, "select coalesce(json_value(priv, '$.account_locked'), '0') in ('1', 'true') from mysql.global_priv where user = ? and host = '%'", name)
		if err != nil {
			return nil, fmt.Errorf("look at the account %s: %w", name, err)
		}
		out = append(out, engine.ReportAccount{Name: name, Login: !locked, Rights: rightsOf(grants)})
	}
	return out, nil
}

// rightsOf turns "GRANT SELECT ON `a`.* TO ..." into "SELECT ON `a`.*". The line about no rights at all goes: it holds a password's hash.
func rightsOf(grants []string) []string {
	out := []string{}
	for _, g := range grants {
		right, _, found := strings.Cut(strings.TrimPrefix(g, "GRANT "), " TO ")
		if found && !strings.HasPrefix(right, "USAGE ON *.*") {
			out = append(out, right)
		}
	}
	return out
}

// reportContent fills in databases and tables, and then counts, smallest tables first: when the time is over, most are there.
func reportContent(ctx context.Context, s engine.Server, secrets engine.Secrets, out *engine.Report) error {
	conn, err := dial(ctx, s, login{user: ProbeUser, password: secrets.Probe})
	if err != nil {
		return err
	}
	defer hangUp(conn)
	if deadline, limited := ctx.Deadline(); limited {
		if err := conn.run(ctx, fmt.Sprintf("set max_statement_time = %.3f", max(time.Until(deadline).Seconds(), 0.001))); err != nil {
			return err
		}
	}
	if out.Databases, err = databases(ctx, conn); err != nil {
		return err
	}
	return countRows(ctx, conn, out.Databases)
}

func databases(ctx context.Context, conn *session) ([]engine.ReportDatabase, error) {
	names, err := conn.column(ctx, "select schema_name from information_schema.schemata where schema_name not in ("+systemDatabases+") order by 1")
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	out := []engine.ReportDatabase{}
	for _, name := range names {
		d := engine.ReportDatabase{Name: name}
		if d.Tables, err = tables(ctx, conn, name); err != nil {
			return out, fmt.Errorf("list the tables of %s: %w", name, err)
		}
		for _, table := range d.Tables {
			d.Bytes += table.Bytes
		}
		out = append(out, d)
	}
	return out, nil
}

// tables lists what holds rows: no views, no sequences.
func tables(ctx context.Context, conn *session, database string) ([]engine.ReportTable, error) {
	rows, err := conn.QueryContext(ctx, `select table_name, coalesce(data_length, 0) + coalesce(index_length, 0) from information_schema.tables
		where table_schema = ? and table_type in ('BASE TABLE', 'SYSTEM VERSIONED') and table_name not like 'mydb\_proof\_%' order by 1`, database)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	out := []engine.ReportTable{}
	for rows.Next() {
		var table engine.ReportTable
		if err := rows.Scan(&table.Name, &table.Bytes); err != nil {
			return nil, err
		}
		out = append(out, table)
	}
	return out, rows.Err()
}

// countRows counts exactly. A table that cannot be read, because it is damaged or dropped by now, stays without a count.
func countRows(ctx context.Context, conn *session, in []engine.ReportDatabase) error {
	type place struct {
		database string
		table    *engine.ReportTable
	}
	var all []place
	for i := range in {
		for j := range in[i].Tables {
			all = append(all, place{in[i].Name, &in[i].Tables[j]})
		}
	}
	slices.SortStableFunc(all, func(a, b place) int { return cmp.Compare(a.table.Bytes, b.table.Bytes) })
	for _, p := range all {
		var n int64
		err := conn.one(ctx, &n, "select count(*) from "+quote(p.database)+"."+quote(p.table.Name))
		var e *mysql.MySQLError
		switch {
		case err == nil:
			p.table.Rows = &n
		case timeOver(ctx, err) || !errors.As(err, &e):
			return fmt.Errorf("count %s: %w", p.table.Name, err)
		}
	}
	return nil
}
