package discord_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/bot/discord/discordfake"
)

// TestCommandsComeFromTheGrammar keeps that everything that can be said can be chosen, and that Discord takes it: the fake has its limits.
func TestCommandsComeFromTheGrammar(t *testing.T) {
	r := everything(t)
	offered := map[string]discordfake.Option{}
	for _, c := range r.fake.AddUser("ada").Commands(r.lab) {
		if len(c.Options) > 25 {
			t.Errorf("/%s has %d subcommands", c.Name, len(c.Options))
		}
		for _, sub := range c.Options {
			if _, twice := offered[sub.Name]; twice {
				t.Errorf("%s is offered twice", sub.Name)
			}
			offered[sub.Name] = sub
			if admin := c.Name == "mydb-admin"; admin != slices.Contains([]string{
				"approvals", "approve", "deny", "withdraw", "class", "site", "announce", "audit",
			}, sub.Name) && !admin {
				t.Errorf("/%s offers %s", c.Name, sub.Name)
			}
		}
	}
	for _, c := range r.Desk.Grammar().Commands {
		sub, there := offered[c.Name]
		if there == (c.Hidden || c.Later) {
			t.Errorf("%s is offered: %v", c.Name, there)
		}
		if !there {
			continue
		}
		var names []string
		for _, o := range sub.Options {
			names = append(names, o.Name)
		}
		for _, p := range c.Params {
			if !slices.Contains(names, p.Name) {
				t.Errorf("%s does not take %s", c.Name, p.Name)
			}
		}
	}
	create := offered["create"].Options
	if create[0].Name != "engine" || create[0].Required || len(create[0].Choices) != 3 {
		t.Errorf("create takes %+v", create[0])
	}
	status := offered["status"].Options
	if !status[0].Required || !status[0].Autocomplete {
		t.Errorf("status takes %+v", status[0])
	}
}

func TestCommandsAreRegisteredOnChangeOnly(t *testing.T) {
	r := newRig(t).open()
	for range 2 {
		end := r.Serve(r.adapter)
		if err := r.fake.WaitConnected(r.Patient()); err != nil {
			t.Fatal(err)
		}
		r.until("the commands were looked at", func() bool { return len(r.fake.Calls("GET", "/commands")) > 0 && r.fake.Registrations() > 0 })
		if err := end(); err != nil {
			t.Fatal(err)
		}
		r.fake.Forget()
	}
	if n := r.fake.Registrations(); n != 1 {
		t.Errorf("they were registered %d times", n)
	}
	// The grammar of a site that has other engines.
	catalogue := r.Service.Catalogue()
	catalogue.Sizes = slices.Clone(catalogue.Sizes)
	catalogue.Sizes[0].Name = "tiny"
	r.Desk = bot.NewDesk(bot.New(bot.Options{Service: r.sized(catalogue), PublicURL: "https://mydb.example.org", Log: r.options.Log}), nil)
	r.Serve(r.adapter)
	r.until("they were registered again", func() bool { return r.fake.Registrations() == 2 })
}

func TestRegistrationIsTriedAgain(t *testing.T) {
	r := newRig(t).open()
	r.fake.Spoil(discordfake.Fault{Method: "PUT", Path: "/commands", Status: 429})
	r.Serve(r.adapter)
	r.until("they were registered", func() bool { return r.fake.Registrations() == 1 })
}

func TestAutocompletion(t *testing.T) {
	r := everything(t)
	ada, bob := r.linked("ada", false), r.linked("bob", false)
	r.ready(ada, "genomes")
	r.ready(ada, "genetics")
	r.ready(bob, "genes-of-bob")
	for name, c := range map[string]struct {
		who                *discordfake.User
		sub, option, typed string
		want               string
	}{
		"one's own":      {ada, "status", "name", "GEN", "genetics genomes"},
		"all of them":    {ada, "status", "name", "", "genetics genomes"},
		"none":           {ada, "status", "name", "x", ""},
		"a stranger":     {r.fake.AddUser("eve"), "status", "name", "", ""},
		"what is known":  {ada, "create", "version", "17", "17"},
		"a long beginng": {ada, "status", "name", strings.Repeat("g", 3000), ""},
	} {
		choices, err := c.who.Autocomplete(r.lab, "mydb", c.sub, c.option, map[string]any{c.option: c.typed}).Choices(r.Patient())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, choice := range choices {
			got = append(got, choice.Name)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	r := newRig(t)
	says := func(want string) {
		t.Helper()
		detail, err := r.another(r.options).Check(t.Context())
		if err != nil {
			detail = "error: " + err.Error()
		}
		if !strings.Contains(detail, want) {
			t.Errorf("check says %q, not %q", detail, want)
		}
	}
	good := r.options
	says("MyDB in the server Laboratory, through the gateway")
	r.options.AdminChannel = "4711"
	says("MYDB_DISCORD_ADMIN_CHANNEL is \"4711\": the bot does not see this channel")
	r.options.GuildID = "4711"
	says("MYDB_DISCORD_GUILD_ID is \"4711\": the bot is not in this server")
	r.options.AppID = "4711"
	says("error: MYDB_DISCORD_APP_ID is \"4711\", but MYDB_DISCORD_TOKEN is of the application " + r.fake.AppID)
	r.options.Token = "wrong"
	says("error: Discord: MYDB_DISCORD_TOKEN is not valid")
	r.options = good
	r.options.PublicKey = strings.Repeat("ab", 32)
	says("MYDB_DISCORD_PUBLIC_KEY is not the public key of this application")
	r.options.PublicKey = r.fake.PublicKey()
	says("no address of interactions is entered")
	r.fake.PostTo("https://mydb.example.org/discord/interaction")
	says("over HTTP")
	r.options.PublicKey = ""
	says("the application sends interactions to https://mydb.example.org/discord/interaction")
}
