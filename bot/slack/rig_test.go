package slack_test

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
	"github.com/mydb-project/mydb/bot/slack"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/jobs"
)

// TestMain lets many tests run at once, because much of their time they wait for the pause between two changes of a message.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// rig is MyDB in a workspace of its own: the real adapter, the real desk, the real workers of chat, and no databases.
type rig struct {
	*testing.T
	fake    *slackfake.Fake
	service *core.Service
	db      *pgxpool.Pool
	bot     *bot.Bot
	desk    *bot.Desk
	adapter *slack.Adapter
	options slack.Options
	lab     *slackfake.Channel
	office  *slackfake.Channel // of the administrators
	log     *buffer
}

// alone is a node without databases that leaves the cluster's work to others.
type alone struct{ jobs.Runtime }

func (alone) Self(context.Context) (jobs.Node, error) { return jobs.Node{ID: "alone"}, nil }

// newRig makes a MyDB with its Slack. The fake's clock stands still, so that a slow machine breaks no deadline, and it has no limits of
// how often. The app has no more scopes than the adapter says it needs.
func newRig(t *testing.T, change ...func(*slackfake.Options)) *rig {
	t.Helper()
	t.Parallel()
	return newWorkspace(t, change...)
}

// newWorkspace is a workspace of its own, perhaps another one of the same test.
func newWorkspace(t *testing.T, change ...func(*slackfake.Options)) *rig {
	t.Helper()
	o := slackfake.Options{Clock: slackfake.NewFrozenClock(time.Now()), Rates: slackfake.Rates{Off: true}}
	for scope := range slack.Scopes {
		o.Scopes = append(o.Scopes, scope)
	}
	for _, c := range change {
		c(&o)
	}
	r := &rig{T: t, log: &buffer{}, fake: slackfake.Start(t, o)}
	r.lab = r.fake.AddChannel(slackfake.Room{Name: "lab"})
	r.office = r.fake.AddChannel(slackfake.Room{Name: "office", Private: true})
	r.options = slack.Options{
		BotToken: r.fake.BotToken(), AppToken: r.fake.AppToken(), AdminChannel: r.office.ID(), APIURL: r.fake.APIURL(), Now: r.fake.Clock().Now,
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
		ChatAdmins: []core.ChatChannel{{Platform: core.Slack, Team: r.fake.Team(), Channel: r.office.ID()}},
	})
	if err := r.service.PreparePorts(r.Context()); err != nil {
		r.Fatal(err)
	}
	r.bot = bot.New(bot.Options{Service: r.service, PublicURL: "https://mydb.example.org", Log: r.options.Log})
	r.adapter = r.another(r.options)
	r.desk = bot.NewDesk(r.bot, map[core.Platform]core.AskChat{core.Slack: r.adapter.Ask()})
	return r
}

// another is a second adapter, as another process has one.
func (r *rig) another(o slack.Options) *slack.Adapter {
	r.Helper()
	a, err := slack.New(o)
	if err != nil {
		r.Fatal(err)
	}
	return a
}

