package mariadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mydb-project/mydb/core/engine"
)

// Contents implements engine.Archiver.
func (Engine) Contents(ctx context.Context, s engine.Server, secrets engine.Secrets, checksumBelow int64) (c engine.Contents, err error) {
	err = asAdmin(ctx, s, secrets.Admin, func(conn *session) error {
		databases, err := userDatabases(ctx, conn)
		if err != nil {
			return fmt.Errorf("list the databases: %w", err)
		}
		if err := conn.run(ctx, "start transaction with consistent snapshot"); err != nil {
			return err
		}
		c, _, err = readContents(ctx, conn, databases, checksumBelow, historyKept)
		c.Exact = true
		return err
	})
	return c, err
}

// table is one to count.
type table struct {
	schema, name, engine string
	bytes                int64
	versioned            bool // it has a history
}

// readContents counts in the moment that the session sees, with the history that tables have if it is kept. other is a table that is not of InnoDB, if there is one.
func readContents(ctx context.Context, conn *session, databases []string, checksumBelow int64, h history) (c engine.Contents, other string, err error) {
	c.Databases = []engine.ContentDatabase{}
	if err := conn.one(ctx, &c.ServerVersion, "select version()"); err != nil {
		return c, "", err
	}
	c.ServerVersion, _, _ = strings.Cut(c.ServerVersion, "-")
	if c.Accounts, err = conn.column(ctx, selectAccounts); err != nil {
		return c, "", fmt.Errorf("list the accounts: %w", err)
	}
	for _, database := range databases {
		out := engine.ContentDatabase{Name: database, Tables: []engine.ContentTable{}}
		tables, err := tablesOf(ctx, conn, database)
		if err != nil {
			return c, "", fmt.Errorf("list the tables of %s: %w", database, err)
		}
		for _, t := range tables {
			if t.engine != "InnoDB" {
				other = t.schema + "." + t.name
			}
			counted, err := countTable(ctx, conn, t, t.bytes <= checksumBelow, h)
			if err != nil {
				return c, "", fmt.Errorf("count %s.%s: %w", t.schema, t.name, err)
			}
			out.Tables = append(out.Tables, counted)
		}
		c.Databases = append(c.Databases, out)
	}
	return c, other, nil
}

func tablesOf(ctx context.Context, conn *session, database string) (out []table, err error) {
	rows, err := conn.QueryContext(ctx, `select table_schema, table_name, coalesce(engine, ''), coalesce(data_length, 0), table_type = 'SYSTEM VERSIONED' from information_schema.tables
		where table_schema = ? and table_type in ('BASE TABLE', 'SYSTEM VERSIONED') order by table_name`, database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var t table
		if err := rows.Scan(&t.schema, &t.name, &t.engine, &t.bytes, &t.versioned); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

// countTable counts a table's rows. The checksum is the server's own, which adds up one of each row, those of the history included: a
// copy without that has other sums.
func countTable(ctx context.Context, conn *session, t table, checksum bool, h history) (engine.ContentTable, error) {
	out := engine.ContentTable{Name: t.name}
	name := quote(t.schema) + "." + quote(t.name)
	from := name
	if t.versioned && h == historyKept {
		from += " for system_time all"
	}
	if err := conn.one(ctx, &out.Rows, "select count(*) from "+from); err != nil || !checksum || t.versioned && h != historyKept {
		return out, err
	}
	var sum sql.NullInt64
	err := conn.QueryRowContext(ctx, "checksum table "+name+" extended").Scan(new(string), &sum)
	if sum.Valid {
		out.Checksum = strconv.FormatInt(sum.Int64, 10)
	}
	return out, err
}

// selectAccounts lists the accounts that are neither MyDB's nor the server's own. Roles have no host.
const selectAccounts = `select if(json_value(priv, '$.is_role') = 1, user, concat(user, '@', host)) from mysql.global_priv
	where user not in ('', 'PUBLIC', 'mariadb.sys', '` + AdminUser + `', '` + ProbeUser + `', '` + ReplicationUser + `') order by 1`
