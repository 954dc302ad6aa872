package core_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// lost is a site whose catalogue has to be settled after a recovery.
type lost struct {
	t       *testing.T
	service *core.Service
	pool    *pgxpool.Pool // of the owner
	ada     core.Actor
	ids     map[string]string // of instances, by name
	found   core.Found
}

func newLost(t *testing.T) *lost {
	t.Helper()
	ownerURL, _ := coretest.Database(t)
	l := &lost{t: t, pool: coretest.Pool(t, ownerURL), ids: map[string]string{}}
	l.service = coretest.Service(t, l.pool, core.Options{Backups: core.Backups{On: true}})
	if err := l.service.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	coretest.Actor(t, l.service, "root", true)
	l.ada = coretest.Actor(t, l.service, "ada", false)
	l.found = core.Found{Cluster: &core.Cluster{At: time.Now(), Nodes: []string{"node"}}, Hosts: map[string]string{"node": "10.0.0.1"}}
	return l
}

// made is an instance of the catalogue in a state, with further changes.
func (l *lost) made(name, state, changes string) string {
	l.t.Helper()
	r, err := l.service.Do(l.t.Context(), core.Request{Actor: l.ada, Door: core.DoorAPI, Command: core.Create{Engine: "postgres", Name: name}})
	if err != nil {
		l.t.Fatal(err)
	}
	execute(l.t, l.pool, "update operations set state = 'done', finished_at = now(), started_at = now() where id = $1", r.Operation.ID)
	set := "state = '" + state + "', node_id = 'node', host = '10.0.0.1'"
	if changes != "" {
		set += ", " + changes
	}
	execute(l.t, l.pool, "update instances set "+set+" where id = $1", r.Database.ID)
	l.ids[name] = r.Database.ID
	return r.Database.ID
}

// runs puts the service of an instance into the cluster, as the catalogue would have made it.
func (l *lost) runs(name string, wanted bool, change func(*core.ClusterService)) {
	l.t.Helper()
	i, err := l.service.Instance(l.t.Context(), l.ada, l.ids[name])
	if err != nil {
		l.t.Fatal(err)
	}
	size, _ := l.service.Catalogue().Size(i.Size)
	s := core.ClusterService{
		InstanceID: i.ID, Name: "mydb-" + i.ID, Wanted: wanted, Image: i.Image, NodeID: "node", Port: *i.Port, Engine: i.Engine, Label: i.Name, Generation: i.Generation,
		CPU: size.CPU, Memory: int64(size.Memory), CreatedAt: i.CreatedAt,
	}
	if change != nil {
		change(&s)
	}
	l.found.Cluster.Services = append(l.found.Cluster.Services, s)
}

// backup puts a backup of an instance into the store. read says that its manifest was read.
func (l *lost) backup(instanceID, name, owner string, read bool) string {
	l.t.Helper()
	m := core.Manifest{
		Format: 1, BackupID: xid.New().String(), StartedAt: time.Now().UTC(), FinishedAt: time.Now().UTC(), Parts: []core.ManifestPart{{Object: "1.dump.zst.age", Size: 70}},
		Instance: core.ManifestInstance{
			ID: instanceID, Name: name, Owner: owner, Engine: "postgres", Version: "17", Image: "postgres:17", Size: "small", Username: "user_of_" + name, Database: "db_of_" + name,
			Backup: "weekly", CreatedAt: time.Now().UTC(),
		},
	}
	text, err := json.Marshal(m)
	if err != nil {
		l.t.Fatal(err)
	}
	b := core.FoundBackup{InstanceID: instanceID, ID: m.BackupID, Location: "here"}
	if read {
		b.Manifest, b.Text, b.SHA256 = &m, text, strings.Repeat("a", 64)
	}
	l.found.Backups = append(l.found.Backups, b)
	return m.BackupID
}

