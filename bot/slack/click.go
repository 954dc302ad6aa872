package slack

import (
	"context"
	"errors"
	"strings"

	"github.com/slack-go/slack"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
)

// interaction is a click, or a form that was sent.
type interaction struct {
	*Adapter
	slack.InteractionCallback
}

func (i interaction) take(ctx context.Context, d *bot.Desk) answer {
	switch i.Type {
	case slack.InteractionTypeBlockActions:
		return i.clicks(ctx, d)
	case slack.InteractionTypeViewSubmission:
		return i.form(ctx, d)
	}
	return answer{} // closed forms, and what the app does not have
}

func (i interaction) refuse() answer {
	switch i.Type {
	case slack.InteractionTypeBlockActions:
		return i.say(saying(bot.NotAccepted))
	case slack.InteractionTypeViewSubmission:
		return i.wrong(map[string]string{"": bot.NotAccepted})
	}
	return answer{}
}

// teamID is whose the person is.
func (i interaction) teamID() string { return or(i.User.TeamID, i.Team.ID) }

func (i interaction) person() core.ChatUser {
	name := or(i.User.Name, i.User.Username)
	i.names.Store(i.User.ID, name)
	return user(i.teamID(), i.User.ID, name)
}

// say is an answer to a click: one that the person alone sees, where the button is.
func (i interaction) say(m message) answer {
	return answer{after: func(ctx context.Context) {
		r := reply{URL: i.ResponseURL, Thread: i.Container.ThreadTs, At: i.o.Now()}
		if err := i.whisper(ctx, r.String(), m); err != nil {
			i.o.Log.Warn("the answer to a click could not be shown", "error", err)
		}
	}}
}

// clicks deals with the buttons that were pressed, of which Slack tells one at a time.
func (i interaction) clicks(ctx context.Context, d *bot.Desk) answer {
	for _, b := range i.ActionCallback.BlockActions {
		if b != nil && i.View.ID == "" && !strings.HasPrefix(b.ActionID, openPrefix) {
			return i.click(ctx, d, b)
		}
	}
	return answer{}
}

func (i interaction) click(ctx context.Context, d *bot.Desk, b *slack.BlockAction) answer {
	in := core.Inbound{
		Key: keyOf(i.User.ID, b.ActionTs, b.ActionID), User: i.person(), Channel: or(i.Container.ChannelID, i.Channel.ID), Thread: i.Container.ThreadTs,
		Kind: core.InboundClick, Action: b.ActionID, Value: b.Value, Message: i.Container.MessageTs, At: i.o.Now(),
	}
	in.Direct = strings.HasPrefix(in.Channel, "D") && !i.Container.IsEphemeral // MyDB's own messages there are between it and the person
	if !in.Direct {
		in.Reply = reply{URL: i.ResponseURL, Thread: in.Thread, At: in.At}.String()
	}
	switch in.Action {
	case actionReveal:
		return answer{after: func(ctx context.Context) { i.reveal(ctx, d, in) }}
	case actionLink:
		return answer{after: func(ctx context.Context) { i.revealLink(ctx, d, in) }}
	}
	if f, opens := d.Opens(in); opens {
		return i.opens(ctx, f, in)
	}
	if _, err := i.accepted(ctx, d, in); err != nil {
		return i.say(saying(bot.NotAccepted))
	}
	return answer{}
}

func (i interaction) opens(ctx context.Context, f bot.Form, in core.Inbound) answer {
	view, err := modal(f, in)
	if err == nil {
		_, err = i.open(ctx, i.TriggerID, view)
	}
	var said *core.ChatError
	switch {
	case err == nil:
		return answer{}
	case errors.As(err, &said) && said.Refused:
		return i.say(saying("Slack did not open the form in time. Press the button once more."))
	}
	return i.say(saying("Slack did not open the form. Press the button once more in a minute."))
}
