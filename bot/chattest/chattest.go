// Package chattest is a MyDB without databases for the tests of the platforms' adapters: the real service over Postgres, the real desk, and the
// real workers of chat.
package chattest

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/jobs"
)

// Patience is how long a test waits for what must come.
const Patience = 2 * time.Minute

const lookEvery = 50 * time.Millisecond

// Main lets many tests run at once, because much of their time they wait: for the pause between two changes of a message, or while a library
// sleeps.
func Main(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// Adapter is a platform's.
type Adapter interface {
	jobs.Platform
	Ask() core.AskChat
	Run(ctx context.Context, desk *bot.Desk) error
}

// MyDB serves one platform. What Open makes is nil before.
type MyDB struct {
	*testing.T
	Service *core.Service
	DB      *pgxpool.Pool
	Bot     *bot.Bot
	Desk    *bot.Desk
	Log     *coretest.Output // all that it has logged

	platform core.Platform
	adapter  Adapter
}

// alone is a node without databases that leaves the cluster's work to others.
type alone struct{ jobs.Runtime }

func (alone) Self(context.Context) (jobs.Node, error) { return jobs.Node{ID: "alone"}, nil }

// New makes one that only logs.
func New(t *testing.T) *MyDB {
	return &MyDB{T: t, Log: &coretest.Output{}}
}

// Logger logs everything.
func (m *MyDB) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(m.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Open makes the service over a database of its own, and the desk for a platform's adapter. Administrators are in one channel.
func (m *MyDB) Open(a Adapter, admins core.ChatChannel) {
	m.Helper()
	_, appURL := coretest.Database(m.T)
	m.DB, m.adapter, m.platform = coretest.Pool(m.T, appURL), a, admins.Platform
	queue, err := jobs.NewInserter(m.DB, slog.New(slog.DiscardHandler))
	if err != nil {
		m.Fatal(err)
	}
	m.Service = coretest.Service(m.T, m.DB, core.Options{Queue: queue, Log: m.Logger(), Backups: core.Backups{On: true}, ChatAdmins: []core.ChatChannel{admins}})
	if err := m.Service.PreparePorts(m.Context()); err != nil {
		m.Fatal(err)
	}
	m.Bot = bot.New(bot.Options{Service: m.Service, PublicURL: "https://mydb.example.org", Log: m.Logger()})
	m.Desk = bot.NewDesk(m.Bot, map[core.Platform]core.AskChat{m.platform: a.Ask()})
}

// Work starts the workers, which stop when the test ends.
func (m *MyDB) Work() {
	m.Helper()
	w, err := jobs.Start(m.Context(), jobs.Options{
		DB: m.DB, Service: m.Service, Runtime: alone{}, Log: m.Logger(), Chat: m.Desk, Platforms: map[core.Platform]jobs.Platform{m.platform: m.adapter},
	})
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := w.Stop(ctx); err != nil {
			m.Error(err)
		}
	})
}

// Serve runs an adapter. end ends it, and gives what Run gave; it may be called again, and is when the test ends.
func (m *MyDB) Serve(a Adapter) (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	var result error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		result = a.Run(ctx, m.Desk)
	}()
	end = func() error {
		cancel()
		<-ended
		return result
	}
	m.Cleanup(func() { _ = end() })
	return end
}

// Patient is a context for what must come within Patience.
func (m *MyDB) Patient() context.Context {
	ctx, cancel := context.WithTimeout(m.Context(), Patience)
	m.Cleanup(cancel)
	return ctx
}

// Eventually waits for something that only the database or the adapter knows.
func (m *MyDB) Eventually(what string, holds func() bool) {
	m.Helper()
	ctx, tick := m.Patient(), time.NewTicker(lookEvery)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			m.Fatalf("waited in vain: %s\n%s", what, m.Log)
		}
	}
}

// Exec changes the database behind the service's back.
func (m *MyDB) Exec(sql string, args ...any) {
	m.Helper()
	if _, err := m.DB.Exec(m.Context(), sql, args...); err != nil {
		m.Fatal(err)
	}
}

// One reads a value from the database.
func One[T any](m *MyDB, sql string, args ...any) (v T) {
	m.Helper()
	if err := m.DB.QueryRow(m.Context(), sql, args...).Scan(&v); err != nil {
		m.Fatalf("%s: %v", sql, err)
	}
	return v
}

// Making gives the ids of a database that is being made, and of the operation that makes it.
func (m *MyDB) Making(name string) (operation, instance string) {
	m.Helper()
	return One[string](m, "select o.id from operations o join instances i on i.id = o.instance_id where i.name = $1", name),
		One[string](m, "select id from instances where name = $1", name)
}

// Finish ends the making of a database, as its worker does.
func (m *MyDB) Finish(operation string) core.Instance {
	m.Helper()
	i, _, err := m.Service.Begin(m.Context(), operation)
	if err != nil {
		m.Fatal(err)
	}
	m.Exec("update instances set node_id = 'n', host = 'db.example.org' where id = $1", i.ID)
	if err := pgx.BeginFunc(m.Context(), m.DB, func(tx pgx.Tx) error { return m.Service.FinishCreate(m.Context(), tx, operation, i, nil) }); err != nil {
		m.Fatal(err)
	}
	return i
}
