package core

import (
	"fmt"
	"time"
)

// NewsDigest tells administrators once a day what has happened, and what needs them.
type NewsDigest struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	Zone  string    `json:"zone"`  // the site's, in which days begin and end
	Done  []Fact    `json:"done"`  // what has happened, counted
	Needs []string  `json:"needs"` // what needs attention, the gravest first
}

func (NewsDigest) kind() string { return "digest" }

func (n NewsDigest) tell(string) Text {
	loc, err := time.LoadLocation(n.Zone)
	if err != nil {
		loc = time.UTC
	}
	what := "nothing needs attention"
	switch len(n.Needs) {
	case 0:
	case 1:
		what = "1 thing needs attention"
	default:
		what = fmt.Sprintf("%d things need attention", len(n.Needs))
	}
	t := Text{
		Subject: fmt.Sprintf("MyDB on %s: %s", n.Until.In(loc).Format("2 January 2006"), what),
		Lines:   append([]string{}, n.Needs...), Facts: n.Done, Page: "/findings", Link: "Look at the findings",
	}
	if len(n.Needs) == 0 {
		t.Lines = []string{"Nothing needs an administrator now."}
	}
	happened := "What has happened"
	if len(n.Done) == 0 {
		happened = "Nothing has happened"
	}
	t.Lines = append(t.Lines, fmt.Sprintf("%s from %s to %s.", happened, localMoment(n.Since, loc), localMoment(n.Until, loc)))
	return t
}

// localMoment writes a time as the clocks of a zone show it, with the zone's name.
func localMoment(t time.Time, loc *time.Location) string {
	return t.In(loc).Format("2 January 2006, 15:04 MST")
}
