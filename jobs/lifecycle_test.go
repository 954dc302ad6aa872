package jobs_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
)

// do gives a command and waits for its end.
func (s *site) do(c core.Command) core.Operation {
	s.t.Helper()
	r, err := s.service.Do(s.t.Context(), core.Request{Actor: s.actor, Door: core.DoorAPI, Command: c})
	if err != nil {
		s.t.Fatalf("%T: %v", c, err)
	}
	return s.await(r.Operation.ID)
}

// must is do, and the operation has to succeed.
func (s *site) must(c core.Command) {
	s.t.Helper()
	if o := s.do(c); o.State != core.OperationDone {
		s.t.Fatalf("%T ended as %+v: %+v", c, o, o.Error)
	}
}

// made creates a database with a table of two rows and gives it with the owner's password.
func (s *site) made(name string) (core.Instance, core.Credentials) {
	s.t.Helper()
	r := s.create(core.Create{Name: name, InitSQL: "create table genes (id int); insert into genes values (1), (2)"})
	if o := s.await(r.Operation.ID); o.State != core.OperationDone {
		s.t.Fatalf("create ended as %+v", o)
	}
	return s.instance(name), s.collect(name)
}

func (s *site) instance(name string) core.Instance {
	s.t.Helper()
	i, err := s.service.Instance(s.t.Context(), s.actor, name)
	if err != nil {
		s.t.Fatal(err)
	}
	return i
}

func (s *site) collect(name string) core.Credentials {
	s.t.Helper()
	cred, err := s.service.Collect(s.t.Context(), core.Request{Actor: s.actor, Door: core.DoorAPI}, name)
	if err != nil {
		s.t.Fatal(err)
	}
	return cred
}

// login connects as somebody. The caller closes the connection.
func (s *site) login(i core.Instance, cred core.Credentials) (*pgx.Conn, error) {
	s.t.Helper()
	config, err := pgx.ParseConfig("host=localhost sslmode=require")
	if err != nil {
		s.t.Fatal(err)
	}
	config.Host, config.Port, config.User, config.Password, config.Database = *i.Host, uint16(*i.Port), cred.Username, cred.Password, i.Database
	config.Fallbacks = nil
	return pgx.ConnectConfig(s.t.Context(), config)
}

// rows counts what the init script has written, as the owner.
func (s *site) rows(i core.Instance, cred core.Credentials) (n int) {
	s.t.Helper()
	conn, err := s.login(i, cred)
	if err != nil {
		s.t.Fatalf("log in: %v", err)
	}
	defer conn.Close(s.t.Context())
	if err := conn.QueryRow(s.t.Context(), "select count(*) from genes").Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *site) container(id string) string {
	return s.docker("ps", "--quiet", "--no-trunc", "--filter", "label=com.docker.swarm.service.name=mydb-"+id)
}

// TestLifecycle takes a database through everything that its owner can do with it. Its data is there after each.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, cred := s.made("genomes")
	on := core.On{Database: "genomes"}

	before := s.container(i.ID)
	s.must(core.Restart{On: on})
	if after := s.container(i.ID); after == before || after == "" || strings.Contains(after, "\n") {
		t.Errorf("restarted container %q is now %q", before, after)
	}
	s.keeps(i, cred, "restart")

	s.must(core.Stop{On: on})
	if got := s.instance("genomes"); got.State != core.StateStopped || got.StoppedAt == nil || s.container(i.ID) != "" {
		t.Errorf("after the stop: %+v, container %q", got, s.container(i.ID))
	}
	s.must(core.Stop{On: on}) // again: it is stopped already
	_, err := s.service.Do(t.Context(), core.Request{Actor: s.actor, Command: core.Rotate{On: on}})
	if core.CodeOf(err) != core.CodeBusy || !strings.Contains(err.Error(), "genomes is stopped") {
		t.Errorf("rotate while stopped: %v", err)
	}
	s.must(core.Start{On: on})
	s.keeps(i, cred, "stop and start")

	s.must(core.Resize{On: on, Size: "medium"})
	if got := s.instance("genomes"); got.Size != "medium" {
		t.Errorf("after the resize: %+v", got)
	}
	s.keeps(i, cred, "resize")

	s.must(core.Rotate{On: on})
	if conn, err := s.login(i, cred); err == nil {
		conn.Close(t.Context())
		t.Error("the old password still works")
	}
	fresh := s.collect("genomes")
	if fresh.Password == cred.Password {
		t.Error("the password is the same")
	}
	s.keeps(i, fresh, "rotate")
}

