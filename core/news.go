package core

import (
	"fmt"
	"strings"
	"time"
)

// News is something that people are told of. Its fields are stored as JSON and hold no secret. To add a kind, write a type here
// and name it in newsKinds.
type News interface {
	// kind names the news in the catalogue, such as "ready".
	kind() string
	// topic is what people switch it off by.
	topic() Topic
	// tell puts the news into words. database is the name of the one it is about; empty when it is about none.
	tell(database string) Text
}

// newsKinds makes an empty News for each kind, to be filled from what is stored.
var newsKinds = map[string]func() News{
	"ready":            func() News { return &NewsReady{} },
	"failed":           func() News { return &NewsFailed{} },
	"alarm":            func() News { return &NewsAlarm{} },
	"expiring":         func() News { return &NewsExpiring{} },
	"approval_asked":   func() News { return &NewsApprovalAsked{} },
	"approval_decided": func() News { return &NewsApprovalDecided{} },
	"trashed":          func() News { return &NewsTrashed{} },
	"purged":           func() News { return &NewsPurged{} },
	"shared":           func() News { return &NewsShared{} },
	"transferred":      func() News { return &NewsTransferred{} },
	"undeliverable":    func() News { return &NewsUndeliverable{} },
	"identity":         func() News { return &NewsIdentity{} },
	"undelivered":      func() News { return &NewsUndelivered{} },
	"restored":         func() News { return &NewsRestored{} },
	"password":         func() News { return &NewsPassword{} },
	"authority":        func() News { return &NewsAuthority{} },
	"rotated":          func() News { return &NewsRotated{} },
	"digest":           func() News { return &NewsDigest{} },
}

// Text is news in words, for any channel. All of it is plain text; people may have written parts of it.
type Text struct {
	Subject string   // one line
	Lines   []string // paragraphs, the most important first
	Facts   []Fact
	Page    string // path of the portal's page about it; empty: none
	Link    string // what the link to the page says
}

// Fact is something that one may want to look up or copy.
type Fact struct{ Name, Value string }

