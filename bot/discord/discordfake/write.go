package discordfake

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// nonceMemory is how long Discord remembers nonces: "the past few minutes".
const nonceMemory = 5 * time.Minute

// draft is the body of whatever makes or changes a message, and of what opens a form or offers choices. What a change leaves out stays.
type draft struct {
	Content         *string         `json:"content"`
	Nonce           json.RawMessage `json:"nonce"`
	EnforceNonce    bool            `json:"enforce_nonce"`
	TTS             bool            `json:"tts"`
	Embeds          *[]Embed        `json:"embeds"`
	AllowedMentions *mentions       `json:"allowed_mentions"`
	Components      *[]Component    `json:"components"`
	Flags           int             `json:"flags"`
	Attachments     *[]fileOf       `json:"attachments"`
	Reference       *Reference      `json:"message_reference"`
	Choices         []Choice        `json:"choices"`
	CustomID        string          `json:"custom_id"`
	Title           string          `json:"title"`

	files []upload
}

// fileOf keeps or describes a file: its id is that of a file that the message has, or the number of one that is uploaded.
type fileOf struct {
	ID          any    `json:"id"`
	Filename    string `json:"filename"`
	Description string `json:"description"`
}

type upload struct {
	field, name, kind string
	data              []byte
}

// UnmarshalJSON also tells null, which empties, from what is left out.
func (d *draft) UnmarshalJSON(body []byte) error {
	type plain draft
	if err := json.Unmarshal(body, (*plain)(d)); err != nil {
		return err
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(body, &keys); err != nil {
		return err
	}
	null := func(key string) bool { return bytes.Equal(bytes.TrimSpace(keys[key]), []byte("null")) }
	if null("content") {
		d.Content = new(string)
	}
	if null("embeds") {
		d.Embeds = new([]Embed)
	}
	if null("components") {
		d.Components = new([]Component)
	}
	if null("nonce") {
		d.Nonce = nil
	}
	return nil
}

func (d *draft) nonce() string { return strings.Trim(string(d.Nonce), `"`) }

// check refuses what Discord refuses in a message. The paths of what is wrong begin with at.
func (d *draft) check(at string) *apiError {
	var p problems
	d.checkContent(&p, at)
	if d.Components != nil {
		checkRows(&p, at+"components", *d.Components)
	}
	return p.err()
}

func (m *Message) empty() bool {
	return strings.TrimSpace(m.Content) == "" && len(m.Embeds) == 0 && len(m.Attachments) == 0 && len(m.Components) == 0
}

// write makes a message and lets it be seen. Ephemeral ones are for the one who is named.
func (f *Fake) write(c *Channel, author *User, d *draft, shape func(*Message)) (*Message, *apiError) {
	m := &Message{
		ID: f.newID(), ChannelID: c.ID, Author: author.author(), Timestamp: f.now().UTC(), TTS: d.TTS, Reference: d.Reference,
		Flags: d.Flags & (flagSuppressEmbeds | flagEphemeral), nonce: d.nonce(), written: f.now(),
	}
	if d.Reference != nil {
		m.Type = replyMessage
	}
	if d.Nonce != nil {
		_ = json.Unmarshal(d.Nonce, &m.Nonce) // it was parsed with the body
	}
	if shape != nil {
		shape(m)
	}
	f.fill(m, d)
	if m.empty() && !m.Thinking() {
		return nil, errEmptyMessage
	}
	c.messages = append(c.messages, m)
	f.tell("MESSAGE_CREATE", c, m)
	f.preview(*m, "")
	return m, nil
}

// rewrite changes a message as the draft says.
func (f *Fake) rewrite(c *Channel, m *Message, d *draft) *apiError {
	changed := *m
	changed.Flags = m.Flags&^flagLoading&^flagSuppressEmbeds | d.Flags&flagSuppressEmbeds
	f.fill(&changed, d)
	if changed.empty() {
		return errEmptyMessage
	}
	now, before := f.now().UTC(), m.Content
	changed.EditedTimestamp = &now
	changed.Edits++
	*m = changed
	f.tell("MESSAGE_UPDATE", c, m)
	f.preview(*m, before)
	return nil
}

// fill puts what the draft says into the message. It never changes a list in place: copies of the message share them.
func (f *Fake) fill(m *Message, d *draft) {
	if d.Content != nil {
		m.Content = *d.Content
	}
	if d.Embeds != nil {
		m.Embeds = slices.Clone(*d.Embeds)
	}
	if d.Components != nil {
		m.Components = slices.Clone(*d.Components)
	}
	f.attach(m, d)
	pinged, loud := f.pings(m.Content, d.AllowedMentions)
	m.Pinged, m.Mentions, m.MentionRoles, m.MentionEveryone = pinged, []Author{}, []string{}, false
	for _, who := range pinged {
		switch u := f.user(who); {
		case u != nil:
			m.Mentions = append(m.Mentions, u.author())
		case who == "everyone" || who == "here":
			m.MentionEveryone = true
		default:
			m.MentionRoles = append(m.MentionRoles, who)
		}
	}
	if loud && m.Author.ID == f.Bot.ID {
		f.violation("a message of the bot pings %s: %.100q needs empty allowed_mentions", strings.Join(pinged, ", "), m.Content)
	}
}

// attach keeps the files that the draft names, or all if it names none, and adds those that came with it.
func (f *Fake) attach(m *Message, d *draft) {
	kept := m.Attachments
	words := map[string]string{}
	if d.Attachments != nil {
		named := map[string]bool{}
		for _, a := range *d.Attachments {
			named[idOf(a.ID)], words[idOf(a.ID)] = true, a.Description
		}
		kept = slices.DeleteFunc(slices.Clone(kept), func(a Attachment) bool { return !named[a.ID] })
	}
	for i, file := range d.files {
		a := Attachment{
			ID: f.newID(), Filename: file.name, ContentType: file.kind, Size: len(file.data), Data: file.data,
			Description: words[strconv.Itoa(i)], Ephemeral: m.Ephemeral(),
		}
		a.URL = f.URL + "/attachments/" + m.ChannelID + "/" + a.ID + "/" + a.Filename
		a.ProxyURL = a.URL
		kept = append(slices.Clip(kept), a)
	}
	m.Attachments = kept
}

// idOf reads an id that may be written as a number.
func idOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// repeated is the message that the bot has written with the same nonce, if that is asked for.
func (f *Fake) repeated(c *Channel, d *draft) *Message {
	if !d.EnforceNonce || d.nonce() == "" {
		return nil
	}
	i := slices.IndexFunc(c.messages, func(m *Message) bool {
		return m.nonce == d.nonce() && m.Author.ID == f.Bot.ID && f.now().Sub(m.written) < nonceMemory
	})
	if i < 0 {
		return nil
	}
	return c.messages[i]
}

// tell says through the gateway that something happened to a message. Of ephemeral ones the gateway says nothing.
func (f *Fake) tell(event string, c *Channel, m *Message) {
	if m.Ephemeral() {
		return
	}
	intent := intentMessages
	payload := m.payload()
	if c.with != nil {
		intent = intentDMs
	} else {
		payload["guild_id"] = f.GuildID
	}
	if c.with == nil && f.opts.Privileged&intentContent == 0 && m.Author.ID != f.Bot.ID && !slices.Contains(m.Pinged, f.Bot.ID) {
		payload["content"], payload["embeds"], payload["attachments"], payload["components"] = "", []any{}, []any{}, []any{}
	}
	f.dispatch(event, intent, payload)
}
