package discordfake_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bwmarrin/discordgo"
)

func TestRegistration(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	s := newBot(t, f)
	first := must[[]*discordgo.ApplicationCommand](t)(s.ApplicationCommandBulkOverwrite(f.AppID, f.GuildID, commands()))
	again := must[[]*discordgo.ApplicationCommand](t)(s.ApplicationCommandBulkOverwrite(f.AppID, f.GuildID, commands()))
	if first[0].ID == "" || first[0].ID != again[0].ID || first[0].Version != again[0].Version || f.Registrations() != 2 {
		t.Errorf("registered %d times: %+v, %+v", f.Registrations(), first[0], again[0])
	}
	there := must[[]*discordgo.ApplicationCommand](t)(s.ApplicationCommands(f.AppID, f.GuildID))
	if len(there) != 2 || there[0].Options[0].Options[0].Choices[0].Value != "postgres" || *there[1].DefaultMemberPermissions != discordgo.PermissionManageGuild {
		t.Errorf("registered are %+v", there)
	}
	if global := must[[]*discordgo.ApplicationCommand](t)(s.ApplicationCommands(f.AppID, "")); len(global) != 0 {
		t.Errorf("for all guilds there are %+v", global)
	}
	must[[]*discordgo.ApplicationCommand](t)(s.ApplicationCommandBulkOverwrite(f.AppID, "", commands()[:1]))
	ada := f.AddUser("ada")
	if offered := ada.Commands(ada.DM()); len(offered) != 1 || offered[0].GuildID != "" {
		t.Errorf("in direct messages ada is offered %+v", offered)
	}
}

