package discordfake

import (
	"cmp"
	"fmt"
	"strconv"
)

// The kinds of components.
const (
	rowComponent     = 1
	ButtonComponent  = 2
	SelectComponent  = 3
	InputComponent   = 4
	UserSelect       = 5
	RoleSelect       = 6
	MentionSelect    = 7
	ChannelSelect    = 8
	linkStyle        = 5
	buttonStyles     = 5
	rowsLimit        = 5
	buttonsLimit     = 5
	labelLimit       = 80
	customIDLimit    = 100
	optionsLimit     = 25
	optionTextLimit  = 100
	placeholderLimit = 150
	inputsLimit      = 5
	modalTitleLimit  = 45
	inputLabelLimit  = 45
	inputPlaceholder = 100
	inputLimit       = 4000
)

// Component is a row, or what stands in one: a button, a list to choose from, or an input of a form.
type Component struct {
	Type        int         `json:"type"`
	ID          int         `json:"id,omitempty"`
	CustomID    string      `json:"custom_id,omitempty"`
	Components  []Component `json:"components,omitempty"`
	Label       string      `json:"label,omitempty"`
	Style       int         `json:"style,omitempty"`
	URL         string      `json:"url,omitempty"`
	Disabled    bool        `json:"disabled,omitempty"`
	Emoji       *Emoji      `json:"emoji,omitempty"`
	Placeholder string      `json:"placeholder,omitempty"`
	Options     []Choosable `json:"options,omitempty"`
	MinValues   *int        `json:"min_values,omitempty"`
	MaxValues   *int        `json:"max_values,omitempty"`
	Value       string      `json:"value,omitempty"`
	Required    *bool       `json:"required,omitempty"`
	MinLength   int         `json:"min_length,omitempty"`
	MaxLength   int         `json:"max_length,omitempty"`
}

// Emoji is a picture in a button.
type Emoji struct {
	Name string `json:"name,omitempty"`
	ID   string `json:"id,omitempty"`
}

// Choosable is an option of a list.
type Choosable struct {
	Label       string `json:"label"`
	Value       string `json:"value"`
	Description string `json:"description,omitempty"`
	Default     bool   `json:"default,omitempty"`
}

func isSelect(kind int) bool {
	return kind == SelectComponent || kind >= UserSelect && kind <= ChannelSelect
}

