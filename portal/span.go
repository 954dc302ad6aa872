package portal

import (
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/mydb-project/mydb/core"
)

// spanQuery is the part of a query that says from when to when.
type spanQuery struct {
	Since string `query:"since" description:"Not older: a time such as 2026-06-30T00:00:00Z, or a date"`
	Until string `query:"until" description:"Older: a time, or a date, which then counts in full"`
}

// spanOf reads it. Dates are those of UTC.
func spanOf(r *http.Request) (span core.Span, err error) {
	q := r.URL.Query()
	if span.Since, err = momentOf("since", q.Get("since"), 0); err != nil {
		return span, err
	}
	span.Until, err = momentOf("until", q.Get("until"), 24*time.Hour)
	return span, err
}

func momentOf(name, text string, day time.Duration) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return at.Add(day), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, refuse(name, "The time %q is not understood. Write a date such as 2026-06-30, or a time such as 2026-06-30T00:00:00Z.", short(plain(text), 60))
	}
	return at, nil
}

// narrow is the form above a list that narrows it down, and the links that keep what it says.
type narrow struct {
	Path, CSV, Older string // addresses; Older is empty on the last page
	JSON             string // empty where there is none
	Choices          []selection
	Oversees         bool // the whole site
	SeesOthers       bool // databases
	query            url.Values
}

// selection is a field with a few values to choose from.
type selection struct {
	Name, Label string
	Values      []string
}

// Value is what the form says about a field.
func (n narrow) Value(name string) string { return n.query.Get(name) }

// narrowed repeats a request's own fields of these names.
func narrowed(r *http.Request, c call, next string, names []string, choices ...selection) narrow {
	n := narrow{Path: r.URL.Path, Choices: choices, Oversees: c.Actor.Oversees(), SeesOthers: c.Actor.SeesOthers(), query: url.Values{}}
	for _, name := range names {
		if value := r.URL.Query().Get(name); value != "" {
			n.query.Set(name, value)
		}
	}
	n.CSV = n.Path + ".csv?" + n.query.Encode()
	if next != "" {
		older := maps.Clone(n.query)
		older.Set("cursor", next)
		n.Older = n.Path + "?" + older.Encode()
	}
	return n
}

// nameOf is a database's name or id in a query.
func nameOf(r *http.Request) string { return short(plain(r.URL.Query().Get("database")), 100) }

// asTable tells whether a list is wanted as a table.
func asTable(r *http.Request) (bool, error) {
	switch r.URL.Query().Get("format") {
	case "", "json":
		return false, nil
	case "csv":
		return true, nil
	}
	return false, refuse("format", "The format is json or csv.")
}

// atMoment writes a time into a table; nothing for none.
func atMoment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
