package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/coretest"
)

// password is that of the accounts admin and scientist.
const password = "a password for tests"

const (
	startLimit  = 60 * time.Second
	stopLimit   = 10 * time.Second // of an orderly end, whatever is going on
	createLimit = 90 * time.Second // until a create must have ended, on a machine that is busy with other tests
	pollEvery   = 50 * time.Millisecond
)

// site is one MyDB: a metadata database, a state directory, and at most one server process at a time.
type site struct {
	t        testing.TB
	binary   string
	ownerURL string // of the metadata database
	appURL   string
	stateDir string
	listen   string
	ports    portRange
	spare    string // an address for a proxy; the system gives it to nobody while the proxy is shut
	server   *process
}

func newSite(t testing.TB) *site {
	t.Helper()
	needEngine(t)
	s := &site{t: t, binary: binary(t), stateDir: t.TempDir(), listen: freeAddress(t), ports: takePorts()}
	s.spare = fmt.Sprintf("127.0.0.1:%d", s.ports.last+1)
	s.ownerURL, s.appURL = coretest.Empty(t)
	t.Cleanup(s.removeAll)
	return s
}

type portRange struct{ first, last int }

// String writes the range as MYDB_PORT_RANGE takes it.
func (r portRange) String() string { return fmt.Sprintf("%d-%d", r.first, r.last) }

// limit is the part of the range that has n ports.
func (r portRange) limit(n int) portRange { return portRange{r.first, r.first + n - 1} }

var portsTaken atomic.Int32

// Ports of one run are together, and those of one site.
const (
	portsEach, portsMany = 8, 16
	portsPerRun          = 160 // the last portsMany of them are for a site that needs many
)

func firstPort() int { return 27000 + os.Getpid()%16*portsPerRun }

// takePorts gives each site ports of its own, and runs at the same time most likely different ones.
func takePorts() portRange {
	first := firstPort() + int(portsTaken.Add(1)-1)*portsEach%(portsPerRun-portsMany)
	return portRange{first, first + portsEach - 2} // the last is spare
}

// takeManyPorts is takePorts for one site of the run.
func takeManyPorts() portRange {
	first := firstPort() + portsPerRun - portsMany
	return portRange{first, first + portsMany - 1}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *site) url() string       { return "http://" + s.listen }
func (s *site) tokenFile() string { return filepath.Join(s.stateDir, "token") }

func (s *site) token() string {
	s.t.Helper()
	b, err := os.ReadFile(s.tokenFile())
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// environment is what the server is told. Later entries win.
func (s *site) environment(settings []string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.stateDir, "MYDB_DOCKER_HOST=" + os.Getenv("DOCKER_HOST"), "MYDB_STATE_DIR=" + s.stateDir,
		"MYDB_LISTEN=" + s.listen, "MYDB_DATABASE_URL=" + s.appURL, "MYDB_MIGRATE_URL=" + s.ownerURL, "MYDB_DEV_PASSWORD=" + password,
		"MYDB_PORT_RANGE=" + s.ports.String(), "MYDB_LOG=warn", "MYDB_CHAT_SIM=off",
	}
	return append(env, settings...)
}

// start starts the server in development mode, which makes the accounts and offers what this machine has images for. settings are
// variables (NAME=value) that replace the usual ones.
func (s *site) start(settings ...string) {
	s.t.Helper()
	if s.server != nil {
		s.t.Fatal("the server runs already")
	}
	p := s.launch(s.environment(settings), "dev")
	s.server = p
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("the server said:\n%s", p.output.String())
		}
	})
	s.poll(startLimit, "the server gets ready", func() bool {
		if p.hasEnded() {
			s.t.Fatalf("the server ended: %v\n%s", p.err, p.output.String())
		}
		status, _ := s.get("/readyz")
		return status == http.StatusOK
	})
}

// stop asks the server to end, as Ctrl-C does, and wants it to end soon and well.
func (s *site) stop() {
	s.t.Helper()
	p := s.server
	s.server = nil
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(stopLimit):
		s.t.Fatalf("the server did not end within %s of Ctrl-C", stopLimit)
	}
	if p.err != nil {
		s.t.Fatalf("after Ctrl-C the server ended with %v; want exit code 0", p.err)
	}
	s.t.Logf("the server ended %s after Ctrl-C", time.Since(began).Round(time.Millisecond))
}

