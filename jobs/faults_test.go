package jobs_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/jobs"
)

// faultEnv names a folder that tells the tools and servers of a worker what goes wrong with them: a file with the name of a tool holds a shell
// script that runs it, as "$@", and a file with the name of the server, full, lets its disk be as small as it says.
const faultEnv = "MYDB_TEST_WORKER_FAULTS"

// The ways in which tools end that do not do what they should. Each is what really happens: the tool runs, and writes or reads.
const (
	killedWriting = `mkfifo /tmp/out; "$@" >/tmp/out & tool=$!; { head -c 3000; kill -9 $tool; } </tmp/out; wait $tool`
	failsInTheEnd = `"$@"; echo "it broke in the end" >&2; exit 3`
	endsCutOff    = `"$@" | head -c 3000; exit 0`
	killedReading = `rm -f /tmp/pid; { head -c 3000; until [ -s /tmp/pid ]; do :; done; kill -9 $(cat /tmp/pid); } | sh -c 'echo $$ >/tmp/pid; exec "$@"' sh "$@"`
	saysNothing   = `"$@" >/dev/null`
)

// faultyRuntime lets things go wrong as the folder says.
type faultyRuntime struct {
	jobs.Runtime
	folder string
}

func (r faultyRuntime) fault(name string) string {
	if r.folder == "" {
		return ""
	}
	text, _ := os.ReadFile(filepath.Join(r.folder, name))
	return string(text)
}

func (r faultyRuntime) Tool(ctx context.Context, t jobs.ToolSpec) error {
	if script := r.fault(t.Tool.Command[0]); script != "" {
		t.Tool.Command = append([]string{"sh", "-c", script, t.Tool.Command[0]}, t.Tool.Command...)
	}
	if pipes := r.fault("halt " + t.Tool.Command[0]); pipes != "" && t.Stdout != nil {
		t.Stdout = &haltingWriter{w: t.Stdout, pipes: pipes}
	}
	return r.Runtime.Tool(ctx, t)
}

// haltingWriter stops with the first bytes, says so through one pipe, and goes on when something opens the other.
type haltingWriter struct {
	w      io.Writer
	pipes  string
	halted bool
}

func (h *haltingWriter) Write(p []byte) (int, error) {
	if !h.halted {
		h.halted = true
		for _, open := range []func() (*os.File, error){
			func() (*os.File, error) { return os.OpenFile(h.pipes+"/reached", os.O_WRONLY, 0) },
			func() (*os.File, error) { return os.Open(h.pipes + "/go-on") },
		} {
			f, err := open() // which waits for the other end
			if err != nil {
				return 0, err
			}
			f.Close()
		}
	}
	return h.w.Write(p)
}

func (r faultyRuntime) Scratch(ctx context.Context, s jobs.ScratchSpec) (int, error) {
	s.Recipe = r.small(s.Recipe)
	return r.Runtime.Scratch(ctx, s)
}

func (r faultyRuntime) Ensure(ctx context.Context, s jobs.Spec) error {
	s.Recipe = r.small(s.Recipe)
	return r.Runtime.Ensure(ctx, s)
}

// small gives a server a disk that is soon full.
func (r faultyRuntime) small(c engine.Recipe) engine.Recipe {
	var size int64
	if _, err := fmt.Sscan(r.fault("full"), &size); err == nil {
		c.Tmpfs = append(slices.Clone(c.Tmpfs), engine.Tmpfs{Path: c.DataPath, Size: size, Mode: 0o1777})
		c.DataPath = "/not/here"
	}
	return c
}

// faults lets the workers of a site be told what goes wrong, and gives the folder for that.
func (s *site) faults() faults {
	folder := s.t.TempDir()
	s.env = append(s.env, faultEnv+"="+folder)
	return faults{s.t, folder}
}

type faults struct {
	t      *testing.T
	folder string
}

