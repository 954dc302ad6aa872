package bot

import (
	"slices"
	"strings"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// Kind is what a parameter's value looks like.
type Kind string

// The kinds. Choices, names and flags are folded to lower case, because phones capitalise.
const (
	KindWord   Kind = "word"   // as typed
	KindName   Kind = "name"   // of a database
	KindChoice Kind = "choice" // one of Choices
	KindFlag   Kind = "flag"   // yes or no
	KindList   Kind = "list"   // words with commas between them
	KindText   Kind = "text"   // anything, quoted when it is more than one word
)

// Param is one thing that a command can be told. All can be written as name=value; those with Positional also by their place.
type Param struct {
	Name       string
	Kind       Kind
	Positional bool
	Required   bool
	Choices    []string          // for KindChoice; elsewhere what to propose, which core checks
	Aliases    map[string]string // other words for choices
	Default    string            // what core takes when nothing is said; for people to read
	Help       string            // one sentence of at most 100 characters, as chat programs take it
	Before     string            // a word that may stand before it in its place, such as "with"
	Detail     string            // what help says beyond it
	Example    string            // a value
}

// Command is one thing that people can ask for.
type Command struct {
	Name    string
	Summary string // one sentence
	Params  []Param
	Example string
	Later   bool // known by name, but not available yet
	Anybody bool // also for people whom MyDB does not know yet
	Hidden  bool // a button gives it, and nobody writes it
}

// Param finds a parameter by name.
func (c Command) Param(name string) (Param, bool) {
	i := slices.IndexFunc(c.Params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return Param{}, false
	}
	return c.Params[i], true
}

// Grammar is all that can be said.
type Grammar struct {
	Commands []Command
}

// Command finds a command by name.
func (g Grammar) Command(name string) (Command, bool) {
	i := slices.IndexFunc(g.Commands, func(c Command) bool { return c.Name == name })
	if i < 0 {
		return Command{}, false
	}
	return g.Commands[i], true
}

// Names lists the names of all commands, also of those that are not available yet.
func (g Grammar) Names() []string {
	out := make([]string, 0, len(g.Commands))
	for _, c := range g.Commands {
		if !c.Hidden {
			out = append(out, c.Name)
		}
	}
	return out
}

// engineAliases are what people call the engines.
var engineAliases = map[string]string{
	"pg": "postgres", "psql": "postgres", "postgresql": "postgres", "maria": "mariadb", "mongo": "mongodb",
}

// NewGrammar makes the grammar for a site with this catalogue.
func NewGrammar(c engine.Catalogue) Grammar {
	database := Param{Name: "name", Kind: KindName, Positional: true, Required: true, Help: "The database's name.", Example: "genomes"}
	approval := Param{Name: "id", Kind: KindWord, Positional: true, Required: true, Help: "The approval's id, as approvals shows it.", Example: "d0c1u2v3w4x5y6z7a8b9"}
	g := Grammar{Commands: []Command{
		createCommand(c),
		classCommand(c),
		importCommand,
		{
			Name: "list", Summary: "Shows your databases.", Example: "list",
			Params: []Param{{
				Name: "all", Kind: KindChoice, Positional: true, Choices: []string{"all"},
				Help: "Everybody's databases; for administrators.", Example: "all",
			}, {
				Name: "find", Kind: KindText, Help: "Only those with this in their name or in what is said about them.", Example: "cohort",
			}},
		},
		{Name: "status", Summary: "Shows how a database is doing.", Params: []Param{database}, Example: "status genomes"},
		{Name: "connect", Summary: "Shows how to connect to a database.", Params: []Param{database}, Example: "connect genomes"},
		{Name: "stats", Summary: "Shows how a database was doing in the last day.", Params: []Param{database}, Example: "stats genomes"},
		{Name: "report", Summary: "Counts what a database holds.", Params: []Param{database}, Example: "report genomes"},
		{Name: "logs", Summary: "Shows the end of a database's log.", Params: []Param{database}, Example: "logs genomes"},
		{Name: "restart", Summary: "Restarts a database; its connections end.", Params: []Param{database}, Example: "restart genomes"},
		{Name: "stop", Summary: "Stops a database; its data stays.", Params: []Param{database}, Example: "stop genomes"},
		{Name: "start", Summary: "Starts a stopped database.", Params: []Param{database}, Example: "start genomes"},
		{Name: "rotate", Summary: "Gives you a new password; the old one ends at once.", Params: []Param{database, {
			Name: "account", Kind: KindWord, Help: "A colleague's or a pipeline's account; default: the owner's.", Example: "nightly_import",
		}, {
			Name: "overlap", Kind: KindWord, Help: "How long a pipeline's old and new account both work, such as 24h or 7d.", Example: "24h",
		}}, Example: "rotate genomes"},
		{Name: "resize", Summary: "Gives a database another size; it restarts.", Params: []Param{database, {
			Name: "size", Kind: KindChoice, Positional: true, Required: true, Choices: c.SizeNames(), Help: "How much memory and CPU it gets.", Example: "medium",
		}}, Example: "resize genomes medium"},
		{Name: "extend", Summary: "Keeps a database for longer.", Params: []Param{database, {
			Name: "expires", Kind: KindWord, Positional: true, Required: true, Help: "A number of days from now such as 90d, a time, or never.", Example: "90d",
		}}, Example: "extend genomes 90d"},
		{Name: "share", Summary: "Gives a colleague or a group access to a database.", Params: []Param{database, {
			Name: "person", Kind: KindWord, Positional: true, Required: true, Before: "with", Help: "Login or mail address; or group: or pipeline: and a name.", Example: "grace",
		}, {
			Name: "right", Kind: KindChoice, Positional: true, Choices: []string{core.RightRead, core.RightWrite}, Default: core.RightRead, Help: "What they may do.", Example: "write",
		}, {
			Name: "until", Kind: KindWord, Help: "When it ends: a number of days such as 90d, or a time.", Default: "when it is taken back", Example: "90d",
		}}, Example: "share genomes with grace write until=90d"},
		{Name: "unshare", Summary: "Takes a share back; open sessions end.", Params: []Param{database, {
			Name: "person", Kind: KindWord, Positional: true, Required: true, Before: "with", Help: "Login or mail address; or group: or pipeline: and a name.", Example: "grace",
		}}, Example: "unshare genomes grace"},
		{Name: "transfer", Summary: "Gives a database to another owner, with a new password.", Params: []Param{database, {
			Name: "person", Kind: KindWord, Positional: true, Required: true, Before: "to", Help: "Login or mail address of the new owner.", Example: "grace",
		}}, Example: "transfer genomes to grace"},
		{Name: "backup", Summary: "Makes a backup of a database now.", Params: []Param{database}, Example: "backup genomes"},
		{Name: "backups", Summary: "Shows the backups of a database.", Params: []Param{database}, Example: "backups genomes"},
		{Name: "restore", Summary: "Makes a database of a backup, or restores in place.", Params: []Param{database, {
			Name: "from", Kind: KindWord, Default: "the newest good one", Help: "A backup's id, as backups shows it.", Example: "d0c1u2v3w4x5y6z7a8b9",
		}, {
			Name: "as", Kind: KindName, Default: "the name with -restored", Help: "The name of the new database.", Example: "genomes-may",
		}, {
			Name: "version", Kind: KindWord, Default: "that of the backup", Help: "The same or a later version of the engine.", Example: "17",
		}, {
			Name: "in_place", Kind: KindFlag, Default: "no", Help: "Replace what the database holds now, which undo takes back.", Example: "yes",
		}, {
			Name: "confirm", Kind: KindWord, Help: "The database's name once more, for in_place=yes.", Example: "genomes",
		}}, Example: "restore genomes as=genomes-may"},
		{Name: "undo", Summary: "Takes the last restore in place back, or the last undo.", Params: []Param{database}, Example: "undo genomes"},
		{Name: "delete", Summary: "Asks for a deletion; an administrator has to approve.", Params: []Param{database, reason(false)}, Example: `delete genomes "the paper is out"`},
		{Name: "undelete", Summary: "Brings a database back from the trash.", Params: []Param{database}, Example: "undelete genomes"},
		{Name: "approvals", Summary: "Shows what waits for a decision.", Example: "approvals"},
		{Name: "approve", Summary: "Approves what somebody else asked for; for administrators.", Params: []Param{approval, reason(false)}, Example: "approve d0c1u2v3w4x5y6z7a8b9"},
		{Name: "deny", Summary: "Denies what somebody else asked for; for administrators.", Params: []Param{approval, reason(true)}, Example: `deny d0c1u2v3w4x5y6z7a8b9 "still used by the course"`},
		{Name: "withdraw", Summary: "Takes back what you have asked an approval for.", Params: []Param{approval}, Example: "withdraw d0c1u2v3w4x5y6z7a8b9"},
		{Name: "whoami", Summary: "Shows who you are to MyDB.", Example: "whoami"},
	}}
	g.Commands = slices.Concat(g.Commands, historyCommands, siteCommands, mailCommands, identityCommands)
	topics := append(append(g.Names(), "help"), laterCommands...)
	g.Commands = append(g.Commands, Command{
		Name: "help", Anybody: true, Summary: "Explains the commands, or one of them.", Example: "help create",
		Params: []Param{{Name: "command", Kind: KindChoice, Positional: true, Choices: topics, Help: "The command to explain.", Example: "create"}},
	})
	for _, name := range laterCommands {
		g.Commands = append(g.Commands, Command{Name: name, Later: true})
	}
	return g
}

func createCommand(c engine.Catalogue) Command {
	var engines, extensions []string
	for _, offer := range c.Engines {
		engines = append(engines, offer.Engine)
		extensions = append(extensions, offer.Extensions...)
	}
	cmd := Command{
		Name: "create", Summary: "Makes a new database.",
		Example: `create postgres genomes size=small expires=90d "variants of the 2026 cohort"`,
		Params: []Param{
			{Name: "engine", Kind: KindChoice, Positional: true, Required: true, Choices: engines, Aliases: engineAliases, Help: "The kind of database.", Example: "postgres"},
			{Name: "name", Kind: KindName, Positional: true, Required: true, Help: "3 to 40 lower-case letters, digits and hyphens; a letter first.", Example: "genomes"},
			versionParam(c),
			{Name: "size", Kind: KindChoice, Choices: c.SizeNames(), Default: first(c.SizeNames()), Help: "How much memory and CPU it gets.", Example: "small"},
			{Name: "user", Kind: KindWord, Default: "the name, with _ for -", Help: "The user name to log in with.", Example: "ada"},
			{Name: "backup", Kind: KindChoice, Choices: core.BackupPolicies(), Default: "daily", Help: "How often it is backed up.", Example: "weekly"},
			{Name: "expires", Kind: KindWord, Default: "never", Help: "When it ends: a number of days such as 90d, or a time.", Example: "90d"},
			{Name: "phi", Kind: KindFlag, Default: "no", Help: "Whether it holds health data about persons.", Example: "yes"},
			{Name: "ext", Kind: KindList, Choices: extensions, Help: "Extensions to install, with commas between them.", Example: "pg_trgm,hstore"},
			templateParam(c),
			{Name: "description", Kind: KindText, Positional: true, Help: "What it is for, in quotes.", Example: "variants of the 2026 cohort"},
		},
	}
	if len(c.TemplateNames()) == 0 {
		cmd.Params = slices.DeleteFunc(cmd.Params, func(p Param) bool { return p.Name == "template" })
	}
	return cmd
}

func templateParam(c engine.Catalogue) Param {
	return Param{Name: "template", Kind: KindChoice, Choices: c.TemplateNames(), Help: "A ready-made choice of version, image and extensions.", Example: first(c.TemplateNames())}
}

func classCommand(c engine.Catalogue) Command {
	create := createCommand(c)
	of := func(name string) Param { p, _ := create.Param(name); return p }
	name := of("name")
	name.Help, name.Example = "The name of the class; its databases get -01, -02 and so on.", "biology"
	return Command{
		Name: "class", Summary: "Makes many databases at once, such as one for each student.", Example: `class postgres biology 30 expires=180d "practical course"`,
		Params: []Param{
			of("engine"), name,
			{Name: "count", Kind: KindWord, Positional: true, Required: true, Help: "How many, at most 100.", Example: "30"},
			of("version"), of("size"), of("expires"), of("description"),
		},
	}
}

// versionParam proposes the versions of all engines; which of them the chosen engine has is for core to check.
func versionParam(c engine.Catalogue) Param {
	p := Param{Name: "version", Kind: KindWord, Help: "The engine's major version.", Example: "17"}
	var lists, defaults []string
	for _, offer := range c.Engines {
		offered := offer.Offered()
		if len(offered) == 0 {
			continue
		}
		p.Choices = append(p.Choices, offered...)
		lists = append(lists, offer.Engine+" "+strings.Join(offered, ", "))
		defaults = append(defaults, offered[0]+" for "+offer.Engine)
	}
	if len(lists) == 1 { // the choices say it all
		p.Default = p.Choices[0]
		return p
	}
	if len(p.Choices) > 0 {
		p.Detail = "Offered: " + strings.Join(lists, "; ") + "."
		p.Default = strings.Join(defaults, ", ")
	}
	return p
}

// laterCommands are agreed on but not available yet. People who type one learn that, and get no puzzling suggestion.
var laterCommands = []string{
	"upgrade",
}

// identityCommands say who somebody is in chat.
var identityCommands = []Command{
	{Name: "link", Anybody: true, Summary: "Tells MyDB who you are in this chat.", Example: "link K7QM-2XPA", Params: []Param{{
		Name: "code", Kind: KindWord, Positional: true, Help: "The code that your account page in the portal shows.", Example: "K7QM-2XPA",
	}}},
	{Name: "confirm", Anybody: true, Hidden: true, Summary: "Confirms who you are in this chat.", Example: "confirm 00ff", Params: []Param{{
		Name: "offer", Kind: KindWord, Positional: true, Required: true, Help: "What the button says.", Example: "00ff",
	}}},
	{Name: "unlink", Summary: "Ends that MyDB knows you in this chat.", Example: "unlink"},
}

func reason(required bool) Param {
	return Param{Name: "reason", Kind: KindText, Positional: true, Required: required, Help: "Why, in quotes.", Example: "the paper is out"}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
