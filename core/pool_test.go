package core_test

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// warm makes a service whose pool keeps n spares of PostgreSQL.
func warm(t *testing.T, n int) (*core.Service, *pgxpool.Pool) {
	t.Helper()
	_, app := coretest.Database(t)
	pool := coretest.Pool(t, app)
	s := coretest.Service(t, pool, core.Options{Pool: map[string]int{"postgres": n}})
	if err := s.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, pool
}

func fill(t *testing.T, s *core.Service) core.PoolChange {
	t.Helper()
	change, err := s.FillPool(t.Context(), func(pgx.Tx, core.Spare) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return change
}

// placed makes spares claimable, as their worker would.
func placed(t *testing.T, s *core.Service, pool *pgxpool.Pool) {
	t.Helper()
	type spare struct{ ID, Operation string }
	rows, _ := pool.Query(t.Context(), `select i.id, o.id as operation from instances i join operations o on o.instance_id = i.id
		where i.owner_id = 'mydb' and i.state = 'creating'`)
	spares, err := pgx.CollectRows(rows, pgx.RowToStructByName[spare])
	if err != nil {
		t.Fatal(err)
	}
	for _, sp := range spares {
		i, _, err := s.Begin(t.Context(), sp.Operation)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Place(t.Context(), i.ID, func([]core.Placed) (string, string, error) { return "n1", "db.example.com", nil }); err != nil {
			t.Fatal(err)
		}
		err = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return s.FinishCreate(t.Context(), tx, sp.Operation, i, nil) })
		if err != nil {
			t.Fatal(err)
		}
	}
}

func count(t *testing.T, pool *pgxpool.Pool, sql string) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPoolKeepsItsNumber(t *testing.T) {
	s, pool := warm(t, 3)
	var wg sync.WaitGroup
	for range 4 { // as periodic jobs of several managers might
		wg.Go(func() {
			if _, err := s.FillPool(context.Background(), func(pgx.Tx, core.Spare) error { return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := count(t, pool, "select count(*) from instances where owner_id = 'mydb'"); n != 3 {
		t.Fatalf("%d spares, want 3", n)
	}
	placed(t, s, pool)
	if change := fill(t, s); change.Made != 0 || len(change.Drained) != 0 {
		t.Errorf("a full pool changed: %+v", change)
	}
	// Whoever turns the pool down gets rid of the rest; their ports rest first.
	fewer := coretest.Service(t, pool, core.Options{Pool: map[string]int{"postgres": 1}})
	if change := fill(t, fewer); len(change.Drained) != 2 {
		t.Errorf("drained %d, want 2", len(change.Drained))
	}
	none := coretest.Service(t, pool, core.Options{})
	if change := fill(t, none); len(change.Drained) != 1 {
		t.Errorf("drained %d, want 1", len(change.Drained))
	}
	if n := count(t, pool, "select count(*) from instances where owner_id = 'mydb' and ended_at is null"); n != 0 {
		t.Errorf("%d spares are left", n)
	}
}

// Two creates at once do not get the same spare, and what they get looks as if it had been made for them.
func TestClaim(t *testing.T) {
	s, pool := warm(t, 2)
	ada := coretest.Actor(t, s, "ada", true)
	fill(t, s)
	placed(t, s, pool)
	if list, _, err := s.Instances(t.Context(), ada, true, core.Page{}); err != nil || len(list) != 0 {
		t.Errorf("spares are in the list: %v, %v", list, err)
	}
	receipts := make([]core.Receipt, 3)
	var wg sync.WaitGroup
	for n, name := range []string{"one", "two", "three"} {
		wg.Go(func() {
			var err error
			receipts[n], err = s.Do(context.Background(), request(ada, name, core.Create{Engine: "postgres", Name: name, Description: "of " + name}))
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	ids, claimed := map[string]bool{}, 0
	for _, r := range receipts {
		ids[r.Database.ID] = true
		if r.Database.Host != nil {
			claimed++
		}
		if r.Database.State != core.StateCreating || r.Database.Owner != "ada" || r.Operation.Kind != "create" || r.Database.Port == nil {
			t.Errorf("claimed %+v", r.Database)
		}
	}
	if len(ids) != 3 || claimed != 2 {
		t.Errorf("%d instances, of which %d were spares; want 3 and 2", len(ids), claimed)
	}
	if change := fill(t, s); change.Made != 2 {
		t.Errorf("made %d spares anew, want 2", change.Made)
	}
}

// A claim of a taken name fails, and the spare stays one.
func TestClaimOfATakenName(t *testing.T) {
	s, pool := warm(t, 1)
	ada := coretest.Actor(t, s, "ada", false)
	if _, err := s.Do(t.Context(), request(ada, "", create("genomes"))); err != nil {
		t.Fatal(err)
	}
	fill(t, s)
	placed(t, s, pool)
	if _, err := s.Do(t.Context(), request(ada, "", create("genomes"))); core.CodeOf(err) != core.CodeTaken {
		t.Errorf("err = %v, want %s", err, core.CodeTaken)
	}
	if n := count(t, pool, "select count(*) from instances where state = 'spare'"); n != 1 {
		t.Errorf("%d spares, want 1", n)
	}
}
