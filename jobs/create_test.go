package jobs_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/mariadb"
	"github.com/mydb-project/mydb/core/engine/mongodb"
	"github.com/mydb-project/mydb/core/engine/postgres"
	"github.com/mydb-project/mydb/core/policy"
	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/jobs/swarm"
)

// The tests here run workers as processes of their own, which can be killed: this test binary, told by the environment to be one.
const (
	workerEnv = "MYDB_TEST_WORKER_DATABASE" // the database of a worker process
	keyEnv    = "MYDB_TEST_WORKER_KEY"
	crashEnv  = "MYDB_TEST_WORKER_CRASH"  // the call at which it kills itself
	engineEnv = "MYDB_TEST_WORKER_ENGINE" // its Docker engine; empty means the machine's
	storeEnv  = "MYDB_TEST_WORKER_STORE"  // where it keeps backups, as MYDB_STORE_URL
	escrowEnv = "MYDB_TEST_WORKER_ESCROW" // public keys that open its backups, too
	verifyEnv = "MYDB_TEST_WORKER_VERIFY" // which backups are verified; empty means all
	diskEnv   = "MYDB_TEST_WORKER_DISK"   // how many bytes are free on the disk of its node; empty means that it looks
)

func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) == "" {
		os.Exit(m.Run())
	}
	if err := beWorker(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func beWorker() error {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv(workerEnv))
	if err != nil {
		return err
	}
	keys, err := crypt.ParseKeyring(os.Getenv(keyEnv))
	if err != nil {
		return err
	}
	if os.Getenv(mailEnv) != "" {
		return bePostman(ctx, pool, keys)
	}
	runtime, err := swarm.New(ctx, swarm.Options{Host: os.Getenv(engineEnv)})
	if err != nil {
		return err
	}
	find, err := runtime.Images(ctx)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	crash := crasher{at: os.Getenv(crashEnv)}
	queue, err := jobs.NewInserter(pool, log)
	if err != nil {
		return err
	}
	service := core.New(core.Options{
		DB: pool, Keys: keys, Queue: queue, Engines: allEngines(crash), Catalogue: testCatalogue(find),
		Ports: testPorts, Log: log, Pool: poolOf(os.Getenv(poolEnv)),
		Policy: workerPolicy(), Backups: core.Backups{On: true, Escrow: strings.Fields(os.Getenv(escrowEnv))},
	})
	backups, err := openStore(ctx, os.Getenv(storeEnv))
	if err != nil {
		return err
	}
	_, err = jobs.Start(ctx, jobs.Options{
		DB: pool, Service: service, Store: crashingStore{backups, crash},
		Runtime: crashingRuntime{faultyRuntime{fullDisk{runtime, os.Getenv(diskEnv)}, os.Getenv(faultEnv)}, crash}, Log: log, CreateLimit: 2 * time.Minute,
	})
	if err != nil {
		return err
	}
	select {} // until it is killed
}

func workerPolicy() policy.Policy {
	p := testPolicy
	p.Backup.Verify = policy.Verify(os.Getenv(verifyEnv))
	return p
}

// allEngines are those of the real program, each of which kills the process where it is told to.
func allEngines(crash crasher) (out []engine.Engine) {
	for _, e := range []engine.Engine{postgres.Engine{}, mariadb.Engine{}, mongodb.Engine{}} {
		out = append(out, crashingEngine{e, crash})
	}
	return out
}

// testCatalogue has two sizes more than the built-in one: one that no machine has room for, and one in which no server starts.
func testCatalogue(find func(string) (string, bool)) engine.Catalogue {
	c := engine.BuiltIn().WithImages(find)
	small, _ := c.Size("small")
	huge, sick := small, small
	huge.Name, huge.Memory, huge.MemoryReserved = "huge", 4<<40, 4<<40
	sick.Name, sick.Memory, sick.MemoryReserved = "sick", 7<<20, 6<<20
	c.Sizes = append(slices.Clone(c.Sizes), huge, sick)
	return c
}

