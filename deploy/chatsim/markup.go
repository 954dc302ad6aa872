package chatsim

import (
	"html"
	"html/template"
	"net/url"
	"regexp"
	"strings"
)

// What is drawn here was written by people and by MyDB: everything is escaped before anything is made of it.

func escaped(text string) string { return html.EscapeString(text) }

// breaks makes lines of a text that was escaped.
func breaks(text string) string { return strings.ReplaceAll(text, "\n", "<br>") }

func plainText(text string) template.HTML {
	return template.HTML(breaks(escaped(text))) // escaped
}

func joined(parts []template.HTML, between string) template.HTML {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString(between)
		}
		b.WriteString(string(p))
	}
	return template.HTML(b.String()) // its parts are escaped
}

// anchor is a link to a page of the web. The label is escaped already; an address that is none is shown as its label.
func anchor(address, label string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return label
	}
	return `<a href="` + escaped(u.String()) + `" target="_blank" rel="noopener noreferrer">` + label + "</a>"
}

// rule is a pair of marks around what is drawn in a tag. Within code there are no marks.
type rule struct {
	find *regexp.Regexp
	tag  string
}

var (
	slackRules = []rule{
		{regexp.MustCompile(`(^|[\s(>])\*([^\s*](?:[^*\n]*[^\s*])?)\*`), "strong"},
		{regexp.MustCompile(`(^|[\s(>])_([^\s_](?:[^_\n]*[^\s_])?)_`), "em"},
		{regexp.MustCompile(`(^|[\s(>])~([^\s~](?:[^~\n]*[^\s~])?)~`), "del"},
	}
	discordRules = []rule{
		{regexp.MustCompile(`()\*\*(.+?)\*\*`), "strong"},
		{regexp.MustCompile(`()__(.+?)__`), "u"},
		{regexp.MustCompile(`()~~(.+?)~~`), "del"},
		{regexp.MustCompile(`()\*([^\s*][^*\n]*)\*`), "em"},
		{regexp.MustCompile(`(^|\W)_([^\s_][^_\n]*)_`), "em"},
	}
	fences    = regexp.MustCompile("(?s)```(.*?)```")
	ticks     = regexp.MustCompile("`([^`\n]+)`")
	slackMark = regexp.MustCompile(`<([^<>\n]+)>`)
	bareLink  = regexp.MustCompile(`<?(https?://[^\s<>"]+)>?`)
	backslash = regexp.MustCompile(`\\([^\sA-Za-z0-9])`)
	mentioned = regexp.MustCompile(`<@!?(\d+)>`)
	language  = regexp.MustCompile(`^[a-z]+\n`)
)

// kept puts finished pieces of HTML out of the way of what comes after: each is replaced by a character that nobody types.
type kept struct{ pieces []string }

const firstKept = '\uE000' // of the private use area

func (k *kept) keep(finished string) string {
	k.pieces = append(k.pieces, finished)
	return string(firstKept + rune(len(k.pieces)-1))
}

func (k *kept) restore(text string) template.HTML {
	for i := len(k.pieces) - 1; i >= 0; i-- {
		text = strings.ReplaceAll(text, string(firstKept+rune(i)), k.pieces[i])
	}
	return template.HTML(text) // escaped before, and all pieces are
}

// fenced keeps what stands between three ticks.
func (k *kept) fenced(text string, finish func(string) string) string {
	return fences.ReplaceAllStringFunc(text, func(found string) string {
		inner := strings.Trim(language.ReplaceAllString(strings.Trim(found, "`"), ""), "\n")
		return k.keep("<pre>" + escaped(finish(inner)) + "</pre>")
	})
}

// code keeps what stands between ticks.
func (k *kept) code(text string, finish func(string) string) string {
	return ticks.ReplaceAllStringFunc(text, func(found string) string {
		return k.keep("<code>" + escaped(finish(strings.Trim(found, "`"))) + "</code>")
	})
}

func styled(text string, rules []rule) string {
	for _, r := range rules {
		text = r.find.ReplaceAllString(text, "$1<"+r.tag+">$2</"+r.tag+">")
	}
	return breaks(text)
}

// clean takes away what kept uses.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= firstKept && r <= '\uF8FF' {
			return -1
		}
		return r
	}, text)
}

// mrkdwn draws Slack's markup, in which &, < and > are escaped by whoever wrote it.
func (s *slackSpace) mrkdwn(text string) template.HTML {
	k := &kept{}
	text = k.code(k.fenced(clean(text), html.UnescapeString), html.UnescapeString)
	text = slackMark.ReplaceAllStringFunc(text, func(found string) string {
		target, label, named := strings.Cut(found[1:len(found)-1], "|")
		if !named {
			label = target
		}
		label = escaped(html.UnescapeString(label))
		switch {
		case strings.HasPrefix(target, "@"):
			return k.keep(`<span class="mention">@` + escaped(s.name(target[1:])) + "</span>")
		case strings.HasPrefix(target, "#"), strings.HasPrefix(target, "!"):
			return k.keep(`<span class="mention">` + label + "</span>")
		}
		return k.keep(anchor(html.UnescapeString(target), label))
	})
	return k.restore(styled(escaped(html.UnescapeString(text)), slackRules))
}

// markdown draws Discord's markup.
func (s *discordSpace) markdown(text string) template.HTML {
	k := &kept{}
	asIs := func(code string) string { return code }
	text = k.fenced(clean(text), asIs)
	text = backslash.ReplaceAllStringFunc(text, func(found string) string { return k.keep(escaped(found[1:])) })
	text = k.code(text, asIs)
	text = mentioned.ReplaceAllStringFunc(text, func(found string) string {
		return k.keep(`<span class="mention">@` + escaped(s.name(mentioned.FindStringSubmatch(found)[1])) + "</span>")
	})
	text = bareLink.ReplaceAllStringFunc(text, func(found string) string {
		address := bareLink.FindStringSubmatch(found)[1]
		if strings.HasPrefix(found, "<") {
			return k.keep(anchor(address, escaped(address)))
		}
		whole := strings.TrimRight(address, ".,;:!?)")
		return k.keep(anchor(whole, escaped(whole))) + address[len(whole):]
	})
	return k.restore(styled(escaped(text), discordRules))
}
