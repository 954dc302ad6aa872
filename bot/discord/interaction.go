package discord

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
)

// Discord waits for the first answer to an interaction for three seconds from when it was made.
const (
	oldest   = 3 * time.Second
	ackLimit = 2500 * time.Millisecond
)

// Sentences for those whom MyDB does not work for.
const (
	otherServer = "MyDB works in another server only. Ask its administrators for an invitation."
	forPeople   = "MyDB does not work for bots. A program uses the API with a token."
)

// event is an interaction on its way to an answer.
type event struct {
	*Adapter
	*discordgo.Interaction
	desk *bot.Desk
	user *discordgo.User
}

// interaction deals with a command, a click, a form or a question of autocompletion. It returns when it was acknowledged.
func (a *Adapter) interaction(ctx context.Context, d *bot.Desk, i *discordgo.Interaction) {
	ctx, cancel := context.WithTimeout(ctx, ackLimit)
	defer cancel()
	e := event{Adapter: a, Interaction: i, desk: d, user: i.User}
	if i.Member != nil {
		e.user = i.Member.User
	}
	if age := a.o.Now().Sub(madeAt(i.ID)); age > oldest {
		// Its person was told already that nobody answered. Doing it now would be a surprise.
		a.o.Log.Warn("an interaction came too late, or a clock is wrong; nothing was done", "interaction", i.ID, "age", age.Round(time.Millisecond))
		return
	}
	if i.AppID != a.o.AppID || e.user == nil || i.Data == nil {
		a.o.Log.Warn("an interaction is none of MyDB's, or cannot be read", "interaction", i.ID)
		return
	}
	elsewhere := i.GuildID != "" && i.GuildID != a.o.GuildID || i.Context == discordgo.InteractionContextPrivateChannel
	switch {
	case i.Type == discordgo.InteractionApplicationCommandAutocomplete:
		if !elsewhere {
			e.propose(ctx)
		}
	case elsewhere:
		e.say(ctx, otherServer)
	case e.user.Bot:
		e.say(ctx, forPeople)
	case i.Type == discordgo.InteractionApplicationCommand:
		e.command(ctx)
	case i.Type == discordgo.InteractionMessageComponent:
		e.click(ctx)
	case i.Type == discordgo.InteractionModalSubmit:
		e.form(ctx)
	}
}

// inbound is the interaction for the desk, without what is said in it.
func (e event) inbound(kind core.InboundKind) core.Inbound {
	in := core.Inbound{
		Key: keyOf(e.ID), User: e.chatUser(e.user), Channel: e.ChannelID, Direct: e.GuildID == "", Kind: kind, At: madeAt(e.ID),
	}
	if e.Message != nil {
		in.Message = e.Message.ID
	}
	return in
}

// keyOf names an event for ever.
func keyOf(id string) string { return "discord/" + id }

func (a *Adapter) chatUser(u *discordgo.User) core.ChatUser {
	return core.ChatUser{Platform: core.Discord, Team: a.o.GuildID, ID: u.ID, Name: u.Username}
}

// onPrivate tells whether the message that led to this is seen by this person alone.
func (e event) onPrivate() bool {
	return e.Message != nil && e.Message.Flags&discordgo.MessageFlagsEphemeral != 0
}

// accept keeps the event, and only then acknowledges it: with a promise that Discord shows as MyDB thinking, or, on a message, with nothing.
func (e event) accept(ctx context.Context, in core.Inbound) {
	promise := discordgo.InteractionResponseDeferredChannelMessageWithSource
	where := reply{token: e.Token}
	if e.Message != nil {
		promise = discordgo.InteractionResponseDeferredMessageUpdate
		where.follow = !e.onPrivate() // one that only this person sees becomes the answer
	}
	in.Reply = where.String()
	r, err := e.desk.Accept(ctx, in)
	switch {
	case err != nil:
		e.say(ctx, bot.NotAccepted)
	case r.Answer != nil:
		e.show(ctx, render(*r.Answer, ""))
	default:
		e.respond(ctx, promise, discordgo.MessageFlagsEphemeral)
	}
}

// response is the first answer to an interaction.
type response struct {
	Type discordgo.InteractionResponseType `json:"type"`
	Data any                               `json:"data,omitempty"`
}

// say answers with a sentence that the person alone sees.
func (e event) say(ctx context.Context, text string) bool { return e.show(ctx, saying(text)) }

// show answers with a message that the person alone sees.
func (e event) show(ctx context.Context, m message) bool {
	m.Flags |= discordgo.MessageFlagsEphemeral
	return e.send(ctx, response{discordgo.InteractionResponseChannelMessageWithSource, m}, m.png)
}

// respond answers with a promise.
func (e event) respond(ctx context.Context, kind discordgo.InteractionResponseType, flags discordgo.MessageFlags) bool {
	return e.send(ctx, response{kind, map[string]any{"flags": flags}}, nil)
}

// send sends the first answer, and reports whether it was the first. That somebody else was faster is how a repetition ends.
func (e event) send(ctx context.Context, r response, png []byte) bool {
	err := e.call(ctx, call{what: "acknowledge an interaction", method: http.MethodPost, url: discordgo.EndpointInteractionResponse(e.ID, e.Token), body: r, png: png}, nil)
	var said *refusal
	if errors.As(err, &said) && said.code == codeAcknowledged {
		return false
	}
	if err != nil {
		e.o.Log.Warn("an interaction could not be acknowledged", "interaction", e.ID, "error", err)
	}
	return err == nil
}
