package core

import (
	"fmt"
	"strings"
	"time"
)

// NewsRestored says that a database has the data of a backup now, or those of before it was restored.
type NewsRestored struct {
	By      string    `json:"by"`               // login
	Undone  bool      `json:"undone,omitempty"` // an earlier restore was taken back
	Made    time.Time `json:"made,omitzero"`    // when the backup was made
	Tables  int       `json:"tables,omitempty"`
	Rows    int64     `json:"rows,omitempty"`
	Seconds float64   `json:"seconds,omitempty"`
	Until   time.Time `json:"until"` // when the way back ends
	Renewed []string  `json:"renewed,omitempty"`
	Left    []string  `json:"left,omitempty"`
	Old     []string  `json:"old,omitempty"`
}

func (NewsRestored) kind() string { return "restored" }

func (n NewsRestored) tell(database string) Text {
	back := fmt.Sprintf("What it held before is kept until %s. Until then this can be taken back on its page, or with the command: undo %s", moment(n.Until), database)
	t := Text{
		Subject: fmt.Sprintf("%s was restored to the backup of %s", database, moment(n.Made)),
		Lines: []string{
			fmt.Sprintf("%s has put the backup of %s in the place of what %s held. MyDB has counted every table before it exchanged them.", n.By, moment(n.Made), database),
			back,
		},
		Facts: []Fact{{"Tables", fmt.Sprint(n.Tables)}, {"Rows", fmt.Sprint(n.Rows)}, {"Seconds", fmt.Sprintf("%.1f", n.Seconds)}},
		Link:  "Look at " + database,
	}
	if n.Undone {
		t.Subject = "The restore of " + database + " was undone"
		t.Lines[0] = fmt.Sprintf("%s has taken back the last exchange: %s holds again what it held before it.", n.By, database)
		t.Facts = nil
	}
	t.Facts = append(t.Facts, Fact{"Undo until", moment(n.Until)})
	t.Lines = append(t.Lines, n.passwords(database)...)
	return t
}

// passwords says with which ones people log in now.
func (n NewsRestored) passwords(database string) (out []string) {
	if len(n.Renewed)+len(n.Left) == 0 {
		out = append(out, "Address and passwords are as they were.")
	}
	if len(n.Renewed) > 0 {
		out = append(out, fmt.Sprintf("The passwords of these users could not be taken along, so they have new ones, to be collected once on the page of the database: %s.", strings.Join(n.Renewed, ", ")))
	}
	if len(n.Left) > 0 {
		out = append(out, fmt.Sprintf("These users log in with the passwords that they had then: %s. To set a new one: rotate %s", strings.Join(n.Left, ", "), database))
	}
	if len(n.Old) > 0 {
		out = append(out, fmt.Sprintf("The server keeps the passwords of these users in a form (MD5) that lets nobody in any more: %s. Set a new one: rotate %s", strings.Join(n.Old, ", "), database))
	}
	return out
}

// NewsPassword tells a colleague that their user on somebody's database has a new password.
type NewsPassword struct {
	Username string `json:"username"`
	By       string `json:"by"` // login of the database's owner
}

func (NewsPassword) kind() string { return "password" }

func (n NewsPassword) tell(database string) Text {
	return Text{
		Subject: "You have a new password on " + database,
		Lines: []string{
			fmt.Sprintf("%s, which belongs to %s, was restored from a backup, and the password of your user could not be taken along. Collect the new one once, on the page of the database; the old one no longer works.", database, n.By),
		},
		Facts: []Fact{{"User", n.Username}}, Link: "Collect the password and connect",
	}
}
