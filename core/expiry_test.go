package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// Time passes over an instance that expires in 90 days.
func TestExpiry(t *testing.T) {
	_, app := coretest.Database(t)
	pool := coretest.Pool(t, app)
	now := time.Now()
	s := coretest.Service(t, pool, core.Options{Now: func() time.Time { return now }})
	if err := s.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	ada := coretest.Actor(t, s, "ada", false)
	r, err := s.Do(t.Context(), request(ada, "", core.Create{Engine: "postgres", Name: "genomes", Expires: "90d"}))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, s, pool, r)
	const day = 24 * time.Hour
	start := now
	for _, c := range []struct {
		at   time.Duration
		want core.Expiry
	}{
		{day, core.Expiry{}},
		{31 * day, core.Expiry{Reminded: 1}},
		{31*day + time.Hour, core.Expiry{}},
		{84 * day, core.Expiry{Reminded: 1}}, // after a downtime, one instead of two
		{84*day + time.Hour, core.Expiry{}},
		{90*day + time.Hour, core.Expiry{Stopped: 1}},
		{90*day + 2*time.Hour, core.Expiry{}}, // its stop is under way
	} {
		now = start.Add(c.at)
		if got, err := s.Expire(t.Context()); err != nil || got != c.want {
			t.Errorf("after %s: %+v, %v; want %+v", c.at, got, err, c.want)
		}
	}
	i, o, err := s.Look(t.Context(), ada, "genomes")
	if err != nil || o.Kind != "expire" {
		t.Fatalf("the operation is %+v, %v; want expire", o, err)
	}
	if err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return s.FinishExpire(t.Context(), tx, o.ID, i, nil) }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Do(t.Context(), request(ada, "", core.Start{On: core.On{Database: "genomes"}})); err == nil || !strings.Contains(err.Error(), "extend it first") {
		t.Errorf("start after its time: %v", err)
	}
	now = start.Add(130 * day)
	if _, err := pool.Exec(t.Context(), "update instances set stopped_at = $1, expires_at = now() - interval '40 days'", start.Add(91*day)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Expire(t.Context()); err != nil || got != (core.Expiry{Asked: 1}) {
		t.Errorf("a month later: %+v, %v; want a deletion asked for", got, err)
	}
	if got, err := s.Expire(t.Context()); err != nil || got != (core.Expiry{}) {
		t.Errorf("right after: %+v, %v", got, err)
	}
	cleo := coretest.Actor(t, s, "cleo", true)
	list, err := s.Approvals(t.Context(), cleo, false)
	if err != nil || len(list) != 1 || list[0].RequestedBy != "mydb" {
		t.Errorf("approvals: %+v, %v", list, err)
	}
}
