package discord

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
)

// command is what somebody gave with a slash.
func (e event) command(ctx context.Context) {
	in := e.inbound(core.InboundCommand)
	in.Text = e.text()
	if f, opens := e.desk.Opens(in); opens {
		e.open(ctx, f, nil)
		return
	}
	e.accept(ctx, in)
}

// text writes a slash command as people write it, so that all doors understand it in one way.
func (e event) text() string {
	name, options := subcommandOf(e.ApplicationCommandData())
	values := map[string]string{}
	for _, o := range options {
		values[o.Name] = fmt.Sprint(o.Value)
	}
	c, known := e.desk.Grammar().Command(name)
	if !known { // of another version; the desk says what to do
		return name
	}
	return bot.Parsed{Command: c, Values: values}.String()
}

func subcommandOf(data discordgo.ApplicationCommandInteractionData) (string, []*discordgo.ApplicationCommandInteractionDataOption) {
	if len(data.Options) == 1 && data.Options[0].Type == discordgo.ApplicationCommandOptionSubCommand {
		return data.Options[0].Name, data.Options[0].Options
	}
	return "", data.Options
}

// propose answers autocompletion.
func (e event) propose(ctx context.Context) {
	name, options := subcommandOf(e.ApplicationCommandData())
	choices := []choice{}
	for _, o := range options {
		if !o.Focused {
			continue
		}
		for _, value := range e.desk.Propose(ctx, e.chatUser(e.user), name, o.Name, fmt.Sprint(o.Value)) {
			if value != "" && utf8.RuneCountInString(value) <= wordsLimit && len(choices) < optionsLimit {
				choices = append(choices, choice{value, value})
			}
		}
	}
	e.send(ctx, response{discordgo.InteractionApplicationCommandAutocompleteResult, map[string]any{"choices": choices}}, nil)
}
