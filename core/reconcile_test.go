package core_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/engine"
)

// settled makes a database that is ready on node n1, and gives it with the cluster as it should be.
func settled(t *testing.T, s *core.Service, pool *pgxpool.Pool, actor core.Actor, name string) (core.Instance, core.Cluster) {
	t.Helper()
	r, err := s.Do(t.Context(), request(actor, "", create(name)))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, s, pool, r)
	i, err := s.Instance(t.Context(), actor, name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "update operations set finished_at = now() - interval '1 hour' where instance_id = $1", i.ID); err != nil {
		t.Fatal(err)
	}
	service := core.ClusterService{InstanceID: i.ID, Name: "mydb-" + i.ID, Wanted: true, Image: i.Image, NodeID: *i.NodeID, Port: *i.Port}
	return i, core.Cluster{At: time.Now(), Nodes: []string{*i.NodeID}, Services: []core.ClusterService{service}, Secrets: []core.ClusterThing{{Name: "mydb-" + i.ID, InstanceID: i.ID}}}
}

// TestDifferences changes the cluster in each way, and looks at what is found and whether it is healed.
func TestDifferences(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(c *core.Cluster, volumes *[]core.ClusterThing)
		state  core.State
		want   []string // kinds
		heals  bool
	}{
		{name: "as it should be"},
		{name: "service gone", change: func(c *core.Cluster, _ *[]core.ClusterThing) { c.Services = nil }, want: []string{"service_missing"}, heals: true},
		{name: "service and data gone", change: func(c *core.Cluster, v *[]core.ClusterThing) { c.Services, *v = nil, nil }, want: []string{"service_missing", "volume_missing"}},
		{name: "data gone under a running server", change: func(_ *core.Cluster, v *[]core.ClusterThing) { *v = nil }, want: []string{"volume_missing"}},
		{name: "service gone, machine drained", change: func(c *core.Cluster, _ *[]core.ClusterThing) { c.Services, c.Nodes = nil, nil }, want: []string{"node_away", "service_missing"}},
		{name: "scaled to 0", change: func(c *core.Cluster, _ *[]core.ClusterThing) { c.Services[0].Wanted = false }, want: []string{"state_wrong"}, heals: true},
		{name: "scaled to 0, data gone", change: func(c *core.Cluster, v *[]core.ClusterThing) { c.Services[0].Wanted, *v = false, nil }, want: []string{"state_wrong", "volume_missing"}},
		{name: "runs though stopped", state: core.StateStopped, want: []string{"state_wrong"}, heals: true},
		{name: "runs though in the trash", state: core.StateTrashed, want: []string{"state_wrong"}, heals: true},
		{name: "stopped without a service", state: core.StateStopped, change: func(c *core.Cluster, _ *[]core.ClusterThing) { c.Services = nil }},
		{name: "other port", change: func(c *core.Cluster, _ *[]core.ClusterThing) { c.Services[0].Port++ }, want: []string{"port_drift"}},
		{name: "other volume", change: func(c *core.Cluster, _ *[]core.ClusterThing) {
			c.Services[0].Volume, c.Services[0].Wanted = "mydb-"+c.Services[0].InstanceID+"-g2", false
		}, want: []string{"state_wrong", "volume_drift"}},
		{name: "other image", change: func(c *core.Cluster, _ *[]core.ClusterThing) { c.Services[0].Image = "evil" }, want: []string{"image_drift"}},
		{name: "other machine", change: func(c *core.Cluster, _ *[]core.ClusterThing) { c.Services[0].NodeID = "n2" }, want: []string{"node_drift"}},
		{name: "strangers", change: func(c *core.Cluster, v *[]core.ClusterThing) {
			c.Services = append(c.Services, core.ClusterService{InstanceID: "x", Name: "mydb-x"})
			c.Secrets = append(c.Secrets, core.ClusterThing{Name: "mydb-x", InstanceID: "x"})
			*v = append(*v, core.ClusterThing{Name: "mydb-x-g1", InstanceID: "x"})
		}, want: []string{"unknown_secret", "unknown_service", "unknown_volume"}},
		{name: "looked at before it was made", change: func(c *core.Cluster, _ *[]core.ClusterThing) { c.Services, c.At = nil, time.Now().AddDate(0, 0, -1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, pool := coretest.New(t)
			i, cluster := settled(t, s, pool, coretest.Actor(t, s, "ada", false), "genomes")
			volumes := []core.ClusterThing{{Name: "mydb-" + i.ID + "-g1", InstanceID: i.ID}}
			if c.state != "" {
				if _, err := pool.Exec(t.Context(), "update instances set state = $1", c.state); err != nil {
					t.Fatal(err)
				}
			}
			if c.change != nil {
				c.change(&cluster, &volumes)
			}
			if err := s.KeepInventory(t.Context(), core.Inventory{NodeID: *i.NodeID, Volumes: volumes, At: time.Now()}); err != nil {
				t.Fatal(err)
			}
			for range 2 { // a second look finds the same, and starts nothing twice
				if _, err := s.Reconcile(t.Context(), cluster); err != nil {
					t.Fatal(err)
				}
			}
			if got := kinds(t, s); !slices.Equal(got, c.want) {
				t.Errorf("found %v, want %v", got, c.want)
			}
			want := 0
			if c.heals {
				want = 1
			}
			if n := count(t, pool, "select count(*) from operations where kind = 'heal'"); n != want {
				t.Errorf("%d heals, want %d", n, want)
			}
		})
	}
}

