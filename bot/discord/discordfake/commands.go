package discordfake

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// commandScope is the guild whose commands a call is about; empty for those of all guilds.
func (f *Fake) commandScope(r *request) (string, *apiError) {
	guild := r.PathValue("guild")
	switch {
	case r.PathValue("app") != f.AppID:
		return "", errUnknownApplication
	case guild != "" && guild != f.GuildID:
		return "", errMissingAccess
	}
	return guild, nil
}

func listCommands(f *Fake, r *request) (any, *apiError) {
	guild, err := f.commandScope(r)
	if err != nil {
		return nil, err
	}
	return append([]Command{}, f.commands[guild]...), nil
}

// overwriteCommands registers all commands at once. One that is there already, by its name, keeps its id.
func overwriteCommands(f *Fake, r *request) (any, *apiError) {
	guild, err := f.commandScope(r)
	if err != nil {
		return nil, err
	}
	var commands []Command
	if err := r.into(&commands); err != nil {
		return nil, err
	}
	if err := checkCommands(commands); err != nil {
		return nil, err
	}
	now := f.now()
	f.creations = slices.DeleteFunc(f.creations, func(at time.Time) bool { return now.Sub(at) >= 24*time.Hour })
	created := 0
	for n := range commands {
		c := &commands[n]
		c.ID, c.ApplicationID, c.GuildID, c.Type, c.Version = "", f.AppID, guild, chatInput, f.newID()
		for _, old := range f.commands[guild] {
			if old.Name != c.Name {
				continue
			}
			c.ID = old.ID
			if old.same(*c) {
				c.Version = old.Version
			}
		}
		if c.ID == "" {
			c.ID = f.newID()
			created++
		}
	}
	if len(f.creations)+created > commandsPerDay {
		return nil, errCommandsToday
	}
	for range created {
		f.creations = append(f.creations, now)
	}
	f.commands[guild] = commands
	f.record.registered = append(f.record.registered, now)
	return append([]Command{}, commands...), nil
}

// fillOptions puts values into the order of the definition, and refuses those that it does not allow, as the user's program does. With
// a focused option, the command is still being typed: what is required may be missing.
func (f *Fake) fillOptions(data map[string]any, options []Option, values map[string]any, focused string) ([]any, error) {
	for name := range values {
		if !slices.ContainsFunc(options, func(o Option) bool { return o.Name == name }) {
			return nil, fmt.Errorf("there is no option %q", name)
		}
	}
	filled := []any{}
	found := focused == ""
	for _, o := range options {
		value, given := values[o.Name]
		if o.Name == focused {
			if found = true; !o.Autocomplete {
				return nil, fmt.Errorf("%q is not completed", focused)
			}
			if !given {
				value = "" // nothing has been typed yet
			}
			filled = append(filled, map[string]any{"name": o.Name, "type": o.Type, "value": value, "focused": true})
			continue
		}
		if !given {
			if o.Required && focused == "" {
				return nil, fmt.Errorf("%q is required", o.Name)
			}
			continue
		}
		wire, err := f.optionValue(data, o, value)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", o.Name, err)
		}
		filled = append(filled, map[string]any{"name": o.Name, "type": o.Type, "value": wire})
	}
	if !found {
		return nil, fmt.Errorf("there is no option %q", focused)
	}
	return filled, nil
}

// optionValue is a value as it is sent, after all the checks that the user's program makes.
func (f *Fake) optionValue(data map[string]any, o Option, value any) (any, error) {
	var wire any
	switch v := value.(type) {
	case string:
		wire = v
	case bool:
		wire = v
	case int:
		wire = float64(v)
	case float64:
		wire = v
	case *User:
		f.resolved(data, "users", v.ID)
		wire = v.ID
	case *Channel:
		f.resolved(data, "channels", v.ID)
		wire = v.ID
	case *Role:
		f.resolved(data, "roles", v.ID)
		wire = v.ID
	default:
		return nil, fmt.Errorf("%T is no value of an option", value)
	}
	if !o.fits(value, wire) {
		return nil, fmt.Errorf("%v is of the wrong kind", value)
	}
	if len(o.Choices) > 0 && !slices.ContainsFunc(o.Choices, func(c Choice) bool { return c.Value == wire }) {
		return nil, fmt.Errorf("%v is no choice", value)
	}
	return wire, o.bounds(wire)
}

// fits says whether a value is of the kind of the option.
func (o Option) fits(value, wire any) bool {
	_, text := value.(string)
	_, truth := value.(bool)
	_, user := value.(*User)
	_, channel := value.(*Channel)
	_, role := value.(*Role)
	number, isNumber := wire.(float64)
	switch o.Type {
	case stringOption:
		return text
	case boolOption:
		return truth
	case integerOption:
		return isNumber && number == math.Trunc(number)
	case numberOption:
		return isNumber
	case userOption:
		return user
	case channelOption:
		return channel
	case roleOption:
		return role
	case mentionableOption:
		return user || role
	}
	return false
}

func (o Option) bounds(wire any) error {
	switch v := wire.(type) {
	case string:
		n, most := len([]rune(v)), 6000
		if o.MaxLength > 0 {
			most = o.MaxLength
		}
		if n > most || o.MinLength != nil && n < *o.MinLength {
			return fmt.Errorf("%d characters are too few or too many", n)
		}
	case float64:
		if o.MinValue != nil && v < *o.MinValue || o.MaxValue != nil && *o.MaxValue != 0 && v > *o.MaxValue {
			return fmt.Errorf("%v is too small or too large", v)
		}
	}
	return nil
}
