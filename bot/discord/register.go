package discord

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
)

// The two commands. Discord allows each 25 subcommands, so what people do every day is in the first, and the rest in the second. Both are
// for everybody: MyDB decides itself who may do what.
const (
	mainCommand  = "mydb"
	adminCommand = "mydb-admin"
	optionsLimit = 25 // subcommands of a command, options of a subcommand, choices of an option
	wordsLimit   = 100
)

// ofAdmins are the commands that belong to the second one, whether there is room in the first or not.
var ofAdmins = []string{"approvals", "approve", "deny", "withdraw", "class", "site", "announce", "audit"}

// seldom are those that go there first when the first one is full.
var seldom = []string{"notify", "transfer", "undo", "resize", "rotate", "unlink"}

// definition is a command, a subcommand or an option, as Discord takes it, and with nothing that it would add by itself.
type definition struct {
	Type         int          `json:"type"`
	Name         string       `json:"name"`
	Description  string       `json:"description"`
	Required     bool         `json:"required,omitempty"`
	Autocomplete bool         `json:"autocomplete,omitempty"`
	Choices      []choice     `json:"choices,omitempty"`
	Options      []definition `json:"options,omitempty"`
}

type choice struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// define makes the commands of the grammar.
func define(d *bot.Desk) []definition {
	first, second := shareOut(d.Grammar())
	out := []definition{
		{Type: int(discordgo.ChatApplicationCommand), Name: mainCommand, Description: "Databases for science: make one, look after it, get it back."},
		{Type: int(discordgo.ChatApplicationCommand), Name: adminCommand, Description: "MyDB: approvals, classes, and what is needed less often."},
	}
	for i, list := range [][]bot.Command{first, second} {
		for _, c := range list {
			out[i].Options = append(out[i].Options, subcommand(d, c))
		}
	}
	return out
}

// shareOut says which commands are in the first and which in the second.
func shareOut(g bot.Grammar) (first, second []bot.Command) {
	for _, c := range g.Commands {
		switch {
		case c.Later || c.Hidden:
		case slices.Contains(ofAdmins, c.Name):
			second = append(second, c)
		default:
			first = append(first, c)
		}
	}
	move := func(i int) {
		second = append(second, first[i])
		first = slices.Delete(first, i, i+1)
	}
	for _, name := range seldom {
		if i := slices.IndexFunc(first, func(c bot.Command) bool { return c.Name == name }); i >= 0 && len(first) > optionsLimit {
			move(i)
		}
	}
	for len(first) > optionsLimit {
		move(len(first) - 2) // the last one is help
	}
	return first, second[:min(len(second), optionsLimit)]
}

func subcommand(d *bot.Desk, c bot.Command) definition {
	out := definition{Type: int(discordgo.ApplicationCommandOptionSubCommand), Name: c.Name, Description: cut(c.Summary, wordsLimit)}
	// What opens a form when nothing is said needs nothing.
	_, opens := d.Opens(core.Inbound{Kind: core.InboundCommand, Text: c.Name})
	for _, required := range []bool{true, false} { // in this order, says Discord
		for _, p := range c.Params {
			if (p.Required && !opens) == required && len(out.Options) < optionsLimit {
				out.Options = append(out.Options, option(c, p, required))
			}
		}
	}
	return out
}

func option(c bot.Command, p bot.Param, required bool) definition {
	o := definition{Type: int(discordgo.ApplicationCommandOptionString), Name: p.Name, Description: cut(p.Help, wordsLimit), Required: required}
	choices := p.Choices
	if p.Kind == bot.KindFlag {
		choices = []string{"yes", "no"}
	}
	switch {
	case (p.Kind == bot.KindChoice || p.Kind == bot.KindFlag) && len(choices) <= optionsLimit:
		for _, word := range choices {
			o.Choices = append(o.Choices, choice{cut(word, wordsLimit), word})
		}
	case len(choices) > 0, p.Kind == bot.KindName && c.Name != "create" && c.Name != "class":
		o.Autocomplete = true
	}
	return o
}

// registerPause is when it is tried again to tell Discord the commands.
const registerPause = time.Minute

// keepRegistered tells Discord the commands, once that works, and returns when ctx ends.
func (a *Adapter) keepRegistered(ctx context.Context, d *bot.Desk) error {
	for ctx.Err() == nil {
		err := a.register(ctx, d)
		if err == nil || ctx.Err() != nil {
			break
		}
		a.o.Log.Error("Discord could not be told MyDB's commands", "error", explained(err))
		pause := registerPause
		var said *core.ChatError
		if errors.As(err, &said) && said.After > 0 {
			pause = said.After
		}
		waited(ctx, pause)
	}
	<-ctx.Done()
	return nil
}

// register tells Discord the commands, if it does not have exactly these: it allows 200 new ones a day, and people's programs load them anew.
func (a *Adapter) register(ctx context.Context, d *bot.Desk) error {
	wanted := define(d)
	address := discordgo.EndpointApplicationGuildCommands(a.o.AppID, a.o.GuildID)
	var there []definition
	if err := a.get(ctx, "read the commands", address, &there); err != nil {
		return err
	}
	same, err := equal(there, wanted)
	if err != nil || same {
		return err
	}
	a.o.Log.Info("telling Discord the commands", "commands", len(wanted))
	return a.call(ctx, call{what: "register the commands", method: http.MethodPut, url: address, bucket: "commands", body: wanted}, nil)
}

// equal compares definitions by what they say.
func equal(a, b []definition) (bool, error) {
	x, err := canonical(a)
	if err != nil {
		return false, err
	}
	y, err := canonical(b)
	return bytes.Equal(x, y), err
}

func canonical(list []definition) ([]byte, error) {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b definition) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	text, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("encode the commands: %w", err)
	}
	return text, nil
}
