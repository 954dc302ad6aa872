package slackfake

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/slack-go/slack"
)

// Message is a message as it stood when it was read. It does not change later: read it again.
type Message struct {
	Channel     string          `json:"channel"`
	TS          string          `json:"ts"`
	ThreadTS    string          `json:"thread_ts,omitempty"` // of the message that began the thread, also on that one itself
	User        string          `json:"user"`
	BotID       string          `json:"bot_id,omitempty"`
	Text        string          `json:"text"`
	RawBlocks   json.RawMessage `json:"blocks,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	EphemeralTo string          `json:"ephemeral_to,omitempty"` // only this user sees it
	Broadcast   bool            `json:"broadcast,omitempty"`    // of a thread, and in the channel as well
	Edits       int             `json:"edits,omitempty"`
	Replies     int             `json:"replies,omitempty"`
	NoUnfurl    bool            `json:"no_unfurl,omitempty"`
	Files       []File          `json:"files,omitempty"`

	state state
}

// Button is something in a message that can be clicked or chosen from.
type Button struct {
	Type     string
	BlockID  string
	ActionID string
	Text     string
	Value    string
	URL      string
	Style    string
	Options  []string // values that a menu offers
}

// Blocks are the message's blocks, of slack-go's types.
func (m Message) Blocks() slack.Blocks { return blocksOf(m.RawBlocks) }

// Shown is what stands in the message: the texts of its blocks, or its text where it has none, and the titles of its files.
func (m Message) Shown() string {
	texts := shown(decoded(m.RawBlocks))
	if len(texts) == 0 && m.Text != "" {
		texts = []string{m.Text}
	}
	for _, file := range m.Files {
		texts = append(texts, file.Title)
	}
	return strings.Join(texts, "\n")
}

// Buttons are what can be clicked in the message.
func (m Message) Buttons() []Button { return buttonsOf(decoded(m.RawBlocks)) }

// Button finds one of them by its action_id.
func (m Message) Button(actionID string) (Button, bool) {
	all := m.Buttons()
	i := slices.IndexFunc(all, func(b Button) bool { return b.ActionID == actionID })
	if i < 0 {
		return Button{}, false
	}
	return all[i], true
}

func blocksOf(raw json.RawMessage) (b slack.Blocks) {
	if len(raw) > 0 {
		_ = json.Unmarshal(raw, &b) // they were checked more strictly when they came in
	}
	return b
}

func buttonsOf(blocks []object) (all []Button) {
	for _, b := range blocks {
		for _, e := range interactive(b) {
			button := Button{BlockID: b["block_id"].(string), ActionID: e["action_id"].(string)}
			button.Type, _ = e["type"].(string)
			button.Text, _ = asObject(e["text"])["text"].(string)
			button.Value, _ = e["value"].(string)
			button.URL, _ = e["url"].(string)
			button.Style, _ = e["style"].(string)
			for _, o := range choices(e) {
				button.Options = append(button.Options, o["value"].(string))
			}
			all = append(all, button)
		}
	}
	return all
}

// Sees are the messages of a channel that somebody sees now, oldest first, without the replies in threads. Nobody sees what was said
// to another one alone, nor channels that they are not in.
func (u *User) Sees(c *Channel) []Message {
	u.fake.mu.Lock()
	defer u.fake.mu.Unlock()
	return c.seenBy(u, func(m *Message) bool { return m.ThreadTS == "" || m.ThreadTS == m.TS || m.Broadcast })
}

// Thread are the messages of a thread that somebody sees, the one that began it first.
func (u *User) Thread(c *Channel, ts string) []Message {
	u.fake.mu.Lock()
	defer u.fake.mu.Unlock()
	return c.seenBy(u, func(m *Message) bool { return m.TS == ts || m.ThreadTS == ts })
}

// Directs are the direct messages between somebody and the app, with those in threads.
func (u *User) Directs() []Message {
	u.fake.mu.Lock()
	defer u.fake.mu.Unlock()
	for _, c := range u.fake.channels {
		if c.im == u {
			return c.seenBy(u, func(*Message) bool { return true })
		}
	}
	return nil
}

// Message reads one message again, if somebody still sees it.
func (u *User) Message(c *Channel, ts string) (Message, bool) {
	u.fake.mu.Lock()
	defer u.fake.mu.Unlock()
	found := c.seenBy(u, func(m *Message) bool { return m.TS == ts })
	if len(found) == 0 {
		return Message{}, false
	}
	return found[0], true
}

func (c *Channel) seenBy(u *User, which func(*Message) bool) (seen []Message) {
	if !c.readable(u) {
		return nil
	}
	for _, m := range c.messages {
		if (m.EphemeralTo == "" || m.EphemeralTo == u.id) && which(m) {
			seen = append(seen, *m)
		}
	}
	return seen
}

func (c *Channel) message(ts string) *Message {
	for _, m := range c.messages {
		if m.TS == ts {
			return m
		}
	}
	return nil
}

// add puts a message into the channel.
func (c *Channel) add(m Message) *Message {
	m.Channel, m.TS = c.id, c.fake.ts()
	m.state = initial(decoded(m.RawBlocks), nil)
	c.messages = append(c.messages, &m)
	if root := c.message(m.ThreadTS); root != nil && m.EphemeralTo == "" {
		root.ThreadTS = root.TS
		root.Replies++
	}
	c.fake.touch()
	return &m
}

// change gives a message new content. What was read before does not change.
func (c *Channel) change(m *Message, text string, blocks json.RawMessage) {
	m.Text, m.RawBlocks = text, blocks
	m.state = initial(decoded(blocks), m.state)
	m.Edits++
	c.fake.touch()
}

// remove takes a message out. A thread stays behind the mark of what began it, as in Slack.
func (c *Channel) remove(m *Message) {
	if m.Replies > 0 {
		c.change(m, "This message was deleted.", nil)
		m.User, m.BotID, m.Metadata, m.Files = SlackbotID, "", nil, nil
		return
	}
	c.messages = slices.DeleteFunc(c.messages, func(one *Message) bool { return one == m })
	if root := c.message(m.ThreadTS); root != nil && m.EphemeralTo == "" {
		root.Replies--
	}
	c.fake.touch()
}

// slackbot tells one person something, as Slack itself does.
func (c *Channel) slackbot(u *User, text string) {
	c.add(Message{User: SlackbotID, Text: text, EphemeralTo: u.id})
}

// describe is the message as the Web API and the payloads show it: https://docs.slack.dev/reference/objects/message-object
func (m *Message) describe(f *Fake, metadata bool) object {
	o := object{"type": "message", "user": m.User, "ts": m.TS, "text": m.Text, "team": f.o.Team}
	if m.BotID != "" {
		o["bot_id"], o["app_id"] = m.BotID, AppID
	}
	if len(m.RawBlocks) > 0 {
		o["blocks"] = m.RawBlocks
	}
	if m.ThreadTS != "" {
		o["thread_ts"] = m.ThreadTS
	}
	if m.Replies > 0 {
		o["reply_count"] = m.Replies
	}
	if m.Edits > 0 {
		o["edited"] = object{"user": m.User, "ts": m.TS}
	}
	if metadata && len(m.Metadata) > 0 {
		o["metadata"] = m.Metadata
	}
	var files []object
	for _, file := range m.Files {
		files = append(files, file.describe(f))
	}
	if files != nil {
		o["files"] = files
	}
	return o
}
