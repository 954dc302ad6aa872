package jobs_test

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/jobs"
)

// reconcile compares the cluster with the catalogue once, as the periodic job does.
func (s *site) reconcile() {
	s.t.Helper()
	o := jobs.Options{DB: s.pool, Service: s.service, Runtime: s.runtime, Log: slog.New(slog.DiscardHandler)}
	if err := jobs.Reconcile(s.t.Context(), o); err != nil {
		s.t.Fatalf("reconcile: %v", err)
	}
}

// finding looks for an open finding about a thing; nil when there is none.
func (s *site) finding(kind, subject string) *core.Finding {
	s.t.Helper()
	list, _, err := s.service.Findings(s.t.Context(), coretest.Actor(s.t, s.service, "admin", true), false, core.Page{Limit: core.MaxPage})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range list {
		if f.Kind == kind && strings.HasSuffix(f.Subject, subject) {
			return &f
		}
	}
	return nil
}

// eventually looks again and again, with a comparison before each look.
func (s *site) eventually(what string, look func() error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 90*time.Second)
	defer cancel()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		s.reconcile()
		err := look()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("%s: %v", what, err)
		case <-tick.C:
		}
	}
}

func (s *site) gone(kind, subject string) func() error {
	return func() error {
		if f := s.finding(kind, subject); f != nil {
			return fmt.Errorf("%s of %s is open: %s %s", kind, subject, f.Message, f.Action)
		}
		return nil
	}
}

// TestDrift changes the cluster by hand. What is safe is healed, the rest is told of, and no row is lost.
func TestDrift(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, cred := s.made("genomes")
	service, volume := "mydb-"+i.ID, "mydb-"+i.ID+"-g1"

	t.Run("a service that is gone is deployed again, but not while the site is paused", func(t *testing.T) {
		s.pause(true)
		s.docker("service", "rm", service)
		s.reconcile()
		s.reconcile()
		if f := s.finding(core.FindingServiceMissing, service); f == nil || !strings.Contains(f.Action, "paused") {
			t.Fatalf("while paused: %+v", f)
		}
		if got := s.docker("service", "ls", "--quiet", "--filter", "name="+service); got != "" {
			t.Fatal("it was deployed while paused")
		}
		s.pause(false)
		s.eventually("healed", s.gone(core.FindingServiceMissing, service))
		s.awaitIdle(i.ID)
		s.keeps(i, cred, "the loss of its service")
	})
	t.Run("a service that was scaled to 0 is scaled up", func(t *testing.T) {
		s.docker("service", "scale", "--detach", service+"=0")
		s.eventually("healed", s.gone(core.FindingStateWrong, service))
		s.awaitIdle(i.ID)
		s.keeps(i, cred, "a scaling to 0")
	})
	t.Run("a container that was killed comes back, and counts", func(t *testing.T) {
		s.sample() // from here on restarts count
		s.docker("kill", s.container(i.ID))
		s.eventually("restarts are counted", func() error {
			s.sample()
			u, err := s.service.Usage(t.Context(), i)
			if err == nil && (u.RestartsDay < 1 || !u.Up) {
				err = fmt.Errorf("%+v", u)
			}
			return err
		})
		before, err := s.service.Usage(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		s.sample()
		if u, err := s.service.Usage(t.Context(), i); err != nil || u.RestartsDay != before.RestartsDay {
			t.Errorf("an end is counted twice: %+v, %v", u, err)
		}
		s.keeps(i, cred, "a kill")
	})
	t.Run("another port is told of and left alone", func(t *testing.T) {
		s.docker("service", "update", "--detach", "--publish-rm", fmt.Sprintf("published=%d,target=5432,mode=host", *i.Port),
			"--publish-add", fmt.Sprintf("published=%d,target=5432,mode=host", *i.Port+1000), service)
		s.reconcile()
		if f := s.finding(core.FindingPortDrift, service); f == nil {
			t.Error("the other port was not noticed")
		}
		s.must(core.Restart{On: core.On{Database: "genomes"}})
		s.eventually("put back", s.gone(core.FindingPortDrift, service))
		s.keeps(i, cred, "a change of its port")
	})
	t.Run("a stranger's volume is told of and left alone", func(t *testing.T) {
		stranger := "drift-" + i.ID
		s.docker("volume", "create", "--label", "dev.mydb.instance=d00000000000000000"+i.ID[:2], stranger)
		t.Cleanup(func() { s.docker("volume", "rm", stranger) })
		s.reconcile()
		if f := s.finding(core.FindingUnknownVolume, stranger); f == nil || f.Severity != core.SeverityInfo {
			t.Errorf("the volume was not noticed: %+v", f)
		}
		s.docker("volume", "inspect", stranger)
	})
	t.Run("what should be stopped and runs is stopped", func(t *testing.T) {
		s.must(core.Stop{On: core.On{Database: "genomes"}})
		s.docker("service", "scale", "--detach", service+"=1")
		s.eventually("healed", s.gone(core.FindingStateWrong, service))
		s.awaitIdle(i.ID)
		if c := s.container(i.ID); c != "" {
			t.Errorf("container %s runs", c)
		}
		s.must(core.Start{On: core.On{Database: "genomes"}})
		s.keeps(i, cred, "a start by somebody else")
	})
	t.Run("without its volume nothing is started", func(t *testing.T) {
		s.pause(true) // so that nothing is healed between the two
		s.docker("service", "rm", service)
		s.removeVolume(volume)
		s.reconcile()
		s.pause(false)
		s.reconcile()
		if f := s.finding(core.FindingVolumeMissing, volume); f == nil || f.Severity != core.SeverityAlarm {
			t.Errorf("the loss was not noticed: %+v", f)
		}
		if f := s.finding(core.FindingServiceMissing, service); f == nil || !strings.Contains(f.Message, "starts nothing") {
			t.Errorf("the service: %+v", f)
		}
		if got := s.docker("service", "ls", "--quiet", "--filter", "name="+service); got != "" {
			t.Error("a service was made over no data")
		}
	})
}

// sample measures everything once.
func (s *site) sample() {
	s.t.Helper()
	o := jobs.Options{DB: s.pool, Service: s.service, Runtime: s.runtime, Log: slog.New(slog.DiscardHandler)}
	if err := jobs.Sample(s.t.Context(), o); err != nil {
		s.t.Fatalf("sample: %v", err)
	}
}

// awaitIdle waits until no operation is under way on an instance.
func (s *site) awaitIdle(id string) {
	s.t.Helper()
	s.eventually("idle", func() error {
		var kinds []string
		err := s.pool.QueryRow(s.t.Context(), "select coalesce(array_agg(kind || ' ' || state), '{}') from operations where instance_id = $1 and finished_at is null", id).Scan(&kinds)
		if err == nil && len(kinds) > 0 {
			err = fmt.Errorf("under way: %s", kinds)
		}
		return err
	})
}

func (s *site) pause(paused bool) {
	s.t.Helper()
	req := core.Request{Actor: coretest.Actor(s.t, s.service, "admin", true), Door: core.DoorAPI}
	if _, err := s.service.SetPause(s.t.Context(), req, paused, "moving racks"); err != nil {
		s.t.Fatal(err)
	}
}

// removeVolume removes a volume as soon as no container uses it.
func (s *site) removeVolume(volume string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := exec.CommandContext(ctx, "docker", "volume", "rm", volume).CombinedOutput()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("volume %s stays: %s", volume, out)
		case <-tick.C:
		}
	}
}

