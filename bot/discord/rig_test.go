package discord_test

import (
	"bytes"
	"context"
	"flag"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/bot/discord"
	"github.com/mydb-project/mydb/bot/discord/discordfake"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/jobs"
)

// TestMain lets many tests run at once, because much of their time the library sleeps.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// rig is MyDB on a Discord of its own: the real adapter, the real desk, the real workers of chat, and no databases.
type rig struct {
	*testing.T
	fake    *discordfake.Fake
	service *core.Service
	db      *pgxpool.Pool
	bot     *bot.Bot
	desk    *bot.Desk
	adapter *discord.Adapter
	options discord.Options
	lab     *discordfake.Channel
	office  *discordfake.Channel // of the administrators
	log     *buffer
}

// alone is a node without databases that leaves the cluster's work to others.
type alone struct{ jobs.Runtime }

func (alone) Self(context.Context) (jobs.Node, error) { return jobs.Node{ID: "alone"}, nil }

// newRig makes a MyDB with its Discord. The fake's clock stands still, so that a slow machine breaks no deadline, and it has no limits of
// how often.
func newRig(t *testing.T, change ...func(*discordfake.Options)) *rig {
	t.Helper()
	t.Parallel()
	at := time.Now()
	o := discordfake.Options{Now: func() time.Time { return at }}
	for _, c := range change {
		c(&o)
	}
	r := &rig{T: t, log: &buffer{}}
	var err error
	if r.fake, err = discordfake.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.fake.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, l := range []discordfake.Limit{discordfake.LimitSend, discordfake.LimitEdit, discordfake.LimitWebhook, discordfake.LimitGlobal} {
		r.fake.Limit(l, 0, 0)
	}
	r.lab, r.office = r.fake.AddChannel("lab"), r.fake.AddChannel("office")
	r.options = discord.Options{
		Token: r.fake.Token(), AppID: r.fake.AppID, GuildID: r.fake.GuildID, AdminChannel: r.office.ID, APIURL: r.fake.URL, Now: r.fake.Now,
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return r
}

// open makes the service over a database of its own, and the adapter.
func (r *rig) open() *rig {
	r.Helper()
	_, appURL := coretest.Database(r.T)
	r.db = coretest.Pool(r.T, appURL)
	queue, err := jobs.NewInserter(r.db, slog.New(slog.DiscardHandler))
	if err != nil {
		r.Fatal(err)
	}
	r.service = coretest.Service(r.T, r.db, core.Options{
		Queue: queue, Log: r.options.Log, Backups: core.Backups{On: true},
		ChatAdmins: []core.ChatChannel{{Platform: core.Discord, Team: r.fake.GuildID, Channel: r.office.ID}},
	})
	if err := r.service.PreparePorts(r.Context()); err != nil {
		r.Fatal(err)
	}
	r.bot = bot.New(bot.Options{Service: r.service, PublicURL: "https://mydb.example.org", Log: r.options.Log})
	r.adapter = r.another(r.options)
	r.desk = bot.NewDesk(r.bot, map[core.Platform]core.AskChat{core.Discord: r.adapter.Ask()})
	return r
}

// another is a second adapter, as another process has one.
func (r *rig) another(o discord.Options) *discord.Adapter {
	r.Helper()
	a, err := discord.New(o)
	if err != nil {
		r.Fatal(err)
	}
	return a
}

// work starts the workers.
func (r *rig) work() *rig {
	r.Helper()
	w, err := jobs.Start(r.Context(), jobs.Options{
		DB: r.db, Service: r.service, Runtime: alone{}, Log: r.options.Log, Chat: r.desk, Platforms: map[core.Platform]jobs.Platform{core.Discord: r.adapter},
	})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := w.Stop(ctx); err != nil {
			r.Error(err)
		}
	})
	return r
}

// listen connects the adapter to the gateway, until the test ends.
func (r *rig) listen() *rig {
	r.Helper()
	r.run(r.adapter)
	if err := r.fake.WaitConnected(r.patient()); err != nil {
		r.Fatal(err)
	}
	r.until("the commands are registered", func() bool { return r.fake.Registrations() > 0 })
	return r
}

// run runs an adapter. end ends it, and gives what Run gave; it may be called again.
func (r *rig) run(a *discord.Adapter) (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	var result error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		result = a.Run(ctx, r.desk)
	}()
	end = func() error {
		cancel()
		<-ended
		return result
	}
	r.Cleanup(func() { _ = end() })
	return end
}

// everything opens, works and listens.
func everything(t *testing.T, change ...func(*discordfake.Options)) *rig {
	t.Helper()
	return newRig(t, change...).open().work().listen()
}

