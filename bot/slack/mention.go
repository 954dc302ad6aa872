package slack

import (
	"context"
	"strings"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
)

// mention is what somebody wrote: in a channel or a thread, where it begins with MyDB's name, or to MyDB alone.
type mention struct {
	*Adapter
	slackevents.EventsAPIEvent
}

func (m mention) take(ctx context.Context, d *bot.Desk) answer {
	in, ok, err := m.inbound(ctx)
	if ok && err == nil {
		_, err = m.accepted(ctx, d, in)
	}
	if err != nil {
		m.o.Log.Warn("a message was not accepted; Slack brings it again", "error", err)
	}
	return answer{again: err != nil}
}

func (m mention) refuse() answer { return answer{again: true} }

// inbound reads the message. Messages of bots are none for MyDB, and its own least of all; nor is a message that was changed: it was
// taken as it was written first.
func (m mention) inbound(ctx context.Context) (in core.Inbound, ok bool, err error) {
	outer, isCallback := m.Data.(*slackevents.EventsAPICallbackEvent)
	if !isCallback {
		return in, false, nil
	}
	in = core.Inbound{Key: keyOf("event", outer.EventID), Kind: core.InboundCommand, Foreign: m.IsExtSharedChannel}
	who, team := "", ""
	switch e := m.InnerEvent.Data.(type) {
	case *slackevents.AppMentionEvent:
		if e.BotID != "" || e.User == "" || e.Edited != nil {
			return in, false, nil
		}
		if in.Text, ok, err = m.addressed(ctx, e.Text); !ok || err != nil {
			return in, false, err
		}
		who, team, in.Channel, in.Thread = e.User, e.UserTeam, e.Channel, e.ThreadTimeStamp
		in.Reply = reply{Channel: e.Channel, Thread: e.ThreadTimeStamp, User: e.User, At: m.o.Now()}.String()
	case *slackevents.MessageEvent:
		if e.BotID != "" || e.User == "" || e.User == slackbot || e.SubType != "" || !e.IsIM() {
			return in, false, nil
		}
		if in.Text, _, err = m.addressed(ctx, e.Text); err != nil {
			return in, false, err
		}
		who, team, in.Channel, in.Thread, in.Direct = e.User, e.UserTeam, e.Channel, e.ThreadTimeStamp, true
	default:
		return in, false, nil
	}
	if team == "" {
		if team, err = m.team(ctx); err != nil {
			return in, false, err
		}
	}
	in.User = user(team, who, m.nameOf(ctx, who))
	return in, true, nil
}

// addressed takes MyDB's name off the beginning of a text; false: it does not stand there, so that the text is about MyDB and not to it.
func (m mention) addressed(ctx context.Context, text string) (string, bool, error) {
	me, err := m.whoami(ctx)
	if err != nil {
		return "", false, err
	}
	text = strings.TrimSpace(text)
	rest, found := strings.CutPrefix(text, "<@"+me.UserID)
	if _, after, closed := strings.Cut(rest, ">"); found && closed {
		return plain(m.people(ctx, strings.TrimSpace(after))), true, nil
	}
	return plain(m.people(ctx, text)), false, nil
}

// nameOf is what somebody is called. Events tell only ids; the name is for people to recognise, and may be missing.
func (a *Adapter) nameOf(ctx context.Context, id string) string {
	if name, known := a.names.Load(id); known {
		return name.(string)
	}
	ctx, cancel := context.WithTimeout(ctx, infoLimit)
	defer cancel()
	var u *slack.User
	err := a.call(ctx, "users.info", func(ctx context.Context) (err error) {
		u, err = a.api.GetUserInfoContext(ctx, id)
		return err
	})
	if err != nil {
		return ""
	}
	a.names.Store(id, u.Name)
	return u.Name
}
