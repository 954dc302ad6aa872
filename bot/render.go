package bot

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

const (
	// MaxAnswer is the longest answer in characters: what a section of a Slack message holds.
	MaxAnswer = 3000

	listLimit = 25 // the longest names and owners still fit
	fence     = "```"
)

// renderCreate says the same for a repeated request as for the first: people repeat them when they saw no answer.
func renderCreate(i core.Instance, title, page string) string {
	out := fmt.Sprintf("Creating %s (%s %s, %s). ", i.Name, title, i.Version, i.Size)
	if i.PHI {
		out += "It is marked as holding health data. "
	}
	if i.ExpiresAt != nil {
		out += fmt.Sprintf("It expires on %s. ", moment(*i.ExpiresAt))
	}
	return out + fmt.Sprintf("As soon as it is ready, its password waits for %s at %s", i.Owner, page)
}

func renderList(list []core.Instance, title func(string) string, all, more bool, publicURL string) string {
	if len(list) == 0 && all {
		return "There are no databases yet."
	}
	if len(list) == 0 {
		return "You have no databases yet. To make one: create postgres genomes"
	}
	head := "You have 1 database."
	switch {
	case more:
		head = fmt.Sprintf("The newest %d databases; all of them are at %s", len(list), publicURL)
	case all && len(list) == 1:
		head = "There is 1 database."
	case all:
		head = fmt.Sprintf("There are %d databases.", len(list))
	case len(list) > 1:
		head = fmt.Sprintf("You have %d databases.", len(list))
	}
	return head + "\n" + table(func(row func(...string)) {
		for _, i := range list {
			cells := []string{i.Name, string(i.State), title(i.Engine) + " " + i.Version}
			if all {
				cells = append(cells, clip(i.Owner, 24))
			} else if i.Right != "" {
				cells = append(cells, "of "+clip(i.Owner, 24)+", to "+i.Right)
			}
			row(cells...)
		}
	})
}

// table aligns cells in a fence. Two blanks between the columns keep the usual table within the width of a phone.
func table(fill func(row func(...string))) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fill(func(cells ...string) {
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	})
	w.Flush()
	return fenced(strings.TrimRight(b.String(), "\n"))
}

func fenced(text string) string { return fence + "\n" + text + "\n" + fence }

func renderStatus(i core.Instance, op *core.Operation, usage *core.Usage, title string) string {
	word := "since "
	if i.EndedAt != nil {
		word = ""
	}
	out := fmt.Sprintf("%s %s (%s%s).", i.Name, Condition(i.State), word, moment(since(i, op)))
	if i.Description != "" {
		out += "\n" + clip(oneLine(i.Description), 300)
	}
	out += "\n" + table(func(row func(...string)) {
		row("Address", address(i))
		row("Engine", title+" "+i.Version+", "+i.Size)
		if usage != nil && i.State == core.StateReady {
			renderUsage(row, *usage)
		}
		row("Owner", i.Owner)
		if i.Contact != "" {
			row("Contact", clip(oneLine(i.Contact), 60))
		}
		row("Database", i.Database+", user "+i.Username)
		if len(i.Extensions) > 0 {
			row("Extensions", strings.Join(i.Extensions, ", "))
		}
		row("Backups", i.Backup)
		if i.PHI {
			row("Health data", "yes")
		}
		row("Expires", expiry(i))
	})
	if op != nil {
		out += "\n" + Follow(*op)
	}
	return out
}

var conditions = map[core.State]string{
	core.StateCreating: "is being created", core.StateRestoring: "is being restored", core.StateDeleting: "is being deleted",
	core.StateTrashed: "is in the trash", core.StateDeleted: "was deleted", core.StateFailed: "could not be created",
}

// Condition ends the sentence "genomes ...".
func Condition(s core.State) string {
	if c, ok := conditions[s]; ok {
		return c
	}
	return "is " + string(s)
}

// since is when an instance came into the state that it is in.
func since(i core.Instance, op *core.Operation) time.Time {
	switch {
	case i.EndedAt != nil:
		return *i.EndedAt
	case i.State == core.StateCreating || i.ReadyAt == nil:
		return i.CreatedAt
	case i.State == core.StateReady || op == nil:
		return *i.ReadyAt
	case op.FinishedAt != nil:
		return *op.FinishedAt
	}
	return op.CreatedAt
}

