package core

import "fmt"

// platformTitles are the chat services as they write themselves.
var platformTitles = map[Platform]string{Slack: "Slack", Discord: "Discord"}

// Title is the service's name as it writes it.
func (p Platform) Title() string { return platformTitles[p] }

// NewsIdentity tells a person that a chat user acts as them from now on, or not any more.
type NewsIdentity struct {
	Platform Platform `json:"platform"`
	Name     string   `json:"name"` // of the chat user
	Linked   bool     `json:"linked"`
	How      string   `json:"how,omitempty"` // mail, or by a code
}

func (NewsIdentity) kind() string { return "identity" }

func (n NewsIdentity) tell(string) Text {
	if !n.Linked {
		return Text{
			Subject: fmt.Sprintf("%s on %s does not act as you any more", n.Name, n.Platform.Title()),
			Lines:   []string{"What is written there is not taken as yours from now on. A new code on your account page links it again."},
			Page:    "/account", Link: "Look at your account",
		}
	}
	how := fmt.Sprintf("Somebody typed a code of yours in %s.", n.Platform.Title())
	if n.How == byMail {
		how = fmt.Sprintf("%s says that %s has your mail address, and somebody wrote to MyDB there.", n.Platform.Title(), n.Name)
	}
	return Text{
		Subject: fmt.Sprintf("%s on %s acts as you from now on", n.Name, n.Platform.Title()),
		Lines: []string{
			fmt.Sprintf("%s What %s writes to MyDB there is done in your name.", how, n.Name),
			"If that was not you, unlink it on your account page at once, change your password, and tell an administrator.",
		},
		Page: "/account", Link: "Look at your account",
	}
}

// NewsUndelivered tells by mail what could not be told in chat.
type NewsUndelivered struct {
	Platform Platform `json:"platform"`
	Text     string   `json:"text,omitempty"`
}

func (NewsUndelivered) kind() string { return "undelivered" }

func (n NewsUndelivered) tell(database string) Text {
	t := Text{
		Subject: "MyDB could not answer you in " + n.Platform.Title(),
		Lines:   []string{fmt.Sprintf("%s did not take MyDB's answer, neither in the channel nor as a direct message.", n.Platform.Title())},
		Page:    "/", Link: "Look at your databases",
	}
	if database != "" {
		t.Subject += " about " + database
		t.Page, t.Link = "", "Look at "+database
	}
	if n.Text != "" {
		t.Lines = append(t.Lines, "It was: "+n.Text)
	}
	return t
}
