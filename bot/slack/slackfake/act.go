package slackfake

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Command types a command into a channel: `/mydb`, and what follows it. Slack knows no commands in threads.
func (u *User) Command(c *Channel, command, text string) *Delivery {
	f := u.fake
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := u.canAct(c); err != nil {
		return impossible(Command, "%w", err)
	}
	if u.profile.TeamID != f.o.Team || !slices.Contains(f.o.Commands, command) || !f.granted("commands") {
		c.slackbot(u, command+" is not a valid command. In Slack, all messages that start with the \"/\" character are interpreted as commands.")
		return impossible(Command, "%s is no command of %s", command, u.profile.Name)
	}
	answers := f.responseURL(u, c, nil)
	payload := object{
		"token": verification, "team_id": f.o.Team, "team_domain": defaultDomain, "channel_id": c.id, "channel_name": c.commandName(),
		"user_id": u.id, "user_name": u.profile.Name, "command": command, "text": escape(strings.TrimSpace(text)), "api_app_id": AppID,
		"is_enterprise_install": "false", "response_url": answers, "trigger_id": f.trigger(u, nil),
	}
	return f.deliver(Command, payload, f.commandAnswered(command, f.urls[strings.TrimPrefix(answers, f.base+"/response/")]))
}

func (c *Channel) commandName() string {
	if c.room.Private {
		return "privategroup"
	}
	return c.Name()
}

// canAct says why somebody cannot do anything in a channel.
func (u *User) canAct(c *Channel) error {
	switch {
	case u.profile.Deleted:
		return fmt.Errorf("the account of %s is closed", u.profile.Name)
	case u.profile.Bot:
		return fmt.Errorf("%s is a bot: bots give no commands and click nothing", u.profile.Name)
	case c != nil && !c.has(u.id):
		return fmt.Errorf("%s is not in the channel", u.profile.Name)
	case c != nil && c.room.Archived:
		return fmt.Errorf("the channel is archived")
	}
	return nil
}

// Say writes a message into a channel, or into a thread of it. The delivery is nil where the app does not hear of it.
// Bots can speak, too; those whose account is closed or who are not in the channel cannot.
func (u *User) Say(c *Channel, thread, text string) (Message, *Delivery) {
	f := u.fake
	f.mu.Lock()
	defer f.mu.Unlock()
	if u.profile.Deleted || !c.has(u.id) || c.room.Archived {
		return Message{}, impossible(Event, "%s cannot write in %s", u.profile.Name, c.Name())
	}
	m := Message{User: u.id, Text: escape(text), ThreadTS: thread}
	if u.profile.Bot {
		m.BotID = "B" + u.id[1:]
	}
	said := c.add(m)
	d := f.hears(c, said, nil)
	if d != nil {
		d.Message = *said
	}
	return *said, d
}

// Mention writes to the app in a channel: `@mydb` and the text.
func (u *User) Mention(c *Channel, thread, text string) *Delivery {
	_, d := u.Say(c, thread, "<@"+BotUserID+"> "+text)
	if d == nil {
		return impossible(Event, "the app does not hear mentions in %s", c.Name())
	}
	return d
}

// DM writes to the app alone.
func (u *User) DM(text string) *Delivery {
	_, d := u.Say(u.Direct(), "", text)
	if d == nil {
		return impossible(Event, "the app does not hear direct messages")
	}
	return d
}

// Direct is the conversation between somebody and the app.
func (u *User) Direct() *Channel {
	u.fake.mu.Lock()
	defer u.fake.mu.Unlock()
	return u.fake.direct(u)
}

// hears delivers what the app hears of a message that was written, or changed from what it was before. It hears its own direct
// messages too, with its own bot_id.
func (f *Fake) hears(c *Channel, m *Message, before object) *Delivery {
	event := m.describe(f, false)
	event["channel"], event["event_ts"] = c.id, m.TS
	if u := f.user(m.User); u != nil && u.profile.TeamID != f.o.Team {
		event["team"], event["user_team"], event["source_team"] = u.profile.TeamID, u.profile.TeamID, u.profile.TeamID
	}
	switch {
	case c.im != nil && f.subscribed("message.im", "im:history"):
		event["channel_type"] = "im"
		if before != nil {
			event = object{
				"type": "message", "subtype": "message_changed", "channel": c.id, "channel_type": "im", "ts": f.ts(), "event_ts": m.TS,
				"message": m.describe(f, false), "previous_message": before,
			}
		}
	case c.im == nil && before == nil && m.BotID != BotID && c.bot && strings.Contains(m.Text, "<@"+BotUserID+">") &&
		f.subscribed("app_mention", "app_mentions:read"):
		event["type"] = "app_mention"
	default:
		return nil
	}
	return f.deliver(Event, f.callback(c, event), nil)
}

func (f *Fake) subscribed(event, scope string) bool {
	return slices.Contains(f.o.Events, event) && f.granted(scope)
}

// callback wraps an event: https://docs.slack.dev/apis/events-api#callback-field
func (f *Fake) callback(c *Channel, event object) object {
	return object{
		"token": verification, "team_id": f.o.Team, "context_team_id": f.o.Team, "api_app_id": AppID, "event": event, "type": "event_callback",
		"event_id": f.id("Ev"), "event_time": f.clock.Now().Unix(), "is_ext_shared_channel": len(c.room.SharedWith) > 0,
		"authorizations": []object{{"team_id": f.o.Team, "user_id": BotUserID, "is_bot": true, "is_enterprise_install": false}},
	}
}

var tokens = regexp.MustCompile(`<[@#!][^>]+>|<https?://[^>]+>`)

// escape is what Slack makes of typed text; mentions and links that the client has made stay.
func escape(s string) string {
	html := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	var b strings.Builder
	rest := 0
	for _, at := range tokens.FindAllStringIndex(s, -1) {
		b.WriteString(html.Replace(s[rest:at[0]]) + s[at[0]:at[1]])
		rest = at[1]
	}
	return b.String() + html.Replace(s[rest:])
}
