package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMetadataDatabaseGone takes the metadata database away while a database is being created. MyDB says so for as long as it
// lasts, and then goes on where it was.
func TestMetadataDatabaseGone(t *testing.T) {
	t.Parallel()
	needPsql(t)
	s := newSite(t)
	metadata := newProxy(t, "tcp", freeAddress(t), hostOf(t, s.appURL))
	s.start("MYDB_DATABASE_URL=" + strings.Replace(s.appURL, metadata.target, metadata.listen, 1))
	gone := metadata.when("wait until the server answers", metadata.cut) // the name of a step, as it is written down
	d, o := s.create("genomes")
	await(t, gone, "the step in which the database goes away")

	// Longer than any try again at once, which a short outage would be over before.
	const outage = 15 * time.Second
	began := time.Now()
	s.poll(2*outage, "the outage is long enough", func() bool {
		s.checkUnavailable()
		return time.Since(began) > outage
	})
	metadata.restore()
	s.poll(startLimit, "the server is ready again", func() bool { status, _ := s.get("/readyz"); return status == http.StatusOK })
	d = s.awaitReady(d, o)
	s.checkOnce(d, o)
	if got := s.psql(d)("create table samples (id int); select 'usable'"); got != "usable" {
		t.Errorf("psql = %q", got)
	}
	second := s.awaitReady(s.create("variants"))
	if second.Port == d.Port {
		t.Errorf("both databases are on port %d", d.Port)
	}
	s.stop()
}

// checkUnavailable wants every door to say that the metadata database is gone, soon, and the process to live.
func (s *site) checkUnavailable() {
	s.t.Helper()
	if s.server.hasEnded() {
		s.t.Fatalf("the server ended: %v", s.server.err)
	}
	const sentence = "MyDB cannot reach its own database right now"
	for _, call := range []struct{ method, path, body string }{
		{http.MethodGet, "/databases", ""},
		{http.MethodPost, "/databases", `{"engine":"postgres","name":"meanwhile"}`},
		{http.MethodPost, "/chat", `{"text":"status genomes"}`},
	} {
		if status, body := s.scientist(call.method, call.path, call.body); status != http.StatusServiceUnavailable || !strings.Contains(body, sentence) {
			s.t.Fatalf("%s %s without a metadata database: %d %s; want 503 and %q", call.method, call.path, status, body, sentence)
		}
	}
	if status, body := s.get("/readyz"); status != http.StatusServiceUnavailable {
		s.t.Fatalf("/readyz without a metadata database: %d %s; want 503", status, body)
	}
	if status, body := s.get("/healthz"); status != http.StatusOK {
		s.t.Fatalf("/healthz without a metadata database: %d %s; want 200", status, body)
	}
}

// TestEngineGone takes the Docker engine away at the worst moment: it was asked for a service, and its answer is lost.
func TestEngineGone(t *testing.T) {
	t.Parallel()
	needPsql(t)
	s := newSite(t)
	docker := newEngineProxy(t)
	s.start("MYDB_DOCKER_HOST=unix://" + docker.listen)
	gone := docker.when("/services/create", docker.cut)
	d, o := s.create("genomes")
	await(t, gone, "the engine is asked for a service")

	s.poll(time.Minute, "the server says that the engine is gone", func() bool {
		status, body := s.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "the container engine does not answer")
	})
	s.poll(time.Minute, "the create has met that", func() bool {
		o = s.operation(o.ID)
		for _, step := range o.Steps {
			if step.State == "failed" && step.Detail != "" {
				return true
			}
		}
		return false
	})
	if o.State != "running" || o.Error != nil {
		t.Fatalf("without an engine for a moment, the create is %+v; want it to go on", o)
	}
	if status, body := s.scientist(http.MethodGet, "/databases/genomes", ""); status != http.StatusOK || !strings.Contains(body, `"state":"creating"`) {
		t.Errorf("status without an engine: %d %s", status, body)
	}
	docker.restore()
	d = s.awaitReady(d, o)
	s.checkOnce(d, o)
	if got := s.psql(d)("select 'usable'"); got != "usable" {
		t.Errorf("psql = %q", got)
	}
	s.stop()
}

// TestStopWhileCreating stops the server, with Ctrl-C, while a create hangs in the engine. Databases go on running meanwhile, and
// the next start ends the create.
func TestStopWhileCreating(t *testing.T) {
	t.Parallel()
	needPsql(t)
	s := newSite(t)
	docker := newEngineProxy(t)
	s.start("MYDB_DOCKER_HOST=unix://" + docker.listen)
	before := s.awaitReady(s.create("before"))
	psql := s.psql(before)
	psql("create table samples (id int); insert into samples values (1), (2)")

	hangs := docker.when("/services/create", docker.stall)
	d, o := s.create("genomes")
	await(t, hangs, "the engine is asked for a service")
	s.stop()
	if got := psql("select count(*) from samples"); got != "2" {
		t.Errorf("psql while MyDB is stopped = %q; want 2", got)
	}
	if status, _ := s.get("/healthz"); status != 0 {
		t.Errorf("a server that was stopped answers %d", status)
	}
	docker.resume()

	s.start("MYDB_DOCKER_HOST=unix://" + docker.listen)
	d = s.awaitReady(d, o)
	s.checkOnce(d, o)
	if got := s.psql(d)("select 'usable'"); got != "usable" {
		t.Errorf("psql = %q", got)
	}
	s.stop()
}

// newEngineProxy stands in front of the engine's socket.
func newEngineProxy(t *testing.T) *proxy {
	t.Helper()
	socket := "/var/run/docker.sock"
	if host := os.Getenv("DOCKER_HOST"); host != "" {
		path, isSocket := strings.CutPrefix(host, "unix://")
		if !isSocket {
			t.Skip("needs an engine at a socket of this machine, not at DOCKER_HOST=" + host)
		}
		socket = path
	}
	dir, err := os.MkdirTemp("", "mydb-e2e-") // the path of a socket is short, t.TempDir's may not be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return newProxy(t, "unix", filepath.Join(dir, "docker.sock"), socket)
}

// await waits until a channel is closed.
func await(t *testing.T, happened <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-happened:
	case <-time.After(createLimit):
		t.Fatalf("waited %s in vain for: %s", createLimit, what)
	}
}