// work starts the workers.
func (r *rig) work() *rig {
	r.Helper()
	w, err := jobs.Start(r.Context(), jobs.Options{
		DB: r.db, Service: r.service, Runtime: alone{}, Log: r.options.Log, Chat: r.desk, Platforms: map[core.Platform]jobs.Platform{core.Slack: r.adapter},
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

// listen connects the adapter, until the test ends.
func (r *rig) listen() *rig {
	r.Helper()
	r.run(r.adapter)
	r.until("MyDB is connected", func() bool { return r.fake.Connections() > 0 })
	return r
}

// run runs an adapter. end ends it, and gives what Run gave; it may be called again.
func (r *rig) run(a *slack.Adapter) (end func() error) {
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
func everything(t *testing.T, change ...func(*slackfake.Options)) *rig {
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
	if err := r.fake.Await(r.patient(), holds); err != nil {
		r.Fatalf("waited in vain: %s: %v\n%s", what, err, r.log.String())
	}
}

// eventually waits for something that only the database or the adapter knows.
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

// person is somebody in the workspace and in the lab, whom MyDB knows by their mail address; an administrator is in the office, too.
func (r *rig) person(login string, admin bool) *slackfake.User {
	r.Helper()
	u := r.stranger(slackfake.Profile{Name: login, Email: login + "@example.com", EmailConfirmed: true})
	coretest.Actor(r.T, r.service, login, admin)
	if admin {
		r.office.Join(u)
	}
	return u
}

// stranger is somebody in the lab whom MyDB does not know.
func (r *rig) stranger(p slackfake.Profile) *slackfake.User {
	u := r.fake.AddUser(p)
	r.lab.Join(u)
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

// acked waits until something that was delivered is acknowledged. On a machine so slow that MyDB did not accept an event in time, Slack's
// clock has to go on, so that Slack brings it again.
func (r *rig) acked(d *slackfake.Delivery) slackfake.Result {
	r.Helper()
	wait := r.patient()
	tick := time.NewTicker(4 * time.Second)
	defer tick.Stop()
	for d.Kind == slackfake.Event && wait.Err() == nil {
		select {
		case <-d.Done():
		case <-tick.C:
			r.fake.Clock().Advance(time.Minute)
			continue
		}
		break
	}
	res, err := d.Wait(wait)
	if err != nil || !res.Acked {
		r.Fatalf("%s was not acknowledged: %+v, %v\n%s", d.Kind, res, err, r.log.String())
	}
	return res
}

// types types `/mydb` and a text into a channel, and waits for the acknowledgement.
func (r *rig) types(u *slackfake.User, c *slackfake.Channel, text string) (res slackfake.Result) {
	r.Helper()
	r.insists(func() { res = r.acked(u.Command(c, "/mydb", text)) })
	return res
}

// sees waits until somebody sees a message with all texts in a channel or its threads.
func (r *rig) sees(u *slackfake.User, c *slackfake.Channel, texts ...string) slackfake.Message {
	r.Helper()
	m, err := u.AwaitMessage(r.patient(), c, func(m slackfake.Message) bool { return holds(m, texts...) })
	if err != nil {
		for _, m := range u.Sees(c) {
			r.Log(m.Shown())
		}
		r.Fatalf("%q: %v\n%s", texts, err, r.log.String())
	}
	return m
}

func holds(m slackfake.Message, texts ...string) bool {
	for _, text := range texts {
		if !strings.Contains(m.Shown(), text) {
			return false
		}
	}
	return true
}

// answered types a command, and gives the answer that the person alone sees.
func (r *rig) answered(u *slackfake.User, c *slackfake.Channel, command string, texts ...string) slackfake.Message {
	r.Helper()
	before := len(u.Sees(c))
	r.types(u, c, command)
	var m slackfake.Message
	r.until("an answer to "+command, func() bool {
		now := u.Sees(c)
		if len(now) > before {
			m = now[len(now)-1]
		}
		return len(now) > before && !holds(m, "MyDB did not accept this")
	})
	if !holds(m, texts...) || m.EphemeralTo != u.ID() {
		r.Errorf("%s was answered, for %q:\n%s\nnot with %q", command, m.EphemeralTo, m.Shown(), texts)
	}
	return m
}

// insists does something until MyDB did not fail to accept it in time, which happens on a slow machine.
func (r *rig) insists(do func()) {
	r.Helper()
	for range 20 {
		refused := strings.Count(r.log.String(), "an event was not accepted")
		if do(); strings.Count(r.log.String(), "an event was not accepted") == refused {
			return
		}
	}
	r.Fatal("MyDB accepts nothing")
}

// press presses a button of a message, and waits for the acknowledgement.
func (r *rig) press(u *slackfake.User, m slackfake.Message, action string) {
	r.Helper()
	r.insists(func() { r.acked(u.Click(m, action)) })
}

// submits fills in a form and sends it, and waits for the acknowledgement.
func (r *rig) submits(u *slackfake.User, v slackfake.View, values map[string]string) {
	r.Helper()
	r.insists(func() { r.acked(u.Submit(v, values)) })
}

// modal waits for a form or a window.
func (r *rig) modal(u *slackfake.User, title string) slackfake.View {
	r.Helper()
	v, err := u.AwaitModal(r.patient(), title)
	if err != nil {
		r.Fatalf("%v\n%s", err, r.log.String())
	}
	return v
}

// created makes a database by command, and gives the ids of its operation and itself.
func (r *rig) created(u *slackfake.User, name string) (operation, instance string) {
	r.Helper()
	r.types(u, r.lab, "create postgres "+name)
	r.sees(u, r.lab, "Creating "+name)
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
func (r *rig) ready(u *slackfake.User, name string) core.Instance {
	r.Helper()
	operation, _ := r.created(u, name)
	return r.finish(operation)
}

// kept fails the test when the adapter has done what Slack does not take.
func (r *rig) kept() {
	r.Helper()
	if v := r.fake.Report().Violations; len(v) > 0 {
		r.Errorf("Slack's rules were broken: %v", v)
	}
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
