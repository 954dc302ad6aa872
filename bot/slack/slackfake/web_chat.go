package slackfake

import (
	"encoding/json"
	"strings"
)

// postMessage is chat.postMessage.
func (f *Fake) postMessage(a args) (object, error) {
	c, err := f.writable(a["channel"])
	if err != nil {
		return nil, err
	}
	m, err := f.compose(c, a)
	if err != nil {
		return nil, err
	}
	if err := f.withinRate("message "+c.id, f.o.Rates.Every, f.o.Rates.Burst); err != nil {
		return nil, err
	}
	posted := c.add(m)
	f.hears(c, posted, nil)
	return object{"channel": c.id, "ts": posted.TS, "message": posted.describe(f, true)}, nil
}

// postEphemeral is chat.postEphemeral. Such a message can be neither updated nor found again, but by a response_url.
func (f *Fake) postEphemeral(a args) (object, error) {
	c, err := f.writable(a["channel"])
	if err != nil {
		return nil, err
	}
	u := f.user(a["user"])
	if u == nil {
		return nil, refuse("user_not_found")
	}
	if !c.has(u.id) {
		return nil, refuse("user_not_in_channel")
	}
	m, err := f.compose(c, a)
	if err != nil {
		return nil, err
	}
	m.EphemeralTo, m.Metadata = u.id, nil
	return object{"message_ts": c.add(m).TS}, nil
}

// compose makes a message of the arguments that all posting has in common.
func (f *Fake) compose(c *Channel, a args) (Message, error) {
	m := Message{User: BotUserID, BotID: BotID, Text: a["text"], ThreadTS: a["thread_ts"], Broadcast: a.bool("reply_broadcast")}
	m.NoUnfurl = a["unfurl_links"] == "false"
	var err error
	if a["attachments"] != "" && a["attachments"] != "[]" {
		return m, refuse("invalid_attachments") // MyDB has no use for them: blocks say everything
	}
	if m.RawBlocks, err = f.content(m.Text, a.raw("blocks"), maxText); err != nil {
		return m, err
	}
	if m.ThreadTS != "" {
		root := c.message(m.ThreadTS)
		if root == nil || root.EphemeralTo != "" || root.ThreadTS != "" && root.ThreadTS != root.TS {
			return m, refuse("cannot_reply_to_message") // Slack lets replies to what is no beginning vanish
		}
	}
	m.Metadata, err = metadata(a["metadata"])
	return m, err
}

// metadata checks a message's metadata: https://docs.slack.dev/messaging/message-metadata
func metadata(raw string) (json.RawMessage, error) {
	if raw == "" || raw == "{}" {
		return nil, nil
	}
	var m struct {
		EventType    string         `json:"event_type"`
		EventPayload map[string]any `json:"event_payload"`
	}
	if err := json.Unmarshal([]byte(raw), &m); err != nil {
		return nil, refuse("invalid_metadata_format")
	}
	if m.EventType == "" || m.EventPayload == nil {
		return nil, refuse("invalid_metadata_schema")
	}
	if len(raw) > maxMetadata {
		return nil, refuse("metadata_too_large")
	}
	return encoded(object{"event_type": m.EventType, "event_payload": m.EventPayload}), nil
}

// updateMessage is chat.update. What is left out of blocks and metadata stays as it was, which is easily forgotten.
func (f *Fake) updateMessage(a args) (object, error) {
	c, m, err := f.ownMessage(a, "cant_update_message")
	if err != nil {
		return nil, err
	}
	text, blocks := a["text"], m.RawBlocks
	if given, ok := a["blocks"]; ok {
		if blocks, err = f.content(text, json.RawMessage(given), maxUpdateText); err != nil {
			return nil, err
		}
	} else if _, err = f.content(text, nil, maxUpdateText); err != nil {
		return nil, err
	}
	if given, ok := a["metadata"]; ok {
		if m.Metadata, err = metadata(given); err != nil {
			return nil, err
		}
	}
	before := m.describe(f, false)
	c.change(m, text, blocks)
	f.hears(c, m, before)
	return object{"channel": c.id, "ts": m.TS, "text": m.Text, "message": m.describe(f, true)}, nil
}

// deleteMessage is chat.delete.
func (f *Fake) deleteMessage(a args) (object, error) {
	c, m, err := f.ownMessage(a, "cant_delete_message")
	if err != nil {
		return nil, err
	}
	ts := m.TS
	c.remove(m)
	return object{"channel": c.id, "ts": ts}, nil
}

// ownMessage finds a message of the app's. Ephemeral ones are not found, and users' ids are no channels here.
func (f *Fake) ownMessage(a args, foreign string) (*Channel, *Message, error) {
	c := f.channel(a["channel"])
	if c == nil || c.room.Private && !c.bot {
		return nil, nil, refuse("channel_not_found")
	}
	if c.room.Archived {
		return nil, nil, refuse("is_inactive")
	}
	m := c.message(a["ts"])
	if m == nil || m.EphemeralTo != "" {
		return nil, nil, refuse("message_not_found")
	}
	if m.BotID != BotID {
		return nil, nil, refuse(foreign)
	}
	return c, m, nil
}

// writable finds where the app wants to write, and says why it may not. A user's id means the direct messages with them.
func (f *Fake) writable(id string) (*Channel, error) {
	if u := f.user(id); u != nil {
		if err := f.reachable(u); err != nil {
			return nil, err
		}
		return f.direct(u), nil
	}
	c := f.channel(strings.TrimPrefix(id, "#"))
	switch {
	case c == nil || c.room.Private && !c.bot:
		return nil, refuse("channel_not_found")
	case c.room.Archived:
		return nil, refuse("is_archived")
	case !c.bot && !f.granted("chat:write.public"):
		return nil, refuse("not_in_channel")
	}
	return c, nil
}
