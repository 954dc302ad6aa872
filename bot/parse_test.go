package bot

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

func grammar() Grammar { return NewGrammar(engine.BuiltIn()) }

func TestParse(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"nothing asks for help", "", "help"},
		{"only the bot's name", "/mydb", "help"},
		{"the bot's name in front", "/mydb list", "list"},
		{"the bot's name without a slash", "MyDB list all", "list all"},
		{"shortest create", "create postgres genomes", "create postgres genomes"},
		{"a phone's capitals", "Create Postgres Genomes", "create postgres genomes"},
		{"alias of the engine", "create pg genomes", "create postgres genomes"},
		{"options anywhere", "create size=small postgres version=17 genomes", "create postgres genomes version=17 size=small"},
		{"options with dashes", "create --size=small pg genomes —backup=never", "create postgres genomes size=small backup=never"},
		{"keys and choices in capitals", "create pg genomes SIZE=Small Backup=WEEKLY", "create postgres genomes size=small backup=weekly"},
		{"values as typed", "create pg genomes user=Ada expires=2027-06-30T00:00:00Z", "create postgres genomes user=Ada expires=2027-06-30T00:00:00Z"},
		{"description", `create pg genomes "variants of the cohort"`, `create postgres genomes "variants of the cohort"`},
		{"description of one word", `create pg genomes variants`, `create postgres genomes "variants"`},
		{"description in front of options", `create pg genomes "variants" phi=yes`, `create postgres genomes phi=yes "variants"`},
		{"description by name", `create description="variants" pg genomes`, `create postgres genomes "variants"`},
		{"description like an option", `create pg genomes "size=large"`, `create postgres genomes "size=large"`},
		{"curly quotes", "create pg genomes “variants of the cohort”", `create postgres genomes "variants of the cohort"`},
		{"German quotes", "create pg genomes „Varianten der Kohorte“", `create postgres genomes "Varianten der Kohorte"`},
		{"apostrophe in a quotation", "create pg genomes ‘Ada’s variants’", `create postgres genomes "Ada’s variants"`},
		{"quotes in a quotation", `create pg genomes "Ada \"the first\" \\ Lovelace"`, `create postgres genomes "Ada \"the first\" \\ Lovelace"`},
		{"quotes of another kind in a quotation", "create pg genomes ‘the ”x” ’", `create postgres genomes "the \”x\” "`},
		{"quoted value", `create pg genomes user="ada"`, "create postgres genomes user=ada"},
		{"long dash in a name", "status my–data", "status my-data"},
		{"long dash in a quotation stays", "create pg genomes “1990–2000”", `create postgres genomes "1990–2000"`},
		{"non-breaking spaces", "status\u00a0genomes\u202f", "status genomes"},
		{"several lines", "create pg genomes\n\tsize=small\r\n", "create postgres genomes size=small"},
		{"blanks without width", "\ufeffstatus gen\u200bomes", "status genomes"},
		{"flag", "create pg genomes phi=TRUE", "create postgres genomes phi=yes"},
		{"flag off", "create pg genomes phi=no", "create postgres genomes phi=no"},
		{"extensions", "create pg genomes ext=pg_trgm,Hstore,", "create postgres genomes ext=pg_trgm,hstore"},
		{"empty description is none", `create pg genomes ""`, "create postgres genomes"},
		{"name that needs quotes", `status "no such"`, `status "no such"`},
		{"help on a command", "help Create", "help create"},
		{"help on what comes later", "help backup", "help backup"},
		{"whoami", "whoami", "whoami"},
		{"password as an ordinary word", `create pg genomes "password policies of labs"`, `create postgres genomes "password policies of labs"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := grammar().Parse(c.in)
			if err != nil {
				t.Fatalf("Parse(%q): %v", c.in, err)
			}
			if got := p.String(); got != c.want {
				t.Errorf("Parse(%q) = %s, want %s", c.in, got, c.want)
			}
			again, err := grammar().Parse(p.String())
			if err != nil || !maps.Equal(again.Values, p.Values) {
				t.Errorf("Parse(%q) = %v, %v; want the values %v again", p.String(), again.Values, err, p.Values)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, in, field, want string }{
		{"unknown command", "lst", "", `There is no command "lst". Did you mean list? Type help`},
		{"nothing near", "frobnicate", "", `There is no command "frobnicate". Type help`},
		{"beginning of a command", "conn genomes", "", "Did you mean connect?"},
		{"option first", "size=small", "", "Start with a command"},
		{"not available yet", "upgrade genomes 18", "", "The command upgrade is not available yet. Type help to see what is."},
		{"slip in what is not available yet", "retsore genomes", "", "Did you mean restore?"},
		{"create without anything", "create", "engine", "create needs an engine and a name. Type: create postgres genomes"},
		{"create without a name", "create postgres", "name", "create needs an engine and a name. Type: create postgres genomes"},
		{"status without a name", "status", "name", "status needs a name. Type: status genomes"},
		{"unknown engine", "create postgrs genomes", "engine", `There is no engine "postgrs" here. Did you mean postgres? Choose one of: postgres, mariadb, mongodb.`},
		{"engine that this site lacks", "create oracle genomes", "engine", `There is no engine "oracle" here. Choose one of: postgres, mariadb, mongodb.`},
		{"unknown option", "create pg genomes sice=small", "", `create has no option "sice". Did you mean size? It has: engine, name, version, size,`},
		{"unknown size", "create pg genomes size=smal", "size", "Did you mean small? Choose one of: small, medium, large."},
		{"unknown policy", "create pg genomes backup=hourly", "backup", "Choose one of: daily, weekly, monthly, never."},
		{"no flag", "create pg genomes phi=perhaps", "phi", "phi is yes or no"},
		{"option twice", "create pg genomes size=small size=large", "size", "size is given twice"},
		{"option without value", "create pg genomes size= small", "size", "size= has no value. Write it without blanks, such as size=small."},
		{"description without quotes", "create pg genomes variants of the cohort", "description", `Put the description in quotes, such as: create postgres genomes "`},
		{"too many words", "status genomes please", "", "more words than status can use. Type: status genomes"},
		{"option of a command without options", "whoami really=yes", "", "whoami has no options. Type: whoami"},
		{"list of something", "list genomes", "all", "Choose one of: all."},
		{"help on nothing", "help me", "command", `There is no command "me".`},
		{"open quotation", `create pg genomes "variants`, "", "A quotation mark is open"},
		{"control character", "status gen\x1b[2Jomes", "", "cannot be seen"},
		{"text that runs backwards", "status gen\u202eomes", "", "cannot be seen"},
		{"broken UTF-8", "status gen\xff", "", "cannot be seen"},
		{"too long", "status " + strings.Repeat("é", 2000), "", "longer than 2000 characters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := grammar().Parse(c.in)
			e, ok := err.(*core.Error) //nolint:errorlint // Parse promises this very type
			if !ok || e.Code != core.CodeInvalid {
				t.Fatalf("Parse(%q): %v, want an error of the code invalid", c.in, err)
			}
			if !strings.Contains(e.Message, c.want) || e.Field != c.field {
				t.Errorf("Parse(%q): %q about %q, want %q about %q", c.in, e.Message, e.Field, c.want, c.field)
			}
		})
	}
}

