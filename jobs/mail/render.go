package mail

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"
	"unicode"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/jobs"
)

//go:embed templates
var templates embed.FS

var (
	textLayout = texttemplate.Must(texttemplate.ParseFS(templates, "templates/mail.txt"))
	htmlLayout = htmltemplate.Must(htmltemplate.ParseFS(templates, "templates/mail.html"))
)

// view is what the templates show.
type view struct {
	core.Text
	URL    string // of the page, absolute
	Site   string
	Why    string
	Choice string // URL of the page on which the recipient chooses what to be told of
}

// rendered is a mail in its two forms. Lines end with \n; the writer of the message makes them what mail needs.
type rendered struct{ subject, text, html string }

func render(m jobs.Mail, site string) (rendered, error) {
	v := view{Text: plain(m.Text), Site: site, Why: plainText(m.Why)}
	if v.Page != "" && v.Link != "" {
		v.URL = site + v.Page
	}
	if m.Choice != "" {
		v.Choice = site + m.Choice
	}
	var text, html bytes.Buffer
	if err := textLayout.Execute(&text, v); err != nil {
		return rendered{}, fmt.Errorf("write the text of a mail: %w", err)
	}
	if err := htmlLayout.Execute(&html, v); err != nil {
		return rendered{}, fmt.Errorf("write the HTML of a mail: %w", err)
	}
	return rendered{v.Subject, text.String(), html.String()}, nil
}

// plain takes out of the words what could break the form of a mail, or show other than it says: people wrote some of them.
func plain(t core.Text) core.Text {
	out := core.Text{Subject: plainText(t.Subject), Page: t.Page, Link: plainText(t.Link)}
	for _, line := range t.Lines {
		out.Lines = append(out.Lines, plainText(line))
	}
	for _, f := range t.Facts {
		out.Facts = append(out.Facts, core.Fact{Name: plainText(f.Name), Value: plainText(f.Value)})
	}
	return out
}

// plainText makes one line without control and direction characters, at most 1000 characters long.
func plainText(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 1000 {
		return string(r[:997]) + "..."
	}
	return s
}
