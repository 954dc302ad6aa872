package slack

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/slack-go/slack"
)

// fence stands around what must stay aligned.
const fence = "```"

// cut shortens a text, by characters.
func cut(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit-1]) + "…"
}

// words is a text that Slack shows as it is.
func words(text string, limit int) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, cut(text, limit), false, false)
}

var address = regexp.MustCompile(`https?://[^\s<>"]+`)

// rich is a text in which nothing is formatted, and nobody is mentioned, whatever people wrote into it: Slack reads nothing out of the text
// of such elements. Addresses become links, and fenced parts stay aligned.
func rich(text string) (parts []slack.RichTextElement) {
	for i, part := range strings.Split(text, fence) {
		if i%2 == 1 {
			if part = strings.Trim(part, "\n"); part != "" {
				parts = append(parts, &slack.RichTextPreformatted{Type: slack.RTEPreformatted, Elements: []slack.RichTextSectionElement{said(part)}})
			}
			continue
		}
		if part = strings.Trim(part, "\n"); part != "" {
			parts = append(parts, slack.NewRichTextSection(linked(part)...))
		}
	}
	return parts
}

func said(text string) slack.RichTextSectionElement {
	return slack.NewRichTextSectionTextElement(text, nil)
}

func bold(text string) slack.RichTextSectionElement {
	return slack.NewRichTextSectionTextElement(text, &slack.RichTextSectionTextStyle{Bold: true})
}

// linked is a text with its addresses as links.
func linked(text string) (parts []slack.RichTextSectionElement) {
	at := 0
	for _, found := range address.FindAllStringIndex(text, -1) {
		link := strings.TrimRight(text[found[0]:found[1]], ".,;:!?)'")
		if found[0] > at {
			parts = append(parts, said(text[at:found[0]]))
		}
		parts = append(parts, slack.NewRichTextSectionLinkElement(link, "", nil))
		at = found[0] + len(link)
	}
	if at < len(text) {
		parts = append(parts, said(text[at:]))
	}
	return parts
}

var (
	// marks are what Slack's clients write for people, channels and addresses: <@U1|ada>, <#C1|general>, <!channel>, <https://a|b>.
	marks  = regexp.MustCompile(`<([@#!]?)([^<>|]+)(?:\|([^<>]*))?>`)
	entity = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")
)

// plain is what somebody typed, of what Slack makes of it.
func plain(text string) string {
	text = marks.ReplaceAllStringFunc(text, func(mark string) string {
		m := marks.FindStringSubmatch(mark)
		kind, id, label := m[1], m[2], m[3]
		switch {
		case kind == "@" || kind == "#" && label == "":
			return kind + id // names are anybody's to choose
		case kind == "#" || kind == "!":
			return strings.TrimPrefix(kind, "!") + or(label, "@"+id)
		case strings.HasPrefix(id, "mailto:"):
			return or(label, strings.TrimPrefix(id, "mailto:"))
		case label != "" && strings.HasSuffix(strings.TrimSuffix(id, "/"), label):
			return label // Slack made a link of a bare name
		}
		return id
	})
	return entity.Replace(text)
}

func or(text, otherwise string) string {
	if text != "" {
		return text
	}
	return otherwise
}

var unmarked = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// escape keeps Slack from finding marks in a text that is not made of elements.
func escape(text string) string { return unmarked.Replace(text) }
