package jobs_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/jobs"
)

// TestOperationsSurviveKill kills the worker around each thing that it does on the way to and from a share, another owner, the trash
// and the end. Another one ends the operation, and what it leaves is as if nothing had happened.
func TestOperationsSurviveKill(t *testing.T) {
	on := core.On{Database: "genomes"}
	expired := "update instances set expires_at = now() - interval '1 second'"
	alive := "update instances set expires_at = null"
	share := core.Share{On: on, With: "grace", Right: core.RightWrite}
	for name, c := range map[string]struct {
		before  []core.Command // what has to be there; done again each time
		sql     string
		begin   func(s *site) string // gives the operation; default: command
		command core.Command
		crashes []string
		want    string // a query that gives true
		after   []core.Command
		restore string
	}{
		"share": {
			command: share, crashes: []string{"before grant", "after grant", "after login"},
			want: "select count(*) = 1 from accounts where made_at is not null and revoked_at is null", after: []core.Command{core.Unshare{On: on, With: "grace"}},
		},
		"unshare": {
			before: []core.Command{share}, command: core.Unshare{On: on, With: "grace"}, crashes: []string{"before revoke", "after revoke"},
			want: "select count(*) = 0 from accounts where revoked_at is null",
		},
		"delete": {
			begin: (*site).deleting, crashes: []string{"before ensure", "after ensure"},
			want: "select state = 'trashed' from instances", after: []core.Command{core.Undelete{On: on}},
		},
		"undelete": {
			command: core.Undelete{On: on}, crashes: []string{"before ensure", "after ensure", "after ping", "after probe"},
			want: "select state = 'ready' and purge_at is null from instances",
		},
		"expire": {
			sql: expired, begin: (*site).expiring, crashes: []string{"before ensure", "after ensure"},
			want: "select state = 'stopped' and stopped_why = 'expired' from instances", restore: alive, after: []core.Command{core.Start{On: on}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			coretest.Actor(t, s.service, "grace", true)
			first := s.worker("")
			i, cred := s.made("genomes")
			for _, crash := range c.crashes {
				for _, b := range c.before {
					s.must(b)
				}
				if name == "undelete" { // its way to the trash needs a worker
					s.await(s.deleting())
				}
				first.Process.Kill()
				first.Wait()
				s.sql(c.sql)
				crashing := s.worker(crash)
				var op string
				if c.begin != nil {
					op = c.begin(s)
				} else {
					op = s.order(c.command)
				}
				if err := crashing.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
					t.Fatalf("%s: the worker ended with %v; want killed", crash, err)
				}
				first = s.worker("")
				if o := s.await(op); o.State != core.OperationDone {
					t.Fatalf("%s: ended as %+v: %+v", crash, o, o.Error)
				}
				var ok bool
				if err := s.pool.QueryRow(t.Context(), c.want).Scan(&ok); err != nil || !ok {
					t.Errorf("%s: not as wanted, %v", crash, err)
				}
				s.sql(c.restore)
				for _, a := range c.after {
					s.must(a)
				}
				s.keeps(i, cred, name+" killed "+crash)
			}
		})
	}
}

// TestPurgeSurvivesKill kills the worker that removes a database for good. Nothing is left of it in the end.
func TestPurgeSurvivesKill(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.worker("")
	for n, crash := range []string{"before remove", "after remove"} {
		name := []string{"genomes", "proteins"}[n]
		i, _ := s.made(name)
		if o := s.approved(name); o.State != core.OperationDone {
			t.Fatalf("delete ended as %+v", o)
		}
		first.Process.Kill()
		first.Wait()
		crashing := s.worker(crash)
		s.sql("update instances set purge_at = now() - interval '1 second' where state = 'trashed'")
		if _, err := s.service.StartPurges(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := crashing.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("%s: the worker ended with %v; want killed", crash, err)
		}
		first = s.worker("")
		s.until(time.Minute, "the database is gone", func() bool { return s.instance(i.ID).State == core.StateDeleted })
		s.checkGone(i.ID)
	}
}

func (s *site) sql(text string) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), text); err != nil {
		s.t.Fatal(err)
	}
}

// order gives a command, and gives the id of its operation.
func (s *site) order(c core.Command) string {
	s.t.Helper()
	r, err := s.service.Do(s.t.Context(), core.Request{Actor: s.actor, Door: core.DoorAPI, Command: c})
	if err != nil {
		s.t.Fatalf("%T: %v", c, err)
	}
	return r.Operation.ID
}

// deleting begins a deletion that was approved.
func (s *site) deleting() string {
	s.t.Helper()
	r, err := s.service.Do(s.t.Context(), core.Request{Actor: s.actor, Command: core.Delete{On: core.On{Database: "genomes"}}})
	if err != nil {
		s.t.Fatal(err)
	}
	admin := coretest.Actor(s.t, s.service, "grace", true)
	r, err = s.service.Do(s.t.Context(), core.Request{Actor: admin, Command: core.Decide{ID: r.Approval.ID, Approve: true}})
	if err != nil {
		s.t.Fatal(err)
	}
	return r.Operation.ID
}

