package e2e

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/bot/discord/discordfake"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// workspace is a Slack and a Discord of a test, with the two people of development mode in them. Both keep the real ones' limits and time.
type workspace struct {
	s       *site
	slack   *slackfake.Fake
	discord *discordfake.Fake
	lab     struct {
		slack   *slackfake.Channel
		discord *discordfake.Channel
	}
	office struct { // of the administrators
		slack   *slackfake.Channel
		discord *discordfake.Channel
	}
	scientist, admin member
}

// member is somebody in both.
type member struct {
	login   string
	slack   *slackfake.User
	discord *discordfake.User
}

func newWorkspace(s *site) *workspace {
	s.t.Helper()
	w := &workspace{s: s, slack: slackfake.Start(s.t, slackfake.Options{})}
	var err error
	if w.discord, err = discordfake.New(discordfake.Options{}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = w.discord.Close() })
	w.scientist, w.admin = w.member("scientist"), w.member("admin")
	both := []*slackfake.User{w.scientist.slack, w.admin.slack}
	w.lab.slack, w.lab.discord = w.slack.AddChannel(slackfake.Room{Name: "lab", Members: both}), w.discord.AddChannel("lab")
	w.office.slack = w.slack.AddChannel(slackfake.Room{Name: "office", Private: true, Members: both[1:]})
	w.office.discord = w.discord.AddChannel("office", w.admin.discord)
	return w
}

func (w *workspace) member(login string) member {
	return member{
		login, w.slack.AddUser(slackfake.Profile{Name: login, Email: login + "@example.com", EmailConfirmed: true}),
		w.discord.AddUser(login, w.discord.AddRole(login, discordfake.ManageGuild)),
	}
}

// settings point a server at both.
func (w *workspace) settings() []string {
	return []string{
		"MYDB_SLACK_BOT_TOKEN=" + w.slack.BotToken(), "MYDB_SLACK_APP_TOKEN=" + w.slack.AppToken(), "MYDB_SLACK_TEAM_ID=" + w.slack.Team(),
		"MYDB_SLACK_ADMIN_CHANNEL=" + w.office.slack.ID(), "MYDB_SLACK_API_URL=" + w.slack.APIURL(),
		"MYDB_DISCORD_TOKEN=" + w.discord.Token(), "MYDB_DISCORD_APP_ID=" + w.discord.AppID, "MYDB_DISCORD_GUILD_ID=" + w.discord.GuildID,
		"MYDB_DISCORD_ADMIN_CHANNEL=" + w.office.discord.ID, "MYDB_DISCORD_API_URL=" + w.discord.URL,
	}
}

// start starts the server, and waits until it hears both.
func (w *workspace) start() {
	w.s.t.Helper()
	registered := w.discord.Registrations()
	w.s.start(w.settings()...)
	w.await("the server hears Slack", func(ctx context.Context) error {
		return w.slack.Await(ctx, func() bool { return w.slack.Connections() > 0 })
	})
	w.await("the server hears Discord", func(ctx context.Context) error {
		return errors.Join(w.discord.WaitConnected(ctx), w.discord.Wait(ctx, "the commands", func() bool { return registered > 0 || w.discord.Registrations() > 0 }))
	})
}

// await waits for something in a workspace.
func (w *workspace) await(what string, wait func(context.Context) error) {
	w.s.t.Helper()
	ctx, cancel := context.WithTimeout(w.s.t.Context(), 2*createLimit)
	defer cancel()
	if err := wait(ctx); err != nil {
		w.s.t.Fatalf("%s: %v", what, err)
	}
}

// types gives a command of /mydb in Slack.
func (w *workspace) types(who member, text string) {
	w.s.t.Helper()
	w.arrives("/mydb "+text, who.slack.Command(w.lab.slack, "/mydb", text))
}

