package bot

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agext/levenshtein"

	"github.com/mydb-project/mydb/core"
)

// Parsed is a command that was understood. Values holds what was said, by the name of the parameter; what was not said is absent.
type Parsed struct {
	Command Command
	Values  map[string]string

	skipped map[string]bool // parameters whose word before was read
}

// Parse understands a message, or refuses it with a *core.Error of CodeInvalid whose sentence says what to type. An empty message
// asks for help.
func (g Grammar) Parse(text string) (Parsed, error) {
	if err := readable(text); err != nil {
		return Parsed{}, err
	}
	words, err := split(text)
	if err != nil {
		return Parsed{}, err
	}
	if len(words) > 0 && addressed(words[0]) {
		words = words[1:]
	}
	if len(words) == 0 {
		words = []word{{text: "help"}}
	}
	c, err := g.command(words[0])
	if err != nil {
		return Parsed{}, err
	}
	p := Parsed{Command: c, Values: map[string]string{}, skipped: map[string]bool{}}
	for _, w := range words[1:] {
		if err := p.take(w); err != nil {
			return Parsed{}, err
		}
	}
	return p, p.complete()
}

// addressed tells whether a word only says who is spoken to, as people write out of habit where it is not needed.
func addressed(w word) bool {
	return w.key == "" && (strings.EqualFold(w.text, "mydb") || strings.EqualFold(w.text, "/mydb"))
}

func (g Grammar) command(w word) (Command, error) {
	if w.key != "" { // its value stays unrepeated
		return Command{}, core.Errorf(core.CodeInvalid, "Start with a command, such as: create postgres genomes. Type help to see all commands.")
	}
	name := strings.ToLower(w.text)
	c, ok := g.Command(name)
	switch {
	case !ok:
		return Command{}, core.Errorf(core.CodeInvalid, "There is no command %q.%s Type help to see all commands.", clip(name, 40), didYouMean(name, g.Names()))
	case c.Later:
		return Command{}, core.Errorf(core.CodeInvalid, "The command %s is not available yet. Type help to see what is.", c.Name)
	}
	return c, nil
}

// take puts one word where it belongs.
func (p Parsed) take(w word) error {
	var param Param
	var ok bool
	if w.key != "" {
		if param, ok = p.Command.Param(w.key); !ok {
			return p.unknownOption(w.key)
		}
		if _, said := p.Values[param.Name]; said {
			return p.refuse(param, "%s is given twice. Say it once.", param.Name)
		}
		if w.text == "" {
			return p.refuse(param, "%s= has no value. Write it without blanks, such as %s=%s.", param.Name, param.Name, quote(param.Example))
		}
	} else if param, ok = p.nextPlace(); !ok {
		return p.tooMuch()
	} else if !p.skipped[param.Name] && param.Before != "" && strings.EqualFold(w.text, param.Before) {
		p.skipped[param.Name] = true
		return nil
	}
	value, err := p.fold(param, w.text)
	if err != nil {
		return err
	}
	p.Values[param.Name] = value
	return nil
}

func (p Parsed) nextPlace() (Param, bool) {
	for _, param := range p.Command.Params {
		if _, said := p.Values[param.Name]; param.Positional && !said {
			return param, true
		}
	}
	return Param{}, false
}

// fold brings a value into the one form that it has from then on.
func (p Parsed) fold(param Param, value string) (string, error) {
	switch param.Kind {
	case KindName:
		return strings.ToLower(value), nil
	case KindList:
		parts := strings.FieldsFunc(strings.ToLower(value), func(r rune) bool { return r == ',' || r == ' ' })
		return strings.Join(parts, ","), nil
	case KindFlag:
		switch strings.ToLower(value) {
		case "yes", "y", "true", "on", "1":
			return "yes", nil
		case "no", "n", "false", "off", "0":
			return "no", nil
		}
		return "", p.refuse(param, "%s is yes or no. Write %s=yes or leave it out.", param.Name, param.Name)
	case KindChoice:
		return p.choose(param, value)
	}
	return value, nil
}

