package discord

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bwmarrin/discordgo"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
)

// The buttons that lead to a password.
const (
	actionReveal = "reveal"
	actionLink   = "reveal_link"
	revealLimit  = 15 * time.Second
)

// reveal shows a password to the person who pressed the button, and to nobody else: in the answer to this click, which Discord shows to
// that person alone and keeps nowhere. It is tried once. Whoever saw nothing presses again: that works for ten minutes.
func (e event) reveal(ctx context.Context, in core.Inbound) {
	e.inPrivate(ctx, func(ctx context.Context) (message, error) {
		s, err := e.desk.Reveal(ctx, in)
		return secretMessage(s), err
	})
}

// revealLink shows a link instead, at which the portal shows the password once.
func (e event) revealLink(ctx context.Context, in core.Inbound) {
	e.inPrivate(ctx, func(ctx context.Context) (message, error) {
		link, err := e.desk.RevealLink(ctx, in)
		return saying("Log in there, and the portal shows it once: " + link), err
	})
}

// inPrivate promises an answer that the person alone sees, and gives it. Of a click that comes twice, one gets through.
func (e event) inPrivate(ctx context.Context, find func(context.Context) (message, error)) {
	if !e.respond(ctx, discordgo.InteractionResponseDeferredChannelMessageWithSource, discordgo.MessageFlagsEphemeral) {
		return
	}
	ctx = context.WithoutCancel(ctx) // from here on, there is more time
	e.goes(func() {
		ctx, cancel := context.WithTimeout(ctx, revealLimit)
		defer cancel()
		m, err := find(ctx)
		if err != nil {
			m = saying(e.desk.Explain(err))
		}
		if err := e.answer(ctx, reply{token: e.Token}, m); err != nil {
			e.o.Log.Warn("what only one person may see could not be shown", "interaction", e.ID, "error", err)
		}
	})
}

func secretMessage(s bot.Secret) message {
	m := empty()
	lines := fmt.Sprintf("user      %s\npassword  %s", s.Username, s.Password)
	if strings.Contains(lines, "`") {
		lines = escape(lines, true)
	} else {
		lines = fence + "\n" + lines + "\n" + fence
	}
	m.Content = "For " + escape(s.Database, true) + ", shown to you alone. Put it into your password manager now: in ten minutes MyDB does not have it any more.\n" + lines
	return m
}
