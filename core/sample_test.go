package core_test

import (
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/engine"
)

func TestSamples(t *testing.T) {
	s, pool := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	r, err := s.Do(t.Context(), request(ada, "", create("genomes")))
	if err != nil {
		t.Fatal(err)
	}
	if targets, err := s.Targets(t.Context()); err != nil || len(targets) != 0 {
		t.Errorf("what is being created is measured: %v, %v", targets, err)
	}
	ready(t, s, pool, r)
	targets, err := s.Targets(t.Context())
	if err != nil || len(targets) != 1 || targets[0].ID != r.Database.ID || targets[0].Engine != "postgres" || targets[0].Port == 0 {
		t.Fatalf("targets: %+v, %v", targets, err)
	}
	if u, err := s.Usage(t.Context(), r.Database); err != nil || u != nil {
		t.Errorf("before the first: %+v, %v", u, err)
	}
	seen := time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
	m := engine.Sample{UpSince: seen, Bytes: 7 << 20, Connections: 3, MaxConnections: 50, LongestQuery: 1500 * time.Millisecond, LastLogin: &seen}
	if err := s.Sampled(t.Context(), r.Database.ID, m, core.Ends{Restarts: 1, Last: seen}, ""); err != nil {
		t.Fatal(err)
	}
	u, err := s.Usage(t.Context(), r.Database)
	if err != nil || !u.Up || *u.Bytes != 7<<20 || *u.Connections != 3 || *u.LongestQuery != 1.5 {
		t.Errorf("usage %+v, %v", u, err)
	}
	if n := count(t, pool, "select count(*) from instances where last_login_at is not null"); n != 1 {
		t.Error("the last login was not noted")
	}
	if err := s.Sampled(t.Context(), r.Database.ID, engine.Sample{}, core.Ends{Restarts: 2, Last: seen}, "The server did not answer."); err != nil {
		t.Fatal(err)
	}
	if u, err = s.Usage(t.Context(), r.Database); err != nil || u.Up || u.Error == "" || u.Bytes != nil || u.RestartsDay != 3 || u.LastError == "" || u.LastLoginAt == nil {
		t.Errorf("usage %+v, %v", u, err)
	}
	list, err := s.Series(t.Context(), ada, "genomes", time.Now().Add(-time.Hour))
	if err != nil || len(list) != 2 || !list[0].Up || list[1].Up {
		t.Errorf("series %+v, %v", list, err)
	}
	bob := coretest.Actor(t, s, "bob", false)
	if _, err := s.Series(t.Context(), bob, "genomes", time.Time{}); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("a stranger reads the series: %v", err)
	}
}

// Of what is older than two days, one sample stays for each hour.
func TestSamplesAreThinnedOut(t *testing.T) {
	s, pool := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	r, err := s.Do(t.Context(), request(ada, "", create("genomes")))
	if err != nil {
		t.Fatal(err)
	}
	_, err = pool.Exec(t.Context(), `insert into samples (instance_id, at, up)
		select $1, date_trunc('hour', now()) - interval '3 days' + make_interval(mins => m), true from generate_series(0, 179) m
		union all select $1, date_trunc('hour', now()) - make_interval(mins => m + 1), true from generate_series(0, 9) m
		union all select $1, now() - interval '100 days', true`, r.Database.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, pool, "select count(*) from samples"); n != 3+10 {
		t.Errorf("%d samples stay, want 3 old ones and 10 new ones", n)
	}
}
