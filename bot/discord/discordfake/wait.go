package discordfake

import (
	"context"
	"fmt"
	"strings"
)

// Wait returns when a condition holds, which is looked at whenever something has changed here. If ctx ends first, the error says what
// was waited for and what happened last.
func (f *Fake) Wait(ctx context.Context, what string, holds func() bool) error {
	for {
		changed := f.change()
		if holds() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w; the last calls were%s", what, ctx.Err(), f.lastCalls())
		case <-f.life.Done():
			return fmt.Errorf("waited for %s: the fake was closed", what)
		}
	}
}

// change is closed at the next change.
func (f *Fake) change() <-chan struct{} {
	defer f.hold()()
	return f.changed
}

// Version grows with each change: for pages that ask whether there is something new.
func (f *Fake) Version() uint64 {
	defer f.hold()()
	return f.version
}

func (f *Fake) lastCalls() string {
	calls := f.Calls()
	if len(calls) == 0 {
		return ": none"
	}
	var lines strings.Builder
	for _, c := range calls[max(0, len(calls)-8):] {
		lines.WriteString("\n  " + c.String())
	}
	return lines.String()
}

// WaitConnected waits until the bot has a session at the gateway.
func (f *Fake) WaitConnected(ctx context.Context) error {
	return f.Wait(ctx, "the bot at the gateway", func() bool { return f.Gateway().Live > 0 })
}

// WaitMessage waits until the user sees a message in the channel that fits, and gives the newest.
func (u *User) WaitMessage(ctx context.Context, c *Channel, what string, fits func(Message) bool) (found Message, err error) {
	err = u.fake.Wait(ctx, what, func() bool {
		for _, m := range u.Sees(c) {
			if fits(m) {
				found = m
			}
		}
		return found.ID != ""
	})
	if err != nil {
		return Message{}, fmt.Errorf("%s in #%s: %w; there is:%s", u.Name, c.Name, err, u.screen(c))
	}
	return found, nil
}

// WaitText waits until the user sees a message in the channel in which a text stands, and gives the newest.
func (u *User) WaitText(ctx context.Context, c *Channel, text string) (Message, error) {
	return u.WaitMessage(ctx, c, fmt.Sprintf("a message with %q", text), func(m Message) bool { return strings.Contains(m.Text(), text) })
}

func (u *User) screen(c *Channel) string {
	var lines strings.Builder
	for _, m := range u.Sees(c) {
		lines.WriteString("\n  " + m.Author.Username + ": " + strings.ReplaceAll(m.Text(), "\n", "\n    "))
	}
	return lines.String()
}

// wait waits until something has come of the interaction. It ends with an error once nothing can.
func (i *Interaction) wait(ctx context.Context, what string, come func() bool) error {
	var failed error
	err := i.fake.Wait(ctx, what, func() bool {
		if come() {
			return true
		}
		failed = i.Err()
		return failed != nil
	})
	if failed != nil {
		return failed
	}
	return err
}

// WaitAck waits for the first answer and gives its type; see Acked.
func (i *Interaction) WaitAck(ctx context.Context) (int, error) {
	err := i.wait(ctx, i.String()+" to be acknowledged", func() bool { return i.Acked() != 0 })
	return i.Acked(), err
}

// Answer waits for the first message that is more than a promise.
func (i *Interaction) Answer(ctx context.Context) (Message, error) {
	if err := i.wait(ctx, "an answer to "+i.String(), func() bool { return len(i.Messages()) > 0 }); err != nil {
		return Message{}, err
	}
	return i.Messages()[0], nil
}

// WaitModal waits for the form that the interaction opens.
func (i *Interaction) WaitModal(ctx context.Context) (*Modal, error) {
	form := func() *Modal {
		defer i.fake.hold()()
		return i.modal
	}
	err := i.wait(ctx, "a form for "+i.String(), func() bool { return form() != nil })
	return form(), err
}

// Choices waits for what autocompletion offers.
func (i *Interaction) Choices(ctx context.Context) ([]Choice, error) {
	err := i.wait(ctx, "choices for "+i.String(), func() bool { return i.Acked() == answerChoices })
	defer i.fake.hold()()
	return i.choices, err
}