func (l *lost) settle() core.Recovery {
	l.t.Helper()
	var r core.Recovery
	at := time.Now().Add(-time.Hour)
	err := pgx.BeginFunc(l.t.Context(), l.pool, func(tx pgx.Tx) (err error) {
		r, err = l.service.SettleRecovery(l.t.Context(), tx, "olga@host", "thebackup", &at, l.found)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// is tells what became of an instance in words.
func (l *lost) is(id string) string {
	l.t.Helper()
	var words string
	err := l.pool.QueryRow(l.t.Context(), `select concat_ws(' ', i.name, i.state, case when i.recovered_at is not null then 'found' end, case when i.ended_at is not null then 'ended' end,
		case when i.purge_at is not null then 'purged-soon' end, i.version, i.size, 'g' || i.generation, p.port, i.restarts) from instances i left join ports p on p.instance_id = i.id
		where i.id = $1`, id).Scan(&words)
	if err != nil {
		l.t.Fatal(err)
	}
	return words
}

func differences(r core.Recovery, about string) (text string) {
	for _, d := range r.Differences {
		if d.Database == about || d.InstanceID == about {
			text += d.Kind + ": " + d.Message + "\n"
		}
	}
	return text
}

// TestSettleStates compares each state of the catalogue with what may have become of the service since.
func TestSettleStates(t *testing.T) {
	t.Parallel()
	const trashed = "purge_at = now() - interval '1 day', trashed_at = now(), stopped_at = now(), stopped_why = 'trashed', ready_at = now()"
	l := newLost(t)
	cases := []struct {
		name, state, changes string
		service              string // runs, rests or none
		want                 string // beginning of what it is
		told                 string // in the differences; empty: nothing is
	}{
		{"same", "ready", "ready_at = now()", "runs", "same ready 1", ""},
		{"halted", "ready", "ready_at = now()", "rests", "halted stopped 1", "does not run"},
		{"lost-or-purged", "ready", "ready_at = now()", "none", "lost-or-purged ready 1", "there is no service of it"},
		{"rests-on", "stopped", "ready_at = now(), stopped_at = now()", "rests", "rests-on stopped 1", ""},
		{"started", "stopped", "ready_at = now(), stopped_at = now()", "runs", "started restoring found 1", "but it runs"},
		{"bin", "trashed", trashed, "rests", "bin trashed purged-soon 1", ""},
		{"brought-back", "trashed", trashed, "runs", "brought-back restoring found 1", "but it runs"},
		{"purged", "trashed", trashed, "none", "purged trashed purged-soon 1", "probably removed for good"},
		{"half-purged", "deleting", trashed, "rests", "half-purged trashed purged-soon 1", "back in the trash"},
		{"made", "creating", "", "runs", "made restoring found 1", "but it runs"},
		{"not-made", "creating", "", "none", "not-made failed ended 1", "its name is free"},
		{"not-restored", "restoring", "", "none", "not-restored failed ended 1", "its name is free"},
		{"in-place", "restoring", "ready_at = now()", "none", "in-place stopped 1", "counts as stopped"},
	}
	for _, c := range cases {
		l.made(c.name, c.state, c.changes)
		if c.service != "none" {
			l.runs(c.name, c.service == "runs", nil)
		}
	}
	r := l.settle()
	for _, c := range cases {
		if got := l.is(l.ids[c.name]); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s is %q, want %q", c.name, got, c.want)
		}
		if told := differences(r, c.name); (c.told == "") != (told == "") || !strings.Contains(told, c.told) {
			t.Errorf("told of %s: %q, want %q", c.name, told, c.told)
		}
	}
}

// TestSettleSpec takes over what the service says of version, size, volume, port and restarts: what the catalogue says is deployed next.
func TestSettleSpec(t *testing.T) {
	t.Parallel()
	l := newLost(t)
	id, other := l.made("genomes", "ready", "ready_at = now(), version = '15', image = 'postgres:15', restarts = 1"), l.made("variants", "ready", "ready_at = now()")
	var ports [2]int
	for n, i := range []string{id, other} {
		if err := l.pool.QueryRow(t.Context(), "select port from ports where instance_id = $1", i).Scan(&ports[n]); err != nil {
			t.Fatal(err)
		}
	}
	medium, _ := l.service.Catalogue().Size("medium")
	l.runs("genomes", true, func(s *core.ClusterService) {
		s.Image, s.Generation, s.Restarts, s.CPU, s.Memory, s.Port = "registry.example.org/postgres:17", 3, 4, medium.CPU, int64(medium.Memory), ports[1]
	})
	l.runs("variants", true, func(s *core.ClusterService) { s.Port = ports[0] })
	r := l.settle()
	if got, want := l.is(id), fmt.Sprintf("genomes ready 17 medium g3 %d 4", ports[1]); got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
	if got, want := l.is(other), fmt.Sprintf("g1 %d 0", ports[0]); !strings.HasSuffix(got, want) {
		t.Errorf("the other is %q, want %q", got, want)
	}
	for _, what := range []string{"image", "size", "volume", "port"} {
		if told := differences(r, "genomes"); !strings.Contains(told, "Its "+what+" is") {
			t.Errorf("the %s is not told of: %s", what, told)
		}
	}
}

// TestSettleStrangers makes instances again of services and of backups that the catalogue does not know, and leaves other MyDBs' alone.
func TestSettleStrangers(t *testing.T) {
	t.Parallel()
	l := newLost(t)
	backed, unbacked, gone, foreign, spare := xid.New().String(), xid.New().String(), xid.New().String(), xid.New().String(), xid.New().String()
	size, _ := l.service.Catalogue().Size("small")
	service := func(id, label string, port int) {
		l.found.Cluster.Services = append(l.found.Cluster.Services, core.ClusterService{
			InstanceID: id, Name: "mydb-" + id, Label: label, Wanted: true, Image: "postgres:17", Engine: "postgres", NodeID: "node", Port: port, Generation: 1,
			CPU: size.CPU, Memory: int64(size.Memory), CreatedAt: time.Now(),
		})
	}
	service(backed, "proteins", 25090)
	service(unbacked, "plants", 25091)
	service(foreign, "elsewhere", 40000)
	service(spare, "mydb-"+spare, 25092)
	b := l.backup(backed, "proteins", "grace", true)
	l.backup(gone, "old-one", "ada", true)
	l.found.Volumes = []core.ClusterThing{{Name: "mydb-x-g1", InstanceID: "x"}}
	r := l.settle()
	for id, want := range map[string]string{
		backed: "proteins restoring found 17 small g1 25090 0", unbacked: "plants restoring found 17 small g1 25091 0", gone: "old-one deleted ended 17 small g1 0",
	} {
		if got := l.is(id); got != want {
			t.Errorf("it is %q, want %q", got, want)
		}
	}
	for query, want := range map[string]string{
		"select p.login || ' ' || username || ' ' || backup || ' ' || phi from instances i join people p on p.id = i.owner_id where i.id = '" + backed + "'":   "grace user_of_proteins weekly false",
		"select p.login || ' ' || username || ' ' || backup || ' ' || phi from instances i join people p on p.id = i.owner_id where i.id = '" + unbacked + "'": "root plants daily true",
		"select state || ' ' || size || ' ' || instance_id from backups where id = '" + b + "'":                                                                "done 70 " + backed,
		"select count(*)::text from instances where id in ('" + foreign + "', '" + spare + "')":                                                                "0",
		"select count(*)::text from audit where action = 'recovery' and actor = 'olga@host'":                                                                   "1",
	} {
		var got string
		if err := l.pool.QueryRow(t.Context(), query).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", query, got, err, want)
		}
	}
	all := differences(r, "")
	for _, want := range []string{"mydb-" + foreign, "spare of the warm pool", "mydb-x-g1"} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing is told of %s: %s", want, all)
		}
	}
	if err := l.service.GuardRecovery(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, _, err := l.service.Findings(t.Context(), coretest.Actor(t, l.service, "root", true), false, core.Page{})
	if err != nil || len(list) != 1 { // the recovery
		t.Errorf("findings %+v, %v", list, err)
	}
}