// patient is how long a test waits for what must come.
func (r *rig) patient() context.Context {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Minute)
	r.Cleanup(cancel)
	return ctx
}

// until waits for something that the fake sees.
func (r *rig) until(what string, holds func() bool) {
	r.Helper()
	if err := r.fake.Wait(r.patient(), what, holds); err != nil {
		r.Fatalf("%v\n%s", err, r.log.String())
	}
}

// eventually waits for something that only the database knows.
func (r *rig) eventually(what string, holds func() bool) {
	r.Helper()
	ctx, tick := r.patient(), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.Fatalf("waited in vain: %s\n%s", what, r.log.String())
		}
	}
}

// linked is a member of the server whom MyDB knows.
func (r *rig) linked(login string, admin bool) *discordfake.User {
	r.Helper()
	u := r.fake.AddUser(login)
	p := coretest.Actor(r.T, r.service, login, admin)
	r.exec(`insert into chat_identities (platform, team, user_id, person_id, name, how) values ('discord', $1, $2, $3, $4, 'code')`, r.fake.GuildID, u.ID, p.ID, login)
	return u
}

func (r *rig) exec(sql string, args ...any) {
	r.Helper()
	if _, err := r.db.Exec(r.Context(), sql, args...); err != nil {
		r.Fatal(err)
	}
}

// one reads a value from the database.
func one[T any](r *rig, sql string, args ...any) (v T) {
	r.Helper()
	if err := r.db.QueryRow(r.Context(), sql, args...).Scan(&v); err != nil {
		r.Fatalf("%s: %v", sql, err)
	}
	return v
}

// answer waits for the answer to an interaction, and wants texts in it.
func (r *rig) answer(i *discordfake.Interaction, texts ...string) discordfake.Message {
	r.Helper()
	m, err := i.Answer(r.patient())
	if err != nil {
		r.Fatalf("%v\n%s", err, r.log.String())
	}
	return r.wants(m, texts...)
}

func (r *rig) wants(m discordfake.Message, texts ...string) discordfake.Message {
	r.Helper()
	for _, w := range texts {
		if !strings.Contains(m.Text(), w) {
			r.Errorf("%q is missing in\n%s", w, m.Text())
		}
	}
	return m
}

// sees waits until somebody sees a message with a text.
func (r *rig) sees(u *discordfake.User, c *discordfake.Channel, text string) discordfake.Message {
	r.Helper()
	m, err := u.WaitText(r.patient(), c, text)
	if err != nil {
		r.Fatalf("%v\n%s", err, r.log.String())
	}
	return m
}

// slash gives a command of /mydb, with its options by name.
func (r *rig) slash(u *discordfake.User, c *discordfake.Channel, sub string, options map[string]any) *discordfake.Interaction {
	return u.Slash(c, "mydb", sub, options)
}

// press presses a button of a message.
func (r *rig) press(u *discordfake.User, m discordfake.Message, label string) *discordfake.Interaction {
	r.Helper()
	b := m.Button(label)
	if b.CustomID == "" {
		r.Fatalf("there is no button %q on\n%s", label, m.Text())
	}
	return u.Click(m, b.CustomID)
}

// created makes a database by slash, and gives the ids of its operation and itself.
func (r *rig) created(u *discordfake.User, name string) (operation, instance string) {
	r.Helper()
	r.answer(r.slash(u, r.lab, "create", map[string]any{"engine": "postgres", "name": name}))
	return one[string](r, "select o.id from operations o join instances i on i.id = o.instance_id where i.name = $1", name), one[string](r, "select id from instances where name = $1", name)
}

// finish ends the making of a database, as its worker does.
func (r *rig) finish(operation string) core.Instance {
	r.Helper()
	i, _, err := r.service.Begin(r.Context(), operation)
	if err != nil {
		r.Fatal(err)
	}
	r.exec("update instances set node_id = 'n', host = 'db.example.org' where id = $1", i.ID)
	if err := pgx.BeginFunc(r.Context(), r.db, func(tx pgx.Tx) error { return r.service.FinishCreate(r.Context(), tx, operation, i, nil) }); err != nil {
		r.Fatal(err)
	}
	return i
}

// ready makes a database that is ready.
func (r *rig) ready(u *discordfake.User, name string) core.Instance {
	r.Helper()
	operation, _ := r.created(u, name)
	return r.finish(operation)
}

// buffer is a log that is read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// sized is a service with another catalogue, over the same database.
func (r *rig) sized(c engine.Catalogue) *core.Service {
	return coretest.Service(r.T, r.db, core.Options{Catalogue: c})
}
