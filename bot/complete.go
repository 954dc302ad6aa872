package bot

import (
	"slices"
	"strings"
)

// Complete proposes how the last word of an unfinished message could go on. Each proposal replaces that word.
func (g Grammar) Complete(head string) []string {
	cut := strings.LastIndexByte(head, ' ') + 1
	words, last := strings.Fields(strings.ToLower(head[:cut])), strings.ToLower(head[cut:])
	if len(words) == 0 {
		return startingWith(last, g.available())
	}
	c, ok := g.Command(words[0])
	if !ok {
		return nil
	}
	if key, _, isOption := strings.Cut(last, "="); isOption {
		p, _ := c.Param(key)
		return startingWith(last, p.proposals(key+"="))
	}
	place := 0 // how many places are filled
	for _, w := range words[1:] {
		if !strings.Contains(w, "=") {
			place++
		}
	}
	var options []string
	for _, p := range c.Params {
		said := slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, p.Name+"=") })
		switch {
		case p.Positional && place == 0 && (p.Required || p.Kind == KindChoice):
			return startingWith(last, p.proposals(""))
		case p.Positional:
			place--
		case !said:
			options = append(options, p.Name+"=")
		}
	}
	return startingWith(last, options)
}

func (g Grammar) available() []string {
	var out []string
	for _, c := range g.Commands {
		if !c.Later && !c.Hidden {
			out = append(out, c.Name)
		}
	}
	return out
}

// proposals are the values to choose from, each after a prefix.
func (p Param) proposals(prefix string) []string {
	var out []string
	for _, choice := range p.Choices {
		out = append(out, prefix+choice)
	}
	if p.Kind == KindFlag {
		out = append(out, prefix+"yes", prefix+"no")
	}
	return out
}

func startingWith(prefix string, words []string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool { return !strings.HasPrefix(w, prefix) })
}
