package bot

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/mydb-project/mydb/core"
)

// historyLimit is how many lines a history in chat has. The portal has all of it.
const historyLimit = 15

// historyCommands tell what was done.
var historyCommands = []Command{
	{Name: "history", Summary: "Shows what was done with backups: made, verified, restored.", Example: "history genomes", Params: []Param{{
		Name: "name", Kind: KindName, Positional: true, Default: "all of yours", Help: "The database's name; or all, for everybody's, as an administrator.", Example: "genomes",
	}}},
	{Name: "audit", Summary: "Shows who did what with a database; without a name, on the whole site, for administrators.", Example: "audit genomes", Params: []Param{{
		Name: "name", Kind: KindName, Positional: true, Default: "the whole site", Help: "The database's name.", Example: "genomes",
	}}},
}

func (c conversation) history(ctx context.Context) (Answer, error) {
	name, filter := c.values["name"], core.RunFilter{}
	of, page := "your databases", "/history"
	switch {
	case name == "all":
		filter.All, of, page = true, "all databases", "/history?all=true"
	case name != "":
		i, _, err := c.find(ctx)
		if err != nil {
			return Answer{}, err
		}
		filter = core.RunFilter{Database: i.ID, All: c.Actor.SeesOthers()}
		of, page = i.Name, "/history?database="+i.ID
	}
	runs, next, err := c.service.Runs(ctx, c.Actor, filter, core.Page{Limit: historyLimit})
	if err != nil {
		return Answer{}, err
	}
	return Answer{Text: renderRuns(of, runs, next != "", c.publicURL+page)}, nil
}

func renderRuns(of string, runs []core.Run, more bool, page string) string {
	if len(runs) == 0 {
		return "Nothing was done with backups of " + of + " yet."
	}
	text := "What was done with backups of " + of + ", newest first:\n" + table(func(row func(...string)) {
		row("Began", "What", "Database", "State", "Took", "By")
		for _, x := range runs {
			took := ""
			if x.Seconds != nil {
				took = fmt.Sprintf("%.0f s", *x.Seconds)
			}
			row(x.CreatedAt.UTC().Format("2006-01-02 15:04"), x.Kind, x.Database, cmp.Or(x.Level, x.State), took, x.RequestedBy)
		}
	})
	for _, x := range runs {
		if x.Error != "" {
			text += fmt.Sprintf("\nThe newest that failed, the %s of %s, says: %s", x.Kind, x.Database, clip(oneLine(x.Error), 300))
			break
		}
	}
	return text + allOfIt(more, page)
}

// allOfIt says where the rest is.
func allOfIt(more bool, page string) string {
	if more {
		return "\nAll of it, with receipts and as a table: " + page
	}
	return "\nWith receipts, and as a table: " + page
}

func (c conversation) audit(ctx context.Context) (Answer, error) {
	if name := c.values["name"]; name != "" {
		i, entries, next, err := c.service.Timeline(ctx, c.Actor, name, core.Page{Limit: historyLimit})
		if err != nil {
			return Answer{}, c.proposing(ctx, err)
		}
		page := c.page(i) + "/timeline"
		if c.Actor.Oversees() {
			page = c.publicURL + "/audit?database=" + i.ID
		}
		return Answer{Text: renderAudit(entries, next != "", page), Name: i.Name}, nil
	}
	entries, next, err := c.service.AuditTrail(ctx, c.Actor, core.AuditFilter{}, core.Page{Limit: historyLimit})
	if err != nil {
		return Answer{}, err
	}
	return Answer{Text: renderAudit(entries, next != "", c.publicURL+"/audit")}, nil
}

func renderAudit(entries []core.AuditEntry, more bool, page string) string {
	if len(entries) == 0 {
		return "The audit trail has nothing of that."
	}
	return table(func(row func(...string)) {
		row("When (UTC)", "Who", "Door", "What", "About", "Outcome")
		for _, e := range entries {
			row(e.At.UTC().Format("2006-01-02 15:04:05"), cmp.Or(e.Actor, "nobody"), string(e.Door), e.Action, clip(oneLine(e.Subject), 40), string(e.Outcome))
		}
	}) + strings.Replace(allOfIt(more, page), "receipts", "all that is known", 1)
}
