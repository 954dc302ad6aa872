package discord_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/bot/chattest"
	"github.com/mydb-project/mydb/bot/discord"
	"github.com/mydb-project/mydb/bot/discord/discordfake"
	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/engine"
)

func TestMain(m *testing.M) { chattest.Main(m) }

// rig is MyDB on a Discord of its own: the real adapter, the real desk, the real workers of chat, and no databases.
type rig struct {
	*chattest.MyDB
	fake    *discordfake.Fake
	adapter *discord.Adapter
	options discord.Options
	lab     *discordfake.Channel
	office  *discordfake.Channel // of the administrators
}

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
	r := &rig{MyDB: chattest.New(t)}
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
		Log: r.Logger(),
	}
	return r
}

// open makes the service over a database of its own, and the adapter.
func (r *rig) open() *rig {
	r.Helper()
	r.adapter = r.another(r.options)
	r.Open(r.adapter, core.ChatChannel{Platform: core.Discord, Team: r.fake.GuildID, Channel: r.office.ID})
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
	r.Work()
	return r
}

// listen connects the adapter to the gateway, until the test ends.
func (r *rig) listen() *rig {
	r.Helper()
	r.Serve(r.adapter)
	if err := r.fake.WaitConnected(r.Patient()); err != nil {
		r.Fatal(err)
	}
	r.until("the commands are registered", func() bool { return r.fake.Registrations() > 0 })
	return r
}

// everything opens, works and listens.
func everything(t *testing.T, change ...func(*discordfake.Options)) *rig {
	t.Helper()
	return newRig(t, change...).open().work().listen()
}

// until waits for something that the fake sees.
func (r *rig) until(what string, holds func() bool) {
	r.Helper()
	if err := r.fake.Wait(r.Patient(), what, holds); err != nil {
		r.Fatalf("%v\n%s", err, r.Log.String())
	}
}

// linked is a member of the server whom MyDB knows.
func (r *rig) linked(login string, admin bool) *discordfake.User {
	r.Helper()
	u := r.fake.AddUser(login)
	p := coretest.Actor(r.T, r.Service, login, admin)
	r.Exec(`insert into chat_identities (platform, team, user_id, person_id, name, how) values ('discord', $1, $2, $3, $4, 'code')`, r.fake.GuildID, u.ID, p.ID, login)
	return u
}

// answer waits for the answer to an interaction, and wants texts in it.
func (r *rig) answer(i *discordfake.Interaction, texts ...string) discordfake.Message {
	r.Helper()
	m, err := i.Answer(r.Patient())
	if err != nil {
		r.Fatalf("%v\n%s", err, r.Log.String())
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
	m, err := u.WaitText(r.Patient(), c, text)
	if err != nil {
		r.Fatalf("%v\n%s", err, r.Log.String())
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
	return r.Making(name)
}

// ready makes a database that is ready.
func (r *rig) ready(u *discordfake.User, name string) core.Instance {
	r.Helper()
	operation, _ := r.created(u, name)
	return r.Finish(operation)
}

// sized is a service with another catalogue, over the same database.
func (r *rig) sized(c engine.Catalogue) *core.Service {
	return coretest.Service(r.T, r.DB, core.Options{Catalogue: c})
}
