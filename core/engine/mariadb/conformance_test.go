package mariadb_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"net"
	"strconv"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
	"github.com/mydb-project/mydb/core/engine/mariadb"
)

// images are those to test; MYDB_TEST_MARIADB_IMAGE names others.
func images(t *testing.T) []string {
	t.Helper()
	return enginetest.Images(t, "MYDB_TEST_MARIADB_IMAGE", "mydb-dev/mariadb:11.8", "mydb-dev/mariadb:10.11")
}

func TestConformance(t *testing.T) {
	enginetest.Run(t, enginetest.Case{
		Engine: mariadb.Engine{},
		Images: images(t),
		Dial: func(ctx context.Context, s engine.Server, user, password, database string) (enginetest.Client, error) {
			return dial(ctx, s, user, password, database)
		},
		Words: enginetest.Words{
			CreateTable: func(table string) string { return "create table " + table + " (i int auto_increment primary key)" },
			Insert:      func(table string) string { return "insert into " + table + " values ()" },
			CreateView:  func(view, table string) string { return "create view " + view + " as select * from " + table },
			DropTable:   func(table string) string { return "drop table " + table },

			DropDatabase:   func(database string) string { return "drop database " + database },
			CreateDatabase: func(database string) string { return "create database " + database },

			Init: func(table string) string {
				return "create table " + table + " (i int auto_increment primary key);\ncreate procedure twice() begin select 2; select 2; end;\ninsert into " + table + " values ();\nselect * from " + table + ";"
			},
			InitBroken: func(table string) string {
				return "create table " + table + " (i int);\ninsert into " + table + " values (1);\nselect 1;\nnonsense;"
			},
			Forbidden: forbidden,
			Strangers: []string{"root", "mysql", "mariadb.sys", "healthcheck", mariadb.AdminUser},
		},
	})
}

var forbidden = []string{
	"create user eve", "grant select on *.* to current_user", "grant all on mysql.* to current_user", "set role mydb_admin",
	"drop user mydb_probe", "alter user mydb_admin identified by 'x'", "set password for mydb_admin = password('x')",
	"select * from mysql.global_priv", "select * from mysql.user", "select * from mydb.init_script", "update mysql.db set select_priv = 'Y'",
	"select 1 into outfile '/tmp/mydb'", "load data infile '/run/mydb/admin_password' into table kept",
	"set global general_log = 1", "set global max_connections = 1", "set sql_log_bin = 0", "install soname 'auth_ed25519'", "shutdown",
	"create database strangers", "create database mysql2", "purge binary logs to 'x'", "show binary logs", "flush privileges",
	"create definer = mydb_admin@'%' view theirs as select * from mysql.global_priv",
	"create server s foreign data wrapper mysql options (host '127.0.0.1')", "create function f returns string soname 'x.so'",
}

// client is a session of anybody.
type client struct {
	*sql.Conn
	pool *sql.DB
}

func dial(ctx context.Context, s engine.Server, user, password, database string, edit ...func(*mysql.Config)) (*client, error) {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
	cfg.User, cfg.Passwd, cfg.DBName = user, password, database
	cfg.TLS = &tls.Config{RootCAs: s.CA, ServerName: s.Host}
	cfg.Logger = &mysql.NopLogger{}
	for _, e := range edit {
		e(cfg)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	conn, err := pool.Conn(ctx)
	if err != nil {
		_ = pool.Close()
		return nil, err
	}
	return &client{Conn: conn, pool: pool}, nil
}

func (c *client) Exec(ctx context.Context, command string) error {
	rows, err := c.QueryContext(ctx, command)
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	_ = rows.Close()
	return rows.Err()
}

func (c *client) Count(ctx context.Context, table string) (n int64, err error) {
	err = c.QueryRowContext(ctx, "select count(*) from "+table).Scan(&n)
	return n, err
}

func (c *client) Close() {
	_ = c.Conn.Close()
	_ = c.pool.Close()
}