// Tests that run at the same time on one engine would fight for ports; each process run of this package has its own range.
var testPorts = core.PortRange{First: 26100, Last: 26299}

// testPolicy allows sources where the servers of tests are.
var testPolicy = policy.Policy{Import: policy.Import{Networks: []string{"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}}}

// site is a MyDB for one test: a database, a service and the keys that its workers need.
type site struct {
	t       *testing.T
	url     string
	key     string
	pool    *pgxpool.Pool
	service *core.Service
	runtime *swarm.Runtime   // on the manager
	nodes   []*swarm.Runtime // on each node
	engines []string         // addresses of the nodes' engines; the manager's is first
	actor   core.Actor
	store   string             // where backups are, as MYDB_STORE_URL
	logs    []*coretest.Output // of workers
	env     []string           // of workers, beside what all have
}

// newSite makes a site on the machine's own engine.
func newSite(t *testing.T) *site {
	t.Helper()
	if os.Getenv("MYDB_TEST_DOCKER") == "" || testing.Short() {
		t.Skip("needs a Docker engine in Swarm mode: run `make test`, which sets MYDB_TEST_DOCKER")
	}
	return newSiteOn(t, "")
}

func newSiteOn(t *testing.T, engines ...string) *site {
	t.Helper()
	_, appURL := coretest.Database(t)
	s := &site{t: t, url: appURL, pool: coretest.Pool(t, appURL), engines: engines, store: "file://" + t.TempDir()}
	var err error
	if s.key, err = crypt.NewKey(); err != nil {
		t.Fatal(err)
	}
	for _, host := range engines {
		r, err := swarm.New(t.Context(), swarm.Options{Host: host})
		if err != nil {
			t.Fatal(err)
		}
		s.nodes = append(s.nodes, r)
	}
	s.runtime = s.nodes[0]
	s.reopen()
	if err := s.service.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.spreadPorts()
	s.actor = coretest.Actor(t, s.service, "ada", false)
	t.Cleanup(s.removeAll)
	return s
}

// reopen makes the service anew, with the keys that the site has now.
func (s *site) reopen() {
	s.t.Helper()
	find, err := s.runtime.Images(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	objects, err := openStore(s.t.Context(), s.store)
	if err != nil {
		s.t.Fatal(err)
	}
	s.service = coretest.Service(s.t, s.pool, core.Options{Objects: objects, Policy: testPolicy, Keys: s.keys(), Queue: s.queue(), Engines: allEngines(crasher{}), Catalogue: testCatalogue(find), Ports: testPorts, Backups: core.Backups{On: true}})
}

func (s *site) keys() *crypt.Keyring {
	s.t.Helper()
	keys, err := crypt.ParseKeyring(s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	return keys
}

func (s *site) queue() core.Queue {
	s.t.Helper()
	queue, err := jobs.NewInserter(s.pool, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	return queue
}

// spreadPorts makes tests that run at once begin at different ports of the range.
func (s *site) spreadPorts() {
	offset := int(xid.New().Counter()) % 190
	if _, err := s.pool.Exec(s.t.Context(), "update ports set free_after = '2000-01-01' where port < $1", testPorts.First+offset); err != nil {
		s.t.Fatal(err)
	}
}

// removeAll takes longer than a server has to end: the engine may have just begun with one whose port was taken before.
func (s *site) removeAll() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), 4*time.Minute)
	defer cancel()
	pool, err := pgxpool.New(ctx, s.url)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer pool.Close()
	s.sweep(ctx, pool)
	rows, err := pool.Query(ctx, "select id from instances")
	if err != nil {
		s.t.Error(err)
		return
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Error(err)
	}
	for _, id := range ids {
		if err := s.runtime.Remove(ctx, id); err != nil {
			s.t.Errorf("clean up: %v", err)
		}
		for _, node := range s.nodes {
			if err := node.RemoveVolume(ctx, id); err != nil {
				s.t.Errorf("clean up: %v", err)
			}
		}
	}
}

func (s *site) create(c core.Create) core.Receipt {
	s.t.Helper()
	if c.Name == "" {
		c.Name = "genomes"
	}
	if c.Engine == "" {
		c.Engine = "postgres"
	}
	r, err := s.service.Do(s.t.Context(), core.Request{Actor: s.actor, Door: core.DoorAPI, Key: c.Name, Command: c})
	if err != nil {
		s.t.Fatalf("create %s: %v", c.Name, err)
	}
	return r
}

// worker starts a worker process on the manager, which is killed when the test ends.
func (s *site) worker(crash string) *exec.Cmd { return s.workerOn(s.engines[0], crash) }

func (s *site) workerOn(host, crash string) *exec.Cmd {
	s.t.Helper()
	return s.startWorker(exec.Command(os.Args[0]), s.url, host, crash)
}

// startWorker starts a worker by a command that becomes this test binary, with the metadata database at url.
func (s *site) startWorker(cmd *exec.Cmd, url, host, crash string) *exec.Cmd {
	s.t.Helper()
	cmd.Env = append(os.Environ(), workerEnv+"="+url, keyEnv+"="+s.key, crashEnv+"="+crash, engineEnv+"="+host, storeEnv+"="+s.store)
	cmd.Env = append(cmd.Env, s.env...)
	out := &coretest.Output{}
	s.logs = append(s.logs, out)
	cmd.Stderr = out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if s.t.Failed() {
			s.t.Logf("worker (crash %q) said:\n%s", crash, out.String())
		}
	})
	return cmd
}

// await waits for the end of an operation.
func (s *site) await(id string) core.Operation {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		o, err := s.service.Operation(ctx, s.actor, id)
		if err != nil {
			s.t.Fatalf("operation %s: %v", id, err)
		}
		if o.Finished() {
			return o
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("operation %s did not end: %+v", id, o)
		case <-tick.C:
		}
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	r := s.create(core.Create{Password: `it's "quoted" \ and ünïcode`, Extensions: []string{"pg_trgm"}, InitSQL: "create table genes (id int); insert into genes values (1), (2)"})
	if o := s.await(r.Operation.ID); o.State != core.OperationDone {
		t.Fatalf("create ended as %+v", o)
	}
	s.checkUsable(r.Database.ID)
}

// checkUsable logs in with the collected password and looks at what the init script made.
func (s *site) checkUsable(name string) {
	s.t.Helper()
	i, err := s.service.Instance(s.t.Context(), s.actor, name)
	if err != nil || i.State != core.StateReady || !i.Placed() {
		s.t.Fatalf("Instance = %+v, %v; want ready", i, err)
	}
	cred, err := s.service.Collect(s.t.Context(), core.Request{Actor: s.actor, Door: core.DoorAPI}, name)
	if err != nil {
		s.t.Fatal(err)
	}
	ca, err := s.service.Authority(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	server := engine.Server{Host: *i.Host, Port: *i.Port, CA: ca.Pool()}
	tenant := engine.Tenant{Username: cred.Username, Password: cred.Password, Database: i.Database}
	if err := (postgres.Engine{}).Prove(s.t.Context(), server, tenant); err != nil {
		s.t.Errorf("Prove with the collected password: %v", err)
	}
}

// TestCreateSurvivesKill kills the worker at each step of a create. Another worker ends it, and everything is there once.
func TestCreateSurvivesKill(t *testing.T) {
	for _, crash := range []string{
		"before nodes", "after nodes", "before ensure", "after ensure", "before ping", "after ping",
		"before provision", "after provision", "before prove", "after prove",
	} {
		t.Run(crash, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			r := s.create(core.Create{InitSQL: "create table once (i int)"}) // a second run would fail
			first := s.worker(crash)
			if err := first.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("the first worker ended with %v; want killed", err)
			}
			s.worker("")
			if o := s.await(r.Operation.ID); o.State != core.OperationDone {
				t.Fatalf("create ended as %+v", o)
			}
			s.checkUsable(r.Database.ID)
			s.checkOnce(r)
		})
	}
}