// expiring looks at the dates of expiry, and gives the stop that begins, whoever has begun it.
func (s *site) expiring() (op string) {
	s.t.Helper()
	if _, err := s.service.Expire(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	if err := s.pool.QueryRow(s.t.Context(), "select id from operations where kind = 'expire' order by id desc limit 1").Scan(&op); err != nil {
		s.t.Fatal(err)
	}
	return op
}

// crasher kills its own process, as hard as it gets, before or after a named call, or lets the call fail for good.
type crasher struct{ at string }

func (c crasher) around(name string, do func() error) error {
	c.here("before " + name)
	if c.at == "fail "+name {
		return &engine.RefusedError{Message: "The test lets this fail.", Err: errors.New(name)}
	}
	err := do()
	if err == nil {
		c.here("after " + name)
	}
	return err
}

func (c crasher) here(place string) {
	if c.at == place {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

type crashingRuntime struct {
	jobs.Runtime
	crasher
}

func (r crashingRuntime) Nodes(ctx context.Context) (out []jobs.Node, err error) {
	err = r.around("nodes", func() error { out, err = r.Runtime.Nodes(ctx); return err })
	return out, err
}

func (r crashingRuntime) Ensure(ctx context.Context, s jobs.Spec) error {
	return r.around("ensure", func() error { return r.Runtime.Ensure(ctx, s) })
}

func (r crashingRuntime) Remove(ctx context.Context, id string) error {
	return r.around("remove", func() error { return r.Runtime.Remove(ctx, id) })
}

func (r crashingRuntime) Scratch(ctx context.Context, s jobs.ScratchSpec) (port int, err error) {
	err = r.around("scratch", func() error { port, err = r.Runtime.Scratch(ctx, s); return err })
	return port, err
}

func (r crashingRuntime) Retire(ctx context.Context, id string, grace time.Duration) (clean bool, err error) {
	err = r.around("retire", func() error { clean, err = r.Runtime.Retire(ctx, id, grace); return err })
	return clean, err
}

func (r crashingRuntime) RemoveGeneration(ctx context.Context, id string, generation int) error {
	return r.around("remove generation", func() error { return r.Runtime.RemoveGeneration(ctx, id, generation) })
}

type crashingEngine struct {
	engine.Engine
	crasher
}

func (e crashingEngine) Ping(ctx context.Context, s engine.Server, password string) error {
	return e.around("ping", func() error { return e.Engine.Ping(ctx, s, password) })
}

func (e crashingEngine) Provision(ctx context.Context, s engine.Server, password string, t engine.Tenant) error {
	return e.around("provision", func() error { return e.Engine.Provision(ctx, s, password, t) })
}

func (e crashingEngine) Prove(ctx context.Context, s engine.Server, t engine.Tenant) error {
	return e.around("prove", func() error { return e.Engine.Prove(ctx, s, t) })
}

// Probe is another call when it is about a server beside an instance.
func (e crashingEngine) Probe(ctx context.Context, s engine.Server, secrets engine.Secrets, t engine.Tenant) error {
	name := "probe"
	if s.Port < testPorts.First || s.Port > testPorts.Last {
		name = "probe beside"
	}
	return e.around(name, func() error { return e.Engine.Probe(ctx, s, secrets, t) })
}

func (e crashingEngine) RestorePart(ctx context.Context, s engine.Server, secrets engine.Secrets, p engine.Part, data io.Reader, run engine.RunTool) error {
	return e.around("restore "+p.Kind, func() error { return e.Engine.RestorePart(ctx, s, secrets, p, data, run) })
}

func (e crashingEngine) Accounts(ctx context.Context, s engine.Server, secrets engine.Secrets) (out []engine.Account, err error) {
	err = e.around("accounts", func() error { out, err = e.Engine.Accounts(ctx, s, secrets); return err })
	return out, err
}

func (e crashingEngine) PutAccounts(ctx context.Context, s engine.Server, secrets engine.Secrets, accounts []engine.Account) error {
	return e.around("put accounts", func() error { return e.Engine.PutAccounts(ctx, s, secrets, accounts) })
}

func (e crashingEngine) SetPassword(ctx context.Context, s engine.Server, admin, username, password string) error {
	return e.around("set password", func() error { return e.Engine.SetPassword(ctx, s, admin, username, password) })
}

func (e crashingEngine) Grant(ctx context.Context, s engine.Server, admin string, t engine.Tenant, a engine.Access) error {
	return e.around("grant", func() error { return e.Engine.Grant(ctx, s, admin, t, a) })
}

func (e crashingEngine) Revoke(ctx context.Context, s engine.Server, admin string, t engine.Tenant, username string) error {
	return e.around("revoke", func() error { return e.Engine.Revoke(ctx, s, admin, t, username) })
}

func (e crashingEngine) Login(ctx context.Context, s engine.Server, t engine.Tenant) error {
	return e.around("login", func() error { return e.Engine.Login(ctx, s, t) })
}
