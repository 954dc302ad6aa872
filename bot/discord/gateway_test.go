package discord_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/discord/discordfake"
)

// quick has heartbeats often, so that silence is noticed soon.
func quick(o *discordfake.Options) { o.Heartbeat = 300 * time.Millisecond }

func TestEventsThatComeTwiceAndInDisorder(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	r.fake.DuplicateEvery(1)
	r.fake.Reorder(3)
	var all []*discordfake.Interaction
	for _, name := range []string{"one-db", "two-db", "three-db"} {
		all = append(all, r.slash(ada, r.lab, "create", map[string]any{"engine": "postgres", "name": name}))
	}
	for _, i := range all {
		r.answer(i, "Accepted")
	}
	r.sees(ada, r.lab, "Creating three-db")
	if n := chattest.One[int](r.MyDB, "select count(*) from instances"); n != 3 {
		t.Errorf("%d databases", n)
	}
	if late := r.fake.Report().Unanswered; len(late) != 0 {
		t.Errorf("unanswered: %v", late)
	}
}

// TestRepeatedEventGetsTheFirstAnswer is what happens when MyDB dies between keeping an event and acknowledging it: Discord sends it again.
func TestRepeatedEventGetsTheFirstAnswer(t *testing.T) {
	r := everything(t)
	ada := r.linked("ada", false)
	first := r.answer(r.slash(ada, r.lab, "whoami", nil), "You are ada")
	r.fake.Tamper(func(i map[string]any) {
		r.Exec("insert into inbox (key, platform, team, user_id, kind, answered_at, answer) select 'discord/' || $1, platform, team, user_id, kind, answered_at, answer from inbox limit 1", i["id"])
	})
	again := r.answer(r.slash(ada, r.lab, "whoami", nil), "You are ada")
	if again.Content != first.Content || !again.Ephemeral() || chattest.One[int](r.MyDB, "select count(*) from chat_messages") != 1 {
		t.Error("it was answered anew")
	}
}

func TestConnectionIsReplaced(t *testing.T) {
	for name, c := range map[string]struct {
		breaks func(*discordfake.Fake)
		anew   bool // with a new session
	}{
		"dropped":         {breaks: (*discordfake.Fake).Drop},
		"silent":          {breaks: (*discordfake.Fake).Silence},
		"asked to":        {breaks: (*discordfake.Fake).Reconnect},
		"closed":          {breaks: func(f *discordfake.Fake) { f.CloseGateway(4000, "Unknown error") }},
		"session expired": {breaks: func(f *discordfake.Fake) { f.CloseGateway(4009, "Session timed out.") }, anew: true},
		"session lost":    {breaks: func(f *discordfake.Fake) { f.ForgetSessions(); f.Drop() }, anew: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := everything(t, quick)
			ada := r.linked("ada", false)
			r.until("a heartbeat", func() bool { return r.fake.Gateway().Heartbeats > 0 })
			c.breaks(r.fake)
			if !c.anew {
				if _, err := ada.Says(ada.DM(), "whoami"); err != nil { // while nobody is connected
					t.Fatal(err)
				}
				r.sees(ada, ada.DM(), "You are ada")
			}
			r.until("a new connection", func() bool { g := r.fake.Gateway(); return g.Connections > 1 && g.Live == 1 })
			if g := r.fake.Gateway(); !c.anew && len(g.Identifies) != 1 {
				t.Errorf("what happened meanwhile is lost: %+v", g)
			}
			r.answer(r.slash(ada, r.lab, "whoami", nil), "You are ada")
			if n := r.fake.Registrations(); n != 1 {
				t.Errorf("the commands were registered %d times", n)
			}
		})
	}
}

func TestGatewayThatIsDown(t *testing.T) {
	r := newRig(t, quick).open().work()
	r.fake.RefuseGateway(true)
	r.Serve(r.adapter)
	r.until("it was tried twice", func() bool { return len(r.fake.Calls("GET /gateway")) > 1 })
	if r.adapter.Connected() {
		t.Error("it says that it is connected")
	}
	r.fake.RefuseGateway(false)
	r.until("a connection", func() bool { return r.fake.Gateway().Live == 1 })
	r.Eventually("it says so", r.adapter.Connected)
}