// checkRows refuses rows of a message that Discord refuses.
func checkRows(p *problems, at string, rows []Component) {
	if len(rows) > rowsLimit {
		p.add(at, "BASE_TYPE_BAD_LENGTH", fmt.Sprintf("Must be between 1 and %d in length.", rowsLimit))
	}
	seen := map[string]bool{}
	for i, row := range rows {
		at := at + "." + strconv.Itoa(i)
		if row.Type != rowComponent {
			p.add(at+".type", "UNION_TYPE_CHOICES", "Value of field \"type\" must be one of (1,).")
			continue
		}
		p.between(at+".components", len(row.Components), 1, buttonsLimit)
		for j, c := range row.Components {
			at := at + ".components." + strconv.Itoa(j)
			switch {
			case c.Type == ButtonComponent:
				c.checkButton(p, at)
			case isSelect(c.Type):
				c.checkSelect(p, at)
				if len(row.Components) > 1 {
					p.add(at, "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "The specified component exceeds the maximum width")
				}
			default:
				p.add(at+".type", "UNION_TYPE_CHOICES", "Value of field \"type\" must be one of (2, 3, 5, 6, 7, 8).")
			}
			if c.CustomID != "" && seen[c.CustomID] {
				p.add(at+".custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
			}
			seen[c.CustomID] = true
		}
	}
}

func (c Component) checkButton(p *problems, at string) {
	p.atMost(at+".label", c.Label, labelLimit)
	if c.Label == "" && c.Emoji == nil {
		p.required(at + ".label")
	}
	switch {
	case c.Style < 1 || c.Style > buttonStyles:
		p.add(at+".style", "BASE_TYPE_CHOICES", "Value must be one of (1, 2, 3, 4, 5).")
	case c.Style == linkStyle && c.CustomID != "":
		p.add(at+".custom_id", "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", "A custom id and url cannot both be specified")
	case c.Style == linkStyle && !isLink(c.URL):
		p.add(at+".url", "URL_TYPE_INVALID_URL", "Not a well formed URL.")
	case c.Style != linkStyle && c.URL != "":
		p.add(at+".url", "BUTTON_COMPONENT_INVALID_URL", "Only link buttons have a url")
	case c.Style != linkStyle:
		p.text(at+".custom_id", c.CustomID, customIDLimit)
	}
}

func (c Component) checkSelect(p *problems, at string) {
	p.text(at+".custom_id", c.CustomID, customIDLimit)
	p.atMost(at+".placeholder", c.Placeholder, placeholderLimit)
	if c.Type != SelectComponent {
		return
	}
	p.between(at+".options", len(c.Options), 1, optionsLimit)
	seen := map[string]bool{}
	for i, o := range c.Options {
		at := at + ".options." + strconv.Itoa(i)
		p.text(at+".label", o.Label, optionTextLimit)
		p.text(at+".value", o.Value, optionTextLimit)
		p.atMost(at+".description", o.Description, optionTextLimit)
		if seen[o.Value] {
			p.add(at, "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "The specified option value is already used")
		}
		seen[o.Value] = true
	}
	if least, most := c.values(); least > most || most > len(c.Options) {
		p.add(at+".max_values", "SELECT_COMPONENT_MAX_VALUES_EXCEEDED", "More values than options")
	}
}

// values is how many values may be chosen.
func (c Component) values() (least, most int) {
	least, most = 1, 1
	if c.MinValues != nil {
		least = *c.MinValues
	}
	if c.MaxValues != nil && *c.MaxValues != 0 { // what a library writes that leaves no zeros out
		most = *c.MaxValues
	}
	return least, most
}

// checkModal refuses a form that Discord refuses.
func (d *draft) checkModal(p *problems, at string) {
	p.text(at+"custom_id", d.CustomID, customIDLimit)
	p.text(at+"title", d.Title, modalTitleLimit)
	var rows []Component
	if d.Components != nil {
		rows = *d.Components
	}
	p.between(at+"components", len(rows), 1, inputsLimit)
	seen := map[string]bool{}
	for i, row := range rows {
		at := at + "components." + strconv.Itoa(i)
		if row.Type != rowComponent {
			p.add(at+".type", "UNION_TYPE_CHOICES", "Value of field \"type\" must be one of (1,).")
			continue
		}
		p.between(at+".components", len(row.Components), 1, 1)
		for j, c := range row.Components {
			at := at + ".components." + strconv.Itoa(j)
			if c.Type != InputComponent {
				p.add(at+".type", "UNION_TYPE_CHOICES", "Value of field \"type\" must be one of (4,).")
				continue
			}
			c.checkInput(p, at)
			if seen[c.CustomID] {
				p.add(at+".custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
			}
			seen[c.CustomID] = true
		}
	}
}

func (c Component) checkInput(p *problems, at string) {
	p.text(at+".custom_id", c.CustomID, customIDLimit)
	p.text(at+".label", c.Label, inputLabelLimit)
	p.atMost(at+".placeholder", c.Placeholder, inputPlaceholder)
	p.atMost(at+".value", c.Value, cmp.Or(min(c.MaxLength, inputLimit), inputLimit))
	if c.Style != 1 && c.Style != 2 {
		p.add(at+".style", "BASE_TYPE_CHOICES", "Value must be one of (1, 2).")
	}
	if c.MinLength < 0 || c.MinLength > inputLimit {
		p.add(at+".min_length", "NUMBER_TYPE_MAX", "int value should be less than or equal to 4000.")
	}
	if c.MaxLength < 0 || c.MaxLength > inputLimit {
		p.add(at+".max_length", "NUMBER_TYPE_MAX", "int value should be less than or equal to 4000.")
	}
}