// TestHealSurvivesKill kills the worker around each thing that a heal does. Another one ends it, and every row is there.
func TestHealSurvivesKill(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.worker("")
	i, cred := s.made("genomes")
	for _, crash := range []string{"before ensure", "after ensure", "after ping", "after probe"} {
		s.pause(true)
		first.Process.Kill()
		first.Wait()
		s.docker("service", "rm", "mydb-"+i.ID)
		crashing := s.worker(crash)
		s.pause(false)
		s.reconcile()
		if err := crashing.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("%s: the worker ended with %v; want killed", crash, err)
		}
		first = s.worker("")
		s.awaitIdle(i.ID)
		s.eventually(crash, s.gone(core.FindingServiceMissing, "mydb-"+i.ID))
		s.keeps(i, cred, "a heal killed "+crash)
	}
}

// TestLogs reads what a server wrote of a statement with a password.
func TestLogs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, cred := s.made("genomes")
	conn, err := s.login(i, cred)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "create role eve password 'in-the-log-12345'"); err == nil {
		t.Fatal("the owner made a role")
	}
	s.eventually("the log has the statement", func() error {
		text, err := s.runtime.Logs(t.Context(), i.ID, 50)
		if err == nil && !strings.Contains(text, "in-the-log-12345") {
			err = fmt.Errorf("the log is %q", text)
		}
		if masked := core.MaskSecrets(text); strings.Contains(masked, "in-the-log-12345") || !strings.Contains(masked, "create role eve") && err == nil {
			t.Errorf("masked: %s", masked)
		}
		return err
	})
	if text, err := s.runtime.Logs(t.Context(), "nobody", 5); err != nil || text != "" {
		t.Errorf("the log of nobody: %q, %v", text, err)
	}
}