// chat starts the terminal's program with one command of the scientist.
func (s *site) chat(words ...string) *process {
	s.t.Helper()
	return s.launch([]string{"HOME=" + s.stateDir, "MYDB_URL=" + s.url(), "MYDB_TOKEN_FILE=" + s.tokenFile()}, slices.Concat([]string{"chat"}, words)...)
}

// launch starts a process of the binary, which is killed when the test ends.
func (s *site) launch(env []string, args ...string) *process {
	s.t.Helper()
	p := &process{cmd: exec.Command(s.binary, args...), ended: make(chan struct{})}
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go p.wait()
	s.t.Cleanup(p.kill)
	return p
}

// process is one process of the binary.
type process struct {
	cmd    *exec.Cmd
	output coretest.Output
	ended  chan struct{}
	err    error // how it ended, once it has
}

func (p *process) wait() {
	p.err = p.cmd.Wait()
	close(p.ended)
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// end waits for the process to end by itself.
func (p *process) end(t testing.TB) error {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(createLimit):
		t.Fatalf("waited %s in vain for the end of %s", createLimit, p.cmd)
	}
	return p.err
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.ended
}

// poll looks until done, and fails the test when it takes longer than limit.
func (s *site) poll(limit time.Duration, what string, done func() bool) {
	s.t.Helper()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !done(); <-tick.C {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited %s in vain until %s", limit, what)
		}
	}
}

// get reads a path of the server without logging in. A server that does not answer gives status 0.
func (s *site) get(path string) (status int, body string) {
	return s.send(http.MethodGet, path, "", "")
}

// scientist calls the API with the scientist's token.
func (s *site) scientist(method, path, body string) (status int, answer string) {
	s.t.Helper()
	return s.send(method, "/api/v1"+path, s.token(), body)
}

func (s *site) send(method, path, token, body string) (status int, answer string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.url()+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	status, answer, _ = exchange(http.DefaultClient, r)
	return status, answer
}

// database is what the API tells of one.
type database struct {
	ID, Name, State, Host, Database, Username string
	Port                                      int
}

// operation is what the API tells of one.
type operation struct {
	ID, State string
	Error     *struct{ Code, Message string }
	Steps     []struct{ Name, State, Detail string }
}

// create asks for a database over the API.
func (s *site) create(name string) (database, operation) {
	s.t.Helper()
	status, body := s.scientist(http.MethodPost, "/databases", fmt.Sprintf(`{"engine":"postgres","name":%q}`, name))
	var receipt struct {
		Database  database
		Operation operation
	}
	if err := json.Unmarshal([]byte(body), &receipt); status != http.StatusAccepted || err != nil {
		s.t.Fatalf("create %s: %d %v %s", name, status, err, body)
	}
	return receipt.Database, receipt.Operation
}

// operation reads how far an operation is.
func (s *site) operation(id string) operation {
	s.t.Helper()
	status, body := s.scientist(http.MethodGet, "/operations/"+id, "")
	var o operation
	if err := json.Unmarshal([]byte(body), &o); status != http.StatusOK || err != nil {
		s.t.Fatalf("operation %s: %d %v %s", id, status, err, body)
	}
	return o
}

// awaitReady waits until a create has ended well, and gives the database.
func (s *site) awaitReady(d database, o operation) database {
	s.t.Helper()
	s.poll(createLimit, d.Name+" is ready", func() bool {
		o = s.operation(o.ID)
		return o.State != "queued" && o.State != "running"
	})
	if o.State != "done" {
		s.t.Fatalf("the create of %s ended as %+v", d.Name, o)
	}
	if d = s.database(d.ID); d.State != "ready" {
		s.t.Fatalf("after its create, %s is %s", d.Name, d.State)
	}
	return d
}

// database reads a database, by name or id.
func (s *site) database(name string) (d database) {
	s.t.Helper()
	status, body := s.scientist(http.MethodGet, "/databases/"+name, "")
	if err := json.Unmarshal([]byte(body), &d); status != http.StatusOK || err != nil {
		s.t.Fatalf("database %s: %d %v %s", name, status, err, body)
	}
	return d
}

