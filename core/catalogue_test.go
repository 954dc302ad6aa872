package core_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/migrations"
)

// furnished is a catalogue with something in many of its tables, and with text that is hard to copy.
func furnished(t *testing.T) (*core.Service, *pgxpool.Pool, core.Actor) {
	t.Helper()
	s, pool := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	coretest.Actor(t, s, "root", true)
	for _, name := range []string{"genomes", "variants"} {
		_, err := s.Do(t.Context(), core.Request{Actor: ada, Door: core.DoorAPI, Key: name, Command: core.Create{
			Engine: "postgres", Name: name, Description: "tab\there \\ back\\nslash, \"Straße\" \\. and 日本", Password: "a long enough password", InitSQL: "select 1",
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	execute(t, pool, `update instances set pi = E'line\nline\r\n\\.\n' where name = 'genomes'`)
	execute(t, pool, `update instances set state = 'failed', ended_at = now() where name = 'variants'`)
	execute(t, pool, `insert into samples (instance_id, up) select id, true from instances`)
	execute(t, pool, `insert into sessions values ('x', '\x00ff', now())`)
	if _, err := s.Authority(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, pool, ada
}

func execute(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// contentOf sums up every table.
func contentOf(t *testing.T, pool *pgxpool.Pool) map[string]string {
	t.Helper()
	rows, err := pool.Query(t.Context(), "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and relname not like 'river%' and relname <> 'schema_versions'")
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range names {
		var sum string
		if err := pool.QueryRow(t.Context(), fmt.Sprintf("select count(*) || ' ' || coalesce(md5(string_agg(x::text, '|' order by x::text)), '') from %s x", name)).Scan(&sum); err != nil {
			t.Fatal(err)
		}
		out[name] = sum
	}
	return out
}

// TestCatalogueCopy copies MyDB's own database and loads it elsewhere: everything is equal, but for what is left out on purpose.
func TestCatalogueCopy(t *testing.T) {
	t.Parallel()
	s, pool, _ := furnished(t)
	var text bytes.Buffer
	written, err := s.CopyCatalogue(t.Context(), &text)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := core.CheckCatalogue(bytes.NewReader(text.Bytes())); err != nil || read.Rows() != written.Rows() || len(read.Tables) != len(written.Tables) || read.Schema != migrations.Newest() {
		t.Fatalf("read %+v, %v; written %+v", read, err, written)
	}
	want := contentOf(t, pool)
	for _, left := range []string{"sessions", "logins", "samples", "workers", "inventories", "links"} {
		want[left] = "0 "
	}
	ownerURL, appURL := coretest.Database(t)
	owner := coretest.Pool(t, ownerURL)
	load := func(text io.Reader) error {
		return pgx.BeginFunc(t.Context(), owner, func(tx pgx.Tx) error {
			_, err := core.LoadCatalogue(t.Context(), tx, text)
			return err
		})
	}
	before := contentOf(t, owner)
	if err := load(bytes.NewReader(text.Bytes()[:text.Len()-20])); err == nil {
		t.Fatal("a copy without its end was loaded")
	}
	if got := contentOf(t, owner); !maps.Equal(got, before) {
		t.Errorf("a copy without its end has changed something: %v", got)
	}
	if err := load(iotestOneByte{bytes.NewReader(text.Bytes())}); err != nil {
		t.Fatal(err)
	}
	for table, sum := range contentOf(t, owner) {
		if want[table] != sum {
			t.Errorf("%s: %s, want %s", table, sum, want[table])
		}
	}
	// The application works with it at once: the audit trail's numbers go on, and triggers tell of operations.
	app := coretest.Pool(t, appURL)
	again := coretest.Service(t, app, core.Options{})
	grace := coretest.Actor(t, again, "grace", false)
	if _, err := again.Do(t.Context(), core.Request{Actor: grace, Door: core.DoorAPI, Command: core.Create{Engine: "postgres", Name: "proteins"}}); err != nil {
		t.Fatal(err)
	}
	var disabled int
	if err := owner.QueryRow(t.Context(), "select count(*) from pg_trigger where tgenabled = 'D'").Scan(&disabled); err != nil || disabled > 0 {
		t.Errorf("%d triggers stay disabled, %v", disabled, err)
	}
}

// iotestOneByte gives a byte at a time.
type iotestOneByte struct{ io.Reader }

func (r iotestOneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(1, len(p))]) }

// TestCatalogueCopyIsWhole refuses what is cut off at any place, and what has a row more or less.
func TestCatalogueCopyIsWhole(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200<<10)
	text := "-- MyDB's own database, schema 14\nset client_encoding = 'UTF8';\ncopy \"a\" (\"x\", \"y\") from stdin;\n1\t" + long + "\n\\\\.\t2\n\\.\ncopy \"b\" (\"z\") from stdin;\n\\.\n-- the end: 2 tables, 2 rows\n"
	c, err := core.CheckCatalogue(strings.NewReader(text))
	if err != nil || c.Schema != 14 || c.Rows() != 2 || c.Tables[0].Name != "a" {
		t.Fatalf("%+v, %v", c, err)
	}
	for n := 0; n < len(text); n += 1 + n%97 {
		if _, err := core.CheckCatalogue(strings.NewReader(text[:n])); err == nil {
			t.Errorf("the first %d of %d bytes are taken for all", n, len(text))
		}
	}
	for what, wrong := range map[string]string{
		"a row less":  strings.Replace(text, "\\\\.\t2\n", "", 1),
		"a row more":  strings.Replace(text, "\\\\.\t2\n", "3\t3\n4\t4\n", 1),
		"more behind": text + "x",
		"a command":   strings.Replace(text, "copy \"b\"", "drop table a; copy \"b\"", 1),
		"no copy":     "PGDMP",
	} {
		if _, err := core.CheckCatalogue(strings.NewReader(wrong)); err == nil {
			t.Errorf("%s: taken for whole", what)
		}
	}
}

// TestCatalogueSchedule makes backups of MyDB's own database when they are due, keeps what the rules keep, and tells when they stop.
func TestCatalogueSchedule(t *testing.T) {
	t.Parallel()
	_, appURL := coretest.Database(t)
	pool := coretest.Pool(t, appURL)
	now := time.Now().Truncate(time.Second)
	s := coretest.Service(t, pool, core.Options{Backups: core.Backups{On: true}, Now: func() time.Time { return now }})
	ctx, root := t.Context(), coretest.Actor(t, s, "root", true)
	begin := func() string {
		t.Helper()
		id, err := s.BeginCatalogueBackup(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	keep := func(id string) error {
		return s.KeepCatalogueBackup(ctx, core.MadeBackup{ID: id, Size: 10, SHA256: "abc", Location: "here"}, core.CatalogueCopy{Schema: 14})
	}
	lost := begin()
	begin() // another worker takes over
	if err := keep(lost); err == nil {
		t.Error("a backup that was given up counts")
	}
	now = now.Add(time.Minute)
	if other := begin(); other != "" {
		t.Error("after a failure it is tried again at once")
	}
	now = now.Add(5 * time.Minute)
	id := begin()
	if id == "" || keep(id) != nil {
		t.Fatal("it is not tried again after a while")
	}
	if again := begin(); again != "" {
		t.Error("another one is due at once")
	}
	late := func() bool {
		t.Helper()
		if err := s.GuardCatalogue(ctx); err != nil {
			t.Fatal(err)
		}
		list, _, err := s.Findings(ctx, root, false, core.Page{})
		if err != nil {
			t.Fatal(err)
		}
		return len(list) == 1 && list[0].Kind == core.AlarmCatalogueLate
	}
	now = now.Add(2 * time.Hour)
	if late() {
		t.Error("two hours are late")
	}
	now = now.Add(2 * time.Hour)
	if !late() {
		t.Error("four hours are not late")
	}
	for range 200 {
		if id = begin(); id == "" {
			t.Fatal("none is due after an hour")
		}
		if err := keep(id); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	if late() {
		t.Error("the alarm stays")
	}
	leaving, err := s.ExpireCatalogueBackups(ctx)
	if err != nil || len(leaving) < 160 {
		t.Fatalf("%d of 201 expire, %v", len(leaving), err)
	}
	for _, gone := range leaving {
		if gone == id {
			t.Error("the newest expires")
		}
		if err := s.CatalogueBackupLeft(ctx, gone); err != nil {
			t.Fatal(err)
		}
	}
	list, _, err := s.CatalogueBackups(ctx, root, core.Page{Limit: 200})
	if err != nil || len(list) != 202-len(leaving) { // with one that failed
		t.Errorf("%d are listed, %v", len(list), err)
	}
	if _, _, err := s.CatalogueBackups(ctx, coretest.Actor(t, s, "ada", false), core.Page{}); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("others see them: %v", err)
	}
}

// TestStandStill does nothing that takes something away while a recovery was not accepted.
func TestStandStill(t *testing.T) {
	t.Parallel()
	s, pool := coretest.New(t)
	ctx := t.Context()
	ada, root := coretest.Actor(t, s, "ada", false), coretest.Actor(t, s, "root", true)
	for name, change := range map[string]string{
		"trashed": "state = 'trashed', purge_at = now() - interval '1 hour'",
		"expired": "state = 'ready', node_id = 'n', host = 'h', expires_at = now() - interval '1 hour'",
	} {
		if _, err := s.Do(ctx, core.Request{Actor: ada, Door: core.DoorAPI, Command: core.Create{Engine: "postgres", Name: name}}); err != nil {
			t.Fatal(err)
		}
		execute(t, pool, "update instances set "+change+" where name = $1", name)
	}
	execute(t, pool, "update operations set state = 'done', finished_at = now()")
	execute(t, pool, "insert into recoveries (id, at, backup_at) values ('r', now(), now())")
	work := func() (n int) {
		t.Helper()
		purged, err1 := s.StartPurges(ctx)
		e, err2 := s.Expire(ctx)
		expired, err3 := s.ExpireBackups(ctx)
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		return purged + e.Stopped + expired
	}
	if n := work(); n != 0 {
		t.Errorf("%d things are done before the recovery is accepted", n)
	}
	if err := s.GuardRecovery(ctx); err != nil {
		t.Fatal(err)
	}
	if list, _, err := s.Findings(ctx, root, false, core.Page{}); err != nil || len(list) != 1 || list[0].Kind != core.FindingRecovery {
		t.Errorf("findings %+v, %v", list, err)
	}
	if g, err := s.Gauges(ctx); err != nil || !g.Unaccepted || !g.Paused {
		t.Errorf("gauges %+v, %v", g, err)
	}
	if _, err := s.AcceptRecovery(ctx, core.Request{Actor: ada, Door: core.DoorAPI}); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("somebody accepts it: %v", err)
	}
	if r, err := s.AcceptRecovery(ctx, core.Request{Actor: root, Door: core.DoorAPI}); err != nil || r.AcceptedBy != "root" {
		t.Fatalf("accept: %+v, %v", r, err)
	}
	if _, err := s.AcceptRecovery(ctx, core.Request{Actor: root, Door: core.DoorAPI}); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("it is accepted twice: %v", err)
	}
	if n := work(); n != 2 {
		t.Errorf("%d things are done after it was accepted; want 2", n)
	}
}
