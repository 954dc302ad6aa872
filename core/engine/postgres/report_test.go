package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/postgres"
)

// counted gives the rows of a report by schema and table; -1 where there is no count.
func counted(t *testing.T, r engine.Report, database string) map[string]int64 {
	t.Helper()
	i := slices.IndexFunc(r.Databases, func(d engine.ReportDatabase) bool { return d.Name == database })
	if i < 0 {
		t.Fatalf("no database %s in %+v", database, r.Databases)
	}
	out := map[string]int64{}
	for _, table := range r.Databases[i].Tables {
		n := int64(-1)
		if table.Rows != nil {
			n = *table.Rows
		}
		out[table.Schema+"."+table.Name] = n
	}
	return out
}

func TestReport(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := newBox(t, image)
		b.Start()
		tenant := b.provisioned("ada")
		owner := b.login(tenant.Username, tenant.Password, tenant.Database)
		do(t, owner,
			"create table plain (i int)", "insert into plain select generate_series(1, 7)",
			`create schema "odd ""schema"""`, `create table "odd ""schema"""."it's a; drop table plain --" (i int)`,
			`insert into "odd ""schema"""."it's a; drop table plain --" values (1), (2)`,
			"create table parts (i int) partition by list (i)", "create table parts_1 partition of parts for values in (1)",
			"create table parts_2 partition of parts for values in (2) partition by list (i)", "create table parts_2a partition of parts_2 for values in (2)",
			"insert into parts values (1), (2), (2)",
			"create table parent (i int)", "create table child () inherits (parent)", "insert into parent values (1)", "insert into child values (2), (3)",
			"create view seen as select * from plain", "create materialized view kept as select * from plain",
			"create table hidden (i int)", "insert into hidden values (1), (2)", "alter table hidden enable row level security", "alter table hidden force row level security",
			"create table held (i int)", "insert into held values (1)",
			"create function public.pg_total_relation_size(regclass) returns bigint language sql as 'select 42::bigint'",
		)
		admin := b.admin(tenant.Database)
		do(t, admin,
			"create table theirs (i int)", // the tenant may not read it
			"create extension postgres_fdw", "create server away foreign data wrapper postgres_fdw options (host '192.0.2.1')",
			"create foreign table far (i int) server away", "create table mixed (i int) partition by list (i)",
			"create foreign table mixed_far partition of mixed for values in (1) server away", "alter table mixed owner to ada", "alter table far owner to ada",
			"create role reader login", "grant select on plain to reader",
		)
		locker := b.login(tenant.Username, tenant.Password, tenant.Database)
		do(t, locker, "begin", "lock table held in access exclusive mode")

		nameless := tenant
		nameless.Password = ""
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		r, err := postgres.Engine{}.Report(ctx, b.Server, b.Secrets, nameless)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("a locked table kept the report for %s", took)
		}
		want := map[string]int64{
			"public.plain": 7, `odd "schema".it's a; drop table plain --`: 2, "public.parts": 3, "public.parent": 1, "public.child": 2,
			"public.hidden": -1, "public.held": -1, "public.theirs": -1, "public.mixed": -1,
		}
		if got := counted(t, r, tenant.Database); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("counted %v, want %v", got, want)
		}
		if r.Complete {
			t.Error("a report with a locked table says that it is complete")
		}
		do(t, locker, "rollback")
		if r, err = (postgres.Engine{}).Report(ctx, b.Server, b.Secrets, nameless); err != nil || !r.Complete || counted(t, r, tenant.Database)["public.held"] != 1 {
			t.Errorf("after the lock: complete %v, %v", r.Complete, err)
		}
		for _, a := range r.Accounts {
			if a.Name == "reader" && !strings.Contains(fmt.Sprint(a.Rights), `SELECT ON 1 TABLES IN "ada_db"."public"`) {
				t.Errorf("the reader may %v", a.Rights)
			}
		}
		t.Run("a deadline gives what there is", func(t *testing.T) {
			do(t, owner, "insert into plain select generate_series(1, 3000000)")
			soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			r, err := postgres.Engine{}.Report(soon, b.Server, b.Secrets, nameless)
			if err != nil || r.Complete {
				t.Errorf("complete %v, %v", r.Complete, err)
			}
		})
	})
}

func TestSample(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := newBox(t, image)
		b.Start()
		tenant := b.provisioned("ada")
		sample := func() engine.Sample {
			s, err := postgres.Engine{}.Sample(t.Context(), b.Server, b.Secrets.Admin)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := sample()
		if s.Connections != 0 || s.MaxConnections < 40 || s.Bytes < 1<<20 || s.LastLogin != nil || !s.UpSince.Before(s.At) {
			t.Errorf("alone: %+v", s)
		}
		conn := b.login(tenant.Username, tenant.Password, tenant.Database)
		ended := make(chan error, 1)
		go func() { _, err := conn.Exec(t.Context(), "select pg_sleep(60)"); ended <- err }()
		b.Eventually("the query shows", func() error {
			if s = sample(); s.Connections != 1 || s.LongestQuery < 100*time.Millisecond || s.LastLogin == nil {
				return fmt.Errorf("%+v", s)
			}
			return nil
		})
		do(t, b.admin("postgres"), "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'ada'")
		<-ended
	})
}