// kinds lists the kinds of the open findings.
func kinds(t *testing.T, s *core.Service) (out []string) {
	t.Helper()
	list, _, err := s.Findings(t.Context(), coretest.Actor(t, s, "admin", true), false, core.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if !strings.HasSuffix(f.Message, ".") && !strings.HasSuffix(f.Message, "again.") {
			t.Errorf("no sentence: %q", f.Message)
		}
		out = append(out, f.Kind)
	}
	slices.Sort(out)
	return out
}

// TestHealWaitsAfterAFailure does not try again and again.
func TestHealWaitsAfterAFailure(t *testing.T) {
	s, pool := coretest.New(t)
	i, cluster := settled(t, s, pool, coretest.Actor(t, s, "ada", false), "genomes")
	cluster.Services = nil
	at := func() {
		t.Helper()
		cluster.At = time.Now()
		inventory := core.Inventory{NodeID: *i.NodeID, Volumes: []core.ClusterThing{{Name: "mydb-" + i.ID + "-g1", InstanceID: i.ID}}, At: time.Now()}
		if err := s.KeepInventory(t.Context(), inventory); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Reconcile(t.Context(), cluster); err != nil {
			t.Fatal(err)
		}
	}
	heals := func() int { return count(t, pool, "select count(*) from operations where kind = 'heal'") }
	at()
	if _, err := pool.Exec(t.Context(), "update operations set state = 'failed', error = 'x', error_code = 'internal', finished_at = now() where kind = 'heal'"); err != nil {
		t.Fatal(err)
	}
	at()
	if n := heals(); n != 1 {
		t.Errorf("%d heals right after one that failed, want 1", n)
	}
	if _, err := pool.Exec(t.Context(), "update operations set finished_at = now() - interval '11 minutes' where kind = 'heal'"); err != nil {
		t.Fatal(err)
	}
	at()
	if n := heals(); n != 2 {
		t.Errorf("%d heals after the pause, want 2", n)
	}
	cluster.Services = []core.ClusterService{{InstanceID: i.ID, Name: "mydb-" + i.ID, Wanted: true, Image: i.Image, NodeID: *i.NodeID, Port: *i.Port}}
	if _, err := pool.Exec(t.Context(), "update operations set state = 'done', finished_at = now() - interval '1 minute' where finished_at is null"); err != nil {
		t.Fatal(err)
	}
	at()
	if got := kinds(t, s); len(got) != 0 {
		t.Errorf("after the heal: %v", got)
	}
	if n := count(t, pool, "select count(*) from notifications where kind = 'alarm'"); n != 2 {
		t.Errorf("%d notifications, want one that it is gone and one that it is over", n)
	}
}

func TestPause(t *testing.T) {
	s, pool := coretest.New(t)
	i, cluster := settled(t, s, pool, coretest.Actor(t, s, "ada", false), "genomes")
	admin := request(coretest.Actor(t, s, "admin", true), "", nil)
	if _, err := s.SetPause(t.Context(), request(coretest.Actor(t, s, "ada", false), "", nil), true, ""); core.CodeOf(err) != core.CodeForbidden {
		t.Errorf("a scientist pauses the site: %v", err)
	}
	for range 2 {
		if p, err := s.SetPause(t.Context(), admin, true, "new switch"); err != nil || p == nil || p.By != "admin" {
			t.Fatalf("pause: %+v, %v", p, err)
		}
	}
	cluster.Services = nil
	inventory := core.Inventory{NodeID: *i.NodeID, Volumes: []core.ClusterThing{{Name: "mydb-" + i.ID + "-g1", InstanceID: i.ID}}, At: time.Now()}
	if err := s.KeepInventory(t.Context(), inventory); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Reconcile(t.Context(), cluster); err != nil || r.Healed != 0 || r.Differences != 1 {
		t.Errorf("while paused: %+v, %v", r, err)
	}
	if p, err := s.SetPause(t.Context(), admin, false, ""); err != nil || p != nil {
		t.Errorf("resume: %+v, %v", p, err)
	}
	if r, err := s.Reconcile(t.Context(), cluster); err != nil || r.Healed != 1 {
		t.Errorf("after it: %+v, %v", r, err)
	}
	if n := count(t, pool, "select count(*) from audit where action like 'site.%'"); n != 3 {
		t.Errorf("%d audit entries, want that it was refused, begun and ended", n)
	}
}