func (p Parsed) choose(param Param, value string) (string, error) {
	value = strings.ToLower(value)
	if other, ok := param.Aliases[value]; ok {
		value = other
	}
	if value == "" || slices.Contains(param.Choices, value) {
		return value, nil
	}
	if p.Command.Name == "help" {
		return "", p.refuse(param, "There is no command %q.%s Type help to see all commands.", clip(value, 40), didYouMean(value, param.Choices))
	}
	return "", p.refuse(param, "There is no %s %q here.%s Choose one of: %s.", param.Name, clip(value, 40), didYouMean(value, param.Choices), strings.Join(param.Choices, ", "))
}

// complete forgets what was said to be nothing ("") and asks for what is missing.
func (p Parsed) complete() error {
	for name, value := range p.Values {
		if value == "" {
			delete(p.Values, name)
		}
	}
	for _, param := range p.Command.Params {
		if _, said := p.Values[param.Name]; param.Required && !said {
			return p.refuse(param, "%s needs %s. Type: %s", p.Command.Name, p.Command.needs(), p.Command.short())
		}
	}
	return nil
}

func (p Parsed) unknownOption(key string) error {
	var names []string
	for _, param := range p.Command.Params {
		names = append(names, param.Name)
	}
	if len(names) == 0 {
		return core.Errorf(core.CodeInvalid, "%s has no options. Type: %s", p.Command.Name, p.Command.Example)
	}
	return core.Errorf(core.CodeInvalid, "%s has no option %q.%s It has: %s.", p.Command.Name, clip(key, 40), didYouMean(key, names), strings.Join(names, ", "))
}

// tooMuch does not repeat the words that are too much: they may be a secret.
func (p Parsed) tooMuch() error {
	for _, param := range p.Command.Params {
		if param.Kind == KindText && param.Positional {
			return p.refuse(param, `There are more words than %s can use. Put the %s in quotes, such as: %s "%s"`, p.Command.Name, param.Name, p.Command.short(), param.Example)
		}
	}
	return core.Errorf(core.CodeInvalid, "There are more words than %s can use. Type: %s", p.Command.Name, p.Command.Example)
}

func (p Parsed) refuse(param Param, format string, args ...any) error {
	return &core.Error{Code: core.CodeInvalid, Field: param.Name, Message: fmt.Sprintf(format, args...)}
}

// String writes the command in its canonical form, which Parse reads back to the same.
func (p Parsed) String() string {
	out := []string{p.Command.Name}
	placed := true // as long as every place before is filled, a value needs no key
	for _, param := range p.Command.Params {
		value, said := p.Values[param.Name]
		switch {
		case !said:
			placed = placed && !param.Positional
		case param.Positional && placed && param.Before != "" && strings.EqualFold(value, param.Before):
			out = append(out, param.Name+"="+quote(value))
		case param.Positional && placed && param.Kind == KindText:
			out = append(out, quoted(value))
		case param.Positional && placed:
			out = append(out, quote(value))
		default:
			out = append(out, param.Name+"="+quote(value))
		}
	}
	return strings.Join(out, " ")
}

// needs lists the required parameters for a sentence: "an engine and a name".
func (c Command) needs() string {
	var out []string
	for _, p := range c.Params {
		if p.Required {
			article := "a "
			if strings.ContainsRune("aeiou", rune(p.Name[0])) {
				article = "an "
			}
			out = append(out, article+p.Name)
		}
	}
	return strings.Join(out, " and ")
}

// short is the shortest example: the command with its required parameters.
func (c Command) short() string {
	out := c.Name
	for _, p := range c.Params {
		if p.Required && p.Before != "" {
			out += " " + p.Before
		}
		if p.Required {
			out += " " + p.Example
		}
	}
	return out
}

// didYouMean names the word that is nearest to what was typed, as a sentence with a blank in front; empty when none is near.
func didYouMean(typed string, words []string) string {
	if near := nearest(typed, words); near != "" {
		return fmt.Sprintf(" Did you mean %s?", near)
	}
	return ""
}

// nearest finds a word at most one slip away, or two in words of five letters and more, or one that typed is the beginning of.
func nearest(typed string, words []string) string {
	limit := 1
	if utf8.RuneCountInString(typed) >= 5 {
		limit = 2
	}
	best, bestDistance := "", limit+1
	for _, w := range words {
		d := levenshtein.Distance(typed, w, nil)
		if len(typed) >= 3 && strings.HasPrefix(w, typed) {
			d = min(d, limit)
		}
		if d < bestDistance {
			best, bestDistance = w, d
		}
	}
	return best
}

// clip shortens what somebody typed, by characters.
func clip(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit]) + "..."
}
