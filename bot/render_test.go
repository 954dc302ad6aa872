package bot

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/engine/postgres"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares an answer with the one that was agreed on. Every one of them must fit, and have its fences in pairs.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got+"\n" != string(want) {
		t.Errorf("%s differs (go test ./bot -update accepts it). Got:\n%s\nwant:\n%s", name, got, want)
	}
	if n := utf8.RuneCountInString(got); n > MaxAnswer || strings.Count(got, fence)%2 != 0 {
		t.Errorf("%s: %d characters, %d fences", name, n, strings.Count(got, fence))
	}
}

func at(seconds float64) time.Time {
	return time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
}

func ptr[T any](v T) *T { return &v }

// genomes is a database in good health.
func genomes() core.Instance {
	return core.Instance{
		ID: "d0qk3l8s0000000000g0", Name: "genomes", Owner: "ada", OwnerID: "p1", Engine: "postgres", Version: "17", Size: "small",
		State: core.StateReady, Host: ptr("db1.example.org"), Port: ptr(25010), Username: "genomes", Database: "genomes",
		Description: "variants of the\n2026 cohort", Extensions: []string{"hstore", "pg_trgm"}, Contact: "ada@example.com", PHI: true, Backup: "daily",
		ExpiresAt: ptr(at(90 * 86400)), CreatedAt: at(0), ReadyAt: ptr(at(2.9)), OperationID: ptr("op1"),
	}
}

// creating is a database that is being made.
func creating() core.Instance {
	i := genomes()
	i.State, i.Host, i.Port, i.ReadyAt = core.StateCreating, nil, nil, nil
	i.Description, i.Contact, i.Extensions, i.PHI, i.ExpiresAt = "", "", nil, false, nil
	return i
}

func done() core.Operation {
	return core.Operation{
		ID: "op1", Kind: "create", State: core.OperationDone, Database: "genomes", CreatedAt: at(0), StartedAt: ptr(at(0.1)), FinishedAt: ptr(at(2.94)),
		Steps: []core.Step{
			{Name: "choose a machine", State: "done", Detail: "node-1", StartedAt: at(0.1), FinishedAt: ptr(at(0.15))},
			{Name: "start the server", State: "done", StartedAt: at(0.15), FinishedAt: ptr(at(1.35))},
			{Name: "log in, write and read as genomes", State: "done", StartedAt: at(2.8), FinishedAt: ptr(at(2.9))},
		},
	}
}

func running() core.Operation {
	op := done()
	op.State, op.FinishedAt, op.Steps = core.OperationRunning, nil, op.Steps[:2]
	op.Steps[1].State, op.Steps[1].FinishedAt = "running", nil
	return op
}

func failed() core.Operation {
	op := running()
	op.State, op.FinishedAt = core.OperationFailed, ptr(at(125))
	op.Steps[1].State, op.Steps[1].FinishedAt, op.Steps[1].Detail = "failed", ptr(at(125)), "no node has 16GiB\nof memory free"
	op.Error = &core.Explanation{Code: core.CodeUnavailable, Message: "No machine has room for it. Choose a smaller size, or ask an administrator."}
	return op
}

func titled(string) string { return "PostgreSQL" }

const page = "https://mydb.example.org/databases/genomes"

func TestCreateAnswers(t *testing.T) {
	golden(t, "create", renderCreate(creating(), "PostgreSQL", page))
	golden(t, "create-phi-expires", renderCreate(genomes(), "PostgreSQL", page))
}

func TestListAnswers(t *testing.T) {
	a, b := genomes(), creating()
	b.Name, b.Version, b.Owner = "long-name-of-a-study-2026", "18", "grace"
	both := []core.Instance{a, b}
	golden(t, "list", renderList(both, titled, false, false, "https://mydb.example.org"))
	golden(t, "list-all", renderList(both, titled, true, false, "https://mydb.example.org"))
	golden(t, "list-more", renderList(both, titled, false, true, "https://mydb.example.org"))
	golden(t, "list-one", renderList(both[:1], titled, false, false, "https://mydb.example.org"))
	golden(t, "list-none", renderList(nil, titled, false, false, "https://mydb.example.org"))
	golden(t, "list-all-none", renderList(nil, titled, true, false, "https://mydb.example.org"))
}