// fabricated writes samples, the newest last, a minute apart.
func fabricated(t *testing.T, pool *pgxpool.Pool, id string, list ...core.Usage) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), "delete from samples"); err != nil {
		t.Fatal(err)
	}
	for n, u := range list {
		at := time.Now().Add(time.Duration(n-len(list)) * time.Minute)
		_, err := pool.Exec(t.Context(), `insert into samples (instance_id, at, up, bytes, connections, max_connections, restarts, error)
			values ($1, $2, $3, $4, $5, 50, $6, $7)`, id, at, u.Up, u.Bytes, u.Connections, u.Restarts, u.Error)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAlarms(t *testing.T) {
	s, pool := coretest.New(t)
	ada := coretest.Actor(t, s, "ada", false)
	i, _ := settled(t, s, pool, ada, "genomes")
	small, _ := engine.BuiltIn().Size("small")
	up := func(part float64, connections, restarts int) core.Usage {
		bytes := int64(part * float64(small.Disk))
		return core.Usage{Up: true, Bytes: &bytes, Connections: &connections, Restarts: restarts}
	}
	down := core.Usage{Error: "The server did not answer within 5 seconds."}
	for _, c := range []struct {
		name    string
		cause   string
		samples []core.Usage
		want    []string // kind and severity
	}{
		{"well", "", []core.Usage{up(.1, 3, 0)}, nil},
		{"disk is getting full", "", []core.Usage{up(.81, 3, 0)}, []string{"disk warning"}},
		{"disk is full", "", []core.Usage{up(1.2, 3, 0)}, []string{"disk alarm"}},
		{"just below again", "", []core.Usage{up(.9, 3, 0), up(.79, 3, 0)}, []string{"disk warning"}},
		{"steadily below", "", []core.Usage{up(.9, 3, 0), up(.7, 3, 0), up(.7, 3, 0), up(.7, 3, 0)}, nil},
		{"connections", "", []core.Usage{up(.1, 45, 0)}, []string{"connections warning"}},
		{"silent once", "", []core.Usage{up(.1, 1, 0), down, down}, nil},
		{"silent", "", []core.Usage{up(.1, 1, 0), down, down, down}, []string{"unreachable alarm"}},
		{"one restart", "", []core.Usage{up(.1, 1, 1)}, nil},
		{"restarts", "", []core.Usage{up(.1, 1, 1), up(.1, 1, 1), up(.1, 1, 1)}, []string{"crash_loop alarm"}},
		{"the cluster sees a loop", core.AlarmCrashLoop, []core.Usage{down, down, down}, []string{"crash_loop alarm"}},
		{"killed for memory", core.AlarmMemory, []core.Usage{up(.1, 1, 1)}, []string{"memory alarm"}},
		{"between two kills", "", []core.Usage{up(.1, 1, 1), up(.1, 1, 1), up(.1, 1, 1)}, []string{"memory alarm"}},
		{"well again", "", []core.Usage{up(.1, 1, 0)}, nil},
	} {
		fabricated(t, pool, i.ID, c.samples...)
		if err := s.Alarm(t.Context(), []core.Measured{{ID: i.ID, Cause: c.cause}}); err != nil {
			t.Fatal(err)
		}
		list, err := s.AlarmsOf(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range list {
			got = append(got, fmt.Sprintf("%s %s", f.Kind, f.Severity))
			if !strings.Contains(f.Message, "genomes") {
				t.Errorf("%s: %q", c.name, f.Message)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	// Five began, one of them got worse, and all are over: the owner was told of each. The same list again tells nothing.
	told := count(t, pool, "select count(*) from notifications where kind = 'alarm' and audience = 'owner'")
	if err := s.Alarm(t.Context(), []core.Measured{{ID: i.ID}}); err != nil {
		t.Fatal(err)
	}
	if n := count(t, pool, "select count(*) from notifications where kind = 'alarm' and audience = 'owner'"); n != told || told != 11 {
		t.Errorf("%d notifications, then %d", told, n)
	}
	// What was not measured keeps its alarms while it should run, and loses them when it is stopped.
	fabricated(t, pool, i.ID, up(2, 1, 0))
	if err := s.Alarm(t.Context(), []core.Measured{{ID: i.ID}}); err != nil {
		t.Fatal(err)
	}
	for state, want := range map[core.State]int{core.StateReady: 1, core.StateStopped: 0} {
		if state == core.StateStopped {
			if _, err := pool.Exec(t.Context(), "update instances set state = 'stopped'"); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Alarm(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if list, err := s.AlarmsOf(t.Context(), i); err != nil || state == core.StateStopped && len(list) != want {
			t.Errorf("%s: %d alarms, want %d, %v", state, len(list), want, err)
		}
	}
}