func TestInvalidTokenEndsIt(t *testing.T) {
	r := newRig(t, quick).open()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- r.adapter.Run(ctx, r.Desk) }()
	if err := r.fake.WaitConnected(r.Patient()); err != nil {
		t.Fatal(err)
	}
	r.fake.SetToken("another")
	err := <-ended
	if ctx.Err() != nil || err == nil || !strings.Contains(err.Error(), "4004") || !strings.Contains(err.Error(), "MYDB_DISCORD_TOKEN is not valid") {
		t.Fatalf("it ended with %v", err)
	}
	if n := r.fake.Gateway().Connections; n > 3 {
		t.Errorf("it tried %d times", n)
	}
	if _, err := r.adapter.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "MYDB_DISCORD_TOKEN is not valid") {
		t.Errorf("check says %v", err)
	}
}

// locked is how processes agree on who has the gateway, as the program does it.
func (r *rig) locked(ctx context.Context) (context.Context, func(), error) {
	conn, err := pgx.ConnectConfig(ctx, r.DB.Config().ConnConfig.Copy())
	if err != nil {
		return nil, nil, err
	}
	if _, err := conn.Exec(ctx, "select pg_advisory_lock(4711)"); err != nil {
		conn.Close(context.Background())
		return nil, nil, err
	}
	held, cancel := context.WithCancel(ctx)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer cancel()
		_, _ = conn.WaitForNotification(held)
	}()
	return held, func() { cancel(); <-gone; conn.Close(context.Background()) }, nil
}

func TestOneProcessHasTheGateway(t *testing.T) {
	r := newRig(t, quick).open().work()
	r.options.Hold = r.locked
	ada := r.linked("ada", false)
	first, second := r.another(r.options), r.another(r.options)
	endFirst := r.Serve(first)
	if err := r.fake.WaitConnected(r.Patient()); err != nil {
		t.Fatal(err)
	}
	r.Serve(second)
	r.until("the commands are registered", func() bool { return r.fake.Registrations() > 0 })
	r.answer(r.slash(ada, r.lab, "whoami", nil), "You are ada")
	if g := r.fake.Gateway(); g.Connections != 1 || second.Connected() {
		t.Errorf("both are connected: %+v", g)
	}
	if err := endFirst(); err != nil {
		t.Error(err)
	}
	r.until("the other has it", func() bool { return r.fake.Gateway().Live == 1 })
	r.answer(r.slash(ada, r.lab, "whoami", nil), "You are ada")

	// The lock is lost, as when the connection to the database breaks: the session ends at once, and somebody takes it again.
	r.Exec("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = 4711 and granted and database = (select oid from pg_database where datname = current_database())")
	r.until("it is taken again", func() bool { return len(r.fake.Gateway().Identifies) == 3 && r.fake.Gateway().Live == 1 })
	r.answer(r.slash(ada, r.lab, "whoami", nil), "You are ada")
	for _, i := range r.fake.Gateway().Identifies {
		if i.Beside != 0 {
			t.Errorf("two were connected: %+v", r.fake.Gateway().Identifies)
		}
	}
	if n := r.fake.Registrations(); n != 1 {
		t.Errorf("the commands were registered %d times", n)
	}
}

func TestStopping(t *testing.T) {
	r := newRig(t).open()
	r.fake.RefuseGateway(true)
	end := r.Serve(r.adapter)
	r.until("it tries", func() bool { return len(r.fake.Calls("GET /gateway")) > 0 })
	if err := end(); err != nil {
		t.Errorf("without a gateway: %v", err)
	}
	r.options.Hold = func(ctx context.Context) (context.Context, func(), error) {
		return nil, nil, errors.New("the database is away")
	}
	waiting := r.another(r.options)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := waiting.Run(ctx, r.Desk); err != nil {
		t.Errorf("while it waits: %v", err)
	}
}
