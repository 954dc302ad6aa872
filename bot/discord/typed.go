package discord

import (
	"context"
	"net/http"
	"strings"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
)

// typed deals with a message that somebody wrote: a direct one is a command, in a channel one that begins with MyDB's name. All others are
// between people, and MyDB does not even get their text.
func (a *Adapter) typed(ctx context.Context, d *bot.Desk, m *discordgo.Message) {
	if m.Author == nil || m.Author.Bot || m.WebhookID != "" || m.GuildID != "" && m.GuildID != a.o.GuildID {
		return
	}
	if m.Type != discordgo.MessageTypeDefault && m.Type != discordgo.MessageTypeReply {
		return
	}
	text, toUs := a.addressed(m.Content)
	if !toUs && m.GuildID != "" || m.Content == "" {
		return
	}
	in := core.Inbound{
		Key: keyOf(m.ID), User: a.chatUser(m.Author), Channel: m.ChannelID, Direct: m.GuildID == "", Kind: core.InboundCommand, Text: text, At: madeAt(m.ID),
	}
	if _, err := d.Accept(ctx, in); err == nil {
		return
	}
	c := call{
		what: "say that a message was not accepted", method: http.MethodPost, url: discordgo.EndpointChannelMessages(m.ChannelID), bucket: "post " + m.ChannelID,
		body: saying(bot.NotAccepted),
	}
	if err := a.call(ctx, c, nil); err != nil {
		a.o.Log.Warn("a message was not accepted, and its author could not be told", "error", err)
	}
}

// addressed takes MyDB's name off the beginning of a text.
func (a *Adapter) addressed(text string) (string, bool) {
	text = strings.TrimSpace(text)
	for _, name := range []string{"<@" + a.o.AppID + ">", "<@!" + a.o.AppID + ">"} {
		if rest, found := strings.CutPrefix(text, name); found {
			return strings.TrimSpace(rest), true
		}
	}
	return text, false
}
