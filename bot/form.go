package bot

import (
	"strings"

	"github.com/mydb-project/mydb/core"
)

// Form is what a chat service shows as a modal. It comes from the grammar, and what is filled in comes back as an event of the kind form,
// with the form's action and value, and the fields by name.
type Form struct {
	Action string // a command of the grammar
	Value  string // what it is about, such as an approval's id; empty for a new database
	Title  string // at most 24 characters, as Slack takes it
	Submit string
	Fields []Field
}

// Field is one thing to fill in.
type Field struct {
	Name     string
	Label    string // at most 45 characters, as Discord takes it
	Hint     string // at most 100
	Example  string
	Default  string
	Choices  []string // to choose from; none: to be written
	Required bool
	Long     bool // several lines
	First    bool // one of the five that matter, where a form can have no more
}

// formTitles are the commands that have a form, and what it says on top.
var formTitles = map[string][2]string{
	"create": {"New database", "Create"}, "restore": {"Restore a backup", "Restore"}, "deny": {"Deny", "Deny"},
	"share": {"Share a database", "Share"}, "delete": {"Delete a database", "Ask for it"},
}

// firstFields are the five things that matter of a form that has more.
var firstFields = map[string][]string{"create": {"engine", "name", "size", "phi", "description"}}

// Form gives the form of a command. value is what it is about: it stands for the first thing that the command needs, which is then not
// asked for.
func (d *Desk) Form(command, value string) (Form, bool) {
	titles, has := formTitles[command]
	c, known := d.bot.grammar.Command(command)
	if !has || !known {
		return Form{}, false
	}
	f := Form{Action: command, Value: value, Title: titles[0], Submit: titles[1]}
	given := value != ""
	for _, p := range c.Params {
		if given && p.Required {
			given = false
			continue
		}
		f.Fields = append(f.Fields, p.field(command))
	}
	return f, true
}

func (p Param) field(command string) Field {
	f := Field{
		Name: p.Name, Label: strings.ToUpper(p.Name[:1]) + p.Name[1:], Hint: p.Help, Example: p.Example, Required: p.Required, Long: p.Kind == KindText,
	}
	switch p.Kind {
	case KindChoice:
		f.Choices, f.Default = p.Choices, ""
		for _, c := range p.Choices {
			if c == p.Default {
				f.Default = c
			}
		}
	case KindFlag:
		f.Choices, f.Default = []string{"no", "yes"}, "no"
	}
	named, limited := firstFields[command]
	f.First = !limited
	for _, n := range named {
		f.First = f.First || n == p.Name
	}
	return f
}

// Opens gives the form that an event opens at once, before anything slow: a bare command, create or restore without anything said, and a
// denial, which needs a reason.
func (d *Desk) Opens(in core.Inbound) (Form, bool) {
	switch in.Kind {
	case core.InboundCommand:
		words := strings.Fields(strings.ToLower(in.Text))
		if len(words) > 0 && addressed(word{text: words[0]}) {
			words = words[1:]
		}
		if len(words) == 0 {
			return d.Form("create", "")
		}
		if len(words) == 1 && (words[0] == "create" || words[0] == "restore") {
			return d.Form(words[0], "")
		}
		if len(words) == 2 && words[0] == "restore" && words[1] != "" {
			return Form{}, false // the newest backup, as a new database
		}
	case core.InboundClick:
		if in.Action == "deny" || in.Action == "restore" {
			return d.Form(in.Action, in.Value)
		}
	}
	return Form{}, false
}

// Check looks at what was filled into a form, as far as that needs nothing slow. It gives a sentence for each field that is wrong; the
// empty name stands for the whole form.
func (d *Desk) Check(in core.Inbound) map[string]string {
	wrong := map[string]string{}
	c, _ := d.bot.grammar.Command(in.Action)
	for _, p := range c.Params {
		text := strings.TrimSpace(in.Fields[p.Name])
		if text == "" {
			continue
		}
		_, err := Parsed{Command: c}.fold(p, text)
		if err == nil {
			err = readable(text)
		}
		if err == nil && p.Name == "name" && in.Action == "create" {
			err = core.CheckName(strings.ToLower(text))
		}
		if err != nil {
			wrong[p.Name] = d.Explain(err)
		}
	}
	if len(wrong) == 0 {
		if _, err := d.understand(in); err != nil {
			wrong[""] = d.Explain(err)
		}
	}
	return wrong
}
