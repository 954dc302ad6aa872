package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/policy"
	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/jobs/store/storetest"
)

// crashingStore kills the process around what it writes.
type crashingStore struct {
	jobs.Store
	crasher
}

func (s crashingStore) Put(ctx context.Context, key string, r io.Reader, expected int64) error {
	return s.around("put "+path.Base(key), func() error { return s.Store.Put(ctx, key, r, expected) })
}

// Tool also kills the process as soon as the tool has written something, or has read it.
func (r crashingRuntime) Tool(ctx context.Context, t jobs.ToolSpec) error {
	name := t.Tool.Command[0]
	if t.Stdout != nil {
		t.Stdout = crashingStream{t.Stdout, nil, r.crasher, "amidst " + name}
	}
	if t.Stdin != nil {
		t.Stdin = crashingStream{nil, t.Stdin, r.crasher, "amidst " + name}
	}
	return r.around(name, func() error { return r.Runtime.Tool(ctx, t) })
}

type crashingStream struct {
	w io.Writer
	r io.Reader
	crasher
	place string
}

func (s crashingStream) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.here(s.place)
	return n, err
}

func (s crashingStream) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.here(s.place)
	return n, err
}

func (e crashingEngine) Dump(ctx context.Context, s engine.Server, secrets engine.Secrets, run engine.RunTool) (d engine.Dump, err error) {
	err = e.around("dump", func() error { d, err = e.Engine.Dump(ctx, s, secrets, run); return err })
	return d, err
}

func (e crashingEngine) CheckPart(ctx context.Context, s engine.Server, secrets engine.Secrets, p engine.Part, data io.Reader, run engine.RunTool) error {
	return e.around("check "+p.Kind, func() error { return e.Engine.CheckPart(ctx, s, secrets, p, data, run) })
}

func (e crashingEngine) Contents(ctx context.Context, s engine.Server, secrets engine.Secrets, below int64) (c engine.Contents, err error) {
	err = e.around("contents", func() error { c, err = e.Engine.Contents(ctx, s, secrets, below); return err })
	return c, err
}

func (e crashingEngine) LockAccounts(ctx context.Context, s engine.Server, secrets engine.Secrets, except string) (locked []string, err error) {
	err = e.around("lock", func() error { locked, err = e.Engine.LockAccounts(ctx, s, secrets, except); return err })
	return locked, err
}

// TestBackupsSurviveKill kills the worker at each thing that it does on the way to a backup, a verified one and a restored database. Another
// one ends it, once, and leaves nothing but that.
func TestBackupsSurviveKill(t *testing.T) {
	on := core.On{Database: "genomes"}
	for name, crashes := range map[string][]string{
		"backup": {
			"after dump", "amidst pg_dumpall", "after put accounts.sql.zst.age", "amidst pg_dump", "after pg_dump", "after put 1.dump.zst.age", "amidst pg_restore", "after check database",
			"before put manifest.json", "after put manifest.json",
		},
		"verify":  {"before scratch", "after scratch", "after restore accounts", "amidst pg_restore", "after restore database", "after contents"},
		"restore": {"after ensure", "after restore accounts", "amidst pg_restore", "after restore database", "after contents", "after lock", "after provision", "after prove"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			endpoint := storetest.Serve(t)
			s.store = storetest.URL(endpoint)
			s.env = []string{verifyEnv + "=" + string(policy.VerifyNever)} // but those that are asked for
			worker := s.worker("")
			i, cred := s.made("genomes")
			s.execute(i, cred, "create table t as select i, md5(i::text) from generate_series(1, 20000) i")
			b, o := s.backup("genomes")
			if o.State != core.OperationDone {
				t.Fatalf("the backup ended as %s: %+v", o.State, o.Error)
			}
			for n, crash := range crashes {
				s.quiet()
				worker.Process.Kill()
				worker.Wait()
				crashing := s.worker(crash)
				as := fmt.Sprintf("copy-%d", n)
				command := map[string]core.Command{"backup": core.MakeBackup{On: on}, "verify": core.VerifyBackup{On: on, Backup: b.ID}, "restore": core.Restore{On: on, Backup: b.ID, As: as}}[name]
				op := s.order(command)
				if err := crashing.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
					t.Fatalf("%s: the worker ended with %v; want killed", crash, err)
				}
				worker = s.worker("")
				if o := s.await(op); o.State != core.OperationDone {
					t.Fatalf("%s: it ended as %s: %+v", crash, o.State, o.Error)
				}
				switch name {
				case "backup":
					s.wholeBackup(endpoint, op, crash)
				case "verify":
					if state := s.goodBackup(b.ID); state != core.BackupVerified {
						t.Errorf("%s: the backup is %s", crash, state)
					}
				case "restore":
					if got := s.ask(s.instance(as), s.collect(as), "select count(*), (select count(*) from genes) from t"); got != "20000 2" {
						t.Errorf("%s: it holds %s", crash, got)
					}
					s.must(core.Stop{On: core.On{Database: as}}) // they would all take memory
				}
				if left := s.docker("ps", "--all", "--quiet", "--filter", "label=dev.mydb.operation="+op); strings.TrimSpace(left) != "" {
					t.Errorf("%s: %s is left", crash, left)
				}
			}
		})
	}
}

// quiet waits until nothing is under way.
func (s *site) quiet() {
	s.t.Helper()
	s.eventually("nothing is under way", func() error {
		var n int
		err := s.pool.QueryRow(s.t.Context(), "select count(*) from operations where finished_at is null").Scan(&n)
		if err == nil && n > 0 {
			err = errors.New("there is")
		}
		return err
	})
}

// wholeBackup looks for a backup in the store: its parts and its manifest, and nothing that was begun and not ended.
func (s *site) wholeBackup(endpoint, operationID, when string) {
	s.t.Helper()
	b, err := s.service.BackupOfOperation(s.t.Context(), operationID)
	if err != nil || !b.Good() {
		s.t.Fatalf("%s: the backup is %s: %q, %v", when, b.State, b.Error, err)
	}
	m, err := s.service.Manifest(s.t.Context(), b.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	where, err := openStore(s.t.Context(), storetest.URL(endpoint))
	if err != nil {
		s.t.Fatal(err)
	}
	var objects []string
	for o, err := range where.List(s.t.Context(), path.Join(m.Instance.ID, b.ID)) {
		if err != nil {
			s.t.Fatal(err)
		}
		objects = append(objects, path.Base(o.Key))
	}
	if uploads := storetest.Uploads(s.t, endpoint); len(objects) != len(m.Parts)+1 || len(uploads) > 0 {
		s.t.Errorf("%s: there are %v, and unfinished %v", when, objects, uploads)
	}
}
