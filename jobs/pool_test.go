package jobs_test

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// poolEnv tells a worker process to keep a spare of PostgreSQL.
const poolEnv = "MYDB_TEST_POOL"

func poolOf(value string) map[string]int {
	if value == "" {
		return nil
	}
	return map[string]int{"postgres": 1}
}

// TestWarmPool compares a database that was a spare with one that was made afresh, and watches the pool fill up again.
func TestWarmPool(t *testing.T) {
	s := newSite(t)
	t.Setenv(poolEnv, "1") // for the worker
	s.worker("")
	first := s.spare("")
	fresh := s.create(core.Create{Name: "fresh-one"}) // by a service without a pool
	task := s.docker("ps", "--quiet", "--no-trunc", "--filter", "label=com.docker.swarm.service.name=mydb-"+first)

	warm := coretest.Service(t, s.pool, core.Options{
		Keys: s.keys(), Queue: s.queue(), Catalogue: s.service.Catalogue(), Ports: testPorts, Pool: poolOf("1"),
	})
	claimed, err := warm.Do(t.Context(), core.Request{Actor: s.actor, Door: core.DoorAPI, Command: core.Create{Engine: "postgres", Name: "warm-one"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []core.Receipt{fresh, claimed} {
		if o := s.await(r.Operation.ID); o.State != core.OperationDone {
			t.Fatalf("create ended as %+v", o)
		}
		s.checkUsable(r.Database.ID)
	}
	if claimed.Database.ID != first {
		t.Fatalf("made %s, although %s was there", claimed.Database.ID, first)
	}
	if now := s.docker("ps", "--quiet", "--no-trunc", "--filter", "label=com.docker.swarm.service.name=mydb-"+first); now != task || task == "" {
		t.Errorf("the claim exchanged the container %q for %q", task, now)
	}
	if diff := cmp.Diff(s.looks(fresh.Database.ID), s.looks(claimed.Database.ID)); diff != "" {
		t.Errorf("made afresh (-) and claimed (+) differ:\n%s", diff)
	}
	s.spare(first)
}

// spare waits for a spare other than one, and gives its id.
func (s *site) spare(other string) string {
	s.t.Helper()
	var id string
	s.until(time.Minute, "there is a spare", func() bool {
		err := s.pool.QueryRow(s.t.Context(), "select id from instances where state = 'spare' and id <> $1", other).Scan(&id)
		return err == nil
	})
	return id
}

func (s *site) until(limit time.Duration, what string, done func() bool) {
	s.t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			s.t.Fatalf("after %s it is not so that %s", limit, what)
		case <-tick.C:
		}
	}
}

func (s *site) docker(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("docker", args...).Output()
	if err != nil {
		s.t.Fatalf("docker %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

var moments = regexp.MustCompile(`MYDB_INIT_UNTIL=[0-9]+|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+[^"]*`)

// looks is all that can be seen of an instance from outside, without what names it.
func (s *site) looks(id string) map[string]any {
	s.t.Helper()
	rows, _ := s.pool.Query(s.t.Context(), "select to_jsonb(i) as row, p.port from instances i join ports p on p.instance_id = i.id where i.id = $1", id)
	type found struct {
		Row  map[string]any
		Port int
	}
	f, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[found])
	if err != nil {
		s.t.Fatal(err)
	}
	for _, own := range []string{"id", "name", "username", "database", "created_at", "ready_at", "init_until"} {
		delete(f.Row, own)
	}
	var services []struct{ Spec map[string]any }
	text := s.docker("service", "inspect", "mydb-"+id)
	if err := json.Unmarshal([]byte(moments.ReplaceAllString(strings.ReplaceAll(text, id, "ID"), "MOMENT")), &services); err != nil {
		s.t.Fatal(err)
	}
	spec := services[0].Spec
	blank(spec, "SecretID", "PublishedPort", "dev.mydb.name", "dev.mydb.spec")
	f.Row["spec"] = spec
	f.Row["secrets"] = s.secretKinds(id)
	return f.Row
}

func (s *site) secretKinds(id string) []string {
	rows, _ := s.pool.Query(s.t.Context(), "select kind from secrets where instance_id = $1 order by kind", id)
	kinds, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	return kinds
}

// blank empties the named fields, wherever they are.
func blank(v any, names ...string) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range names {
			delete(v, name)
		}
		for _, inner := range v {
			blank(inner, names...)
		}
	case []any:
		for _, inner := range v {
			blank(inner, names...)
		}
	}
}
