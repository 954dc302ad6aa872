package slack

import (
	"context"

	"github.com/slack-go/slack"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
)

// command is `/mydb` and what follows it.
type command struct {
	*Adapter
	slack.SlashCommand
}

func (c command) take(ctx context.Context, d *bot.Desk) answer {
	in := core.Inbound{
		Key: keyOf(c.TriggerID), User: user(c.TeamID, c.UserID, c.UserName), Channel: c.ChannelID, Kind: core.InboundCommand, Text: plain(c.people(ctx, c.Text)),
		Reply: reply{URL: c.ResponseURL, At: c.o.Now()}.String(),
	}
	c.names.Store(c.UserID, c.UserName)
	if f, opens := d.Opens(in); opens {
		view, err := modal(f, in)
		if err == nil {
			_, err = c.open(ctx, c.TriggerID, view)
		}
		if err != nil {
			return inPrivate(saying(late))
		}
		return answer{}
	}
	first, err := c.accepted(ctx, d, in)
	switch {
	case err != nil:
		return inPrivate(saying(bot.NotAccepted))
	case first != nil && c.overHTTP(): // what is answered to the request itself tells nobody anything, who got hold of it
		return answer{after: func(ctx context.Context) {
			if err := c.whisper(ctx, in.Reply, render(*first)); err != nil {
				c.o.Log.Warn("the first answer to a command could not be shown again", "error", err)
			}
		}}
	case first != nil:
		return inPrivate(render(*first))
	}
	return answer{}
}

func (c command) refuse() answer { return inPrivate(saying(bot.NotAccepted)) }