// TestSettleSpares leaves spares that nobody has claimed, and makes databases of those that somebody has.
func TestSettleSpares(t *testing.T) {
	t.Parallel()
	l := newLost(t)
	claimed, idle, gone := l.made("spare-a", "spare", ""), l.made("spare-b", "spare", ""), l.made("spare-c", "spare", "")
	l.runs("spare-a", true, func(s *core.ClusterService) { s.Label = "genomes" })
	l.runs("spare-b", true, nil)
	l.backup(claimed, "genomes", "ada", true)
	r := l.settle()
	for id, want := range map[string]string{claimed: "genomes restoring found", idle: "spare-b spare", gone: "spare-c deleted ended"} {
		if got := l.is(id); !strings.HasPrefix(got, want) {
			t.Errorf("it is %q, want %q", got, want)
		}
	}
	if told := differences(r, "genomes"); !strings.Contains(told, "was claimed since as genomes") {
		t.Errorf("told: %s", told)
	}
}

// TestSettleWork ends what was under way, marks backups that are gone, and takes messages back.
func TestSettleWork(t *testing.T) {
	t.Parallel()
	l := newLost(t)
	id := l.made("genomes", "ready", "ready_at = now()")
	l.runs("genomes", true, nil)
	kept, missing, half, never := l.backup(id, "genomes", "ada", false), xid.New().String(), l.backup(id, "genomes", "ada", true), xid.New().String()
	for _, b := range []struct{ id, state, operation string }{{kept, "done", "done"}, {missing, "verified", "done"}, {half, "running", "running"}, {never, "running", "done"}} {
		op := xid.New().String()
		execute(t, l.pool, `insert into operations (id, instance_id, kind, requested_by, door, state, finished_at) values ($1, $2, 'backup', $3, 'api', $4::text, case when $4 = 'done' then now() end)`,
			op, id, l.ada.ID, b.operation)
		execute(t, l.pool, `insert into backups (id, instance_id, operation_id, reason, requested_by, state, finished_at, manifest) values ($1, $2, $3, 'asked', $4, $5::text,
			case when $5 <> 'running' then now() end, '{}')`, b.id, id, op, l.ada.ID, b.state)
	}
	verify := xid.New().String()
	execute(t, l.pool, `insert into operations (id, instance_id, kind, requested_by, door, state, args) values ($1, $2, 'verify', 'mydb', 'system', 'running', '{"backup_id": "x"}')`, verify, id)
	execute(t, l.pool, "insert into secrets (instance_id, kind, sealed) values ($1, 'next', 'x')", id)
	execute(t, l.pool, `insert into notifications (id, dedupe, kind, channel, audience, address) values ('n', 'n', 'ready', 'mail', 'owner', 'a@example.org')`)
	execute(t, l.pool, "insert into catalogue_backups (id, created_at) values ('c', now())")
	r := l.settle()
	for query, want := range map[string]string{
		"select state from backups where id = '" + kept + "'":                                     "done",
		"select state from backups where id = '" + missing + "'":                                  "expired",
		"select state from backups where id = '" + half + "'":                                     "done",
		"select state from backups where id = '" + never + "'":                                    "failed",
		"select count(*)::text from operations where finished_at is null":                         "0",
		"select error from operations where id = '" + verify + "'":                                "MyDB was recovered from a backup of itself, and this was under way",
		"select args::text from operations where id = '" + verify + "'":                           "{}",
		"select count(*)::text from secrets where kind = 'next'":                                  "0",
		"select state from notifications where id = 'n'":                                          "cancelled",
		"select state from catalogue_backups":                                                     "failed",
		"select count(*)::text from backups where state = 'running'":                              "0",
		"select count(*)::text from recoveries where accepted_at is null and backup_id <> ''":     "1",
		"select count(*)::text from secrets where kind = 'owner' and instance_id = '" + id + "'":  "1", // a password that nobody has collected is still there
		"select coalesce(max(error), '') from operations where kind = 'create' and error is null": "",
	} {
		var got string
		if err := l.pool.QueryRow(t.Context(), query).Scan(&got); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, %v; want %q", query, got, err, want)
		}
	}
	if told := differences(r, "genomes"); !strings.Contains(told, "The backup was under way") || !strings.Contains(told, "1 backup that the catalogue has, and the store does not") ||
		!strings.Contains(told, "1 backup in the store") {
		t.Errorf("told: %s", told)
	}
}

// TestSettleWithoutCluster leaves to be measured what was being made, and says so.
func TestSettleWithoutCluster(t *testing.T) {
	t.Parallel()
	l := newLost(t)
	id := l.made("genomes", "creating", "")
	l.found.Cluster = nil
	r := l.settle()
	if got := l.is(id); !strings.HasPrefix(got, "genomes restoring found") || !strings.Contains(differences(r, ""), "The cluster was not asked") {
		t.Errorf("it is %q, told %+v", got, r.Differences)
	}
}
