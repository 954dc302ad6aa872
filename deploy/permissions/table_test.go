package permissions_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mydb-project/mydb/core"
)

var update = flag.Bool("update", false, "write docs/permissions.md anew")

// document is where people read the table.
const document = "../../docs/permissions.md"

// tokenColumns are the tokens with which the API is tried: of who owns the databases, and of those who do not.
var tokenColumns = []column{
	{core.RoleUser, owner, core.ScopeRead},
	{core.RoleUser, owner, core.ScopeOperate},
	{core.RoleAuditor, stranger, core.ScopeRead},
	{core.RoleAdmin, stranger, core.ScopeRead},
	{core.RoleAdmin, stranger, core.ScopeOperate},
	{core.RoleAdmin, stranger, core.ScopeAdmin},
}

// tokens is the part of the table about them: everything that the API can do.
var tokens = section{title: "Tokens of the API", acts: slices.DeleteFunc(acts(), func(a act) bool { return len(a.api) == 0 })}

// cells are the verdicts of one act, by column.
type cells map[column]verdict

// TestPermissions tries everything through every door, as everybody, and compares what became of it with the table in the documentation. All
// doors have to say the same, and what is a request has to be in the audit trail, however it was decided.
func TestPermissions(t *testing.T) {
	found := map[string]cells{}
	var lock sync.Mutex
	t.Run("roles", func(t *testing.T) {
		for _, role := range roles {
			t.Run(string(role), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				for _, s := range append(slices.Clone(table), tokens) {
					for _, c := range s.columns(role) {
						for _, a := range s.acts {
							v := w.everyDoor(c, a)
							lock.Lock()
							if found[a.name] == nil {
								found[a.name] = cells{}
							}
							found[a.name][c] = v
							lock.Unlock()
						}
					}
				}
			})
		}
	})
	if t.Failed() {
		return
	}
	text := write(found)
	if *update {
		if err := os.WriteFile(document, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if string(golden) != text {
		t.Errorf("%s is not what was found. Run the test with -update, and look at the difference:\n%s", document, text)
	}
}

// columns are those of a section that a role has.
func (s section) columns(r core.Role) (out []column) {
	if s.title == tokens.title {
		return slices.DeleteFunc(slices.Clone(tokenColumns), func(c column) bool { return c.role != r })
	}
	if !s.relations {
		return []column{{role: r}}
	}
	for _, relation := range relations(r) {
		out = append(out, column{role: r, relation: relation})
	}
	return out
}

// everyDoor tries an act through every door. All of them have to say the same.
func (w *world) everyDoor(c column, a act) (all verdict) {
	w.Helper()
	login := logins[c.role]
	w.relate(c)
	for _, d := range doors {
		if c.scope != "" && d.name != core.DoorAPI {
			continue
		}
		for _, call := range d.tries(a) {
			w.putBack()
			if a.arrange != nil {
				a.arrange(w)
			}
			v := d.try(w, a, login, call)
			if all == "" {
				all = v
			}
			if v != all || !strings.Contains(string(allowed+refused+hidden), string(v)) {
				w.Errorf("%s, as %s (%s), through %s by %q: %s; before it was %s", a.name, c.role, c.relation, d.name, call, v, all)
			}
			w.checkTrail(c, a, d, call, v)
		}
	}
	if all == "" && c.scope == "" {
		w.Errorf("%s has no way through any door", a.name)
	}
	return all
}

// entry is what the audit trail has of a try.
type entry struct {
	Action, ActorID, Actor, Door, Address, InstanceID, Subject, Outcome string
	Data                                                                map[string]any
}

// checkTrail wants a try in the audit trail: who, as whom in chat, through which door, from where, about what, how it ended, what was before
// and after, and a reference.
func (w *world) checkTrail(c column, a act, d door, call string, v verdict) {
	w.Helper()
	if a.trail == "" || v == refused && d.name == core.Door(core.Slack) && strings.HasPrefix(call, "unlink ") {
		return
	}
	rows, err := w.root.Query(w.Context(), `select action, actor_id, actor, door, address, instance_id, subject, outcome, data from audit where id > $1::bigint and starts_with(action, $2) order by id`,
		w.things["audit"], trailOf(a, v))
	w.must(err)
	defer rows.Close()
	n := 0
	for rows.Next() {
		var e entry
		var data []byte
		w.must(rows.Scan(&e.Action, &e.ActorID, &e.Actor, &e.Door, &e.Address, &e.InstanceID, &e.Subject, &e.Outcome, &data))
		w.must(json.Unmarshal(data, &e.Data))
		if e.Actor != logins[c.role] {
			continue // what was begun in the name of who has asked
		}
		n++
		if problem := e.problem(c, a, d, v); problem != "" {
			w.Errorf("%s, as %s (%s), through %s by %q: the entry %+v %s", a.name, c.role, c.relation, d.name, call, e, problem)
		}
	}
	w.must(rows.Err())
	if n == 0 {
		w.Errorf("%s, as %s (%s), through %s by %q: %s, and there is no entry in the audit trail", a.name, c.role, c.relation, d.name, call, v)
	}
}

// trailOf is how the action of an entry begins. A link that was refused was never made.
func trailOf(a act, v verdict) string {
	if a.trail == "link." && v != allowed && slices.Contains(a.core, "DownloadBackup") {
		return "download"
	}
	return a.trail
}

// named reports whether an act names a database, so that an entry about it says which one. A link and a class are named by themselves.
func (a act) named() bool {
	if slices.Contains(a.core, "Service.RevokeLink") || slices.Contains(a.core, "Service.CollectClass") || !a.about {
		return false
	}
	return slices.ContainsFunc(table, func(s section) bool {
		return s.relations && slices.ContainsFunc(s.acts, func(b act) bool { return b.name == a.name })
	})
}

// problem says what an entry lacks; empty: nothing.
func (e entry) problem(c column, a act, d door, v verdict) string {
	wants := d.name
	if wants == "core" {
		wants = core.DoorTerminal
	}
	chat, _ := e.Data["chat"].(map[string]any)
	switch {
	case e.ActorID == "":
		return "has no id of a person"
	case e.Door != string(wants):
		return "is of another door"
	case d.name == core.Door(core.Slack) && chat["id"] != "U-"+logins[c.role]:
		return "does not say who it was in the chat"
	case d.name != core.Door(core.Slack) && e.Address == "":
		return "has no address"
	case a.about && e.Subject == "":
		return "is about nothing"
	case a.named() && e.InstanceID == "":
		return "does not say about which database"
	case e.Data["request"] == nil || e.Data["request"] == "":
		return "has no reference"
	case v != allowed && (e.Outcome != string(core.OutcomeRefused) || e.Data["reason"] == nil):
		return "does not say that it was refused, and why"
	case v == allowed && e.Outcome != string(core.OutcomeAccepted) && e.Outcome != string(core.OutcomeDone):
		return "does not say that it was accepted"
	case v == allowed && a.changes && (e.Data["before"] == nil || e.Data["after"] == nil):
		return "does not say what was before and after"
	}
	return ""
}

// write makes the document.
func write(found map[string]cells) string {
	var b strings.Builder
	b.WriteString(`# Who may do what

` + "`deploy/permissions`" + ` writes this page and keeps it true: a test does all of it through the domain, the REST API, the pages and the chat, as everybody,
and each request has to be in the audit trail, also when it is refused. A command, a route or a word of the chat that is not in the table fails the test.

✓ allowed · ✗ refused, with the reason · a dot: for them there is no such thing (404)

The roles are those of [the operator's guide](operator.md#roles). A token of the API may do less than its person: ` + "`read`" + ` only looks, ` + "`operate`" + ` does everything
but what an administrator alone may, and an auditor's token reads. A *reader* and a *writer* are people whom a database is shared with; *group* is a database whose owner
is in a group that the lead leads. A service account is an account on a database: it has no login here.
`)
	for _, s := range append(slices.Clone(table), tokens) {
		b.WriteString("\n## " + s.title + "\n\n" + s.head())
		for _, a := range s.acts {
			b.WriteString("| " + a.name)
			for _, r := range roles {
				for _, c := range s.columns(r) {
					b.WriteString(" | " + string(found[a.name][c]))
				}
			}
			b.WriteString(" | " + a.ways() + " |\n")
		}
	}
	return b.String()
}

func (s section) head() string {
	head, line := "| |", "|---|"
	for _, r := range roles {
		for _, c := range s.columns(r) {
			head += " " + strings.Join(strings.Fields(fmt.Sprintf("%s %s %s", c.role, c.relation, c.scope)), " ") + " |"
			line += ":-:|"
		}
	}
	return head + " through |\n" + line + "---|\n"
}

// ways are the doors through which it can be done.
func (a act) ways() string {
	var out []string
	for _, w := range []struct {
		name  string
		calls []string
	}{{"API", a.api}, {"page", a.pages}, {"chat", a.chat}} {
		if len(w.calls) > 0 {
			out = append(out, w.name)
		}
	}
	if len(out) == 0 {
		return "the domain alone"
	}
	return strings.Join(out, ", ")
}
