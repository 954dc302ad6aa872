package slackfake

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// openConversation is conversations.open, for one person.
func (f *Fake) openConversation(a args) (object, error) {
	if a["channel"] != "" {
		c := f.channel(a["channel"])
		if c == nil || c.im == nil {
			return nil, refuse("channel_not_found")
		}
		return object{"channel": c.describe()}, nil
	}
	u := f.user(a["users"])
	if u == nil {
		return nil, refuse("user_not_found") // lists of people would open what MyDB never opens
	}
	if err := f.reachable(u); err != nil {
		return nil, err
	}
	known := slices.ContainsFunc(f.channels, func(c *Channel) bool { return c.im == u })
	return object{"channel": f.direct(u).describe(), "no_op": known, "already_open": known}, nil
}

// reachable says why the app cannot write to somebody alone.
func (f *Fake) reachable(u *User) error {
	switch p := u.profile; {
	case p.Bot:
		return refuse("cannot_dm_bot")
	case p.Deleted:
		return refuse("user_disabled")
	case p.TeamID != f.o.Team && !f.meets(u):
		return refuse("user_not_visible")
	}
	return nil
}

// readableByBot finds a channel whose messages or facts the app asks for.
func (f *Fake) readableByBot(id, scope string, inside bool) (*Channel, error) {
	c := f.channel(id)
	if c == nil || c.room.Private && !c.bot {
		return nil, refuse("channel_not_found")
	}
	if err := f.need(c.kind() + ":" + scope); err != nil {
		return nil, err
	}
	if inside && !c.bot {
		return nil, refuse("not_in_channel")
	}
	return c, nil
}

// conversationInfo is conversations.info.
func (f *Fake) conversationInfo(a args) (object, error) {
	c, err := f.readableByBot(a["channel"], "read", false)
	if err != nil {
		return nil, err
	}
	o := c.describe()
	if !a.bool("include_num_members") {
		delete(o, "num_members")
	}
	return object{"channel": o}, nil
}

// history is conversations.history: what was said in the channel, the newest first, without replies and ephemeral messages.
func (f *Fake) history(a args) (object, error) {
	c, err := f.readableByBot(a["channel"], "history", true)
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(slices.Clone(c.messages), func(m *Message) bool {
		return m.EphemeralTo != "" || m.ThreadTS != "" && m.ThreadTS != m.TS && !m.Broadcast
	})
	slices.Reverse(found)
	return f.page(found, a)
}

// replies is conversations.replies: a thread, its beginning first.
func (f *Fake) replies(a args) (object, error) {
	c, err := f.readableByBot(a["channel"], "history", true)
	if err != nil {
		return nil, err
	}
	root := c.message(a["ts"])
	if root == nil || root.EphemeralTo != "" {
		return nil, refuse("thread_not_found")
	}
	ts := cmp.Or(root.ThreadTS, root.TS)
	return f.page(slices.DeleteFunc(slices.Clone(c.messages), func(m *Message) bool {
		return m.EphemeralTo != "" || m.TS != ts && m.ThreadTS != ts
	}), a)
}

// page gives the part of messages that was asked for.
func (f *Fake) page(found []*Message, a args) (object, error) {
	inclusive := a.bool("inclusive")
	found = slices.DeleteFunc(found, func(m *Message) bool {
		return !after(m.TS, a["oldest"], inclusive) || !after(a["latest"], m.TS, inclusive)
	})
	limit, err := strconv.Atoi(cmp.Or(a["limit"], "100"))
	if err != nil || limit < 1 || limit > 999 {
		return nil, refuse("invalid_limit")
	}
	from := 0
	if a["cursor"] != "" {
		at, err := base64.StdEncoding.DecodeString(a["cursor"])
		if from = slices.IndexFunc(found, func(m *Message) bool { return "next_ts:"+m.TS == string(at) }); err != nil || from < 0 {
			return nil, refuse("invalid_cursor")
		}
	}
	to, next := min(from+limit, len(found)), ""
	if to < len(found) {
		next = base64.StdEncoding.EncodeToString([]byte("next_ts:" + found[to].TS))
	}
	messages := []object{}
	for _, m := range found[from:to] {
		messages = append(messages, m.describe(f, a.bool("include_all_metadata")))
	}
	return object{"messages": messages, "has_more": next != "", "response_metadata": object{"next_cursor": next}}, nil
}

// after compares timestamps, of which either may be missing.
func after(a, b string, inclusive bool) bool {
	return a == "" || b == "" || a > b || inclusive && a == b
}

// userInfo is users.info. It tells of another team's people too: as strangers, where they share no channel with the app.
func (f *Fake) userInfo(a args) (object, error) {
	u := f.user(a["user"])
	if u == nil {
		return nil, refuse("user_not_found")
	}
	return object{"user": u.describe()}, nil
}

// userByEmail is users.lookupByEmail. It does not find closed accounts, bots and people of other teams.
func (f *Fake) userByEmail(a args) (object, error) {
	for _, u := range f.users {
		p := u.profile
		if p.Email != "" && strings.EqualFold(p.Email, a["email"]) && !p.Deleted && !p.Bot && p.TeamID == f.o.Team {
			return object{"user": u.describe()}, nil
		}
	}
	return nil, refuse("users_not_found")
}
