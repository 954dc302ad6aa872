package discordfake

import (
	"slices"
	"strings"
	"time"
)

// Flags of messages.
const (
	flagSuppressEmbeds = 1 << 2
	flagEphemeral      = 1 << 6
	flagLoading        = 1 << 7
)

// Kinds of messages.
const (
	plainMessage   = 0
	replyMessage   = 19 // to a message, as the answer to a click is
	commandMessage = 20 // the answer to a command
)

// Message is one as it was at a moment: a copy that changes no more.
type Message struct {
	ID              string       `json:"id"`
	ChannelID       string       `json:"channel_id"`
	Type            int          `json:"type"`
	Author          Author       `json:"author"`
	Content         string       `json:"content"`
	Timestamp       time.Time    `json:"timestamp"`
	EditedTimestamp *time.Time   `json:"edited_timestamp"`
	TTS             bool         `json:"tts"`
	Pinned          bool         `json:"pinned"`
	MentionEveryone bool         `json:"mention_everyone"`
	Mentions        []Author     `json:"mentions"`
	MentionRoles    []string     `json:"mention_roles"`
	Attachments     []Attachment `json:"attachments"`
	Embeds          []Embed      `json:"embeds"`
	Components      []Component  `json:"components"`
	Flags           int          `json:"flags"`
	Nonce           any          `json:"nonce,omitempty"`
	WebhookID       string       `json:"webhook_id,omitempty"`
	ApplicationID   string       `json:"application_id,omitempty"`
	Metadata        *Metadata    `json:"interaction_metadata,omitempty"`
	Reference       *Reference   `json:"message_reference,omitempty"`

	For    string   `json:"-"` // the id of the user who alone sees it; empty: all of the channel do
	Pinged []string `json:"-"` // whom it pinged: "everyone", "here", ids of users and roles
	Edits  int      `json:"-"` // how often it was edited

	nonce   string
	written time.Time
}

// Author is who wrote a message, or is mentioned in it.
type Author struct {
	ID            string `json:"id"`
	Username      string `json:"username"`
	GlobalName    string `json:"global_name"`
	Discriminator string `json:"discriminator"`
	Bot           bool   `json:"bot,omitempty"`
}

// Metadata says which interaction a message answers.
type Metadata struct {
	ID   string `json:"id"`
	Type int    `json:"type"`
	User Author `json:"user"`
}

// Reference is the message that one replies to.
type Reference struct {
	MessageID string `json:"message_id"`
	ChannelID string `json:"channel_id,omitempty"`
}

// Attachment is a file of a message. It can be fetched at its URL.
type Attachment struct {
	ID          string `json:"id"`
	Filename    string `json:"filename"`
	Description string `json:"description,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	Size        int    `json:"size"`
	URL         string `json:"url"`
	ProxyURL    string `json:"proxy_url"`
	Ephemeral   bool   `json:"ephemeral,omitempty"`

	Data []byte `json:"-"`
}

// Ephemeral says whether only one user sees the message.
func (m Message) Ephemeral() bool { return m.Flags&flagEphemeral != 0 }

// Thinking says whether the bot has only promised the message yet.
func (m Message) Thinking() bool { return m.Flags&flagLoading != 0 }

// Text is all that can be read in the message: the content, the embeds and the labels of what can be clicked.
func (m Message) Text() string {
	lines := []string{m.Content}
	for _, e := range m.Embeds {
		if e.Author != nil {
			lines = append(lines, e.Author.Name)
		}
		lines = append(lines, e.Title, e.Description)
		for _, f := range e.Fields {
			lines = append(lines, f.Name+": "+f.Value)
		}
		if e.Footer != nil {
			lines = append(lines, e.Footer.Text)
		}
	}
	for _, c := range m.Clickable() {
		lines = append(lines, "["+c.Label+c.Placeholder+"]")
	}
	return strings.Join(slices.DeleteFunc(lines, func(s string) bool { return s == "" }), "\n")
}

// Clickable are the buttons and lists of the message.
func (m Message) Clickable() (found []Component) {
	for _, row := range m.Components {
		found = append(found, row.Components...)
	}
	return found
}

// Button is the first button whose label contains a text. Its custom id is what Click wants; it is empty if there is none.
func (m Message) Button(label string) Component {
	for _, c := range m.Clickable() {
		if c.Type == ButtonComponent && strings.Contains(c.Label, label) {
			return c
		}
	}
	return Component{}
}

func (m Message) component(customID string) (Component, bool) {
	all := m.Clickable()
	i := slices.IndexFunc(all, func(c Component) bool { return c.CustomID == customID && customID != "" })
	if i < 0 {
		return Component{}, false
	}
	return all[i], true
}

func (u *User) author() Author {
	return Author{ID: u.ID, Username: u.name, GlobalName: u.display, Discriminator: "0", Bot: u.bot}
}

func (c *Channel) message(id string) *Message {
	i := slices.IndexFunc(c.messages, func(m *Message) bool { return m.ID == id })
	if i < 0 {
		return nil
	}
	return c.messages[i]
}
