package core

import "regexp"

// masked stands for a secret that was taken out.
const masked = "***"

// quoted is a literal between single or double quotes, in SQL or JSON. One without an end goes on to the end of the text: it is better
// to hide too much.
const quoted = `(?:'(?:[^'\\]|''|\\.)*(?:'|\z|\\\z)|"(?:[^"\\]|""|\\.)*(?:"|\z|\\\z))`

// gap is what SQL allows between words.
const gap = `(?:\s|/\*(?s:.*?)\*/|--[^\n]*\n)`

// secretPatterns find what must not be shown. The first group of each stays.
var secretPatterns = []*regexp.Regexp{
	// Keys and tokens that are known by their look.
	regexp.MustCompile(`(-----BEGIN [A-Z ]*PRIVATE KEY-----)(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`),
	regexp.MustCompile(`(?i)(SCRAM-SHA-(?:1|256|512)\$)[^\s'";,)]+`),
	regexp.MustCompile(`(AGE-SECRET-KEY-)[A-Z0-9]+`),
	regexp.MustCompile(`\b(mydb_)[A-Za-z0-9]{20,}`),
	regexp.MustCompile(`\b(md5)[0-9a-f]{32}\b`),
	regexp.MustCompile(`(\*)[0-9A-Fa-f]{40}\b`), // how MySQL and MariaDB write a password's hash
	// PASSWORD 'x', PASSWORD FOR 'u'@'%' = 'x', PASSWORD('x'), IDENTIFIED [WITH p | VIA p] BY | AS | USING 'x', dollar quotes.
	regexp.MustCompile(`(?i)(\bpassword` + gap + `+for` + gap + `+[^=;]*=` + gap + `*(?:(?:old_)?password` + gap + `*\(` + gap + `*)?)` + quoted),
	regexp.MustCompile(`(?i)(\bidentified\b[^;'"]*?\b(?:by|as|using)\b` + gap + `*(?:(?:old_)?password\b` + gap + `*\(?` + gap + `*)?)` + quoted),
	regexp.MustCompile(`(?i)(password` + gap + `*\(?` + gap + `*(?:E|U&|N|B|X)?)` + quoted),
	regexp.MustCompile(`(?i)(\bpassword` + gap + `*\(?` + gap + `*)\$[A-Za-z_0-9]*\$(?s:.*?)(?:\$[A-Za-z_0-9]*\$|\z)`),
	// password=x, "pwd": "x", --password x
	regexp.MustCompile(`(?i)((?:password|passwd|passphrase|pwd|secret|api[_-]?key|access[_-]?key|token)["']?\s*(?::=|=>|[=:])\s*)` + quoted),
	regexp.MustCompile(`(?i)((?:password|passwd|passphrase|pwd|secret|api[_-]?key|access[_-]?key|token)["']?\s*(?::=|=>|[=:])\s*)[^\s'",;&)}]+`),
	regexp.MustCompile(`(?i)(\s--?(?:password|passwd|passphrase|pwd)\s+)[^\s'"]+`),
}

// addressPattern finds user:password@host. A password may hold anything but blanks and quotes.
var addressPattern = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@'"]*:)[^\s'"]*@`)

// MaskSecrets takes out of a server's log what looks like a password, a verifier, a key or a token. It knows the ways in which the
// engines write them; what a person hides in other words it cannot know.
func MaskSecrets(text string) string {
	for _, p := range secretPatterns {
		text = p.ReplaceAllString(text, "${1}"+masked)
	}
	return addressPattern.ReplaceAllString(text, "${1}"+masked+"@")
}