func (f faults) let(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.folder, name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// halt stops a tool as soon as it writes. reached waits until it has, and goOn lets it.
func (f faults) halt(tool string) (reached, goOn func()) {
	f.t.Helper()
	pipes := f.t.TempDir()
	for _, name := range []string{"reached", "go-on"} {
		if err := syscall.Mkfifo(filepath.Join(pipes, name), 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
	f.let("halt "+tool, pipes)
	open := func(name string, flag int) func() {
		return func() {
			f.t.Helper()
			file, err := os.OpenFile(filepath.Join(pipes, name), flag, 0)
			if err != nil {
				f.t.Fatal(err)
			}
			file.Close()
		}
	}
	return open("reached", os.O_RDONLY), open("go-on", os.O_WRONLY)
}

func (f faults) mend() {
	f.t.Helper()
	list, err := filepath.Glob(f.folder + "/*")
	for _, path := range list {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// tools are what an engine backs up and restores with.
var tools = map[string]struct{ dump, load string }{
	"postgres": {"pg_dump", "pg_restore"}, "mariadb": {"mariadb-dump", "mariadb"}, "mongodb": {"mongodump", "mongorestore"},
}

// TestFaultsOfTools has each engine's tools end in each way that is wrong, while they back up, verify and restore. Nothing of that is ever a
// backup, a verified one or a database, and all is well again when the tool is.
func TestFaultsOfTools(t *testing.T) {
	for name, tool := range tools {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.need(name, "")
			f := s.faults()
			s.worker("")
			if o := s.await(s.create(core.Create{Engine: name}).Operation.ID); o.State != core.OperationDone {
				t.Fatalf("create ended as %+v: %+v", o, o.Error)
			}
			s.fillMany(s.instance("genomes"), s.collect("genomes"))
			wrong := []wrongTool{
				{tool.dump, killedWriting, "ended with exit code 137"},
				{tool.dump, failsInTheEnd, "it broke in the end"},
				{tool.dump, endsCutOff, map[bool]string{true: "pg_restore of the database genomes ended with exit code 1", false: "is not whole"}[name == "postgres"]},
			}
			if name == "postgres" { // whose archives are read back by the tool that loads them
				wrong = append(wrong, wrongTool{tool.dump, saysNothing, "input file is too short"}, wrongTool{tool.load, killedReading, "ended with exit code 137"})
			}
			for _, w := range wrong {
				s.noBackup(f, w)
			}
			b, o := s.backup("genomes")
			if o.State != core.OperationDone {
				t.Fatalf("the backup ended as %s: %+v", o.State, o.Error)
			}
			s.verified(b.ID)
			f.let(tool.load, killedReading)
			s.neitherVerifiedNorRestored(b.ID, "ended with exit code 137")
			f.mend()
			s.must(core.VerifyBackup{On: core.On{Database: "genomes"}, Backup: b.ID})
			if n := s.countMany(s.restored("genomes-copy")); n != many {
				t.Errorf("%d rows after the restore", n)
			}
		})
	}
}

// wrongTool is a tool that does what a script says, and what people read of it.
type wrongTool struct{ tool, script, say string }

// noBackup has a backup fail.
func (s *site) noBackup(f faults, w wrongTool) {
	s.t.Helper()
	f.let(w.tool, w.script)
	b, o := s.backup("genomes")
	if o.State != core.OperationFailed || b.State != core.BackupFailed || !strings.Contains(b.Error, w.say) {
		s.t.Errorf("%s in %s: the backup ended as %s, %s: %q; want %q", w.tool, w.script, o.State, b.State, b.Error, w.say)
	}
	if left := s.objectsOf("genomes"); len(left) > 0 {
		s.t.Errorf("%s in %s: %v are left", w.tool, w.script, left)
	}
	f.mend()
}

// objectsOf lists the files of the store that are backups of a database.
func (s *site) objectsOf(name string) []string {
	s.t.Helper()
	id := s.instance(name).ID
	return slices.DeleteFunc(s.objects(), func(path string) bool { return !strings.Contains(path, id) })
}

// many is more rows than fit into what lies between a tool and its reader.
const many = 4000

func (s *site) fillMany(i core.Instance, cred core.Credentials) {
	s.t.Helper()
	ctx := s.t.Context()
	var err error
	switch i.Engine {
	case "postgres":
		s.execute(i, cred, fmt.Sprintf("create table genes as select i as id, repeat(md5(i::text), 5) as name from generate_series(1, %d) i", many))
	case "mariadb":
		err = inMariaDB(func(ctx context.Context, db *sql.DB) error {
			_, err := db.ExecContext(ctx, fmt.Sprintf("create table genes engine=InnoDB as select seq as id, repeat(md5(seq), 5) as name from seq_1_to_%d", many))
			return err
		})(ctx, i, cred)
	case "mongodb":
		documents := make([]any, many)
		for n := range documents {
			documents[n] = bson.D{{Key: "gene", Value: n}, {Key: "name", Value: strings.Repeat("x", 100)}}
		}
		err = inMongoDB(func(ctx context.Context, genes *mongo.Collection) error {
			_, err := genes.InsertMany(ctx, documents)
			return err
		})(ctx, i, cred)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) countMany(i core.Instance, cred core.Credentials) (n int64) {
	s.t.Helper()
	var err error
	if i.Engine == "postgres" {
		_, err = fmt.Sscan(s.ask(i, cred, "select count(*) from genes"), &n)
	} else {
		n, err = stores[i.Engine].count(s.t.Context(), i, cred)
	}
	if err != nil {
		s.t.Error(err)
	}
	return n
}

// neitherVerifiedNorRestored has a good backup verified and restored, which fails for a reason that is not the backup's.
func (s *site) neitherVerifiedNorRestored(backup, say string) {
	s.t.Helper()
	on := core.On{Database: "genomes"}
	s.eventually("no verification is under way", func() error {
		var n int
		err := s.pool.QueryRow(s.t.Context(), "select count(*) from operations where kind = 'verify' and finished_at is null").Scan(&n)
		if err == nil && n > 0 {
			err = fmt.Errorf("%d are", n)
		}
		return err
	})
	before := s.goodBackup(backup)
	if o := s.do(core.VerifyBackup{On: on, Backup: backup}); o.State != core.OperationFailed || o.Error == nil || !strings.Contains(o.Error.Message, say) {
		s.t.Errorf("the verification ended as %s: %+v", o.State, o.Error)
	}
	if after := s.goodBackup(backup); after != before {
		s.t.Errorf("the backup was %s, and is %s", before, after)
	}
	o := s.do(core.Restore{On: on, Backup: backup, As: "never"})
	if o.State != core.OperationFailed || o.Error == nil || !strings.Contains(o.Error.Message, say) {
		s.t.Errorf("the restore ended as %s: %+v", o.State, o.Error)
	}
	s.nothingOf("never")
}

// goodBackup gives the state of a backup, which has to count.
func (s *site) goodBackup(id string) core.BackupState {
	s.t.Helper()
	b, err := s.service.Backup(s.t.Context(), s.actor, "genomes", id)
	if err != nil || !b.Good() {
		s.t.Fatalf("the backup is %s: %q, %v", b.State, b.Error, err)
	}
	return b.State
}

// nothingOf waits until nothing is left of a database that was never ready.
func (s *site) nothingOf(name string) {
	s.t.Helper()
	var id, state string
	if err := s.pool.QueryRow(s.t.Context(), "select id, state from instances where name = $1", name).Scan(&id, &state); err != nil || state != string(core.StateFailed) && state != string(core.StateDeleted) {
		s.t.Errorf("%s is %s, %v", name, state, err)
	}
	s.checkGone(id)
}

// TestFullDisks has no room where backups are kept, verified and restored. That is said, and not held against the backup.
func TestFullDisks(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	folder := strings.TrimPrefix(s.store, "file://")
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder).CombinedOutput(); err != nil {
		t.Skipf("needs the right to mount: %s", out)
	}
	t.Cleanup(func() { _ = exec.CommandContext(context.WithoutCancel(t.Context()), "umount", "--lazy", folder).Run() })
	f := s.faults()
	s.worker("")
	i, cred := s.made("genomes")
	s.execute(i, cred, "create table t as select i, md5(i::text) as a, md5((-i)::text) as b from generate_series(1, 400000) i") // more than 4 MB, however it is packed
	b, o := s.backup("genomes")
	if o.State != core.OperationFailed || b.State != core.BackupFailed || !strings.Contains(b.Error, "could not write into the store") || !strings.Contains(b.Error, "no space left") {
		t.Errorf("into a full store it ended as %s: %q", o.State, b.Error)
	}
	if left := s.objectsOf("genomes"); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
	s.mount(folder, "remount,size=64m")
	if b, o = s.backup("genomes"); o.State != core.OperationDone {
		t.Fatalf("with room it ended as %s: %+v", o.State, o.Error)
	}
	s.verified(b.ID)
	f.let("full", "83886080") // an empty server needs most of it
	s.neitherVerifiedNorRestored(b.ID, "ended with exit code 1")
	f.mend()
	s.restored("genomes-copy")
}

func (s *site) mount(folder, how string) {
	s.t.Helper()
	if out, err := exec.CommandContext(s.t.Context(), "mount", "-o", how, folder).CombinedOutput(); err != nil {
		s.t.Fatalf("mount: %s", out)
	}
}
