package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/postgres"
)

// TestLoad runs dumps as the tenant: what a tenant may not do, no dump may, and nothing of psql's own is ever done.
func TestLoad(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := newBox(t, image)
		b.Start()
		e, tenant := postgres.Engine{}, engine.Tenant{Username: "ada", Password: "a password of ada", Database: "genomes"}
		load := func(sql string) ([]string, error) {
			t.Helper()
			if err := errors.Join(e.Clear(t.Context(), b.Server, b.Secrets), e.Provision(t.Context(), b.Server, b.Secrets.Admin, tenant)); err != nil {
				t.Fatal(err)
			}
			into := engine.Target{Server: b.Server, Secrets: b.Secrets, Tenant: tenant, Extensions: []string{"hstore", "pg_trgm"}}
			brought, err := e.Load(t.Context(), engine.FormatSQL, strings.NewReader(sql), into, nil)
			return brought.LeftOut, err
		}
		for sql, want := range map[string]string{
			"select 1 \\! touch /tmp/x\n":                                                           `Line 1 of the dump holds \!, a command of the program psql`,
			"create table t (a text);\ncopy t from program 'id';":                                   "up to line 2: permission denied to COPY",
			"create table t (a text);\ncopy t from '/etc/passwd';":                                  "permission denied to COPY",
			"copy (select 1) to program 'cat';":                                                     "permission denied to COPY",
			"\\connect postgres\n":                                                                  "without --create",
			"create database other;":                                                                "without --create",
			"create role evil superuser;":                                                           "permission denied to create role",
			"set role mydb_admin;":                                                                  "permission denied to set role",
			"alter system set archive_command = 'id';":                                              "permission denied",
			"select pg_read_file('/run/mydb/admin_password');":                                      "permission denied for function pg_read_file",
			"create extension dblink;":                                                              "The extension dblink is needed, and this site does not offer it",
			"create extension \"adminpack\" version '1.0';":                                         "refused what the dump says",
			"create schema lab create table t (a int);\ncreate extension pg_trgm schema lab;":       "Choose it among the extensions",
			"create function f() returns int language sql as 'select 1';\ncreate extension hstore;": "Choose it among the extensions",
			"create table t (a int);\ncreate table t (a int);":                                      `up to line 2: relation "t" already exists`,
			"create table t (a int);\ncopy t from stdin;\n1\nx\n\\.\n":                              "invalid input syntax for type integer",
			"create table t (a int);\ncopy t from stdin;\n1\n":                                      "The dump breaks off",
			"-- PostgreSQL database dump\n-- Dumped from database version 99.1 (Debian)\ncreate tableau t (a int);": "The dump is of PostgreSQL 99, which is later than",
			"begin;\ncreate table t (a int);": "The dump breaks off",
			"set client_encoding = 'SJIS';":   "Make it with --encoding=UTF8",
		} {
			_, err := load(sql)
			var refused *engine.RefusedError
			if !errors.As(err, &refused) || !strings.Contains(refused.Message, want) {
				t.Errorf("%s: %v, want %q", sql, err, want)
			}
		}
		leftOut, err := load("\xef\xbb\xbfset no_such_setting = 1;\ncreate schema lab;\ncreate extension if not exists hstore with schema lab;\ncomment on extension hstore is 'x';\n" +
			"create extension if not exists plpgsql;\ncreate table t (a lab.hstore, b text);\nalter table t owner to somebody;\ngrant all on t to somebody;\n" +
			"alter table t enable row level security;\ncreate policy p on t to somebody using (true);\ncopy t (b) from stdin with (format csv);\n\"a\nb\"\n\\.\n" +
			"set standard_conforming_strings = off;\nset escape_string_warning = off;\ninsert into t (b) values ('\\';');\nset standard_conforming_strings = on;\n" +
			"create extension if not exists hstore;\n")
		if err != nil {
			t.Fatal(err)
		}
		want := "grants (1), owners (1), policies for accounts that are not here (1), remarks on extensions (1), settings that this version does not have (1)"
		if got := strings.Join(leftOut, ", "); got != want {
			t.Errorf("left out: %s; want %s", got, want)
		}
		conn := b.login("ada", tenant.Password, "genomes")
		if got := one(t, conn, "select string_agg(b, '|' order by b) from t"); got != "';|a\nb" {
			t.Errorf("rows %q", got)
		}
		if got := one(t, conn, "select n.nspname::text from pg_extension e join pg_namespace n on n.oid = e.extnamespace where extname = 'hstore'"); got != "lab" {
			t.Errorf("the extension is in %s", got)
		}
	})
}
