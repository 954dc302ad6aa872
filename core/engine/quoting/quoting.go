// Package quoting writes values into the snippets that engines show to scientists: words of a shell, parts of a URL, literals of languages.
package quoting

import (
	"encoding/json"
	"net/url"
	"strings"
)

// Percent escapes for any part of a URL. A blank is %20: not everything reads "+" as one, libpq does not.
func Percent(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// ShellWord quotes a word for a POSIX shell where that is needed.
func ShellWord(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-=.,:/@%+", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// ShellPath is ShellWord, and leaves a leading ~ to the shell.
func ShellPath(s string) string {
	if rest, ok := strings.CutPrefix(s, "~/"); ok {
		return "~/" + ShellWord(rest)
	}
	return ShellWord(s)
}

// Literal is a string literal that Python, R, JavaScript and Java read the same way: JSON's escapes are a subset of theirs, and none of
// them interpolates. Runes beyond the 16 bits of JSON's escapes are not escaped at all.
func Literal(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic("a string has no JSON form: " + err.Error()) // the encoder refuses no string
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Lines joins lines of a snippet; the last one has no line break.
func Lines(l ...string) string { return strings.Join(l, "\n") }
