package discordfake

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kinds of options of a command.
const (
	subcommand        = 1
	groupOption       = 2
	stringOption      = 3
	integerOption     = 4
	boolOption        = 5
	userOption        = 6
	channelOption     = 7
	roleOption        = 8
	mentionableOption = 9
	numberOption      = 10
	lastOption        = 11

	commandsLimit    = 100
	commandOptions   = 25
	descriptionLimit = 100
	commandTotal     = 8000
	commandsPerDay   = 200
	chatInput        = 1
)

// commandName is what commands, subcommands and options may be called; letters that have a lower case must be in it.
var commandName = regexp.MustCompile(`^[-_\p{L}\p{N}]{1,32}$`)

// Command is a registered command.
type Command struct {
	ID                 string   `json:"id"`
	ApplicationID      string   `json:"application_id"`
	GuildID            string   `json:"guild_id,omitempty"`
	Version            string   `json:"version"`
	Type               int      `json:"type"`
	Name               string   `json:"name"`
	Description        string   `json:"description"`
	Options            []Option `json:"options,omitempty"`
	DefaultPermissions *string  `json:"default_member_permissions"`
	NSFW               bool     `json:"nsfw"`
}

// Option is an option of a command, or a subcommand or a group of them.
type Option struct {
	Type         int      `json:"type"`
	Name         string   `json:"name"`
	Description  string   `json:"description"`
	Required     bool     `json:"required,omitempty"`
	Autocomplete bool     `json:"autocomplete,omitempty"`
	Choices      []Choice `json:"choices,omitempty"`
	Options      []Option `json:"options,omitempty"`
	MinLength    *int     `json:"min_length,omitempty"`
	MaxLength    int      `json:"max_length,omitempty"`
	MinValue     *float64 `json:"min_value,omitempty"`
	MaxValue     *float64 `json:"max_value,omitempty"`
}

// openTo says whether somebody with these permissions is offered the command.
func (c Command) openTo(permissions int) bool {
	if c.DefaultPermissions == nil || permissions&Administrator != 0 {
		return true
	}
	needed, err := strconv.Atoi(*c.DefaultPermissions)
	return err == nil && needed != 0 && permissions&needed == needed
}

// checkCommands refuses what Discord refuses to register.
func checkCommands(commands []Command) *apiError {
	if len(commands) > commandsLimit {
		return errTooManyCommands
	}
	var p problems
	seen := map[string]bool{}
	for i, c := range commands {
		at := strconv.Itoa(i)
		if c.Type > chatInput {
			p.add(at+".type", "BASE_TYPE_CHOICES", "This fake only knows commands of type 1.")
		}
		if seen[c.Name] {
			p.add(at, "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique")
		}
		seen[c.Name] = true
		checkName(&p, at, c.Name, c.Description)
		checkOptions(&p, at, c.Options, 0)
		if size := c.size(); size > commandTotal {
			p.add(at, "APPLICATION_COMMAND_TOO_LARGE", fmt.Sprintf("Command exceeds maximum size (%d)", commandTotal))
		}
	}
	return p.err()
}

func checkName(p *problems, at, name, description string) {
	switch {
	case name == "":
		p.required(at + ".name")
	case !commandName.MatchString(name) || strings.ToLower(name) != name:
		p.add(at+".name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
	}
	p.text(at+".description", description, descriptionLimit)
}

// checkOptions checks options in a command (depth 0), in a group or in a subcommand.
func checkOptions(p *problems, at string, options []Option, depth int) {
	if len(options) > commandOptions {
		p.add(at+".options", "BASE_TYPE_MAX_LENGTH", fmt.Sprintf("Must be %d or fewer in length.", commandOptions))
	}
	seen := map[string]bool{}
	optional := false
	for i, o := range options {
		at := at + ".options." + strconv.Itoa(i)
		checkName(p, at, o.Name, o.Description)
		if seen[o.Name] {
			p.add(at, "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", "Option name already exists")
		}
		seen[o.Name] = true
		if o.Required && optional {
			p.add(at, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", "Required options must be placed before non-required options")
		}
		optional = optional || !o.Required
		if (o.Type <= groupOption) != (options[0].Type <= groupOption) {
			p.add(at+".type", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Sub-command and sub-command group option types are mutually exclusive to all other types")
		}
		o.check(p, at, depth)
	}
}

func (o Option) check(p *problems, at string, depth int) {
	switch {
	case o.Type < subcommand || o.Type > lastOption:
		p.add(at+".type", "BASE_TYPE_CHOICES", "Value must be one of (1, ..., 11).")
	case o.Type == groupOption && depth > 0, o.Type == subcommand && depth > 1:
		p.add(at+".type", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Subcommands are nested too deep")
	case o.Type == groupOption:
		checkOptions(p, at, o.Options, 1)
	case o.Type == subcommand:
		checkOptions(p, at, o.Options, 2)
	case len(o.Options) > 0:
		p.add(at+".options", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Only subcommands have options")
	}
	if len(o.Choices) > choicesLimit {
		p.add(at+".choices", "BASE_TYPE_MAX_LENGTH", fmt.Sprintf("Must be %d or fewer in length.", choicesLimit))
	}
	for i, c := range o.Choices {
		at := at + ".choices." + strconv.Itoa(i)
		checkChoice(p, at, c)
		if slices.ContainsFunc(o.Choices[:i], func(earlier Choice) bool { return earlier.Name == c.Name }) {
			p.add(at, "APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_ALREADY_EXISTS", "Choice name already exists")
		}
	}
	if o.Autocomplete && len(o.Choices) > 0 {
		p.add(at, "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_CHOICES", "Choices cannot be set on autocomplete options")
	}
	if o.Autocomplete && !slices.Contains([]int{stringOption, integerOption, numberOption}, o.Type) {
		p.add(at+".autocomplete", "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_TYPE", "Options of this type cannot be completed")
	}
}

// size counts what the limit of 8000 characters is about: names, descriptions and values, all the way down.
func (c Command) size() int {
	return len([]rune(c.Name+c.Description)) + optionsSize(c.Options)
}

func optionsSize(options []Option) (size int) {
	for _, o := range options {
		size += len([]rune(o.Name+o.Description)) + optionsSize(o.Options)
		for _, c := range o.Choices {
			value, _ := c.Value.(string)
			size += len([]rune(c.Name + value))
		}
	}
	return size
}

// same says whether two definitions say the same, whatever the ids.
func (c Command) same(other Command) bool {
	a, _ := json.Marshal([]any{c.Name, c.Description, c.Options, c.DefaultPermissions, c.NSFW})
	b, _ := json.Marshal([]any{other.Name, other.Description, other.Options, other.DefaultPermissions, other.NSFW})
	return string(a) == string(b)
}
