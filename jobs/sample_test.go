package jobs_test

import (
	"context"
	"embed"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/postgres"
)

// samples are databases with what tends to get lost, and what a copy of them is compared by.
//
//go:embed testdata/sample
var samples embed.FS

func sampleFile(t *testing.T, name string) string {
	t.Helper()
	text, err := samples.ReadFile("testdata/sample/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// access is where an instance's server is, and the passwords of MyDB's own accounts there.
func (s *site) access(i core.Instance) (engine.Server, engine.Secrets) {
	s.t.Helper()
	ca, err := s.service.Authority(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	secrets, err := s.service.ServerSecrets(s.t.Context(), i.ID, func() (engine.Secrets, error) {
		return engine.Secrets{}, fmt.Errorf("instance %s has no secrets", i.ID)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return engine.Server{Host: *i.Host, Port: *i.Port, CA: ca.Pool(), PEM: ca.Certificate()}, secrets
}

// contents counts and hashes all that an instance holds, whatever its size.
func (s *site) contents(i core.Instance, e engine.Archiver) engine.Contents {
	s.t.Helper()
	server, secrets := s.access(i)
	c, err := e.Contents(s.t.Context(), server, secrets, 1<<40)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// equal compares two values that tests can show the difference of.
func equal(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (- original, + copy):\n%s", what, d)
	}
}

// asSuperuser connects to a database of PostgreSQL as MyDB's admin, with settings of its own whatever the database has.
func (s *site) asSuperuser(i core.Instance, database string) *pgx.Conn {
	s.t.Helper()
	_, secrets := s.access(i)
	config, err := pgx.ParseConfig("host=localhost sslmode=require")
	if err != nil {
		s.t.Fatal(err)
	}
	config.Host, config.Port, config.User, config.Password, config.Database, config.Fallbacks = *i.Host, uint16(*i.Port), postgres.AdminUser, secrets.Admin, database, nil
	for name, value := range map[string]string{
		"search_path": "pg_catalog", "datestyle": "ISO", "timezone": "UTC", "statement_timeout": "0", "lock_timeout": "0", "role": "none",
		"default_transaction_read_only": "off", "standard_conforming_strings": "on", "idle_in_transaction_session_timeout": "0",
	} {
		config.RuntimeParams[name] = value
	}
	conn, err := pgx.ConnectConfig(s.t.Context(), config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close(context.WithoutCancel(s.t.Context())) })
	return conn
}

// superuser runs statements as MyDB's admin.
func (s *site) superuser(i core.Instance, database, sql string) {
	s.t.Helper()
	conn := s.asSuperuser(i, database)
	for _, one := range strings.Split(sql, ";\n") { // creating a database is no part of a transaction
		if err := conn.PgConn().Exec(s.t.Context(), one).Close(); err != nil {
			s.t.Fatalf("%s: %v", one, err)
		}
	}
}

// facts describe a database of PostgreSQL, line by line.
func (s *site) facts(i core.Instance, database string) []string {
	s.t.Helper()
	rows, _ := s.asSuperuser(i, database).Query(s.t.Context(), sampleFile(s.t, "postgres_facts.sql"))
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	return lines
}

// fillPostgres makes everything that PostgreSQL has, in two databases.
func (s *site) fillPostgres(i core.Instance, cred core.Credentials) {
	s.t.Helper()
	s.superuser(i, "postgres", sampleFile(s.t, "postgres_roles.sql"))
	s.execute(i, cred, sampleFile(s.t, "postgres.sql"))
	i.Database = "Lab Bücher"
	s.execute(i, cred, sampleFile(s.t, "postgres_second.sql"))
}

// TestBackupOfPostgres takes a rich server through a backup, its verification and a restore, in which everything is equal: each row, and
// all that is in the catalogues.
func TestBackupOfPostgres(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, cred := s.made("genomes")
	s.fillPostgres(i, cred)
	s.must(core.Share{On: core.On{Database: "genomes"}, With: s.colleague("grace"), Right: core.RightRead})
	b, o := s.backup("genomes")
	if o.State != core.OperationDone {
		t.Fatalf("backup ended as %s: %+v %+v", o.State, o.Error, o.Steps)
	}
	if b.Contents == nil || b.Contents.Tables < 20 || !b.Contents.Exact || value(b.Size) == 0 || len(value(b.SHA256)) != 64 {
		t.Errorf("backup %+v with contents %+v", b, b.Contents)
	}
	original := s.contents(i, postgres.Engine{})
	b = s.verified(b.ID)
	if !b.Receipt.OK || b.Receipt.Tables != b.Contents.Tables || b.Receipt.Checked != b.Contents.Tables {
		t.Errorf("receipt %+v of %d tables", b.Receipt, b.Contents.Tables)
	}
	s.nothingInTheClear("BRCA", "gene 1", cred.Password)
	facts := map[string][]string{}
	for _, database := range []string{"genomes", "Lab Bücher"} {
		facts[database] = s.facts(i, database)
	}
	s.execute(i, cred, "begin read write; drop table genes cascade; truncate parts; commit") // what a restore is for
	copied, cred2 := s.restored("genomes-copy")
	if copied.Database != "genomes" || copied.Username != "genomes" || cred2.Password == cred.Password {
		t.Errorf("restored as %+v", copied)
	}
	equal(t, "contents", original, s.contents(copied, postgres.Engine{}))
	for database, want := range facts {
		equal(t, database, want, s.facts(copied, database))
	}
	for query, want := range map[string]string{
		"select count(*), sum(half) from happy":                                       "1000 250250.00000000000000000000",
		"select n, total from lengths":                                                "1000 500500",
		"begin read write; select twice(21), nextval('counters'), nextval('of_wide')": "42 85 41",
		"select rolcanlogin from pg_roles where rolname like 'grace%'":                "f",
	} {
		if got := s.ask(copied, cred2, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	s.execute(copied, cred2, "begin read write; insert into genes (name) values ('new'); commit")
}
