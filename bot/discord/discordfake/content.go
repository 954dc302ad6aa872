package discordfake

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Limits of a message: https://discord.com/developers/docs/resources/message#embed-object-embed-limits.
const (
	contentLimit    = 2000
	embedsLimit     = 10
	fieldsLimit     = 25
	titleLimit      = 256
	descriptionText = 4096
	fieldValueLimit = 1024
	footerLimit     = 2048
	embedTotal      = 6000
	nonceLimit      = 25
	filesLimit      = 10
)

// Embed is a framed part of a message.
type Embed struct {
	Type        string     `json:"type,omitempty"`
	Title       string     `json:"title,omitempty"`
	Description string     `json:"description,omitempty"`
	URL         string     `json:"url,omitempty"`
	Timestamp   string     `json:"timestamp,omitempty"`
	Color       int        `json:"color,omitempty"`
	Footer      *Footer    `json:"footer,omitempty"`
	Image       *Picture   `json:"image,omitempty"`
	Thumbnail   *Picture   `json:"thumbnail,omitempty"`
	Author      *ByLine    `json:"author,omitempty"`
	Fields      []EmbField `json:"fields,omitempty"`
}

// Footer stands below an embed.
type Footer struct {
	Text string `json:"text,omitempty"`
}

// Picture is named by an address: of the web, or attachment://name for a file of the same message.
type Picture struct {
	URL string `json:"url"`
}

// ByLine says who an embed is by.
type ByLine struct {
	Name string `json:"name"`
	URL  string `json:"url,omitempty"`
}

// EmbField is a name and a value in an embed.
type EmbField struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Inline bool   `json:"inline,omitempty"`
}

// mentions says who may be pinged. No mentions at all mean that everyone who is named is.
type mentions struct {
	Parse       []string `json:"parse"`
	Roles       []string `json:"roles"`
	Users       []string `json:"users"`
	RepliedUser bool     `json:"replied_user"`
}

// checkContent refuses what is too long. The paths of what is wrong begin with at.
func (d *draft) checkContent(p *problems, at string) {
	if d.Content != nil {
		p.atMost(at+"content", *d.Content, contentLimit)
	}
	if d.Nonce != nil {
		p.atMost(at+"nonce", d.nonce(), nonceLimit)
	}
	if d.Embeds != nil {
		checkEmbeds(p, at+"embeds", *d.Embeds)
	}
	if m := d.AllowedMentions; m != nil {
		m.check(p, at+"allowed_mentions")
	}
	if len(d.files) > filesLimit {
		p.add(at+"attachments", "BASE_TYPE_MAX_LENGTH", fmt.Sprintf("Must be %d or fewer in length.", filesLimit))
	}
}

func checkEmbeds(p *problems, at string, embeds []Embed) {
	if len(embeds) > embedsLimit {
		p.add(at, "BASE_TYPE_MAX_LENGTH", fmt.Sprintf("Must be %d or fewer in length.", embedsLimit))
	}
	total := 0
	for i, e := range embeds {
		total += e.check(p, at+"."+strconv.Itoa(i))
	}
	if total > embedTotal {
		p.add(at, "MAX_EMBED_SIZE_EXCEEDED", fmt.Sprintf("Embed size exceeds maximum size of %d", embedTotal))
	}
}

// check gives the number of characters that count towards the total.
func (e Embed) check(p *problems, at string) (size int) {
	count := func(text string) string {
		size += len([]rune(text))
		return text
	}
	p.atMost(at+".title", count(e.Title), titleLimit)
	p.atMost(at+".description", count(e.Description), descriptionText)
	if e.Footer != nil {
		p.atMost(at+".footer.text", count(e.Footer.Text), footerLimit)
	}
	if e.Author != nil {
		p.text(at+".author.name", count(e.Author.Name), titleLimit)
	}
	if len(e.Fields) > fieldsLimit {
		p.add(at+".fields", "BASE_TYPE_MAX_LENGTH", fmt.Sprintf("Must be %d or fewer in length.", fieldsLimit))
	}
	for i, f := range e.Fields {
		at := at + ".fields." + strconv.Itoa(i)
		p.text(at+".name", count(f.Name), titleLimit)
		p.text(at+".value", count(f.Value), fieldValueLimit)
	}
	if e.URL != "" && !isLink(e.URL) {
		p.add(at+".url", "URL_TYPE_INVALID_URL", "Not a well formed URL.")
	}
	return size
}

func isLink(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

func (m *mentions) check(p *problems, at string) {
	for i, kind := range m.Parse {
		if !slices.Contains([]string{"roles", "users", "everyone"}, kind) {
			p.add(at+".parse."+strconv.Itoa(i), "BASE_TYPE_CHOICES", "Value must be one of ('roles', 'users', 'everyone').")
		}
	}
	if (len(m.Users) > 0 && slices.Contains(m.Parse, "users")) || (len(m.Roles) > 0 && slices.Contains(m.Parse, "roles")) {
		p.add(at, "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", "parse and the lists of users or roles are mutually exclusive.")
	}
}

// lets says whether a mention of a kind ("users", "roles", "everyone") pings.
func (m *mentions) lets(kind, id string) bool {
	switch {
	case m == nil || slices.Contains(m.Parse, kind):
		return true
	case kind == "users":
		return slices.Contains(m.Users, id)
	case kind == "roles":
		return slices.Contains(m.Roles, id)
	}
	return false
}

var (
	mentionOfAll  = regexp.MustCompile(`@(everyone|here)`)
	mentionOfUser = regexp.MustCompile(`<@!?(\d+)>`)
	mentionOfRole = regexp.MustCompile(`<@&(\d+)>`)
)

// pings are those who are pinged by a text: "everyone", "here", ids of users and of roles. Embeds ping nobody.
func (f *Fake) pings(text string, m *mentions) (pinged []string, loud bool) {
	for _, found := range mentionOfAll.FindAllStringSubmatch(text, -1) {
		if m.lets("everyone", "") {
			pinged, loud = append(pinged, found[1]), true
		}
	}
	for _, found := range mentionOfRole.FindAllStringSubmatch(text, -1) {
		if m.lets("roles", found[1]) {
			pinged, loud = append(pinged, found[1]), true
		}
	}
	for _, found := range mentionOfUser.FindAllStringSubmatch(text, -1) {
		if f.user(found[1]) != nil && m.lets("users", found[1]) {
			pinged = append(pinged, found[1])
		}
	}
	return pinged, loud
}