// The widest list there can be is shown whole.
func TestListFits(t *testing.T) {
	i := genomes()
	i.Name, i.State, i.Owner = strings.Repeat("n", 40), core.StateRestoring, strings.Repeat("o", 128)
	list := make([]core.Instance, listLimit)
	for n := range list {
		list[n] = i
	}
	if n := utf8.RuneCountInString(renderList(list, titled, true, true, "https://mydb.example.org")); n > MaxAnswer {
		t.Errorf("%d characters, more than %d", n, MaxAnswer)
	}
}

func TestStatusAnswers(t *testing.T) {
	golden(t, "status-ready", renderStatus(genomes(), ptr(done()), nil, "PostgreSQL"))
	golden(t, "status-measured", renderStatus(genomes(), ptr(done()), measured(), "PostgreSQL"))
	golden(t, "status-creating", renderStatus(creating(), ptr(running()), nil, "PostgreSQL"))
	i := creating()
	i.State, i.EndedAt, i.Failure = core.StateFailed, ptr(at(125)), ptr(failed().Error.Message)
	golden(t, "status-failed", renderStatus(i, ptr(failed()), nil, "PostgreSQL"))
	golden(t, "status-no-operation", renderStatus(genomes(), nil, nil, "PostgreSQL"))
}

func TestConnectAnswers(t *testing.T) {
	i := genomes()
	c := card{instance: i, page: page, owns: true, collectable: true, snippets: postgres.Engine{}.Snippets(engine.Card{
		Name: i.Name, Host: *i.Host, Port: *i.Port, Database: i.Database, Username: i.Username, CAPath: core.CAFile,
	})}
	golden(t, "connect", renderCard(c))
	c.collectable = false
	golden(t, "connect-collected", renderCard(c))
	c.owns, c.instance.State = false, core.StateStopped
	golden(t, "connect-stopped-other", renderCard(c))
	golden(t, "connect-creating", renderNotReady(creating(), ptr(running())))
	f := creating()
	f.State, f.Failure = core.StateFailed, ptr(failed().Error.Message)
	golden(t, "connect-failed", renderNotReady(f, ptr(failed())))
}

func TestHelpAnswers(t *testing.T) {
	g := grammar()
	golden(t, "help", renderHelp(g, "https://mydb.example.org"))
	for _, name := range append(g.available(), "backup") {
		c, _ := g.Command(name)
		golden(t, "help-"+name, renderCommandHelp(c))
	}
}

func TestWhoamiAnswers(t *testing.T) {
	ada := core.Actor{Person: core.Person{ID: "p1", Login: "ada", Name: "Ada Lovelace", Email: ptr("ada@example.com")}, Scope: core.ScopeOperate}
	reading, admin, limited := ada, ada, ada
	reading.Scope = core.ScopeRead
	admin.Admin, admin.Scope = true, core.ScopeAdmin
	limited.Admin = true
	golden(t, "whoami", renderActor(ada))
	golden(t, "whoami-reading", renderActor(reading))
	golden(t, "whoami-admin", renderActor(admin))
	golden(t, "whoami-limited-admin", renderActor(limited))
}

func TestFollow(t *testing.T) {
	queued := running()
	queued.State, queued.Steps = core.OperationQueued, nil
	golden(t, "follow-queued", Follow(queued))
	golden(t, "follow-running", Follow(running()))
	golden(t, "follow-done", Follow(done()))
	golden(t, "follow-failed", Follow(failed()))
	other := done()
	other.Kind, other.State = "tidy", core.OperationCancelled
	golden(t, "follow-other", Follow(other))
}

func TestFitCutsAtLinesAndClosesFences(t *testing.T) {
	line := strings.Repeat("é", 99) + "\n"
	for name, text := range map[string]string{
		"text":        strings.Repeat(line, 40),
		"fence":       fence + "\n" + strings.Repeat(line, 40) + fence,
		"single line": strings.Repeat("é", 4000),
	} {
		got := fit(text)
		if n := utf8.RuneCountInString(got); n > MaxAnswer || n < MaxAnswer-120 || !utf8.ValidString(got) {
			t.Errorf("%s: %d characters", name, n)
		}
		if strings.Count(got, fence)%2 != 0 || !strings.HasSuffix(got, "...") {
			t.Errorf("%s ends in %q", name, got[len(got)-20:])
		}
	}
	if short := "short"; fit(short) != short {
		t.Error("a short text was changed")
	}
}

func measured() *core.Usage {
	return &core.Usage{
		Up: true, UpSince: ptr(time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)), Bytes: ptr(int64(7 << 30)), Connections: ptr(12), MaxConnections: ptr(50),
		LongestQuery: ptr(93.0),
	}
}