func (s *site) keeps(i core.Instance, cred core.Credentials, after string) {
	s.t.Helper()
	if got := s.instance(i.Name); got.State != core.StateReady || *got.Port != *i.Port {
		s.t.Errorf("after %s: %+v", after, got)
	}
	if n := s.rows(i, cred); n != 2 {
		s.t.Errorf("after %s: %d rows, want 2", after, n)
	}
}

// TestResizeGoesBack asks for sizes that cannot be had: one that no node holds, and one with which the server does not start.
func TestResizeGoesBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, cred := s.made("genomes")
	for size, say := range map[string]string{"huge": "no room for the size huge", "sick": "runs with its old size, small"} {
		o := s.do(core.Resize{On: core.On{Database: "genomes"}, Size: size})
		if o.State != core.OperationFailed || !strings.Contains(o.Error.Message, say) {
			t.Errorf("resize to %s ended as %+v: %+v", size, o, o.Error)
		}
		if got := s.instance("genomes"); got.Size != "small" {
			t.Errorf("after %s: size %s", size, got.Size)
		}
		s.keeps(i, cred, "a resize to "+size)
	}
}

// TestLifecycleSurvivesKill kills the worker around each thing that it does. Another one ends the operation.
func TestLifecycleSurvivesKill(t *testing.T) {
	on := core.On{Database: "genomes"}
	for name, c := range map[string]struct {
		command core.Command
		crashes []string
		state   core.State
	}{
		"restart": {core.Restart{On: on}, []string{"before ensure", "after ensure", "after ping", "after probe"}, core.StateReady},
		"renew":   {core.Renew{On: on}, []string{"before ensure", "after ensure", "after probe"}, core.StateReady},
		"stop":    {core.Stop{On: on}, []string{"before ensure", "after ensure"}, core.StateStopped},
		"rotate":  {core.Rotate{On: on}, []string{"before set password", "after set password", "after prove"}, core.StateReady},
		"resize":  {core.Resize{On: on, Size: "medium"}, []string{"after nodes", "after ensure", "after probe"}, core.StateReady},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			first := s.worker("")
			i, cred := s.made("genomes")
			for _, crash := range c.crashes {
				first.Process.Kill()
				first.Wait()
				crashing := s.worker(crash)
				r, err := s.service.Do(t.Context(), core.Request{Actor: s.actor, Command: c.command})
				if err != nil {
					t.Fatalf("%s: %v", crash, err)
				}
				if err := crashing.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
					t.Fatalf("%s: the worker ended with %v; want killed", crash, err)
				}
				first = s.worker("")
				if o := s.await(r.Operation.ID); o.State != core.OperationDone {
					t.Fatalf("%s: ended as %+v: %+v", crash, o, o.Error)
				}
				if got := s.instance("genomes"); got.State != c.state {
					t.Errorf("%s: %s, want %s", crash, got.State, c.state)
				}
				if c.state == core.StateStopped {
					s.must(core.Start{On: on})
				}
				if name == "rotate" {
					cred = s.collect("genomes")
				}
				if name == "resize" {
					s.must(core.Resize{On: on, Size: "small"})
				}
				s.keeps(i, cred, name+" killed "+crash)
				if n := len(strings.Fields(s.docker("service", "ls", "--quiet", "--filter", "name=mydb-"+i.ID))); n != 1 {
					t.Errorf("%s: %d services", crash, n)
				}
			}
		})
	}
}
