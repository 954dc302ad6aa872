package bot

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/docker/go-units"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

func (c conversation) stats(ctx context.Context) (Answer, error) {
	i, _, err := c.find(ctx)
	if err != nil {
		return Answer{}, err
	}
	series, err := c.service.Series(ctx, c.Actor, i.ID, time.Now().AddDate(0, 0, -1))
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Text: renderStats(i.Name, series), Name: i.Name}
	a.Image, err = c.picture(ctx, i)
	return a, err
}

// picture draws how a database was doing, for chats that show pictures.
func (c conversation) picture(ctx context.Context, i core.Instance) ([]byte, error) {
	if c.Chat == nil {
		return nil, nil
	}
	series, err := c.service.Series(ctx, c.Actor, i.ID, time.Now().Add(-chartDays))
	if err != nil {
		return nil, err
	}
	backups, _, err := c.service.Backups(ctx, c.Actor, i.ID, core.Page{Limit: drawnBackups})
	if err != nil {
		return nil, err
	}
	return drawStats(i.Name, series, backups)
}

func (c conversation) report(ctx context.Context) (Answer, error) {
	r, err := c.service.Report(ctx, c.request(), c.values["name"])
	if err != nil {
		return Answer{}, c.proposing(ctx, err)
	}
	i, _, err := c.find(ctx)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Text: renderReport(i.Name, r, c.page(i)+"/report"), Name: i.Name}, nil
}

func (c conversation) logs(ctx context.Context) (Answer, error) {
	logs, err := c.service.Logs(ctx, c.request(), c.values["name"], core.DefaultLogLines)
	if err != nil {
		return Answer{}, c.proposing(ctx, err)
	}
	i, _, err := c.find(ctx)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Text: renderLogs(i.Name, logs.Lines, c.page(i)+"/logs"), Name: i.Name}, nil
}

// request is the message as one to the domain.
func (c conversation) request() core.Request {
	r := core.Request{Actor: c.Actor, Door: c.Door, Address: c.Address, Reference: c.Reference}
	if c.Chat != nil {
		r.Chat, r.Reference = &c.Chat.User, c.Chat.Key
	}
	return r
}

// statsRows is how many parts the last day is shown in.
const statsRows = 24

// renderStats sums up each hour: the newest size, and the highest of everything else.
func renderStats(name string, series []core.Usage) string {
	if len(series) == 0 {
		return name + " was not measured in the last day. That happens each minute while it is ready."
	}
	return "How " + name + " was doing, hour by hour (UTC):\n" + table(func(row func(...string)) {
		row("Hour", "Answered", "On disk", "Connections", "Longest query", "Restarts")
		hours := byHour(series)
		for _, h := range hours[max(0, len(hours)-statsRows):] {
			row(h.cells()...)
		}
	})
}

// hour is what the samples of an hour come to.
type hour struct {
	at                   time.Time
	samples, up          int
	bytes                *int64
	connections, allowed int
	longest              float64
	restarts             int
}

func byHour(series []core.Usage) (out []*hour) {
	for _, u := range series {
		at := u.At.UTC().Truncate(time.Hour)
		if len(out) == 0 || !out[len(out)-1].at.Equal(at) {
			out = append(out, &hour{at: at})
		}
		out[len(out)-1].add(u)
	}
	return out
}

func (h *hour) add(u core.Usage) {
	h.samples++
	if u.Up {
		h.up++
	}
	if u.Bytes != nil {
		h.bytes = u.Bytes
	}
	h.connections = max(h.connections, value(u.Connections))
	h.allowed = max(h.allowed, value(u.MaxConnections))
	h.longest = max(h.longest, value(u.LongestQuery))
	h.restarts += u.Restarts
}

func (h *hour) cells() []string {
	size := ""
	if h.bytes != nil {
		size = units.BytesSize(float64(*h.bytes))
	}
	return []string{
		h.at.Format("02 Jan 15:00"), fmt.Sprintf("%d%%", 100*h.up/h.samples), size, fmt.Sprintf("%d of %d", h.connections, h.allowed),
		(time.Duration(h.longest) * time.Second).String(), fmt.Sprint(h.restarts),
	}
}

// renderReport lists the largest part of a report that a message holds; the page has all of it.
func renderReport(name string, r engine.Report, page string) string {
	var tables int
	out := table(func(row func(...string)) {
		row("Table", "Rows", "On disk")
		for _, d := range r.Databases {
			for _, t := range d.Tables {
				if tables++; tables <= 25 {
					row(clip(oneLine(strings.TrimPrefix(d.Name+"."+t.Schema+"."+t.Name, name+".")), 60), rowsOf(t), units.BytesSize(float64(t.Bytes)))
				}
			}
		}
	})
	head := fmt.Sprintf("%s has %s in %s, and %s.", name, number(tables, "table"), number(len(r.Databases), "database"), number(len(r.Accounts), "account"))
	if tables == 0 {
		out = ""
	}
	if !r.Complete {
		head += " Not everything could be counted: the time was over, or somebody holds a table."
	}
	return strings.TrimSpace(head+"\n"+out) + "\nAll of it: " + page
}

func rowsOf(t engine.ReportTable) string {
	if t.Rows == nil {
		return "not counted"
	}
	return fmt.Sprint(*t.Rows)
}

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// logRoom is how many characters of a log fit into an answer, beside what is said about it.
const logRoom = MaxAnswer - 400

// renderLogs shows the end of a log: what fits of the last lines.
func renderLogs(name string, lines []string, page string) string {
	first, room := len(lines), logRoom
	for first > 0 {
		line := clip(oneLine(lines[first-1]), 300)
		if room -= utf8.RuneCountInString(line) + 1; room < 0 {
			break
		}
		first--
	}
	if first == len(lines) {
		return "The server of " + name + " has written nothing lately, or its machine is away."
	}
	shown := make([]string, 0, len(lines)-first)
	for _, line := range lines[first:] {
		shown = append(shown, clip(oneLine(line), 300))
	}
	return "The end of the log of " + name + ", secrets masked:\n" + fenced(strings.Join(shown, "\n")) + "\nMore of it: " + page
}
