package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// largeObjects is what the content of a database lists those under.
const largeObjects = "(large objects)"

// contentSettings make the text of a row the same whoever asks, so that checksums can be compared.
const contentSettings = `set local datestyle = 'ISO, MDY'; set local intervalstyle = 'postgres'; set local timezone = 'UTC'; set local extra_float_digits = 1;
	set local bytea_output = 'hex'; set local lc_monetary = 'C'; set local xmlbinary = 'base64'; set local statement_timeout = 0`

// Contents implements engine.Archiver.
func (e Engine) Contents(ctx context.Context, s engine.Server, secrets engine.Secrets, checksumBelow int64) (engine.Contents, error) {
	d := &dump{server: s, password: secrets.Admin, held: map[string]*held{}}
	defer d.Close()
	out := engine.Contents{Exact: true, Databases: []engine.ContentDatabase{}}
	names, err := d.databases(ctx)
	if err != nil {
		return out, fmt.Errorf("list the databases: %w", err)
	}
	for _, name := range names {
		h, err := d.hold(ctx, name)
		if err != nil {
			return out, err
		}
		database, err := contents(ctx, h.tx, name, checksumBelow)
		hangUp(h.conn)
		if err != nil {
			return out, fmt.Errorf("count the tables of %s: %w", name, err)
		}
		out.Databases = append(out.Databases, database)
	}
	return out, serverFacts(ctx, s, secrets.Admin, &out)
}

// serverFacts adds what is the same for all databases.
func serverFacts(ctx context.Context, s engine.Server, password string, c *engine.Contents) error {
	admin := login{user: AdminUser, password: password, database: maintenanceDB, settings: dumpSettings}
	return withConn(ctx, s, admin, func(conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, "select split_part(current_setting('server_version'), ' ', 1)").Scan(&c.ServerVersion)
		if err != nil {
			return fmt.Errorf("ask for the version: %w", err)
		}
		rows, err := conn.Query(ctx, "select rolname from pg_roles where rolname !~ '^(pg|mydb)_' order by rolname")
		if err != nil {
			return fmt.Errorf("list the roles: %w", err)
		}
		c.Accounts, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
}

// contentRow is a table to count.
type contentRow struct {
	Schema, Name string
	Bytes        int64
}

// contents counts one database in the snapshot of a transaction. Tables that belong to extensions are not in a dump.
func contents(ctx context.Context, tx pgx.Tx, database string, checksumBelow int64) (engine.ContentDatabase, error) {
	out := engine.ContentDatabase{Name: database, Tables: []engine.ContentTable{}}
	if _, err := tx.Exec(ctx, contentSettings); err != nil {
		return out, err
	}
	rows, err := tx.Query(ctx, "select extname || ' ' || extversion from pg_extension where extname <> 'plpgsql' order by extname")
	if err != nil {
		return out, err
	}
	if out.Extensions, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return out, err
	}
	rows, err = tx.Query(ctx, `select n.nspname, c.relname, pg_table_size(c.oid) from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where `+countedTables+` order by n.nspname, c.relname`)
	if err != nil {
		return out, err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[contentRow])
	if err != nil {
		return out, err
	}
	for _, t := range tables {
		counted, err := countTable(ctx, tx, t, t.Bytes <= checksumBelow)
		if err != nil {
			return out, fmt.Errorf("%s.%s: %w", t.Schema, t.Name, err)
		}
		out.Tables = append(out.Tables, counted)
	}
	objects, err := countObjects(ctx, tx, checksumBelow)
	if err != nil {
		return out, fmt.Errorf("large objects: %w", err)
	}
	if objects.Rows > 0 {
		out.Tables = append(out.Tables, objects)
	}
	return out, nil
}

// countObjects counts large objects. Bytes of zero are not hashed at the ends of pages: where an object has a hole, its copy has them.
func countObjects(ctx context.Context, tx pgx.Tx, checksumBelow int64) (engine.ContentTable, error) {
	out := engine.ContentTable{Name: largeObjects}
	var size int64
	err := tx.QueryRow(ctx, "select count(*), pg_table_size('pg_largeobject') from pg_largeobject_metadata").Scan(&out.Rows, &size)
	if err != nil || out.Rows == 0 || size > checksumBelow {
		return out, err
	}
	err = tx.QueryRow(ctx, `select coalesce(sum(hashtextextended(loid || ' ' || pageno || ' ' || encode(page, 'base64'), 0)::numeric), 0)::text
		from (select loid, pageno, btrim(data, '\x00') as page from pg_largeobject) p where length(page) > 0`).Scan(&out.Checksum)
	return out, err
}

// countTable counts a table's own rows, not those of its partitions or heirs, which are tables themselves. The checksum adds up a hash
// of each row, so that the order does not matter.
func countTable(ctx context.Context, tx pgx.Tx, t contentRow, checksum bool) (engine.ContentTable, error) {
	out := engine.ContentTable{Schema: t.Schema, Name: t.Name}
	sum := "''"
	if checksum {
		sum = "coalesce(sum(hashtextextended(mydb_row::text, 0)::numeric), 0)::text"
	}
	err := tx.QueryRow(ctx, "select count(*), "+sum+" from only "+quote(t.Schema)+"."+quote(t.Name)+" mydb_row").Scan(&out.Rows, &out.Checksum)
	return out, err
}