// checkOnce counts what a create leaves: one of each.
func (s *site) checkOnce(r core.Receipt) {
	s.t.Helper()
	id := r.Database.ID
	for what, args := range map[string][]string{
		"service": {"service", "ls", "-q", "--filter", "label=dev.mydb.instance=" + id},
		"volume":  {"volume", "ls", "-q", "--filter", "label=dev.mydb.instance=" + id},
		"secret":  {"secret", "ls", "-q", "--filter", "label=dev.mydb.instance=" + id},
	} {
		out, err := exec.CommandContext(s.t.Context(), "docker", args...).Output()
		if n := len(strings.Fields(string(out))); err != nil || n != 1 {
			s.t.Errorf("%d of %s, %v; want 1", n, what, err)
		}
	}
	for what, sql := range map[string]string{
		"port":   "select count(*) from ports where instance_id = $1",
		"answer": "select count(*) from audit where instance_id = $1 and action = 'create' and outcome = 'done'",
	} {
		var n int
		if err := s.pool.QueryRow(s.t.Context(), sql, id).Scan(&n); err != nil || n != 1 {
			s.t.Errorf("%d of %s, %v; want 1", n, what, err)
		}
	}
}

func TestFailedCreateLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	r := s.create(core.Create{InitSQL: "create table t (i int);\nselect * from nowhere;"})
	o := s.await(r.Operation.ID)
	if o.State != core.OperationFailed || o.Error == nil || !strings.Contains(o.Error.Message, "nowhere") {
		t.Fatalf("create ended as %+v; want it to tell of the table that is not there", o)
	}
	s.checkGone(r.Database.ID)
	if _, err := s.service.Do(t.Context(), core.Request{Actor: s.actor, Door: core.DoorAPI, Command: core.Create{Engine: "postgres", Name: "genomes"}}); err != nil {
		t.Errorf("the name of a failed create is not free: %v", err)
	}
}