func TestLimitsOfCommands(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	option := func(name string) object { return object{"type": 3, "name": name, "description": "x"} }
	command := func(options ...object) object {
		return object{"name": "mydb", "description": "x", "options": options}
	}
	many := func(n int) (all []object) {
		for i := range n {
			all = append(all, option(fmt.Sprintf("o%d", i)))
		}
		return all
	}
	choices := func(n int) object {
		o := option("o")
		all := []object{}
		for i := range n {
			all = append(all, object{"name": fmt.Sprint(i), "value": fmt.Sprint(i)})
		}
		o["choices"] = all
		return o
	}
	with := func(o object, key string, value any) object {
		o[key] = value
		return o
	}
	long := func(last int) object { // 5 characters of the command itself, 19 options of 401, and the last one of 302 and its description
		options := []object{}
		for n := range 20 {
			o := option(fmt.Sprintf("%c%d", 'a'+n, n%10))
			o["choices"] = []object{{"name": text(100), "value": text(100)}, {"name": text(99), "value": text(99)}}
			options = append(options, o)
		}
		options[19]["choices"].([]object)[1]["value"] = "v"
		options[19]["description"] = text(last)
		return command(options...)
	}
	sub := func(kind int, name string, options ...object) object {
		return object{"type": kind, "name": name, "description": "x", "options": options}
	}
	for name, test := range map[string]struct {
		good, bad  object
		path, code string
	}{
		"name":         {with(command(), "name", "größe-2"), with(command(), "name", "Größe"), "0.name", "APPLICATION_COMMAND_INVALID_NAME"},
		"long name":    {with(command(), "name", text(32)), with(command(), "name", text(33)), "0.name", "APPLICATION_COMMAND_INVALID_NAME"},
		"space":        {command(option("a_b")), command(option("a b")), "0.options.0.name", "APPLICATION_COMMAND_INVALID_NAME"},
		"description":  {with(command(), "description", text(100)), with(command(), "description", text(101)), "0.description", "BASE_TYPE_BAD_LENGTH"},
		"none":         {command(), with(command(), "description", ""), "0.description", "BASE_TYPE_REQUIRED"},
		"options":      {command(many(25)...), command(many(26)...), "0.options", "BASE_TYPE_MAX_LENGTH"},
		"choices":      {command(choices(25)), command(choices(26)), "0.options.0.choices", "BASE_TYPE_MAX_LENGTH"},
		"twice":        {command(option("a"), option("b")), command(option("a"), option("a")), "0.options.1", "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS"},
		"order":        {command(with(option("a"), "required", true), option("b")), command(option("a"), with(option("b"), "required", true)), "0.options.1", "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID"},
		"autocomplete": {command(with(option("a"), "autocomplete", true)), command(with(choices(1), "autocomplete", true)), "0.options.0", "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_CHOICES"},
		"mixed":        {command(sub(1, "a"), sub(1, "b")), command(sub(1, "a"), option("b")), "0.options.1.type", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID"},
		"nested":       {command(sub(2, "a", sub(1, "b", option("c")))), command(sub(1, "a", sub(1, "b"))), "0.options.0.options.0.type", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID"},
		"in all":       {long(74), long(75), "0", "APPLICATION_COMMAND_TOO_LARGE"},
	} {
		put := func(c object) (int, object) {
			t.Helper()
			status, answer, _ := call(t, f, "PUT", "/applications/"+f.AppID+"/guilds/"+f.GuildID+"/commands", []object{c})
			return status, answer
		}
		if status, answer := put(test.good); status != 200 {
			t.Errorf("%s: what is allowed is refused with %d %v", name, status, answer)
		}
		if status, answer := put(test.bad); status != 400 || !slices.Contains(problemsAt(answer, test.path), test.code) {
			t.Errorf("%s: what is too much says %d %v; it should say %s at %s", name, status, answer, test.code, test.path)
		}
	}
}

func TestHowManyCommands(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	put := func(n int, prefix string) (int, any) {
		t.Helper()
		commands := []object{}
		for i := range n {
			commands = append(commands, object{"name": fmt.Sprint(prefix, i), "description": "x"})
		}
		status, answer, _ := call(t, f, "PUT", "/applications/"+f.AppID+"/guilds/"+f.GuildID+"/commands", commands)
		return status, answer["code"]
	}
	if status, code := put(101, "a"); status != 400 || code != 30032.0 {
		t.Errorf("101 commands: %d, %v", status, code)
	}
	for _, step := range []struct {
		prefix string
		status int
	}{{"a", 200}, {"a", 200}, {"b", 200}, {"c", 400}} { // 100 new ones, none, 100, 100 too many
		if status, code := put(100, step.prefix); status != step.status || status == 400 && code != 30034.0 {
			t.Errorf("%s: %d, %v", step.prefix, status, code)
		}
	}
	f.Advance(25 * time.Hour)
	if status, _ := put(100, "c"); status != 200 {
		t.Errorf("the next day: %d", status)
	}
}

func TestTyping(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	_, ada, lab := registered(t, f)
	bob := f.AddUser("bob")
	for line, want := range map[string]string{
		`/mydb create postgres demo`:                                    `create engine=postgres name=demo`,
		`/mydb create PostgreSQL demo`:                                  `create engine=postgres name=demo`,
		`/mydb create engine:postgres name:demo`:                        `create engine=postgres name=demo`,
		`/mydb create postgres demo description:for the lab owner:@bob`: `create engine=postgres name=demo description=for the lab owner=` + bob.ID,
		`/mydb create postgres demo "for the lab"`:                      `create engine=postgres name=demo description=for the lab`,
		`/mydb   status name:a:b`:                                       `status name=a:b`,
	} {
		i, err := ada.Type(lab, line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		var got struct {
			Data discordgo.ApplicationCommandInteractionData
		}
		if err := json.Unmarshal(i.Body(), &got); err != nil {
			t.Fatal(err)
		}
		words := []string{got.Data.Options[0].Name}
		for _, o := range got.Data.Options[0].Options {
			words = append(words, fmt.Sprint(o.Name, "=", o.Value))
		}
		if said := strings.Join(words, " "); said != want {
			t.Errorf("%s: %s, not %s", line, said, want)
		}
	}
	for line, want := range map[string]string{
		"/": "has a name", "/other": "not offered", "/mydb": "needs a subcommand", "/mydb frob": `no subcommand "frob"`, "/mydb create postgres": `"name" is required`,
		"/mydb status a b": `no option for "b"`, "/mydb create postgres x owner:eve": `no user "eve"`,
	} {
		if _, err := ada.Type(lab, line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; it should say %q", line, err, want)
		}
	}
	if i, err := ada.Type(lab, "good morning"); i != nil || err != nil || ada.Sees(lab)[0].Content != "good morning" {
		t.Errorf("a message: %v, %v", i, err)
	}
	if n := len(f.Interactions()); n != 6 {
		t.Errorf("there are %d interactions", n)
	}
}
