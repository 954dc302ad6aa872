package discordfake

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Sees are the messages that the user sees in a channel, oldest first: without what is only for others.
func (u *User) Sees(c *Channel) (seen []Message) {
	defer u.fake.hold()()
	if !c.seenBy(u) {
		return nil
	}
	for _, m := range c.messages {
		if m.For == "" || m.For == u.ID {
			seen = append(seen, *m)
		}
	}
	return seen
}

// Says writes a message, as people do.
func (u *User) Says(c *Channel, text string) (Message, error) {
	var said Message
	var err error
	u.fake.lock(func() {
		if !c.seenBy(u) {
			err = fmt.Errorf("%s does not see #%s", u.Name, c.Name)
			return
		}
		d := &draft{Content: &text}
		if refused := d.check(""); refused != nil {
			err = refused
			return
		}
		m, refused := u.fake.write(c, u, d, nil)
		if refused != nil {
			err = refused
			return
		}
		said = *m
	})
	return said, err
}

// Commands are those that the user is offered in a channel.
func (u *User) Commands(c *Channel) []Command {
	defer u.fake.hold()()
	return u.offered(c)
}

func (u *User) offered(c *Channel) (offered []Command) {
	all := u.fake.commands[""]
	if c.with == nil {
		all = slices.Concat(u.fake.commands[u.fake.GuildID], all)
	}
	for _, command := range all {
		if c.with != nil || command.openTo(u.permissions()) {
			offered = append(offered, command)
		}
	}
	return offered
}

// Slash sends a command: `/mydb create engine:postgres` is Slash(c, "mydb", "create", map[string]any{"engine": "postgres"}). Without a
// subcommand, sub is empty; one in a group is "group sub". Values are string, int, float64, bool, *User, *Channel or *Role. As the real
// program does, it sends only what the registered command allows; what it does not send has an Err.
func (u *User) Slash(c *Channel, command, sub string, options map[string]any) *Interaction {
	return u.start(CommandKind, c, nil, func() (map[string]any, error) {
		return u.fill(c, command, sub, options, "")
	})
}

// Autocomplete asks for choices for an option while the user types. The options hold what has been typed so far, that of the option
// itself, too.
func (u *User) Autocomplete(c *Channel, command, sub, option string, typed map[string]any) *Interaction {
	return u.start(AutocompleteKind, c, nil, func() (map[string]any, error) {
		return u.fill(c, command, sub, typed, option)
	})
}

// fill makes the data of a command out of its definition and the values. Focused names the option that is completed, if any.
func (u *User) fill(c *Channel, name, sub string, values map[string]any, focused string) (map[string]any, error) {
	offered := u.offered(c)
	i := slices.IndexFunc(offered, func(c Command) bool { return c.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("/%s is not offered in #%s", name, c.Name)
	}
	command := offered[i]
	data := map[string]any{"id": command.ID, "name": command.Name, "type": 1}
	if command.GuildID != "" {
		data["guild_id"] = command.GuildID
	}
	options := command.Options
	leaf := data // where the options of the innermost subcommand go
	for _, word := range strings.Fields(sub) {
		at := slices.IndexFunc(options, func(o Option) bool { return o.Name == word && o.Type <= groupOption })
		if at < 0 {
			return nil, fmt.Errorf("/%s has no subcommand %q", name, sub)
		}
		inner := map[string]any{"name": word, "type": options[at].Type}
		leaf["options"] = []any{inner}
		leaf, options = inner, options[at].Options
	}
	if len(options) > 0 && options[0].Type <= groupOption {
		return nil, fmt.Errorf("/%s %s needs a subcommand", name, sub)
	}
	filled, err := u.fake.fillOptions(data, options, values, focused)
	if err != nil {
		return nil, fmt.Errorf("/%s %s: %w", name, sub, err)
	}
	if len(filled) > 0 {
		leaf["options"] = filled
	}
	return data, nil
}

// Click presses a button of a message as the user has it in front of them. The button may have gone since: a click can be on its way
// while the bot takes the button away. The message itself must be there.
func (u *User) Click(m Message, customID string) *Interaction {
	return u.use(m, customID, func(c Component) (map[string]any, error) {
		if c.Type != ButtonComponent || c.Style == linkStyle {
			return nil, fmt.Errorf("%q is no button", customID)
		}
		return map[string]any{"custom_id": customID, "component_type": c.Type}, nil
	})
}

// Select chooses values in a list of a message; users, channels and roles by their ids.
func (u *User) Select(m Message, customID string, values ...string) *Interaction {
	return u.use(m, customID, func(c Component) (map[string]any, error) {
		if !isSelect(c.Type) {
			return nil, fmt.Errorf("%q is no list", customID)
		}
		if least, most := c.values(); len(values) < least || len(values) > most {
			return nil, fmt.Errorf("choose %d to %d in %q", least, most, customID)
		}
		data := map[string]any{"custom_id": customID, "component_type": c.Type, "values": values}
		for _, v := range values {
			if err := u.fake.selectable(data, c, v); err != nil {
				return nil, err
			}
		}
		return data, nil
	})
}

func (f *Fake) selectable(data map[string]any, c Component, value string) error {
	switch {
	case c.Type == SelectComponent && slices.ContainsFunc(c.Options, func(o Choosable) bool { return o.Value == value }):
	case c.Type == UserSelect && f.user(value) != nil:
		f.resolved(data, "users", value)
	case c.Type == ChannelSelect && f.channel(value) != nil:
		f.resolved(data, "channels", value)
	case c.Type == RoleSelect && slices.ContainsFunc(f.roles, func(r *Role) bool { return r.ID == value }):
		f.resolved(data, "roles", value)
	default:
		return fmt.Errorf("%q offers no %q", c.CustomID, value)
	}
	return nil
}

// use sends what a user does with a component of a message.
func (u *User) use(m Message, customID string, fill func(Component) (map[string]any, error)) *Interaction {
	var c *Channel
	var there *Message
	u.fake.lock(func() {
		if c = u.fake.channel(m.ChannelID); c != nil {
			there = c.message(m.ID)
		}
	})
	if c == nil {
		return &Interaction{Type: ComponentKind, User: u, fake: u.fake, err: errGone}
	}
	return u.start(ComponentKind, c, there, func() (map[string]any, error) {
		component, ok := m.component(customID)
		switch {
		case there == nil || m.For != "" && m.For != u.ID:
			return nil, errGone
		case !ok:
			return nil, fmt.Errorf("the message has no %q", customID)
		case component.Disabled:
			return nil, errors.New("it is switched off")
		}
		return fill(component)
	})
}
