package discord

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// fence stands around what must stay aligned, for MyDB as for Discord.
const fence = "```"

var (
	// address finds what Discord makes a link by itself. In it, nothing may be escaped.
	address = regexp.MustCompile(`https?://[^\s<>]+`)
	// meaning is what Discord takes for formatting, for mentions and for links with other words on them.
	meaning = regexp.MustCompile("[\\\\*_~`|\\[\\]<>#]")
	// opening is what makes a list at the beginning of a line.
	opening = regexp.MustCompile(`(?m)^(\s*)([-+]|\d+\.)(\s)`)
	loud    = strings.NewReplacer("@everyone", "@\u200beveryone", "@here", "@\u200bhere")
)

// escape makes Discord show a text as it was written: nothing in it is formatted, and nobody is mentioned. Addresses stay links; in
// angle brackets, if that is asked for, they show no preview. Fenced parts stay fenced.
func escape(text string, noPreview bool) string {
	parts := strings.Split(text, fence)
	if len(parts)%2 == 0 { // an open fence: what follows it is no code
		last := len(parts) - 1
		parts = append(parts[:last-1], parts[last-1]+"'''"+parts[last])
	}
	for i, p := range parts {
		if i%2 == 0 {
			parts[i] = escapePart(p, noPreview)
		}
	}
	return strings.Join(parts, fence)
}

func escapePart(text string, noPreview bool) string {
	var b strings.Builder
	plain := func(s string) { b.WriteString(loud.Replace(meaning.ReplaceAllString(s, `\$0`))) }
	text = opening.ReplaceAllStringFunc(text, func(s string) string {
		at := strings.IndexAny(s, "-+.")
		return s[:at] + "\u200b" + s[at:]
	})
	at := 0
	for _, found := range address.FindAllStringIndex(text, -1) {
		plain(text[at:found[0]])
		link := strings.TrimRight(text[found[0]:found[1]], ".,;:!?)'\"")
		if noPreview {
			b.WriteString("<" + link + ">")
		} else {
			b.WriteString(link)
		}
		at = found[0] + len(link)
	}
	plain(text[at:])
	return b.String()
}

// cut shortens a text that is not formatted, by characters.
func cut(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit-1]) + "…"
}

// cutEscaped shortens an escaped text: it leaves no escape without what it escapes, and no fence open.
func cutEscaped(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	const end = "\n" + fence
	head := strings.TrimRight(string([]rune(text)[:limit-len(end)-1]), "`")
	if open := strings.Count(head, fence)%2 == 1; open {
		return head + "…" + end
	}
	return strings.TrimRight(head, `\`) + "…"
}