func TestParseLongestInput(t *testing.T) {
	text := `create pg genomes "`
	text += strings.Repeat("é", MaxInput-len(text)-1) + `"`
	if _, err := grammar().Parse(text); err != nil {
		t.Errorf("a message of %d characters: %v", MaxInput, err)
	}
}

// However a password is typed, it is refused, and nothing of it comes back.
func TestParseNeverRepeatsAPassword(t *testing.T) {
	const canary = "hunter2-canary"
	for _, in := range []string{
		"create pg genomes password=" + canary,
		"create pg genomes PASSWORD=" + canary,
		"create pg genomes --password=" + canary,
		"create pg genomes --password " + canary,
		"create pg genomes —password " + canary,
		"create pg genomes -pw " + canary,
		"create pg genomes password = " + canary,
		"create pg genomes password: " + canary,
		"create pg genomes passwd=" + canary,
		"create pg genomes pwd=" + canary,
		"create pg genomes user_password=" + canary,
		"create pg genomes mypassword=" + canary,
		`create pg genomes "password"=` + canary,
		`create pg genomes "my password: ` + canary + `"`,
		"password=" + canary,
		"create pg genomes password\u00a0=" + canary,
		"create pg genomes pass\u200bword=" + canary,
		"import genomes from=postgres://ada:" + canary + "@db.example.org/genomes",
		"import postgres://ada:x/" + canary + "@db.example.org/genomes",
		`import "mongodb://ada:` + canary + `@h/d"`,
	} {
		_, err := grammar().Parse(in)
		if err == nil || !strings.Contains(err.Error(), "Passwords are never taken in chat") {
			t.Errorf("Parse(%q): %v, want the sentence about passwords", in, err)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("Parse(%q) repeats the password: %v", in, err)
		}
	}
	// What is not recognised as a password is at least not repeated.
	for _, in := range []string{
		"create pg genomes variants " + canary, "create pg genomes pasword=" + canary, "secret=" + canary, "status genomes " + canary,
	} {
		if _, err := grammar().Parse(in); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("Parse(%q): %v, want a refusal that does not repeat the last word", in, err)
		}
	}
}