func address(i core.Instance) string {
	if !i.Placed() {
		return "none yet"
	}
	return *i.Host + ":" + strconv.Itoa(*i.Port)
}

func expiry(i core.Instance) string {
	if i.ExpiresAt == nil {
		return "never"
	}
	return moment(*i.ExpiresAt)
}

func renderNotReady(i core.Instance, op *core.Operation) string {
	if op != nil && !op.Finished() {
		return fmt.Sprintf("%s %s. You can connect as soon as it is ready.\n%s", i.Name, Condition(i.State), Follow(*op))
	}
	out := fmt.Sprintf("%s %s, so nobody can connect to it.", i.Name, Condition(i.State))
	if i.Failure != nil {
		out += " " + clip(oneLine(*i.Failure), 600)
	}
	return out
}

// card is what a connection card says.
type card struct {
	instance    core.Instance
	snippets    []engine.Snippet
	page        string
	owns        bool // the reader owns it
	collectable bool // the password is still there for the owner
}

// cardTools are the ways to connect that a card has room for; the page has all of them.
var cardTools = []string{"psql", "uri", "psycopg", "mariadb", "mongosh", "pymysql", "pymongo"}

func renderCard(c card) string {
	i := c.instance
	out := "How to connect to " + i.Name
	if i.State != core.StateReady {
		out += fmt.Sprintf(" (it is %s now)", i.State)
	}
	out += "\n" + table(func(row func(...string)) {
		row("Host", value(i.Host))
		row("Port", strconv.Itoa(value(i.Port)))
		row("Database", i.Database)
		row("User", i.Username)
	})
	out += "\n" + passwordSentence(c) + "\n\nOnce on your computer, which also keeps the password for you:\n" + fenced("mydb connect "+i.Name+" --save")
	for _, s := range c.snippets {
		if slices.Contains(cardTools, s.Tool) {
			out += "\n\n" + s.Title + "\n" + fenced(s.Text)
		}
	}
	return out + "\n\nMore tools: " + c.page
}

func passwordSentence(c card) string {
	switch {
	case !c.owns:
		return fmt.Sprintf("Its password is for %s alone.", c.instance.Owner)
	case c.collectable:
		return fmt.Sprintf("Its password waits for you, once, at %s; it is never shown in chat.", c.page)
	}
	return "Its password was collected already, and MyDB keeps no copy."
}

func renderActor(a core.Actor) string {
	out := fmt.Sprintf("You are %s (%s", a.Name, a.Login)
	if a.Email != nil && *a.Email != a.Login {
		out += ", " + *a.Email
	}
	out += ")"
	switch {
	case a.IsAdmin():
		return out + ", an administrator."
	case a.Admin:
		return out + fmt.Sprintf(", an administrator; the token you use may only %s.", a.Scope)
	case a.Role() == core.RoleAuditor:
		return out + ", an auditor: you read what is known of every database, and change nothing."
	case a.Role() == core.RoleLead:
		return out + fmt.Sprintf(", who leads %s: you see the databases of its members with: list all", strings.Join(a.Leads, ", "))
	case a.Scope == core.ScopeRead:
		return out + ". The token you use may only read."
	}
	return out + "."
}

// moment writes a time in full, because an answer may be read in another place and much later.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// oneLine makes somebody's text fit into a line, and keeps it from opening a fence.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, fence, "'''")), " ")
}

// fit keeps an answer within MaxAnswer: it is cut at the end of a line, and an open fence is closed.
func fit(text string) string {
	if utf8.RuneCountInString(text) <= MaxAnswer {
		return text
	}
	const end = "\n" + fence + "\n..."
	text = string([]rune(text)[:MaxAnswer-len(end)])
	if cut := strings.LastIndexByte(text, '\n'); cut > 0 {
		text = text[:cut]
	}
	if strings.Count(text, fence)%2 == 1 {
		return text + end
	}
	return text + "\n..."
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
