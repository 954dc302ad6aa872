package slack_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/slack"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

func TestMain(m *testing.M) { chattest.Main(m) }

// rig is MyDB in a workspace of its own: the real adapter, the real desk, the real workers of chat, and no databases.
type rig struct {
	*chattest.MyDB
	fake    *slackfake.Fake
	adapter *slack.Adapter
	options slack.Options
	lab     *slackfake.Channel
	office  *slackfake.Channel // of the administrators
}

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
	r := &rig{MyDB: chattest.New(t), fake: slackfake.Start(t, o)}
	r.lab = r.fake.AddChannel(slackfake.Room{Name: "lab"})
	r.office = r.fake.AddChannel(slackfake.Room{Name: "office", Private: true})
	r.options = slack.Options{
		BotToken: r.fake.BotToken(), AppToken: r.fake.AppToken(), AdminChannel: r.office.ID(), APIURL: r.fake.APIURL(), Now: r.fake.Clock().Now,
		Log: r.Logger(),
	}
	return r
}

// open makes the service over a database of its own, and the adapter.
func (r *rig) open() *rig {
	r.Helper()
	r.adapter = r.another(r.options)
	r.Open(r.adapter, core.ChatChannel{Platform: core.Slack, Team: r.fake.Team(), Channel: r.office.ID()})
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
	r.Work()
	return r
}

// listen connects the adapter, until the test ends.
func (r *rig) listen() *rig {
	r.Helper()
	r.Serve(r.adapter)
	r.until("MyDB is connected", func() bool { return r.fake.Connections() > 0 })
	return r
}

// everything opens, works and listens.
func everything(t *testing.T, change ...func(*slackfake.Options)) *rig {
	t.Helper()
	return newRig(t, change...).open().work().listen()
}

// until waits for something that the fake sees.
func (r *rig) until(what string, holds func() bool) {
	r.Helper()
	if err := r.fake.Await(r.Patient(), holds); err != nil {
		r.Fatalf("waited in vain: %s: %v\n%s", what, err, r.Log.String())
	}
}

// person is somebody in the workspace and in the lab, whom MyDB knows by their mail address; an administrator is in the office, too.
func (r *rig) person(login string, admin bool) *slackfake.User {
	r.Helper()
	u := r.stranger(slackfake.Profile{Name: login, Email: login + "@example.com", EmailConfirmed: true})
	coretest.Actor(r.T, r.Service, login, admin)
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

// acked waits until something that was delivered is acknowledged. On a machine so slow that MyDB did not accept an event in time, Slack's
// clock has to go on, so that Slack brings it again.
func (r *rig) acked(d *slackfake.Delivery) slackfake.Result {
	r.Helper()
	wait := r.Patient()
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
		r.Fatalf("%s was not acknowledged: %+v, %v\n%s", d.Kind, res, err, r.Log.String())
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
	m, err := u.AwaitMessage(r.Patient(), c, func(m slackfake.Message) bool { return holds(m, texts...) })
	if err != nil {
		for _, m := range u.Sees(c) {
			r.T.Log(m.Shown())
		}
		r.Fatalf("%q: %v\n%s", texts, err, r.Log.String())
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
		refused := strings.Count(r.Log.String(), "an event was not accepted")
		if do(); strings.Count(r.Log.String(), "an event was not accepted") == refused {
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
	v, err := u.AwaitModal(r.Patient(), title)
	if err != nil {
		r.Fatalf("%v\n%s", err, r.Log.String())
	}
	return v
}

// created makes a database by command, and gives the ids of its operation and itself.
func (r *rig) created(u *slackfake.User, name string) (operation, instance string) {
	r.Helper()
	r.types(u, r.lab, "create postgres "+name)
	r.sees(u, r.lab, "Creating "+name)
	return r.Making(name)
}

// ready makes a database that is ready.
func (r *rig) ready(u *slackfake.User, name string) core.Instance {
	r.Helper()
	operation, _ := r.created(u, name)
	return r.Finish(operation)
}

// kept fails the test when the adapter has done what Slack does not take.
func (r *rig) kept() {
	r.Helper()
	if v := r.fake.Report().Violations; len(v) > 0 {
		r.Errorf("Slack's rules were broken: %v", v)
	}
}
