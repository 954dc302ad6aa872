package bot

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mydb-project/mydb/core"
)

// siteCommands are for administrators.
var siteCommands = []Command{
	{Name: "site", Summary: "Shows how the whole site is doing; for administrators.", Example: "site"},
	{Name: "announce", Summary: "Announces something in all doors, until off; for administrators.", Example: `announce "maintenance on Sunday from 8" until=2d`, Params: []Param{
		{Name: "text", Kind: KindText, Positional: true, Help: "What to announce, in quotes; off ends it.", Example: "maintenance on Sunday from 8"},
		{Name: "until", Kind: KindWord, Default: "a day", Help: "For how long it is up, such as 2h or 3d.", Example: "2d"},
	}},
}

func (c conversation) site(ctx context.Context) (Answer, error) {
	if !c.Actor.IsAdmin() {
		return Answer{}, core.Errorf(core.CodeForbidden, "Only administrators see how the whole site is doing. For yours: list")
	}
	g, err := c.service.Gauges(ctx)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Title: "The site", Text: renderSite(g, c.publicURL)}, nil
}

func renderSite(g core.Gauges, publicURL string) string {
	states, queue := map[string]int{}, map[string]int{}
	for _, i := range g.Instances {
		states[string(i.State)] += i.N
	}
	for _, j := range g.Jobs {
		queue[j.State] += j.N
	}
	oldest, findings, alarms := 0.0, 0, 0
	for _, b := range g.Backups {
		oldest = max(oldest, b.Age)
	}
	late := 0
	for _, f := range g.Findings {
		findings += f.N
		if f.Severity == core.SeverityAlarm {
			alarms += f.N
		}
		if strings.HasPrefix(f.Kind, "backup_") {
			late += f.N
		}
	}
	down := 0
	for _, m := range g.Measured {
		if !m.Up {
			down++
		}
	}
	out := table(func(row func(...string)) {
		row("Databases", counts(states))
		row("Not answering", strconv.Itoa(down))
		row("Queue", counts(queue))
		row("Oldest backup", age(time.Duration(oldest)*time.Second))
		row("Backup guard", number(late, "complaint"))
		row("Findings", fmt.Sprintf("%d, of them %s", findings, number(alarms, "alarm")))
		if g.Paused {
			row("Paused", "yes: nothing is healed")
		}
	})
	return out + "\nMore: " + publicURL + "/findings"
}

func counts(of map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%d %s", of[name], name))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func (c conversation) announce(ctx context.Context) (Answer, error) {
	text, life := c.values["text"], time.Duration(0)
	if until := c.values["until"]; until != "" {
		var err error
		if life, err = parseSpan(until); err != nil {
			return Answer{}, err
		}
	}
	if text == "" {
		a, err := c.service.Announced(ctx)
		if err != nil || a == nil {
			return Answer{Text: `Nothing is announced. To announce something: announce "maintenance on Sunday from 8" until=2d`}, err
		}
		return Answer{Text: fmt.Sprintf("%s has announced, until %s: %s", a.By, moment(a.Until), oneLine(a.Text))}, nil
	}
	if strings.EqualFold(text, "off") {
		text = ""
	}
	a, err := c.service.Announce(ctx, c.request(), text, life)
	if err != nil {
		return Answer{}, err
	}
	if a == nil {
		return Answer{Text: "Nothing is announced any more."}, nil
	}
	return Answer{Text: fmt.Sprintf("Announced in all doors until %s: %s", moment(a.Until), oneLine(a.Text))}, nil
}

// parseSpan reads a time such as 2h or 3d.
func parseSpan(text string) (time.Duration, error) {
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		if n, err := strconv.Atoi(days); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, core.Errorf(core.CodeInvalid, "%q is no time such as 2h or 3d.", clip(text, 40))
	}
	return d, nil
}
