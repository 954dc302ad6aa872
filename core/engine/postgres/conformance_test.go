package postgres_test

import (
	"context"
	"crypto/tls"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
	"github.com/mydb-project/mydb/core/engine/postgres"
)

func TestConformance(t *testing.T) {
	enginetest.Run(t, enginetest.Case{
		Engine: postgres.Engine{},
		Images: enginetest.Images(t, "MYDB_TEST_POSTGRES_IMAGES", "mydb-dev/postgres:17", "mydb-dev/postgres:15", "postgres:17"),
		Dial:   dialAs,
		Words: enginetest.Words{
			CreateTable: func(table string) string {
				return "create table " + table + " (i int generated always as identity primary key)"
			},
			Insert:         func(table string) string { return "insert into " + table + " default values" },
			CreateView:     func(view, table string) string { return "create view " + view + " as select * from " + table },
			DropTable:      func(table string) string { return "drop table " + table },
			DropDatabase:   func(database string) string { return "drop database " + database },
			CreateDatabase: func(database string) string { return "create database " + database },
			Init: func(table string) string {
				return "create table " + table + " (i int generated always as identity primary key);\ninsert into " + table + " default values;\nselect * from " + table + ";"
			},
			InitBroken: func(table string) string {
				return "create table " + table + " (i int);\ninsert into " + table + " values (1);\nselect nonsense;"
			},
			Forbidden: []string{
				"create role eve", "alter role mydb_admin password 'x'", "drop role mydb_probe", "set role mydb_admin", "grant mydb_admin to current_user",
				"select * from pg_authid", "select * from pg_shadow", "select pg_read_file('/etc/passwd')", "copy (select 1) to program 'true'",
				"copy (select 1) to '/tmp/mydb'", "alter system set fsync = off", "create extension dblink", "create extension postgres_fdw",
				"create tablespace t location '/tmp'", "select pg_reload_conf()", "load '/tmp/x.so'", "set session authorization mydb_admin",
				"grant pg_read_all_data to current_user", "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'mydb_admin' union all select pg_read_binary_file('x') is null",
			},
			Strangers: []string{"postgres", "root", postgres.AdminUser},
		},
	})
}

type session struct{ *pgx.Conn }

func dialAs(ctx context.Context, s engine.Server, user, password, database string) (enginetest.Client, error) {
	cfg, err := pgx.ParseConfig("host=localhost sslmode=disable connect_timeout=5")
	if err != nil {
		return nil, err
	}
	if database == "" {
		database = "postgres"
	}
	cfg.Host, cfg.Port, cfg.User, cfg.Password, cfg.Database = s.Host, uint16(s.Port), user, password, database
	cfg.TLSConfig, cfg.Fallbacks = &tls.Config{RootCAs: s.CA, ServerName: s.Host}, nil
	conn, err := pgx.ConnectConfig(ctx, cfg)
	return session{conn}, err
}

func (c session) Exec(ctx context.Context, command string) error {
	_, err := c.Conn.Exec(ctx, command)
	return err
}

func (c session) Count(ctx context.Context, table string) (n int64, err error) {
	err = c.QueryRow(ctx, "select count(*) from "+table).Scan(&n)
	return n, err
}

func (c session) Close() { _ = c.Conn.Close(context.Background()) }
