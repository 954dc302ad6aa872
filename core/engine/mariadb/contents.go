package mariadb

import (
	"bytes"
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
		c, _, err = readContents(ctx, conn, databases, checksumBelow)
		c.Exact = true
		return err
	})
	return c, err
}

// table is one to count.
type table struct {
	schema, name, engine string
	bytes                int64
}

// readContents counts in the moment that the session sees. other is a table that is not of InnoDB, if there is one.
func readContents(ctx context.Context, conn *session, databases []string, checksumBelow int64) (c engine.Contents, other string, err error) {
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
			counted, err := countTable(ctx, conn, t, t.bytes <= checksumBelow)
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
	rows, err := conn.QueryContext(ctx, `select table_schema, table_name, coalesce(engine, ''), coalesce(data_length, 0) from information_schema.tables
		where table_schema = ? and table_type in ('BASE TABLE', 'SYSTEM VERSIONED') order by table_name`, database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var t table
		if err := rows.Scan(&t.schema, &t.name, &t.engine, &t.bytes); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

// countTable counts a table's rows. The checksum is the server's own, which adds up one of each row.
func countTable(ctx context.Context, conn *session, t table, checksum bool) (engine.ContentTable, error) {
	out := engine.ContentTable{Name: t.name}
	name := quote(t.schema) + "." + quote(t.name)
	if err := conn.one(ctx, &out.Rows, "select count(*) from "+name); err != nil || !checksum {
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

// dumpAccounts writes SQL that makes the accounts with their passwords and rights. A line is a statement; none holds a line break,
// because the server writes them so.
func dumpAccounts(ctx context.Context, conn *session) ([]byte, error) {
	roles, err := conn.column(ctx, "select user from mysql.global_priv where json_value(priv, '$.is_role') = 1 and user <> 'PUBLIC' order by 1")
	if err != nil {
		return nil, err
	}
	users, err := conn.column(ctx, `select concat(quote(user), '@', quote(host)) from mysql.global_priv where coalesce(json_value(priv, '$.is_role'), 0) <> 1
		and user not in ('', 'mariadb.sys', '`+AdminUser+`', '`+ProbeUser+`', '`+ReplicationUser+`') order by 1`)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, role := range roles {
		fmt.Fprintf(&out, "CREATE ROLE IF NOT EXISTS %s;\n", quote(role))
	}
	for _, user := range users {
		made, err := conn.column(ctx, "show create user "+user)
		if err != nil {
			return nil, err
		}
		for _, statement := range made {
			fmt.Fprintf(&out, "%s;\n", oneLine(strings.Replace(statement, "CREATE USER ", "CREATE USER IF NOT EXISTS ", 1)))
		}
	}
	for _, who := range append(quoteAll(roles), users...) {
		grants, err := conn.column(ctx, "show grants for "+who)
		if err != nil {
			return nil, err
		}
		for _, grant := range grants {
			fmt.Fprintf(&out, "%s;\n", oneLine(grant))
		}
	}
	fmt.Fprintln(&out, accountsTrailer)
	return out.Bytes(), nil
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }

func quoteAll(names []string) (out []string) {
	for _, name := range names {
		out = append(out, quote(name))
	}
	return out
}