// NewsReady says that a database was measured to be usable.
type NewsReady struct {
	Engine    string     `json:"engine"`
	Version   string     `json:"version"`
	Size      string     `json:"size"`
	Host      string     `json:"host"`
	Port      int        `json:"port"`
	Database  string     `json:"database"`
	Username  string     `json:"username"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	Old       []string   `json:"old,omitempty"` // users of the backup it was made of, whose passwords are of a form that lets nobody in
}

func (NewsReady) kind() string { return "ready" }

func (n NewsReady) tell(database string) Text {
	t := Text{
		Subject: database + " is ready",
		Lines: []string{
			fmt.Sprintf("The %s database %s is ready: MyDB has logged in as %s, written a row and read it back.",
				strings.TrimSpace(engineTitle(n.Engine)+" "+n.Version), database, n.Username),
			"Its password is not in this message. The owner collects it once, on the page of the database.",
		},
		Facts: []Fact{{"Host", n.Host}, {"Port", fmt.Sprint(n.Port)}, {"Database", n.Database}, {"User", n.Username}, {"Size", n.Size}},
		Link:  "Collect the password and connect",
	}
	if n.ExpiresAt != nil {
		t.Facts = append(t.Facts, Fact{"Expires", moment(*n.ExpiresAt)})
	}
	if len(n.Old) > 0 {
		t.Lines = append(t.Lines, fmt.Sprintf("In the backup, the passwords of these users were kept in an old form (MD5), which lets nobody in any more: %s. "+
			"The owner has a new one; the others get theirs when the database is shared with them again.", strings.Join(n.Old, ", ")))
	}
	return t
}

// NewsFailed says that an operation failed. newsOfFailure makes it.
type NewsFailed struct {
	Action    string `json:"action"` // the operation's kind
	Message   string `json:"message"`
	Reference string `json:"reference,omitempty"`
}

// What has failed, in the words of NewsFailed, where topics tell it apart.
const (
	failedBackup       = "backup"
	failedVerification = "verification of a backup"
)

// newsOfFailure is what may leave MyDB about a failure: its first line, because what follows may be the end of a server's log, and
// not even that when it is about what the person sent, because a server quotes from scripts, and there may be passwords in them.
// The rest is in the portal, behind the login.
func newsOfFailure(action string, failure Explanation) NewsFailed {
	n := NewsFailed{Action: action, Message: firstLine(failure.Message), Reference: failure.Reference}
	if failure.Code == CodeInvalid {
		n.Message = "The server refused a part of what was asked for, such as the init script. The page of the database tells what it said."
	}
	return n
}

func (NewsFailed) kind() string { return "failed" }

func (n NewsFailed) tell(database string) Text {
	t := Text{Subject: fmt.Sprintf("The %s of %s failed", n.Action, database), Lines: []string{firstLine(n.Message)}, Link: "See what happened"}
	if n.Action == "create" {
		t.Subject = database + " could not be made"
		t.Lines = append(t.Lines, "Nothing of it is left, and its name is free again.")
	}
	if n.Reference != "" {
		t.Facts = []Fact{{"Reference", n.Reference}}
	}
	return t
}

// NewsAlarm says that something is wrong, or no longer wrong.
type NewsAlarm struct {
	Alarm    string    `json:"alarm"`             // what it is about, such as disk or connections
	Subject  string    `json:"subject,omitempty"` // the thing, when it is no database
	Message  string    `json:"message"`           // a sentence that says what to do
	Since    time.Time `json:"since"`
	Resolved bool      `json:"resolved,omitempty"`
}

func (NewsAlarm) kind() string { return "alarm" }

func (n NewsAlarm) tell(database string) Text {
	about := database
	if about == "" {
		about = n.Subject
	}
	t := Text{
		Subject: fmt.Sprintf("%s: %s", about, strings.ReplaceAll(n.Alarm, "_", " ")),
		Lines:   []string{n.Message}, Facts: []Fact{{"Since", moment(n.Since)}}, Link: "Look at it",
	}
	if n.Resolved {
		t.Subject += " (over)"
		t.Lines = append([]string{"This is over, and nothing is left to do:"}, t.Lines...)
	}
	return t
}

// NewsExpiring reminds of the end of a database's time, or says that it has come.
type NewsExpiring struct {
	Days      int       `json:"days"` // until then, for a reminder
	ExpiresAt time.Time `json:"expires_at"`
	Stopped   bool      `json:"stopped,omitempty"` // its time is over, and it was stopped
}

func (NewsExpiring) kind() string { return "expiring" }

func (n NewsExpiring) tell(database string) Text {
	t := Text{
		Subject: fmt.Sprintf("%s expires in %s", database, count(n.Days, "day")),
		Lines: []string{
			fmt.Sprintf("The time of %s ends on %s. Then it is stopped; its data is kept.", database, moment(n.ExpiresAt)),
			"If somebody still needs it, extend it on its page, or with the command: extend " + database + " 90d",
		},
		Link: "Extend " + database,
	}
	if n.Stopped {
		t.Subject = database + " has expired and was stopped"
		t.Lines[0] = fmt.Sprintf("The time of %s ended on %s, so it was stopped. Its data is kept.", database, moment(n.ExpiresAt))
	}
	return t
}

// NewsApprovalAsked asks those who may decide for a decision.
type NewsApprovalAsked struct {
	Approval  string    `json:"approval"` // id
	Action    string    `json:"action"`   // such as delete
	By        string    `json:"by"`       // login
	Reason    string    `json:"reason,omitempty"`
	Deciders  string    `json:"deciders,omitempty"` // who decides, in a sentence; default: an administrator
	ExpiresAt time.Time `json:"expires_at"`
}

func (NewsApprovalAsked) kind() string { return "approval_asked" }

func (n NewsApprovalAsked) tell(database string) Text {
	t := Text{
		Subject: fmt.Sprintf("%s asks for approval: %s %s", n.By, ActionWords(n.Action), database),
		Lines:   []string{fmt.Sprintf("%s wants to %s the database %s. This needs the approval of an administrator who is not %[1]s.", n.By, ActionWords(n.Action), database)},
		Facts:   []Fact{{"Approval", n.Approval}, {"Decide before", moment(n.ExpiresAt)}},
		Page:    "/approvals", Link: "Decide",
	}
	if n.Deciders != "" {
		t.Lines = []string{fmt.Sprintf("%s wants to %s the database %s, which needs the approval of somebody else. %s", n.By, ActionWords(n.Action), database, n.Deciders)}
	}
	if n.Reason != "" {
		t.Facts = append(t.Facts, Fact{"Reason given", n.Reason})
	}
	return t
}

// NewsApprovalDecided tells those who asked how it was decided. By is empty when nobody decided in time.
type NewsApprovalDecided struct {
	Action   string `json:"action"`
	Approved bool   `json:"approved"`
	By       string `json:"by,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Alone    bool   `json:"alone,omitempty"` // by the one who asked, because the site has nobody else
}

func (NewsApprovalDecided) kind() string { return "approval_decided" }

func (n NewsApprovalDecided) tell(database string) Text {
	t := Text{Link: "Look at " + database}
	switch {
	case n.By == "":
		t.Subject = fmt.Sprintf("Nobody decided: %s %s", ActionWords(n.Action), database)
		t.Lines = []string{"No administrator decided in time, so nothing was done. Ask again if you still want it."}
	case n.Approved:
		t.Subject = fmt.Sprintf("Approved: %s %s", ActionWords(n.Action), database)
		t.Lines = []string{fmt.Sprintf("%s has approved it. MyDB carries it out now.", n.By)}
		if n.Action == "download" {
			t.Lines = []string{fmt.Sprintf("%s has approved it. The link to the backup waits for you on the page of %s, for as long as that page says.", n.By, database)}
		}
		if n.Alone {
			t.Lines = append(t.Lines, n.By+" asked for it and approved it alone, because nobody else at this site could decide.")
		}
	default:
		t.Subject = fmt.Sprintf("Denied: %s %s", ActionWords(n.Action), database)
		t.Lines = []string{fmt.Sprintf("%s has denied it. Nothing was done.", n.By)}
	}
	if n.Reason != "" {
		t.Facts = []Fact{{"Reason given", n.Reason}}
	}
	return t
}

