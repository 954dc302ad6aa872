package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/enginetest"
	"github.com/mydb-project/mydb/core/engine/postgres"
)

func TestInitScript(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := newBox(t, image)
		b.Start()
		tenant := b.provisioned("ada")
		provision := func(ctx context.Context, sql string) error {
			again := tenant
			again.InitSQL = sql
			return postgres.Engine{}.Provision(ctx, b.Server, b.Secrets.Admin, again)
		}
		for _, c := range []struct {
			name, sql string
			say       []string
		}{
			{"unknown table", "create table a (i int);\n\nselect * from ñope;", []string{"line 3", `"ñope" does not exist`, "42P01"}},
			{"syntax error", "create table a (i int);\ncreate tabel b ();", []string{"line 2", "syntax error"}},
			{"data that does not fit", "create table a (i int);\ninsert into a values ('x');", []string{"line 2", "invalid input syntax"}},
			{"violated constraint", "create table a (i int primary key); insert into a values (1), (1)", []string{"duplicate key", "already exists"}},
			{"raised by the script", "do $$ begin raise exception 'no yeast' using hint = 'Add some.'; end $$", []string{"no yeast", "Add some."}},
			{"not allowed", "create table a (i int); create role eve", []string{"permission denied"}},
			{"not within a transaction", "create table a (i int); vacuum a", []string{"VACUUM"}},
			{"data from nowhere", "create table a (i int);\ncopy a from stdin;\nselect 1;", []string{"COPY", "psql", "INSERT"}},
		} {
			t.Run(c.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				wantRefusal(t, provision(ctx, c.sql), c.say...)
				conn := b.login(tenant.Username, tenant.Password, tenant.Database)
				if n := one(t, conn, "select count(*)::text from pg_tables where schemaname = 'public'"); n != "0" {
					t.Errorf("%s tables stayed of a script that failed", n)
				}
			})
		}
		t.Run("a script without end is given up with its context, and may be tried again", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			err := provision(ctx, "select pg_sleep(3600); create table late (i int)")
			var refused *engine.RefusedError
			if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &refused) {
				t.Errorf("got %v", err)
			}
			const running = "select count(*)::text from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'"
			if n := one(t, b.admin("postgres"), running); n != "0" {
				t.Errorf("%s scripts still run on the server", n)
			}
		})
		t.Run("it runs as the scientist", func(t *testing.T) {
			if err := provision(t.Context(), "create table who as select current_user::text as me; copy who to stdout; -- ends in a comment"); err != nil {
				t.Fatal(err)
			}
			conn := b.login(tenant.Username, tenant.Password, tenant.Database)
			if got := one(t, conn, "select me from who"); got != tenant.Username {
				t.Errorf("ran as %s", got)
			}
		})
	})
}

func TestExtensions(t *testing.T) {
	eachImage(t, func(t *testing.T, image string) {
		b := newBox(t, image)
		b.Start()
		offer, _ := engine.BuiltIn().Offer("postgres")
		tenant := enginetest.Tenant("ada")
		tenant.Extensions = offer.Extensions
		tenant.InitSQL = "select gen_random_uuid(), similarity('yeast', 'yeats'), count(*) from pg_stat_statements; create table t (h hstore)"
		b.provision(tenant)
		tenant.InitSQL = ""
		b.provision(tenant) // finds them all

		tenant.Extensions = []string{"pg_trgm", "no_such_thing"}
		err := postgres.Engine{}.Provision(t.Context(), b.Server, b.Secrets.Admin, tenant)
		wantRefusal(t, err, "no_such_thing", "not available")
	})
}