func (w *workspace) arrives(what string, d *slackfake.Delivery) {
	w.s.t.Helper()
	w.await(what, func(ctx context.Context) error {
		r, err := d.Wait(ctx)
		if err == nil && !r.Acked {
			err = errors.New("it was not acknowledged: " + r.Failure)
		}
		return err
	})
}

// reads waits until somebody sees a message with all texts in a channel of Slack.
func (w *workspace) reads(who member, c *slackfake.Channel, texts ...string) (m slackfake.Message) {
	w.s.t.Helper()
	w.await("Slack says "+strings.Join(texts, ", "), func(ctx context.Context) (err error) {
		m, err = who.slack.AwaitMessage(ctx, c, func(m slackfake.Message) bool { return holdsAll(m.Shown(), texts) })
		if err != nil {
			for _, m := range who.slack.Sees(c) {
				w.s.t.Log(m.Shown())
			}
		}
		return err
	})
	return m
}

// slashes gives a command in Discord, as it is typed there.
func (w *workspace) slashes(who member, line string) *discordfake.Interaction {
	w.s.t.Helper()
	i, err := who.discord.Type(w.lab.discord, line)
	if err != nil {
		w.s.t.Fatal(err)
	}
	return w.answered(i)
}

func (w *workspace) answered(i *discordfake.Interaction) *discordfake.Interaction {
	w.s.t.Helper()
	w.await("Discord", func(ctx context.Context) error {
		_, err := i.WaitAck(ctx)
		return err
	})
	return i
}

// hears waits for the answer to an interaction, and wants a text in it.
func (w *workspace) hears(i *discordfake.Interaction, text string) (m discordfake.Message) {
	w.s.t.Helper()
	w.await("an answer of Discord", func(ctx context.Context) (err error) {
		m, err = i.Answer(ctx)
		return err
	})
	if !strings.Contains(m.Text(), text) {
		w.s.t.Fatalf("Discord says\n%s\nand not %q", m.Text(), text)
	}
	return m
}

// notices waits until somebody sees a message with all texts in a channel of Discord.
func (w *workspace) notices(who member, c *discordfake.Channel, texts ...string) (m discordfake.Message) {
	w.s.t.Helper()
	w.await("Discord says "+strings.Join(texts, ", "), func(ctx context.Context) (err error) {
		m, err = who.discord.WaitMessage(ctx, c, strings.Join(texts, ", "), func(m discordfake.Message) bool { return holdsAll(m.Text(), texts) })
		return err
	})
	return m
}

func holdsAll(text string, wanted []string) bool {
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			return false
		}
	}
	return true
}

// links makes somebody known in Discord, as people do it: with a code from their account page, and a yes.
func (w *workspace) links(who member, b *browser) {
	t := w.s.t
	t.Helper()
	if err := errors.Join(b.open("/account"), b.press("Get a code")); err != nil {
		t.Fatal(err)
	}
	offer := w.hears(w.slashes(who, "/mydb "+words(b.page.Find("#code").Text())), "You are "+who.login)
	w.hears(w.answered(who.discord.Click(offer, offer.Button("Yes").CustomID)), "("+who.login+")")
}

// loggedIn is a browser of somebody who has logged in to the portal.
func (s *site) loggedIn(login string) *browser {
	s.t.Helper()
	b, err := newBrowser(s.url())
	if err == nil {
		err = errors.Join(b.open("/login"), b.fill("login", login), b.fill("password", password), b.press("Log in"))
	}
	if err != nil || b.at.Path != "/" {
		s.t.Fatalf("log in as %s: %v, %d at %s", login, err, b.status, b.at)
	}
	return b
}

// read reads one text from the metadata database.
func (s *site) read(sql string, args ...any) (text string) {
	s.t.Helper()
	s.withMetadata(func(ctx context.Context, conn *pgx.Conn) error { return conn.QueryRow(ctx, sql, args...).Scan(&text) })
	return text
}

// dies kills the server with SIGKILL, and forgets it.
func (s *site) dies() {
	s.t.Helper()
	s.server.kill()
	s.server = nil
}
