package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMetadataDatabaseGone takes the metadata database away while a scientist waits for a database in the terminal. MyDB says so
// for as long as it lasts, at every door, and then goes on where it was. The terminal waits that long too.
func TestMetadataDatabaseGone(t *testing.T) {
	t.Parallel()
	needPsql(t)
	s := newSite(t)
	metadata := newProxy(t, "tcp", s.spare, hostOf(t, s.appURL))
	s.start("MYDB_DATABASE_URL=" + strings.Replace(s.appURL, metadata.target, metadata.listen, 1))
	visitor := s.visitor()
	neverBroken := s.watchAnswers()
	gone := metadata.when("wait until the server answers", metadata.cut) // the name of a step, as it is written down
	terminal := s.chat("create", "postgres", "genomes")
	await(t, gone, "the step in which the database goes away")

	// Longer than any try again at once, which a short outage would be over before.
	const outage = 15 * time.Second
	began := time.Now()
	s.poll(2*outage, "the outage is long enough", func() bool {
		s.checkUnavailable(visitor)
		return time.Since(began) > outage
	})
	metadata.restore()
	s.poll(startLimit, "the server is ready again", func() bool { status, _ := s.get("/readyz"); return status == http.StatusOK })
	if err := terminal.end(t); err != nil || !strings.Contains(terminal.output.String(), "How to connect to genomes") {
		t.Errorf("the terminal ended with %v, after an outage of %s:\n%s", err, outage, terminal.output.String())
	}
	neverBroken()
	d := s.database("genomes")
	s.checkOnce(d)
	if got := s.psql(d)("create table samples (id int); select 'usable'"); got != "usable" {
		t.Errorf("psql = %q", got)
	}
	s.awaitReady(s.create("variants"))
	s.stop()
}

// visitor is somebody who has logged in to the portal.
func (s *site) visitor() *browser {
	s.t.Helper()
	b, err := newBrowser(s.url())
	if err == nil {
		err = errors.Join(b.open("/login"), b.fill("login", "scientist"), b.fill("password", password), b.press("Log in"))
	}
	if err != nil || b.status != http.StatusOK || b.at.Path != "/" {
		s.t.Fatalf("log in: %v, %d at %s", err, b.status, b.at)
	}
	return b
}

// watchAnswers asks for the list of databases again and again, and checks in the end that it either came or could not be had:
// nobody ever read of an internal error, and nobody waited in vain.
func (s *site) watchAnswers() (check func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	token, wrong := s.token(), ""
	go func() {
		defer close(stopped)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for wrong == "" {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if status, body := s.send(http.MethodGet, "/api/v1/databases", token, ""); status != http.StatusOK && status != http.StatusServiceUnavailable {
				wrong = fmt.Sprint(status, " ", body)
			}
		}
	}()
	check = sync.OnceFunc(func() {
		close(stop)
		<-stopped
		if wrong != "" {
			s.t.Errorf("the API answered %s; want 200 or 503 at any time", wrong)
		}
	})
	s.t.Cleanup(check)
	return check
}

// checkUnavailable wants every door to say that the metadata database is gone, soon, and the process to live.
func (s *site) checkUnavailable(visitor *browser) {
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
	if err := visitor.open("/"); err != nil || visitor.status != http.StatusServiceUnavailable || !strings.Contains(visitor.text(), sentence) {
		s.t.Fatalf("the portal without a metadata database: %v %s; want 503 and %q", err, visitor.text(), sentence)
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
	s.checkOnce(d)
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
	if now := s.database("genomes"); now.State != "creating" {
		t.Errorf("the state while the engine hangs is %q; want creating", now.State)
	}
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
	s.checkOnce(d)
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
