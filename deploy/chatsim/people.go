package chatsim

import (
	"time"

	"github.com/mydb-project/mydb/bot/discord/discordfake"
	"github.com/mydb-project/mydb/bot/slack/slackfake"
)

// Person is somebody in both workspaces.
type Person struct {
	Login   string // of development mode's account, where there is one
	Name    string
	Email   string
	Admin   bool
	About   string
	Slack   string // the id there
	Discord string
}

// People are those that one can be. The first two are the accounts of development mode. Their ids are always the same, so that MyDB knows
// them again after a restart.
func People() []Person {
	return []Person{
		{Login: "scientist", Name: "Scientist", Email: "scientist@example.com", About: "has databases", Slack: "U0SCIENTIST", Discord: "300000000000000001"},
		{Login: "admin", Name: "Admin", Email: "admin@example.com", Admin: true, About: "approves", Slack: "U0ADMIN0001", Discord: "300000000000000002"},
		{Login: "visitor", Name: "Visitor", Email: "visitor@example.net", About: "has no account", Slack: "U0VISITOR01", Discord: "300000000000000003"},
	}
}

// What MyDB is configured with, the same each time.
const (
	slackGeneral   = "C0GENERAL01"
	slackAdmins    = "C0MYDBADMIN"
	discordApp     = "200000000000000001"
	discordGuild   = "200000000000000002"
	discordGeneral = "200000000000000003"
	discordAdmins  = "200000000000000004"
	generalName    = "general"
	adminsName     = "mydb-admins"
	keepCalls      = 1000 // of the fakes' records, which are for tests
)

func newSlack(bot, app string) (*slackfake.Fake, error) {
	f, err := slackfake.New(slackfake.Options{BotToken: bot, AppToken: app, FirstID: int(time.Now().Unix()), KeepCalls: keepCalls})
	if err != nil {
		return nil, err
	}
	var all, admins []*slackfake.User
	for _, p := range People() {
		u := f.AddUser(slackfake.Profile{ID: p.Slack, Name: p.Login, RealName: p.Name, Email: p.Email, EmailConfirmed: true, Admin: p.Admin})
		all = append(all, u)
		if p.Admin {
			admins = append(admins, u)
		}
	}
	f.AddChannel(slackfake.Room{ID: slackGeneral, Name: generalName, Members: all})
	f.AddChannel(slackfake.Room{ID: slackAdmins, Name: adminsName, Private: true, Members: admins})
	return f, nil
}

func newDiscord(token string) (*discordfake.Fake, error) {
	f, err := discordfake.New(discordfake.Options{Token: token, AppID: discordApp, GuildID: discordGuild, KeepCalls: keepCalls})
	if err != nil {
		return nil, err
	}
	manager := f.AddRole("MyDB administrators", discordfake.ManageGuild)
	var admins []*discordfake.User
	for _, p := range People() {
		spec := discordfake.UserSpec{ID: p.Discord, Name: p.Login, DisplayName: p.Name}
		if p.Admin {
			spec.Roles = []*discordfake.Role{manager}
		}
		u := f.AddUserWith(spec)
		if p.Admin {
			admins = append(admins, u)
		}
	}
	f.AddChannelWithID(discordGeneral, generalName)
	f.AddChannelWithID(discordAdmins, adminsName, admins...)
	return f, nil
}
