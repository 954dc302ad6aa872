package discordfake

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Type does what a line means that is typed into a channel: "/mydb create engine:postgres name:demo" is a command, everything else a
// message, for which there is no interaction. Words before the first "name:" fill the options in their order, so that
// "/mydb create postgres demo" will do; a value goes on to the next name of an option, or is in double quotes.
func (u *User) Type(c *Channel, line string) (*Interaction, error) {
	text, isCommand := strings.CutPrefix(line, "/")
	if !isCommand {
		_, err := u.Says(c, line)
		return nil, err
	}
	words := split(text)
	if len(words) == 0 {
		return nil, errors.New("a command has a name")
	}
	command, sub, options, rest := words[0], "", []Option(nil), words[1:]
	for _, offered := range u.Commands(c) {
		if offered.Name == command {
			options = offered.Options
		}
	}
	for len(rest) > 0 && len(options) > 0 && options[0].Type <= groupOption {
		at := slices.IndexFunc(options, func(o Option) bool { return o.Name == rest[0] })
		if at < 0 {
			return u.Slash(c, command, strings.TrimSpace(sub+" "+rest[0]), nil).sent()
		}
		sub, options, rest = strings.TrimSpace(sub+" "+rest[0]), options[at].Options, rest[1:]
	}
	values, err := u.fake.read(options, rest)
	if err != nil {
		return nil, fmt.Errorf("/%s %s: %w", command, sub, err)
	}
	return u.Slash(c, command, sub, values).sent()
}

// sent gives the interaction unless the user's program would not have sent it.
func (i *Interaction) sent() (*Interaction, error) {
	defer i.fake.hold()()
	return i, i.err
}

// split cuts at spaces that are not in double quotes, and takes the quotes away.
func split(line string) (words []string) {
	var word strings.Builder
	quoted, begun := false, false
	for _, r := range line {
		switch {
		case r == '"':
			quoted, begun = !quoted, true
		case r == ' ' && !quoted:
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if begun {
		words = append(words, word.String())
	}
	return words
}

// read gives the words to the options.
func (f *Fake) read(options []Option, words []string) (map[string]any, error) {
	texts := map[string]string{}
	current, free := "", options
	for _, word := range words {
		name, value, named := strings.Cut(word, ":")
		switch {
		case named && slices.ContainsFunc(options, func(o Option) bool { return o.Name == name }):
			current, free = name, nil
			texts[name] = value
		case len(free) > 0:
			texts[free[0].Name], free = word, free[1:]
		case current != "":
			texts[current] = strings.TrimSpace(texts[current] + " " + word)
		default:
			return nil, fmt.Errorf("there is no option for %q", word)
		}
	}
	values := map[string]any{}
	for _, o := range options {
		text, ok := texts[o.Name]
		if !ok {
			continue
		}
		value, err := f.value(o, text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", o.Name, err)
		}
		values[o.Name] = value
	}
	return values, nil
}

// value reads a word as what the option wants; users, channels and roles by name or id.
func (f *Fake) value(o Option, text string) (any, error) {
	defer f.hold()()
	bare := strings.Trim(text, "<@&#!>")
	switch o.Type {
	case integerOption, numberOption:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no number", text)
		}
		return n, nil
	case boolOption:
		return strings.EqualFold(text, "true") || strings.EqualFold(text, "yes"), nil
	case userOption, mentionableOption:
		for _, u := range f.users {
			if u.ID == bare || u.name == bare {
				return u, nil
			}
		}
		return nil, fmt.Errorf("there is no user %q", text)
	case channelOption:
		for _, c := range f.channels {
			if c.ID == bare || c.Name == bare {
				return c, nil
			}
		}
		return nil, fmt.Errorf("there is no channel %q", text)
	case roleOption:
		for _, r := range f.roles {
			if r.ID == bare || r.Name == bare {
				return r, nil
			}
		}
		return nil, fmt.Errorf("there is no role %q", text)
	}
	for _, c := range o.Choices { // chosen by what is shown
		if v, ok := c.Value.(string); ok && c.Name == text {
			return v, nil
		}
	}
	return text, nil
}
