package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/mydb-project/mydb/bot/discord/discordfake"
	"github.com/mydb-project/mydb/core"
)

// chatAdmin is who decides.
const chatAdmin = "decider"

// saveAdmin makes the administrator who decides.
func (l *lab) saveAdmin(ctx context.Context) error {
	_, err := l.service.SavePerson(ctx, core.Account{Login: chatAdmin, Email: chatAdmin + "@example.com", Name: chatAdmin, Admin: true})
	return err
}

// discord is a server of Discord.
type discord struct {
	fake        *discordfake.Fake
	lab, office *discordfake.Channel
	people      []*discordfake.User
	admin       *discordfake.User
}

func newDiscord() (workspace, error) {
	fake, err := discordfake.New(discordfake.Options{KeepCalls: 100})
	if err != nil {
		return nil, err
	}
	for _, l := range []discordfake.Limit{discordfake.LimitSend, discordfake.LimitEdit, discordfake.LimitWebhook, discordfake.LimitGlobal} {
		fake.Limit(l, 0, 0)
	}
	return &discord{fake: fake, lab: fake.AddChannel("lab"), office: fake.AddChannel("office")}, nil
}

func (d *discord) name() string { return "Discord" }

func (d *discord) settings() []string {
	return []string{
		"MYDB_DISCORD_TOKEN=" + d.fake.Token(), "MYDB_DISCORD_APP_ID=" + d.fake.AppID, "MYDB_DISCORD_GUILD_ID=" + d.fake.GuildID,
		"MYDB_DISCORD_ADMIN_CHANNEL=" + d.office.ID, "MYDB_DISCORD_API_URL=" + d.fake.URL,
	}
}

func (d *discord) enter(ctx context.Context, l *lab) error {
	if err := l.saveAdmin(ctx); err != nil {
		return err
	}
	for i := range people {
		d.people = append(d.people, d.fake.AddUser(fmt.Sprintf("person%d", i)))
	}
	d.admin = d.fake.AddUser(chatAdmin)
	for _, u := range append([]*discordfake.User{d.admin}, d.people...) {
		_, err := l.pool.Exec(ctx, `insert into chat_identities (platform, team, user_id, person_id, name, how) select 'discord', $1, $2, id, login, 'code' from people where login = $3`,
			d.fake.GuildID, u.ID, u.Name)
		if err != nil {
			return fmt.Errorf("make %s known: %w", u.Name, err)
		}
	}
	return nil
}

func (d *discord) connected(ctx context.Context) error {
	return d.fake.Wait(ctx, "MyDB with its commands", func() bool { return d.fake.Gateway().Live > 0 && d.fake.Registrations() > 0 })
}

// command is brought again in any case: who resumes a session gets what it has missed.
func (d *discord) command(person int, _ bool) acknowledgement {
	return acked(d.people[person].Slash(d.lab, "mydb", "status", map[string]any{"name": "bench-0"}))
}

func (d *discord) askDeletion(person int, database string) acknowledgement {
	return acked(d.people[person].Slash(d.lab, "mydb", "delete", map[string]any{"name": database}))
}

func acked(i *discordfake.Interaction) acknowledgement {
	return func(ctx context.Context) error {
		_, err := i.WaitAck(ctx)
		return err
	}
}

func (d *discord) asked(ctx context.Context) (func(context.Context) error, error) {
	m, err := d.admin.WaitMessage(ctx, d.office, "a request", func(m discordfake.Message) bool { return m.Button("Approve").CustomID != "" })
	return func(ctx context.Context) error {
		d.admin.Click(m, m.Button("Approve").CustomID)
		_, err := d.admin.WaitMessage(ctx, d.office, "the decision", func(now discordfake.Message) bool { return now.ID == m.ID && now.Button("Approve").CustomID == "" })
		return err
	}, err
}

func (d *discord) duplicate(share float64) {
	every := 0
	if share > 0 {
		every = int(1 / share)
	}
	d.fake.DuplicateEvery(every)
}

func (d *discord) drop() { d.fake.Drop() }

func (d *discord) acknowledged() (durations, int) {
	r := d.fake.Report()
	return r.Acks, len(r.Unanswered)
}

func (d *discord) pending() (n int) {
	for _, i := range d.fake.Interactions() {
		if i.State() == discordfake.Pending {
			n++
		}
	}
	return n
}

func (d *discord) refused() (n int) {
	for _, i := range d.fake.Interactions() {
		if m := i.Messages(); len(m) > 0 && strings.Contains(m[0].Text(), notAccepted) {
			n++
		}
	}
	return n
}

func (d *discord) close() error { return d.fake.Close() }
