package bot

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mydb-project/mydb/core"
)

// MaxInput is the longest message that is read, in characters.
const MaxInput = 2000

// word is one piece of a message: a plain or quoted word, or key=value.
type word struct {
	key  string // lower case; empty unless key=value
	text string // without its quotes
}

// Phones and word processors write other quotes and dashes than those that were meant.
const (
	doubleQuotes = "\"“”„‟″"
	singleQuotes = "'‘’‚‛′"
	dashes       = "-‐‑‒–—―−"
)

var (
	optionKey = regexp.MustCompile(`^[A-Za-z][A-Za-z_-]*$`)
	// passwordGiven finds a password that somebody typed, however they wrote it.
	passwordGiven = regexp.MustCompile(`(?i)(?:[\pL\pN]*(?:password|passwd|passphrase|pwd)|(?:^|[^\pL\pN])(?:pass|pw))` +
		`["'“”„‟″‘’‚‛′]?\s*[=:]|(?:^|\s)[-‐‑‒–—―−]+(?:password|passwd|passphrase|pwd|pass|pw)(?:\s|$)`)
)

// addressGiven finds an address with a password, such as postgres://user:password@host.
var addressGiven = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://[^\s/@]*:[^\s]*@`)

// HoldsPassword reports whether a message seems to hold a password. Such a message must be kept nowhere.
func HoldsPassword(text string) bool {
	text = strings.Map(plainBlank, text)
	return passwordGiven.MatchString(text) || addressGiven.MatchString(text)
}

// readable refuses what no person types, and passwords, before anything looks at the words: so no other refusal can repeat one.
func readable(text string) error {
	if utf8.RuneCountInString(text) > MaxInput {
		return core.Errorf(core.CodeInvalid, "This message is longer than %d characters. Make it shorter; a long description fits on the database's page.", MaxInput)
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unseen) {
		return core.Errorf(core.CodeInvalid, "This message holds characters that cannot be seen. Type it again as plain text.")
	}
	if HoldsPassword(text) {
		return core.Errorf(core.CodeInvalid, "Passwords are never taken in chat, because messages are kept and others can read them. Leave it out: MyDB makes a strong one, "+
			"which you collect on the database's page in the portal. If you use the one that you typed anywhere, change it there, and delete your message.")
	}
	return nil
}

// unseen tells control characters, and those that turn the direction of the text, which make a message look like another.
func unseen(r rune) bool {
	return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r)
}

// split cuts a message into words. A quote counts at the start of a word or of an option's value, and ends before a blank: so
// apostrophes need no care. Between double quotes a backslash makes the next quote or backslash stand for itself.
func split(text string) ([]word, error) {
	in := []rune(strings.Map(plainBlank, text))
	var words []word
	for i := 0; i < len(in); {
		if in[i] == ' ' {
			i++
			continue
		}
		w, next, err := readWord(in, i)
		if err != nil {
			return nil, err
		}
		words, i = append(words, w), next
	}
	return words, nil
}

// plainBlank makes every blank a space, and drops those without width, which come along when text is copied from a page.
func plainBlank(r rune) rune {
	switch {
	case r == '\u200b', r == '\u2060', r == '\ufeff':
		return -1
	case unicode.IsSpace(r):
		return ' '
	}
	return r
}

func readWord(in []rune, i int) (w word, next int, err error) {
	if quotesLike(in[i]) != "" {
		w.text, next, err = readQuoted(in, i)
		return w, next, err
	}
	var b strings.Builder
	for ; i < len(in) && in[i] != ' '; i++ {
		r := in[i]
		if strings.ContainsRune(dashes, r) {
			r = '-'
		}
		key := strings.TrimLeft(b.String(), "-")
		if r == '=' && w.key == "" && optionKey.MatchString(key) {
			w.key = strings.ToLower(key)
			b.Reset()
			if i+1 < len(in) && quotesLike(in[i+1]) != "" {
				w.text, next, err = readQuoted(in, i+1)
				return w, next, err
			}
			continue
		}
		b.WriteRune(r)
	}
	w.text = b.String()
	if w.key == "" {
		w.text = strings.TrimLeft(w.text, "-")
	}
	return w, i, nil
}

// readQuoted reads from the opening quote at i to behind the closing one.
func readQuoted(in []rune, i int) (text string, next int, err error) {
	class := quotesLike(in[i])
	var b strings.Builder
	for j := i + 1; j < len(in); j++ {
		switch {
		case class == doubleQuotes && in[j] == '\\' && j+1 < len(in) && (in[j+1] == '\\' || quotesLike(in[j+1]) == class):
			j++
			b.WriteRune(in[j])
		case strings.ContainsRune(class, in[j]) && (j+1 == len(in) || in[j+1] == ' '):
			return b.String(), j + 1, nil
		default:
			b.WriteRune(in[j])
		}
	}
	return "", 0, core.Errorf(core.CodeInvalid, "A quotation mark is open: put one at the end of the quoted text too.")
}

// quotesLike gives the quotes that may close what r opens; empty when r is no quote.
func quotesLike(r rune) string {
	for _, class := range []string{doubleQuotes, singleQuotes} {
		if strings.ContainsRune(class, r) {
			return class
		}
	}
	return ""
}

var needsNoQuotes = regexp.MustCompile(`^[A-Za-z0-9_.:,+@/][A-Za-z0-9_.:,+@/-]*$`)

// quote writes a value so that split reads it back, with quotes only where they are needed.
func quote(value string) string {
	if needsNoQuotes.MatchString(value) {
		return value
	}
	return quoted(value)
}

func quoted(value string) string {
	var b strings.Builder
	for _, r := range value {
		if r == '\\' || quotesLike(r) == doubleQuotes {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return `"` + b.String() + `"`
}

// Join makes one message of arguments that a shell has already split.
func Join(args []string) string {
	out := make([]string, len(args))
	for i, a := range args {
		key, value, isOption := strings.Cut(a, "=")
		if isOption && optionKey.MatchString(strings.TrimLeft(key, "-")) {
			out[i] = key + "=" + quote(value)
		} else if len(a) > 1 && strings.HasPrefix(a, `"`) && strings.HasSuffix(a, `"`) {
			out[i] = a // quoted for the chat already, as people do who know it
		} else {
			out[i] = quote(a)
		}
	}
	return strings.Join(out, " ")
}
