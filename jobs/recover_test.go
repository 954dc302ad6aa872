package jobs_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/migrations"
)

// backUpCatalogue backs up MyDB's own database now.
func (s *site) backUpCatalogue() string {
	s.t.Helper()
	store, err := openStore(s.t.Context(), s.store)
	if err != nil {
		s.t.Fatal(err)
	}
	s.sql("delete from catalogue_backups") // so that one is due
	id, err := jobs.BackupCatalogue(s.t.Context(), jobs.Options{DB: s.pool, Service: s.service, Store: store, Log: slog.New(slog.DiscardHandler)})
	if err != nil || id == "" {
		s.t.Fatalf("back up the catalogue: %q, %v", id, err)
	}
	return id
}

// recovering is a recovery of a site into an empty database. No port is in its range, because other tests use the same cluster: only
// what has a backup in the site's own store is taken for its own.
func (s *site) recovering(ownerURL string) jobs.Recovering {
	s.t.Helper()
	store, err := openStore(s.t.Context(), s.store)
	if err != nil {
		s.t.Fatal(err)
	}
	find, err := s.runtime.Images(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	pool := coretest.Pool(s.t, ownerURL)
	return jobs.Recovering{
		DB: pool, Store: store, Runtime: s.runtime, Migrate: migrations.UpTo, Current: migrations.Current, Newest: migrations.Newest(), By: "olga@host",
		Service: coretest.Service(s.t, pool, core.Options{Keys: s.keys(), Engines: allEngines(crasher{}), Catalogue: testCatalogue(find), Ports: core.PortRange{First: 1, Last: 1}}),
		Tell:    func(line string) { s.t.Log(line) },
	}
}

// recovered is a site on a new control plane: another database, the same store, cluster and key.
func (s *site) recovered(appURL string) *site {
	s.t.Helper()
	find, err := s.runtime.Images(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	n := *s
	n.url, n.pool = appURL, coretest.Pool(s.t, appURL)
	n.service = coretest.Service(s.t, n.pool, core.Options{
		Keys: s.keys(), Queue: n.queue(), Engines: allEngines(crasher{}), Catalogue: testCatalogue(find), Ports: testPorts, Backups: core.Backups{On: true},
	})
	if err := n.service.PreparePorts(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(n.removeAll)
	return &n
}

// TestRecover loses the metadata database and rebuilds it: everything is known again, no server was touched, and nothing is taken away
// until an administrator has accepted what differs.
func TestRecover(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	worker := s.worker("")
	ctx := t.Context()
	genomes, cred := s.made("genomes")
	s.made("variants")
	if o := s.approved("variants"); o.State != core.OperationDone {
		t.Fatalf("delete ended as %+v", o)
	}
	s.backup("genomes")
	if err := worker.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.sql("update instances set purge_at = now() - interval '1 hour' where name = 'variants'") // so it is in the backup
	from := s.backUpCatalogue()
	s.sql("update instances set purge_at = now() + interval '1 hour' where name = 'variants'")
	worker = s.worker("") // what follows, the backup of the catalogue does not know
	s.execute(genomes, cred, "insert into genes values (3)")
	second, _ := s.backup("genomes")
	proteins, proteinsCred := s.made("proteins")
	s.backup("proteins")
	before := s.containers(genomes.ID, proteins.ID)
	if err := worker.Process.Kill(); err != nil {
		t.Fatal(err)
	}

	ownerURL, appURL := coretest.Empty(t)
	o := s.recovering(ownerURL)
	dry := o
	dry.DryRun = true
	if r, err := jobs.Recover(ctx, dry); err != nil || len(r.Differences) == 0 {
		t.Fatalf("dry run: %+v, %v", r, err)
	}
	var tables int
	if err := o.DB.QueryRow(ctx, "select count(*) from pg_tables where schemaname = 'public'").Scan(&tables); err != nil || tables != 0 {
		t.Fatalf("a dry run has left %d tables, %v", tables, err)
	}
	r, err := jobs.Recover(ctx, o)
	if err != nil || r.BackupID != from {
		t.Fatalf("recover: %+v, %v", r, err)
	}
	if err := migrations.Run(ctx, ownerURL, appURL); err != nil {
		t.Fatal(err)
	}
	n := s.recovered(appURL)
	n.worker("")
	n.checkFound(r, genomes, proteins, second)
	if got := n.ask(genomes, cred, "select count(*) from genes"); got != "3" {
		t.Errorf("%s rows of genomes with the password of before", got)
	}
	if got := n.ask(proteins, proteinsCred, "select count(*) from genes"); got != "2" {
		t.Errorf("%s rows of proteins with the password of before", got)
	}
	n.eventually("proteins was measured", func() error {
		if i := n.instance("proteins"); i.State != core.StateReady {
			return fmt.Errorf("proteins is %s: %s", i.State, value(i.Failure))
		}
		return nil
	})
	if after := s.containers(genomes.ID, proteins.ID); after != before {
		t.Errorf("servers were touched: %s, before %s", after, before)
	}
	for _, name := range []string{"genomes", "proteins"} {
		if _, o := n.backup(name); o.State != core.OperationDone {
			t.Errorf("a backup of %s after the recovery ended as %+v %+v", name, o, o.Error)
		}
	}
	n.checkStill("variants")
	if _, err := n.service.AcceptRecovery(ctx, core.Operator("olga@host")); err != nil {
		t.Fatal(err)
	}
	if _, err := n.service.StartPurges(ctx); err != nil {
		t.Fatal(err)
	}
	n.eventually("after the recovery was accepted, the trash is emptied", func() error {
		if i := n.instance(s.instance("variants").ID); i.State != core.StateDeleted {
			return fmt.Errorf("variants is %s", i.State)
		}
		return nil
	})
}

// containers are the ids of the containers in which instances run.
func (s *site) containers(ids ...string) (out string) {
	s.t.Helper()
	for _, id := range ids {
		out += s.container(id) + " "
	}
	return out
}

// checkFound wants everything to be known again.
func (s *site) checkFound(r core.Recovery, genomes, proteins core.Instance, second core.Backup) {
	s.t.Helper()
	if i := s.instance("genomes"); i.State != core.StateReady || *i.Port != *genomes.Port || i.ID != genomes.ID {
		s.t.Errorf("genomes is %+v", i)
	}
	if i := s.instance("proteins"); i.Owner != "ada" || *i.Port != *proteins.Port || i.Username != "proteins" || i.ID != proteins.ID {
		s.t.Errorf("proteins is %+v", i)
	}
	list, _, err := s.service.Backups(s.t.Context(), s.actor, "genomes", core.Page{})
	if err != nil || len(list) != 2 || list[0].ID != second.ID || !list[0].Good() || !list[1].Good() {
		s.t.Errorf("the backups of genomes are %+v, %v", list, err)
	}
	if list, _, err := s.service.Backups(s.t.Context(), s.actor, "proteins", core.Page{}); err != nil || len(list) != 1 || !list[0].Good() {
		s.t.Errorf("the backups of proteins are %+v, %v", list, err)
	}
	for _, want := range []string{"genomes: 1 backup in the store", "proteins: It was made after the backup"} {
		if !strings.Contains(told(r), want) {
			s.t.Errorf("nothing is told of %q:\n%s", want, told(r))
		}
	}
}

func told(r core.Recovery) (text string) {
	for _, d := range r.Differences {
		text += d.Database + ": " + d.Message + "\n"
	}
	return text
}

// checkStill wants what is in the trash to stay there, although its time is over.
func (s *site) checkStill(name string) {
	s.t.Helper()
	if n, err := s.service.StartPurges(s.t.Context()); err != nil || n != 0 {
		s.t.Errorf("%d purges begin before the recovery is accepted, %v", n, err)
	}
	if i := s.instance(name); i.State != core.StateTrashed || i.PurgeAt == nil || i.PurgeAt.After(time.Now()) {
		s.t.Errorf("%s is %+v", name, i)
	}
}

// TestRecoverRefuses changes nothing when something is wrong, and says what.
func TestRecoverRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	ownerURL, _ := coretest.Empty(t)
	refused := func(o jobs.Recovering, want string) {
		t.Helper()
		if _, err := jobs.Recover(ctx, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("refused with %v; want %q", err, want)
		}
	}
	o := s.recovering(ownerURL)
	refused(o, "there is no backup of MyDB's own database in the store")
	first := s.backUpCatalogue()
	second := s.backUpCatalogue()

	unknown := o
	unknown.From = "nonsense"
	refused(unknown, "there are: "+second+", "+first)

	stranger := o
	stranger.Service = coretest.Service(t, o.DB, core.Options{})
	refused(stranger, "MYDB_KEY_FILE has none of them")

	older := o
	older.Newest--
	refused(older, "made by a later version of MyDB")

	// The newest one is spoilt: the one before is used, and that is told.
	if err := o.Store.Put(ctx, "catalogue/"+second+"/catalogue.sql.zst.age", strings.NewReader("spoilt"), 6); err != nil {
		t.Fatal(err)
	}
	asked := o
	asked.From = second
	refused(asked, "is not what was written: it was changed or cut off")
	r, err := jobs.Recover(ctx, o)
	if err != nil || r.BackupID != first || !strings.Contains(told(r), second) {
		t.Errorf("with a spoilt backup: %+v, %v", r, err)
	}
	refused(o, "the metadata database is not empty: it has ")
}

// TestRecoverOlderSchema recovers from a backup that an earlier version of MyDB has made: the rows are migrated, too.
func TestRecoverOlderSchema(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	ownerURL, _ := coretest.Empty(t)
	pool := coretest.Pool(t, ownerURL)
	const oldest = 14 // the first version that backs itself up
	if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return migrations.UpTo(ctx, tx, oldest) }); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(ctx, `insert into people (id, login, name, admin) values ('p', 'ada', 'Ada', true);
		insert into instances (id, name, owner_id, engine, version, size, image, state, username, database, backup) values ('i', 'genomes', 'p', 'postgres', '17', 'small', 'x', 'stopped', 'g', 'g', 'daily');
		insert into approvals (id, instance_id, action, requested_by, door, expires_at) values ('a', 'i', 'delete', 'p', 'api', now() + interval '1 day')`); err != nil {
		t.Fatal(err)
	}
	store, err := openStore(ctx, "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	keys := coretest.Keys(t)
	service := coretest.Service(t, pool, core.Options{Keys: keys, Backups: core.Backups{On: true}})
	if _, err := jobs.BackupCatalogue(ctx, jobs.Options{DB: pool, Service: service, Store: store, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	newURL, appURL := coretest.Empty(t)
	if err := migrateTo(t, newURL, oldest-1); err != nil { // an operator may have migrated it already
		t.Fatal(err)
	}
	fresh := coretest.Pool(t, newURL)
	r, err := jobs.Recover(ctx, jobs.Recovering{
		DB: fresh, Store: store, Migrate: migrations.UpTo, Current: migrations.Current, Newest: migrations.Newest(), By: "olga@host", Tell: func(string) {},
		Service: coretest.Service(t, fresh, core.Options{Keys: keys}),
	})
	if err != nil || !strings.Contains(told(r), "The cluster was not asked") {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := migrations.Run(ctx, newURL, appURL); err != nil {
		t.Fatal(err)
	}
	app := coretest.Pool(t, appURL)
	behind, err := migrations.Behind(ctx, app)
	if err != nil || behind != 0 {
		t.Errorf("%d migrations are missing, %v", behind, err)
	}
	again := coretest.Service(t, app, core.Options{Keys: keys})
	ada := core.Actor{Person: core.Person{ID: "p", Login: "ada", Admin: true}, Scope: core.ScopeAdmin}
	if i, err := again.Instance(ctx, ada, "genomes"); err != nil || i.State != core.StateStopped {
		t.Errorf("genomes is %+v, %v", i, err)
	}
	if list, err := again.Approvals(ctx, ada, true); err != nil || len(list) != 1 {
		t.Errorf("approvals %+v, %v", list, err)
	}
}

func migrateTo(t *testing.T, ownerURL string, version int) error {
	t.Helper()
	return pgx.BeginFunc(t.Context(), coretest.Pool(t, ownerURL), func(tx pgx.Tx) error { return migrations.UpTo(t.Context(), tx, version) })
}
