package bot

import "strings"

func renderHelp(g Grammar, publicURL string) string {
	var later []string
	out := "What you can write here:\n" + table(func(row func(...string)) {
		for _, c := range g.Commands {
			if c.Hidden {
				continue
			}
			if c.Later {
				later = append(later, c.Name)
				continue
			}
			row(c.brief(), c.Summary)
		}
	})
	out += "\nhelp create explains one command with all its options. Passwords are never taken or shown here."
	if publicURL != "" {
		out += "\nThe portal: " + publicURL
	}
	if len(later) > 0 {
		out += "\nNot available yet: " + strings.Join(later, ", ")
	}
	return out
}

// head is the command with its places: create <engine> <name>.
func (c Command) head() string {
	out := c.Name
	for _, p := range c.Params {
		switch {
		case p.Required:
			if p.Before != "" {
				out += " " + p.Before
			}
			out += " <" + p.Name + ">"
		case p.Positional && p.Kind == KindChoice && len(p.Choices) == 1:
			out += " [" + p.Choices[0] + "]"
		case p.Positional && p.Kind != KindText:
			out += " [" + p.Name + "]"
		}
	}
	return out
}

// brief is the head for a list of all commands: what may be left out is told only of those that need nothing.
func (c Command) brief() string {
	head := c.head()
	if before, _, found := strings.Cut(head, " ["); found && strings.Contains(before, "<") {
		return before
	}
	return head
}

func renderCommandHelp(c Command) string {
	if c.Later {
		return "The command " + c.Name + " is not available yet."
	}
	out := c.Summary + "\n" + fenced(c.usage())
	if len(c.Params) > 0 {
		out += "\n" + table(func(row func(...string)) {
			for _, p := range c.Params {
				row(p.Name, p.explain())
			}
		})
	}
	return out + "\nFor example: " + c.Example
}

// usage is the command with everything that it can be told.
func (c Command) usage() string {
	out := c.head()
	for _, p := range c.Params {
		switch {
		case p.Kind == KindText:
			out += ` ["` + p.Name + `"]`
		case !p.Positional:
			out += " [" + p.Name + "=" + p.Example + "]"
		}
	}
	return out
}

// explain says what a parameter means. Long lists of choices are left to the portal's form.
func (p Param) explain() string {
	out := p.Help
	if n := len(p.Choices); n <= 8 && (n > 1 || n > 0 && p.Required) {
		out += " " + strings.Join(p.Choices, ", ") + "."
	}
	if p.Detail != "" {
		out += " " + p.Detail
	}
	if p.Default != "" {
		out += " Default: " + p.Default + "."
	}
	return out
}