// NewsTrashed says that a database was deleted, and until when that can be taken back.
type NewsTrashed struct {
	By      string    `json:"by"` // login; empty: MyDB itself
	PurgeAt time.Time `json:"purge_at"`
}

func (NewsTrashed) kind() string { return "trashed" }

func (n NewsTrashed) tell(database string) Text {
	by := n.By
	if by == "" {
		by = "MyDB"
	}
	return Text{
		Subject: database + " was deleted; you can have it back until " + moment(n.PurgeAt),
		Lines: []string{
			fmt.Sprintf("%s has deleted %s. It is stopped and in the trash, with all its data.", by, database),
			fmt.Sprintf("On %s it is removed for good. Until then, take it back on its page, or with the command: undelete %s", moment(n.PurgeAt), database),
		},
		Link: "Take " + database + " back",
	}
}

// NewsPurged says that a database is gone for good.
type NewsPurged struct {
	Removed []string `json:"removed"` // what it had, such as "volume mydb-...-g1"
}

func (NewsPurged) kind() string { return "purged" }

func (n NewsPurged) tell(database string) Text {
	t := Text{Subject: database + " was removed for good", Lines: []string{fmt.Sprintf("The time of %s in the trash is over. MyDB has removed it.", database)}, Link: "See its history"}
	for _, thing := range n.Removed {
		t.Facts = append(t.Facts, Fact{"Removed", thing})
	}
	return t
}

// NewsShared tells a person that they may use somebody's database, or no longer.
type NewsShared struct {
	By       string     `json:"by"` // login
	Username string     `json:"username"`
	Writes   bool       `json:"writes,omitempty"`
	EndsAt   *time.Time `json:"ends_at,omitempty"`
	Ended    bool       `json:"ended,omitempty"`
}

func (NewsShared) kind() string { return "shared" }

func (n NewsShared) tell(database string) Text {
	if n.Ended {
		return Text{
			Subject: "Your access to " + database + " has ended",
			Lines:   []string{fmt.Sprintf("The user %s on %s is gone. Ask %s if you still need it.", n.Username, database, n.By)},
		}
	}
	rights := "read"
	if n.Writes {
		rights = "read and write"
	}
	t := Text{
		Subject: fmt.Sprintf("%s shares %s with you", n.By, database),
		Lines:   []string{fmt.Sprintf("You may %s. Your user there is %s; collect its password once, on the page of the database.", rights, n.Username)},
		Facts:   []Fact{{"User", n.Username}, {"Rights", rights}},
		Link:    "Collect the password and connect",
	}
	if n.EndsAt != nil {
		t.Facts = append(t.Facts, Fact{"Until", moment(*n.EndsAt)})
	}
	return t
}

// NewsTransferred says that a database has another owner.
type NewsTransferred struct {
	By   string `json:"by"`   // login
	From string `json:"from"` // login of the owner before
	To   string `json:"to"`
}

func (NewsTransferred) kind() string { return "transferred" }

func (n NewsTransferred) tell(database string) Text {
	return Text{
		Subject: fmt.Sprintf("%s belongs to %s now", database, n.To),
		Lines: []string{
			fmt.Sprintf("%s has given %s from %s to %s. Its data, port and shares are as they were.", n.By, database, n.From, n.To),
			fmt.Sprintf("The password of its owner's account is a new one, which %s collects once, on the page of the database. The old one no longer works.", n.To),
		},
		Facts: []Fact{{"Owner before", n.From}, {"Owner now", n.To}}, Link: "Look at " + database,
	}
}

// NewsUndeliverable tells administrators of somebody whom MyDB could not reach.
type NewsUndeliverable struct {
	Subject string `json:"subject"` // of what could not be delivered
	Name    string `json:"name,omitempty"`
	Address string `json:"address"`
	Reason  string `json:"reason"`
}

func (NewsUndeliverable) kind() string { return "undeliverable" }

func (n NewsUndeliverable) tell(string) Text {
	return Text{
		Subject: "Could not be delivered: " + n.Subject,
		Lines: []string{
			fmt.Sprintf("MyDB could not reach %s, so they do not know this yet: %s.", strings.TrimSpace(n.Name+" <"+n.Address+">"), n.Subject),
			"Tell them another way, correct the address, and send it again from the list of notifications that failed.",
		},
		Facts: []Fact{{"The mail server said", n.Reason}},
		Link:  "Look at the database",
	}
}

// moment writes a time for people: absolute, and in a time zone that is named.
func moment(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(line)
}

func engineTitle(word string) string {
	switch word {
	case "postgres":
		return "PostgreSQL"
	case "mariadb":
		return "MariaDB"
	case "mongodb":
		return "MongoDB"
	}
	return word
}