// psql collects a database's password and gives a function that runs SQL with it, which works without the server too.
func (s *site) psql(d database) func(sql string) string {
	s.t.Helper()
	status, body := s.scientist(http.MethodGet, "/databases/"+d.ID+"/credentials", "")
	var c struct{ Password string }
	if err := json.Unmarshal([]byte(body), &c); status != http.StatusOK || err != nil {
		s.t.Fatalf("credentials of %s: %d %v", d.Name, status, err)
	}
	_, ca := s.get("/ca.crt")
	caFile := filepath.Join(s.stateDir, "ca.crt")
	if err := os.WriteFile(caFile, []byte(ca), 0o600); err != nil {
		s.t.Fatal(err)
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "PGHOST=" + d.Host, fmt.Sprint("PGPORT=", d.Port), "PGDATABASE=" + d.Database, "PGUSER=" + d.Username,
		"PGPASSWORD=" + c.Password, "PGSSLMODE=verify-full", "PGSSLROOTCERT=" + caFile, "PGCONNECT_TIMEOUT=10",
	}
	return func(sql string) string {
		s.t.Helper()
		cmd := exec.Command("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		if err != nil {
			s.t.Fatalf("psql %s: %v\n%s", sql, err, out)
		}
		return strings.TrimSpace(string(out))
	}
}

// query reads one number from the metadata database.
func (s *site) query(sql string, args ...any) (n int) {
	s.t.Helper()
	s.withMetadata(func(ctx context.Context, conn *pgx.Conn) error { return conn.QueryRow(ctx, sql, args...).Scan(&n) })
	return n
}

func (s *site) withMetadata(do func(context.Context, *pgx.Conn) error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.ownerURL)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := do(ctx, conn); err != nil {
		s.t.Fatal(err)
	}
}

// checkOnce counts what a create leaves: one of each, however often it was interrupted.
func (s *site) checkOnce(d database) {
	s.t.Helper()
	for _, kind := range []string{"service", "volume", "secret"} {
		if left := s.labelled(kind, d.ID); len(left) != 1 {
			s.t.Errorf("%s has %d of %s: %v; want 1", d.Name, len(left), kind, left)
		}
	}
	if n := s.query("select count(*) from ports where instance_id = $1", d.ID); n != 1 {
		s.t.Errorf("%s has %d ports; want 1", d.Name, n)
	}
	if n := s.query("select count(*) from audit where instance_id = $1 and action = 'create' and outcome in ('done', 'failed')", d.ID); n != 1 {
		s.t.Errorf("the end of creating %s was recorded %d times; want once", d.Name, n)
	}
	if n := s.query(`select count(*) from river_job j join operations o on o.id = j.args ->> 'operation_id'
		where o.instance_id = $1 and j.state not in ('completed', 'discarded')`, d.ID); n != 0 {
		s.t.Errorf("%d jobs of %s are left", n, d.Name)
	}
}

// labelled lists what an instance has of a kind of things in the engine.
func (s *site) labelled(kind, id string) []string {
	s.t.Helper()
	out, err := exec.Command("docker", kind, "ls", "--quiet", "--filter", "label=dev.mydb.instance="+id).CombinedOutput()
	if err != nil {
		s.t.Fatalf("docker %s ls: %v\n%s", kind, err, out)
	}
	return strings.Fields(string(out))
}

// removeAll removes what the site's databases consist of, and nothing else.
func (s *site) removeAll() {
	var ids, operations []string
	s.withMetadata(func(ctx context.Context, conn *pgx.Conn) error {
		var made bool
		if err := conn.QueryRow(ctx, "select to_regclass('instances') is not null").Scan(&made); err != nil || !made {
			return err
		}
		rows, err := conn.Query(ctx, "select id from instances")
		if err != nil {
			return err
		}
		if ids, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
		if rows, err = conn.Query(ctx, "select id from operations where kind in ('backup', 'verify', 'restore', 'delete')"); err != nil {
			return err
		}
		operations, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	for _, id := range operations { // what was being verified when the server was stopped
		out, _ := exec.Command("docker", "ps", "--all", "--quiet", "--filter", "label=dev.mydb.operation="+id).Output()
		if left := strings.Fields(string(out)); len(left) > 0 {
			_ = exec.Command("docker", slices.Concat([]string{"rm", "--force", "--volumes"}, left)...).Run()
		}
	}
	// A volume is free once the service's container is gone; a secret, once the service is.
	for _, kind := range []string{"service", "secret", "volume"} {
		for _, id := range ids {
			s.poll(createLimit, "the "+kind+" of "+id+" is gone", func() bool {
				left := s.labelled(kind, id)
				if len(left) > 0 {
					_ = exec.Command("docker", slices.Concat([]string{kind, "rm"}, left)...).Run() // tried again until it is gone
				}
				return len(left) == 0
			})
		}
	}
}

// hostOf is the address of the server behind a database's URL.
func hostOf(t testing.TB, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal("a database's URL is none")
	}
	return u.Host
}
