package slack

import (
	"context"
	"fmt"

	"github.com/slack-go/slack"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
)

// The buttons that lead to a password.
const (
	actionReveal = "reveal"
	actionLink   = "reveal_link"
)

// reveal shows a password to the person who pressed the button, and to nobody else: in a window that Slack opens for them, and keeps nowhere. The
// window is opened first, because the trigger lives for three seconds. Of a click that comes twice, one gets through. Whoever saw nothing presses
// again: that works for ten minutes.
func (i interaction) reveal(ctx context.Context, d *bot.Desk, in core.Inbound) {
	opened, err := i.open(ctx, i.TriggerID, window("One moment", said("MyDB is looking for the password.")))
	if err != nil {
		i.say(saying("Slack did not open a window in time, and nothing was shown. Press the button once more.")).after(ctx)
		return
	}
	if opened == nil {
		return // a repetition
	}
	view := window("Password")
	s, err := d.Reveal(ctx, in)
	if err != nil {
		view = window("Password", said(d.Explain(err)))
	} else {
		view = secretWindow(s)
	}
	err = i.call(ctx, "views.update", func(ctx context.Context) error {
		_, err := i.api.UpdateViewContext(ctx, view, "", "", opened.ID)
		return err
	})
	if err != nil {
		i.o.Log.Warn("a window could not be filled", "error", err)
		i.say(saying("Slack did not show what MyDB had to show. Press the button once more; that works for ten minutes.")).after(ctx)
	}
}

// window is a window that only shows something.
func window(title string, parts ...slack.RichTextSectionElement) slack.ModalViewRequest {
	v := slack.ModalViewRequest{Type: slack.VTModal, Title: words(title, formTitle), Close: words("Close", formTitle)}
	if len(parts) > 0 {
		v.Blocks.BlockSet = []slack.Block{slack.NewRichTextBlock("", slack.NewRichTextSection(parts...))}
	}
	return v
}

func secretWindow(s bot.Secret) slack.ModalViewRequest {
	v := window("Password", said("For "), bold(s.Database), said(", shown to you alone. Put it into your password manager now: in ten minutes MyDB does not have it any more."))
	for _, line := range [][2]string{{"User", s.Username}, {"Password", s.Password}} {
		v.Blocks.BlockSet = append(v.Blocks.BlockSet, slack.NewRichTextBlock(
			"", slack.NewRichTextSection(bold(line[0])),
			&slack.RichTextPreformatted{Type: slack.RTEPreformatted, Elements: []slack.RichTextSectionElement{said(line[1])}},
		))
	}
	v.Blocks.BlockSet = append(v.Blocks.BlockSet, slack.NewRichTextBlock("", slack.NewRichTextSection(linked(fmt.Sprintf("How to connect: %s", s.Page))...)))
	return v
}

// revealLink shows a link instead, at which the portal shows the password once.
func (i interaction) revealLink(ctx context.Context, d *bot.Desk, in core.Inbound) {
	if !i.seen.first("link/"+in.Key, callLimit) {
		return // a repetition: another link would end the first
	}
	link, err := d.RevealLink(ctx, in)
	m := saying("Log in there, and the portal shows it once: " + link)
	if err != nil {
		m = saying(d.Explain(err))
	}
	i.say(m).after(ctx)
}