func TestJoinKeepsArgumentsApart(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"create", "postgres", "genomes"}, "create postgres genomes"},
		{[]string{"create", "pg", "genomes", "size=small", "variants of the cohort"}, `create postgres genomes size=small "variants of the cohort"`},
		{[]string{"create", "pg", "genomes", "description=Ada's \"first\" set"}, `create postgres genomes "Ada's \"first\" set"`},
		{[]string{"status", "--name=genomes"}, "status genomes"},
	} {
		p, err := grammar().Parse(Join(c.args))
		if err != nil || p.String() != c.want {
			t.Errorf("Parse(Join(%q)) = %s, %v; want %s", c.args, p, err, c.want)
		}
	}
}

func TestComplete(t *testing.T) {
	for _, c := range []struct {
		head string
		want []string
	}{
		{"c", []string{"create", "class", "connect"}},
		{"", []string{"create", "class", "import", "list", "status", "connect", "stats", "report", "logs", "restart", "stop", "start", "rotate", "resize", "extend", "share", "unshare", "transfer", "backup", "backups", "restore", "undo", "delete", "undelete", "approvals", "approve", "deny", "withdraw", "whoami", "history", "audit", "site", "announce", "notify", "link", "unlink", "help"}},
		{"create ", []string{"postgres", "mariadb", "mongodb"}},
		{"create pg ", nil},
		{"create pg genomes ver", []string{"version="}},
		{"create pg genomes size=", []string{"size=small", "size=medium", "size=large"}},
		{"create pg genomes size=m", []string{"size=medium"}},
		{"create pg genomes phi=", []string{"phi=yes", "phi=no"}},
		{"create pg genomes size=small s", nil},
		{"help resta", []string{"restart"}},
		{"list ", []string{"all"}},
		{"nothing ", nil},
	} {
		if got := grammar().Complete(c.head); !slices.Equal(got, c.want) {
			t.Errorf("Complete(%q) = %q, want %q", c.head, got, c.want)
		}
	}
}

// What the grammar offers, the bot must be able to do, and the forms made from it must fit the chat programs.
func TestGrammarIsWhole(t *testing.T) {
	g := grammar()
	for _, c := range g.Commands {
		_, handled := handlers[c.Name]
		if handled == c.Later {
			t.Errorf("%s: available is %v, but it has a handler is %v", c.Name, !c.Later, handled)
		}
		if c.Later {
			continue
		}
		p, err := g.Parse(c.Example)
		if err != nil || p.Command.Name != c.Name {
			t.Errorf("the example of %s: %v", c.Name, err)
		}
		if len(c.Params) > 25 {
			t.Errorf("%s has %d parameters; Discord takes 25", c.Name, len(c.Params))
		}
		for _, param := range c.Params {
			if param.Help == "" || param.Example == "" || len(param.Help) > 100 {
				t.Errorf("%s %s: needs an example, and a help of at most 100 characters, as Discord does", c.Name, param.Name)
			}
			if param.Kind == KindChoice && len(param.Choices) == 0 {
				t.Errorf("%s %s has nothing to choose from", c.Name, param.Name)
			}
		}
	}
	if got, want := len(handlers), len(g.Commands)-len(laterCommands); got != want {
		t.Errorf("%d handlers for %d commands", got, want)
	}
}

// An accepted message has one canonical form, which means the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "/mydb", "list all", "help", "status genomes", `create pg genomes version=17 ext=a,b "a description"`,
		"create pg genomes “it’s here” –size=small", `create pg genomes "a \" b \\"`, `create pg genomes description="x = y"`,
		"create\u00a0pg\u2003genomes user='a b'", `status "`, "status --", `create pg genomes a"b`, "status =", "status ‘x’ ”",
		"create pg genomes password=x", "status \x00", "list\nall", `create pg "" genomes`, `create pg genomes ",="`, "status İ", "status K", "status ‘x” ’",
	} {
		f.Add(seed)
	}
	g := grammar()
	f.Fuzz(func(t *testing.T, text string) {
		p, err := g.Parse(text)
		if err != nil {
			if core.CodeOf(err) != core.CodeInvalid {
				t.Fatalf("Parse(%q): %v is not of the code invalid", text, err)
			}
			return
		}
		canonical := p.String()
		again, err := g.Parse(canonical)
		if len([]rune(canonical)) > MaxInput {
			return // its quotes made it longer than what may be typed
		}
		if err != nil {
			t.Fatalf("Parse(%q) gave %q, which is refused: %v", text, canonical, err)
		}
		if again.Command.Name != p.Command.Name || !maps.Equal(again.Values, p.Values) || again.String() != canonical {
			t.Fatalf("Parse(%q) gave %q with %q, which gives %q with %q", text, canonical, p.Values, again.String(), again.Values)
		}
		g.Complete(text)
	})
}
