package jobs_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/jobs"
)

// fullDisk is a runtime whose node has as little room as the test says.
type fullDisk struct {
	jobs.Runtime
	free string
}

func (d fullDisk) FreeDisk(ctx context.Context) (int64, bool, error) {
	if d.free == "" {
		return d.Runtime.FreeDisk(ctx)
	}
	n, err := strconv.ParseInt(d.free, 10, 64)
	return n, true, err
}

// verification gives the newest verification of the site.
func (s *site) verification() core.Operation {
	s.t.Helper()
	var id string
	s.eventually("a verification was asked for", func() error {
		return s.pool.QueryRow(s.t.Context(), "select id from operations where kind = 'verify' order by id desc limit 1").Scan(&id)
	})
	return s.await(id)
}

// TestVerifyPostponed puts a verification off while there is no room for a copy, which is no failure, and does it later.
func TestVerifyPostponed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.env = []string{diskEnv + "=" + strconv.Itoa(1<<30)} // the margin, and nothing for the data
	full := s.worker("")
	s.made("genomes")
	b, o := s.backup("genomes")
	if o.State != core.OperationDone {
		t.Fatalf("backup ended as %s: %+v", o.State, o.Error)
	}
	o = s.verification()
	if o.State != core.OperationCancelled || o.Error != nil || len(o.Steps) != 1 || !strings.Contains(o.Steps[0].Detail, "postponed: 1GiB are free on the disk of this machine") {
		t.Fatalf("ended as %+v: %+v", o, o.Steps)
	}
	if b, err := s.service.Backup(t.Context(), s.actor, "genomes", b.ID); err != nil || b.State != core.BackupDone {
		t.Errorf("the backup is %s, %v", b.State, err)
	}
	full.Process.Kill()
	full.Wait()
	s.env = nil
	s.sql("update operations set created_at = created_at - interval '7 hours' where kind = 'verify'")
	s.worker("")
	s.verified(b.ID)
}

// TestKilledVerification leaves nothing of the throw-away server when the worker is killed that has started it, and is done in the end.
func TestKilledVerification(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.worker("")
	s.made("genomes")
	first.Process.Kill()
	first.Wait()
	crashing := s.worker("after scratch")
	op := s.order(core.MakeBackup{On: core.On{Database: "genomes"}})
	if err := crashing.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the worker ended with %v; want killed", err)
	}
	var verification string
	if err := s.pool.QueryRow(t.Context(), "select id from operations where kind = 'verify'").Scan(&verification); err != nil {
		t.Fatal(err)
	}
	left := func() string {
		return strings.TrimSpace(s.docker("ps", "--all", "--quiet", "--filter", "label=dev.mydb.operation="+verification))
	}
	container := left()
	if container == "" {
		t.Fatal("the worker was killed before there was a throw-away server")
	}
	limits := strings.TrimSpace(s.docker("inspect", "--format", "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy.Name}}", container))
	if strings.TrimSuffix(limits, " no") != fmt.Sprint(1<<30, 1000000000) {
		t.Errorf("the throw-away server may use %s", limits)
	}
	s.worker("")
	b, err := s.service.BackupOfOperation(t.Context(), op)
	if err != nil {
		t.Fatal(err)
	}
	s.verified(b.ID)
	s.until(time.Minute, "nothing is left of the throw-away servers", func() bool { return left() == "" })
}
