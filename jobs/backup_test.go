package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/jobs"
	backupstore "github.com/mydb-project/mydb/jobs/store"
	"github.com/mydb-project/mydb/jobs/store/storetest"
)

func openStore(ctx context.Context, address string) (jobs.Store, error) {
	where, err := config.Config{StoreURL: address}.Store()
	if err != nil {
		return nil, err
	}
	return backupstore.Open(ctx, where)
}

// sweep removes the tools and throw-away servers of operations that nobody ends any more.
func (s *site) sweep(ctx context.Context, pool *pgxpool.Pool) {
	rows, err := pool.Query(ctx, "select id from operations where kind in ('backup', 'verify', 'restore', 'delete', 'import')")
	if err != nil {
		s.t.Error(err)
		return
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, id := range ids {
		for _, node := range s.nodes {
			err = errors.Join(err, node.Sweep(ctx, id))
		}
	}
	if err != nil {
		s.t.Errorf("clean up: %v", err)
	}
}

// backup makes a backup of a database and gives it as it is when its operation has ended.
func (s *site) backup(name string) (core.Backup, core.Operation) {
	s.t.Helper()
	o := s.do(core.MakeBackup{On: core.On{Database: name}})
	b, err := s.service.BackupOfOperation(s.t.Context(), o.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return b, o
}

// verified waits until a backup was verified.
func (s *site) verified(id string) core.Backup {
	s.t.Helper()
	var b core.Backup
	s.eventually("the backup is verified", func() error {
		list, _, err := s.service.Backups(s.t.Context(), s.actor, "genomes", core.Page{})
		if err != nil {
			return err
		}
		for _, one := range list {
			if b = one; b.ID == id && b.State == core.BackupVerified {
				return nil
			}
		}
		return fmt.Errorf("it is %s: %+v", b.State, b.Receipt)
	})
	return b
}

// restored restores the newest backup and gives the new instance with its password.
func (s *site) restored(as string) (core.Instance, core.Credentials) {
	s.t.Helper()
	o := s.do(core.Restore{On: core.On{Database: "genomes"}, As: as})
	if o.State != core.OperationDone {
		s.t.Fatalf("restore ended as %s: %+v\n%+v", o.State, o.Error, o.Steps)
	}
	return s.instance(as), s.collect(as)
}

// sample is a small PostgreSQL database; testdata/sample has a rich one.
const sample = `drop table genes;
create type mood as enum ('happy', 'sad');
create domain positive as int check (value > 0);
create table genes (id bigint generated always as identity primary key, name text not null unique, found date default '2026-01-01', length positive,
	half numeric generated always as (length / 2.0) stored, tags text[], info jsonb, mood mood, raw bytea, at timestamptz default now());
insert into genes (name, length, tags, info, mood, raw) select 'gene ' || i, i, array['a', 'b' || i], jsonb_build_object('i', i), 'happy', decode(md5(i::text), 'hex') from generate_series(1, 1000) i;
create table empty (x int);
create table "Sträuße und ""Blumen""" ("größe" int, "select" text);
insert into "Sträuße und ""Blumen""" values (1, 'rot'), (2, null);
create table parts (day date, n int) partition by range (day);
create table parts_2026 partition of parts for values from ('2026-01-01') to ('2027-01-01');
create table parts_rest partition of parts default;
insert into parts select date '2025-12-01' + i, i from generate_series(1, 100) i;
create view happy as select * from genes where mood = 'happy';
create function twice(i int) returns int language sql immutable as 'select 2 * i';
create index on genes (twice(length));
create sequence counters start 100;
select nextval('counters');
create function note() returns trigger language plpgsql as $$ begin insert into empty values (new.id); return new; end $$;
create trigger noted after insert on genes for each row when (new.name = 'never') execute function note();
create extension if not exists pg_trgm;
select lo_from_bytea(0, 'a large object');
comment on table genes is 'of the 2026 cohort';
create table secret (x int); alter table secret enable row level security; insert into secret values (7);
`

// TestBackupToS3 keeps a backup in a bucket, and leaves nothing there of one that has expired.
func TestBackupToS3(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.store = storetest.URL(storetest.Serve(t))
	s.worker("")
	i, cred := s.made("genomes")
	s.execute(i, cred, "create table t as select i, md5(i::text), repeat('x', 100) from generate_series(1, 200000) i")
	b, o := s.backup("genomes")
	if o.State != core.OperationDone || !strings.HasPrefix(b.Location, "s3://"+storetest.Bucket+"/a/prefix/"+i.ID) {
		t.Fatalf("backup ended as %s: %+v %+v, at %s", o.State, o.Error, o.Steps, b.Location)
	}
	s.verified(b.ID)
	copied, cred2 := s.restored("genomes-copy")
	if got := s.ask(copied, cred2, "select count(*) from t"); got != "200000" {
		t.Errorf("%s rows", got)
	}
	s.sql("update backups set state = 'expired'")
	where, err := openStore(t.Context(), s.store)
	if err != nil {
		t.Fatal(err)
	}
	if err := jobs.Retain(t.Context(), jobs.Options{Service: s.service, Store: where, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	for o, err := range where.List(t.Context(), i.ID+"/") {
		t.Errorf("%s is left, %v", o.Key, err)
	}
}

// TestFinalBackup makes a backup before a deletion, from which the database comes back after the purge.
func TestFinalBackup(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, _ := s.made("genomes")
	if o := s.approved("genomes"); o.State != core.OperationDone {
		t.Fatalf("delete ended as %+v %+v", o, o.Error)
	}
	s.sql("update instances set purge_at = now() - interval '1 hour'")
	if _, err := s.service.StartPurges(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.eventually("it is purged", func() error {
		if got := s.instance(i.ID); got.State != core.StateDeleted {
			return fmt.Errorf("it is %s", got.State)
		}
		return nil
	})
	o := s.do(core.Restore{On: core.On{Database: i.ID}, As: "genomes"})
	if o.State != core.OperationDone {
		t.Fatalf("restore ended as %s: %+v", o.State, o.Error)
	}
	if got := s.ask(s.instance("genomes"), s.collect("genomes"), "select count(*) from genes"); got != "2" {
		t.Errorf("%s rows", got)
	}
}

// TestLeftovers removes what a killed worker has left on a node where its operation does not go on.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	s.made("genomes")
	_, o := s.backup("genomes")
	s.docker("run", "--detach", "--label", "dev.mydb.operation="+o.ID, "--name", "left-"+o.ID, os.Getenv("MYDB_TEST_POSTGRES_IMAGE"), "sleep", "600")
	s.docker("run", "--detach", "--label", "dev.mydb.operation=unknown-"+o.ID, "--name", "other-"+o.ID, os.Getenv("MYDB_TEST_POSTGRES_IMAGE"), "sleep", "600")
	t.Cleanup(func() {
		_ = exec.CommandContext(context.WithoutCancel(t.Context()), "docker", "rm", "--force", "--volumes", "left-"+o.ID, "other-"+o.ID).Run()
	})
	s.eventually("what the operation has left is gone", func() error {
		if left := s.docker("ps", "--all", "--quiet", "--filter", "name=left-"+o.ID); strings.TrimSpace(left) != "" {
			return fmt.Errorf("%s is there", left)
		}
		return nil
	})
	if s.docker("ps", "--all", "--quiet", "--filter", "name=other-"+o.ID) == "" {
		t.Error("what is of no operation of this site is gone, too")
	}
}

// TestBackupAcrossVersions restores a backup of PostgreSQL 15 into 17.
func TestBackupAcrossVersions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if offer, _ := s.service.Catalogue().Offer("postgres"); !slices.Contains(offer.Offered(), "15") {
		t.Skip("this machine has no image of PostgreSQL 15")
	}
	s.worker("")
	r := s.create(core.Create{Version: "15"})
	if o := s.await(r.Operation.ID); o.State != core.OperationDone {
		t.Fatalf("create ended as %+v", o)
	}
	i := s.instance("genomes")
	s.fillPostgres(i, s.collect("genomes"))
	if _, o := s.backup("genomes"); o.State != core.OperationDone {
		t.Fatalf("backup ended as %s: %+v", o.State, o.Error)
	}
	o := s.do(core.Restore{On: core.On{Database: "genomes"}, As: "newer", Version: "17"})
	if o.State != core.OperationDone {
		t.Fatalf("restore ended as %s: %+v %+v", o.State, o.Error, o.Steps)
	}
	for _, database := range []string{"genomes", "Lab Bücher"} {
		equal(t, database, whateverVersion(s.facts(i, database)), whateverVersion(s.facts(s.instance("newer"), database)))
	}
	if got := s.ask(s.instance("newer"), s.collect("newer"), "select split_part(current_setting('server_version'), '.', 1), count(*) from happy"); got != "17 1000" {
		t.Errorf("the restored database says %s", got)
	}
}

// whateverVersion leaves out what each version of PostgreSQL has in another way: how it writes queries, what it calls a constraint, its
// extensions, and a right that is new in 17.
func whateverVersion(facts []string) (out []string) {
	for _, line := range facts {
		if !strings.HasPrefix(line, "rule ") && !strings.HasPrefix(line, "extension ") && !strings.HasSuffix(line, " NOT NULL") {
			out = append(out, strings.ReplaceAll(line, "arwdDxtm", "arwdDxt"))
		}
	}
	return out
}

// TestBackupOfEachEngine restores what was written before the backup, and not what was written after.
func TestBackupOfEachEngine(t *testing.T) {
	forEachStore(t, func(t *testing.T, s *site, client store) {
		i, cred := s.instance("genomes"), s.collect("genomes")
		for range 3 {
			if err := client.put(t.Context(), i, cred); err != nil {
				t.Fatal(err)
			}
		}
		b, o := s.backup("genomes")
		if o.State != core.OperationDone {
			t.Fatalf("backup ended as %s: %+v %+v", o.State, o.Error, o.Steps)
		}
		b = s.verified(b.ID)
		if b.Receipt.Rows != 3 || b.Contents.Rows != 3 {
			t.Errorf("receipt %+v of contents %+v", b.Receipt, b.Contents)
		}
		if err := client.put(t.Context(), i, cred); err != nil {
			t.Fatal(err)
		}
		copied, cred2 := s.restored("genomes-copy")
		if n, err := client.count(t.Context(), copied, cred2); n != 3 || err != nil {
			t.Errorf("%d rows after the restore, %v; want 3", n, err)
		}
		if err := client.put(t.Context(), copied, cred2); err != nil {
			t.Errorf("write into the restored database: %v", err)
		}
	})
}

// execute runs statements as the owner.
func (s *site) execute(i core.Instance, cred core.Credentials, sql string) {
	s.t.Helper()
	conn, err := s.login(i, cred)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(s.t.Context()))
	if err := conn.PgConn().Exec(s.t.Context(), sql).Close(); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

// ask gives the first row of the last answer, with blanks between its values.
func (s *site) ask(i core.Instance, cred core.Credentials, query string) string {
	s.t.Helper()
	conn, err := s.login(i, cred)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(s.t.Context()))
	answers, err := conn.PgConn().Exec(s.t.Context(), query).ReadAll()
	if err != nil || len(answers) == 0 || len(answers[len(answers)-1].Rows) == 0 {
		return fmt.Sprint("no answer: ", err)
	}
	return string(bytes.Join(answers[len(answers)-1].Rows[0], []byte(" ")))
}

// colleague makes a person and gives their login.
func (s *site) colleague(login string) string {
	coretest.Actor(s.t, s.service, login, false)
	return login
}

// objects lists the files of the store.
func (s *site) objects() (out []string) {
	s.t.Helper()
	err := filepath.WalkDir(strings.TrimPrefix(s.store, "file://"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *site) nothingInTheClear(secrets ...string) {
	s.t.Helper()
	for _, path := range s.objects() {
		content, err := os.ReadFile(path)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, secret := range secrets {
			if bytes.Contains(content, []byte(secret)) {
				s.t.Errorf("%s holds %q", filepath.Base(path), secret)
			}
		}
	}
}

// TestSpoiltBackup never takes a backup for good that somebody has changed, cut off or taken away, also when it was verified before.
func TestSpoiltBackup(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, cred := s.made("genomes")
	s.execute(i, cred, "create table t as select i, md5(i::text) from generate_series(1, 20000) i")
	for name, spoil := range map[string]func(path string, content []byte) error{
		"a flipped bit": func(path string, content []byte) error {
			content[len(content)/2] ^= 4
			return os.WriteFile(path, content, 0o600)
		},
		"cut off":    func(path string, content []byte) error { return os.WriteFile(path, content[:len(content)-100], 0o600) },
		"taken away": func(path string, _ []byte) error { return os.Remove(path) },
	} {
		b, o := s.backup("genomes")
		if o.State != core.OperationDone {
			t.Fatalf("backup ended as %s: %+v", o.State, o.Error)
		}
		s.verified(b.ID)
		for _, path := range s.objects() {
			if !strings.Contains(path, b.ID+"/1.dump") {
				continue
			}
			content, err := os.ReadFile(path)
			if err == nil {
				err = spoil(path, content)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		o = s.do(core.Restore{On: core.On{Database: "genomes"}, Backup: b.ID, As: "spoilt"})
		if o.State != core.OperationFailed {
			t.Errorf("%s: the restore ended as %s", name, o.State)
		}
		// That is reason enough to look at it again, and then it is no backup any more.
		if o = s.verification(); o.State != core.OperationFailed {
			t.Errorf("%s: the verification ended as %s", name, o.State)
		}
		if b, err := s.service.Backup(t.Context(), s.actor, "genomes", b.ID); err != nil || b.State != core.BackupFailed || !strings.Contains(b.Error, "spoilt") {
			t.Errorf("%s: the backup is %s, %q, %v", name, b.State, b.Error, err)
		}
	}
}

// TestBackupWithoutStore ends as failed, with a sentence, and leaves nothing.
func TestBackupWithoutStore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.store += "/not-a-folder"
	if err := os.WriteFile(strings.TrimPrefix(s.store, "file://"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.worker("")
	s.made("genomes")
	b, o := s.backup("genomes")
	if o.State != core.OperationFailed || b.State != core.BackupFailed || !strings.Contains(b.Error, "the store of backups") {
		t.Errorf("operation %s %+v, backup %+v", o.State, o.Error, b)
	}
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
