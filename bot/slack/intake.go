package slack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"runtime/debug"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/mydb-project/mydb/bot"
	"github.com/mydb-project/mydb/core"
)

// Slack waits for an acknowledgement for three seconds.
const (
	ackLimit = 2500 * time.Millisecond
	// stale is after how long in the queue something is not begun any more: its person is about to be told that nobody answered.
	stale = 1500 * time.Millisecond
)

// answer is what Slack gets as the acknowledgement, and what is done after it.
type answer struct {
	payload any // nil: nothing but that it was taken
	after   func(context.Context)
	again   bool // it was not taken: Slack is to bring it again
}

// inPrivate is an answer to a command that its person alone sees.
func inPrivate(m message) answer { return answer{payload: m.private("")} }

// event is something that came in, in any way.
type event interface {
	// take deals with it, in time.
	take(ctx context.Context, d *bot.Desk) answer
	// refuse says that it was not accepted.
	refuse() answer
}

// admit gives an event its turn: at most so many at once, and not when it had to wait for too long. tell acknowledges, once. It never blocks.
func (a *Adapter) admit(ctx context.Context, d *bot.Desk, e event, tell func(answer)) {
	came := time.Now()
	if a.queue.Add(1) > waiting {
		a.queue.Add(-1)
		a.o.Log.Warn("more events come from Slack than MyDB can take")
		tell(answer{again: true}) // no sentence: those who say it would be too many as well
		return
	}
	a.goes(func() {
		defer a.queue.Add(-1)
		select {
		case a.limit <- struct{}{}:
		case <-ctx.Done():
			tell(answer{again: true})
			return
		}
		defer func() { <-a.limit }()
		if time.Since(came) > stale {
			a.tell(ctx, e.refuse(), tell)
			return
		}
		ctx, cancel := context.WithTimeout(ctx, ackLimit)
		defer cancel()
		a.tell(ctx, e.take(ctx, d), tell)
	})
}

// tell acknowledges, and does what is left to do, for which there is more time.
func (a *Adapter) tell(ctx context.Context, r answer, tell func(answer)) {
	tell(r)
	if !r.again {
		a.health.acknowledged(a.o.Now())
	}
	if r.after == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	a.goes(func() {
		ctx, cancel := context.WithTimeout(ctx, 2*callLimit)
		defer cancel()
		r.after(ctx)
	})
}

// goes does something that must not hold up who calls, and survives its mistakes.
func (a *Adapter) goes(do func()) {
	a.working.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				a.o.Log.Error("an event from Slack broke its handler", "panic", r, "stack", string(debug.Stack()))
			}
		}()
		do()
	})
}

// keyOf names an event for ever.
func keyOf(parts ...string) string {
	key := strings.Join(parts, "/")
	if len(key) > 200 {
		sum := sha256.Sum256([]byte(key))
		key = hex.EncodeToString(sum[:])
	}
	return "slack/" + key
}

func user(team, id, name string) core.ChatUser {
	return core.ChatUser{Platform: core.Slack, Team: team, ID: id, Name: or(name, id)}
}

// acceptLimit is within what time an event is kept, with all that has to be asked before.
const acceptLimit = 950 * time.Millisecond

// accepted keeps an event whose answer comes as a message. It gives what was answered when it came before.
func (a *Adapter) accepted(ctx context.Context, d *bot.Desk, in core.Inbound) (first *core.Card, err error) {
	ctx, cancel := context.WithTimeout(ctx, acceptLimit)
	defer cancel()
	if !in.Direct {
		in.Foreign = in.Foreign || a.foreign(ctx, in.Channel)
	}
	in.At = a.o.Now()
	r, err := d.Accept(ctx, in)
	return r.Answer, err
}

// late is said when Slack did not open a form.
const late = "Slack did not open the form in time. Try again, or write the command with all that it needs; help shows how."

// open opens a form, with the trigger that came with what somebody did. A repeated event finds it opened.
func (a *Adapter) open(ctx context.Context, trigger string, view slack.ModalViewRequest) (v *slack.ViewResponse, err error) {
	if !a.seen.first("trigger/"+trigger, time.Minute) {
		return nil, nil //nolint:nilnil // it is open already
	}
	err = a.call(ctx, "views.open", func(ctx context.Context) (err error) {
		v, err = a.api.OpenViewContext(ctx, trigger, view)
		return err
	})
	if code := codeOf(err); code == "exchanged_trigger_id" || code == "trigger_exchanged" {
		return nil, nil //nolint:nilnil // another process has opened it, for the same event
	}
	if err != nil {
		a.o.Log.Warn("a form could not be opened", "error", err)
	}
	return v, err
}