// checkGone waits until nothing carries the instance's label any more, on no node.
func (s *site) checkGone(id string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 60*time.Second)
	defer cancel()
	for _, host := range s.engines {
		kinds := []string{"volume"}
		if host == s.engines[0] {
			kinds = []string{"service", "secret", "volume"}
		}
		for _, kind := range kinds {
			s.awaitNone(ctx, host, kind, id)
		}
	}
	var ports, secrets int
	err := s.pool.QueryRow(ctx, "select (select count(*) from ports where instance_id = $1), (select count(*) from secrets where instance_id = $1)", id).Scan(&ports, &secrets)
	if err != nil || ports+secrets != 0 {
		s.t.Errorf("%d ports and %d secrets stay, %v", ports, secrets, err)
	}
}

func (s *site) awaitNone(ctx context.Context, host, kind, id string) {
	s.t.Helper()
	for {
		cmd := exec.CommandContext(ctx, "docker", kind, "ls", "-q", "--filter", "label=dev.mydb.instance="+id)
		if host != "" {
			cmd.Env = append(os.Environ(), "DOCKER_HOST="+host)
		}
		out, err := cmd.Output()
		if err != nil {
			s.t.Fatalf("a %s of a failed create stays: %v", kind, err)
		}
		if len(out) == 0 {
			return
		}
	}
}

func TestBusyPortIsSkipped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.create(core.Create{})
	port := *r.Database.Port
	hold := exec.Command("python3", "-m", "http.server", fmt.Sprint(port))
	if err := hold.Start(); err != nil {
		t.Skip("needs python3 to hold a port")
	}
	t.Cleanup(func() { hold.Process.Kill(); hold.Wait() })
	s.worker("")
	if o := s.await(r.Operation.ID); o.State != core.OperationDone {
		t.Fatalf("create ended as %+v", o)
	}
	i, err := s.service.Instance(t.Context(), s.actor, r.Database.ID)
	if err != nil || *i.Port == port {
		t.Errorf("the instance is on port %d, %v; want another than the busy one", *i.Port, err)
	}
	s.checkUsable(i.ID)
}
