package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
)

// Platform sends to one chat service. bot/slack and bot/discord implement it. What a service refuses for good, or wants to be asked later,
// is a *core.ChatError; any other error may pass.
type Platform interface {
	// Post writes a message into a channel, and gives its id. tag is ours; Find finds the message again by it.
	Post(ctx context.Context, channel, thread, tag string, c core.Card) (id string, err error)
	// Find looks for a message of ours that was posted since a moment, in a channel or in a thread of it, whose id got lost.
	Find(ctx context.Context, channel, thread, tag string, since time.Time) (id string, found bool, err error)
	// Update changes a message that was posted.
	Update(ctx context.Context, channel, id string, c core.Card) error
	// Whisper shows a card to one person, where the service took the event from (reply), for as long as it takes answers there.
	Whisper(ctx context.Context, reply string, c core.Card) error
	// Direct gives the channel in which the bot and a person are alone.
	Direct(ctx context.Context, userID string) (channel string, err error)
}

// Settler is a Platform whose service shows people that it waits for an answer to an event.
type Settler interface {
	// Settle ends that, where the service took the event from, when the answer is a message in the channel, or a direct one.
	Settle(ctx context.Context, reply string, direct bool) error
}

const (
	// messagePause is the least time between two changes of a message: what happens meanwhile is told with the next one.
	messagePause = time.Second
	// replyLife is for how long a service takes private answers to an event, with a margin: Discord's fifteen minutes are the shortest.
	replyLife = 14 * time.Minute
	chatLimit = 20 * time.Second
)

// messageArgs ask for a message in chat to be brought up to date.
type messageArgs struct {
	MessageID string `json:"message_id"`
}

// Kind implements river.JobArgs.
func (messageArgs) Kind() string { return "chat_message" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (messageArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: chatQueue, MaxAttempts: maxAttempts, Priority: 2}
}

// messageWorker posts and updates messages. One that was posted by a worker that died before it could write that down is found again,
// where the service allows it.
type messageWorker struct {
	river.WorkerDefaults[messageArgs]
	Options
}

// Timeout implements river.Worker.
func (*messageWorker) Timeout(*river.Job[messageArgs]) time.Duration {
	return 2*chatLimit + 2*storeLimit
}

// NextRetry implements river.Worker.
func (w *messageWorker) NextRetry(job *river.Job[messageArgs]) time.Time {
	return backoff(job.Attempt, w.Now())
}

// Work implements river.Worker.
func (w *messageWorker) Work(ctx context.Context, job *river.Job[messageArgs]) error {
	m, err := w.Service.BeginMessage(ctx, job.Args.MessageID)
	switch {
	case errors.Is(err, core.ErrFinished):
		return nil
	case core.CodeOf(err) == core.CodeBusy:
		return river.JobSnooze(messagePause)
	case err != nil:
		return interrupted(ctx, err)
	}
	if m.SentAt != nil {
		if early := messagePause - w.Now().Sub(*m.SentAt); early > 0 {
			return w.later(ctx, m, "", early)
		}
	}
	if err := w.send(ctx, &m); err != nil {
		return w.failed(ctx, job, m, err)
	}
	return w.sent(ctx, job, m)
}

func (w *messageWorker) sent(ctx context.Context, job *river.Job[messageArgs], m core.ChatMessage) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeLimit)
	defer cancel()
	return finish(ctx, w.DB, job, func(tx pgx.Tx) error {
		again, err := w.Service.MessageSent(ctx, tx, m)
		if err != nil || !again {
			return err
		}
		// Changes that came meanwhile had jobs of their own, which found this one at work.
		opts := &river.InsertOpts{ScheduledAt: w.Now().Add(messagePause)}
		_, err = river.ClientFromContext[pgx.Tx](ctx).InsertTx(ctx, tx, messageArgs{MessageID: m.ID}, opts)
		return err
	})
}

// send shows people the message as it is to be now.
func (w *messageWorker) send(ctx context.Context, m *core.ChatMessage) error {
	ctx, cancel := context.WithTimeout(ctx, chatLimit)
	defer cancel()
	p, here := w.Platforms[m.Platform]
	if !here {
		return &core.ChatError{Refused: true, Err: fmt.Errorf("%s is not configured any more", m.Platform.Title())}
	}
	card, err := w.card(ctx, m)
	if err != nil {
		return err
	}
	if m.Posted != "" {
		return p.Update(ctx, m.PostedIn, m.Posted, card)
	}
	if m.Private && m.Kind == core.MessageAnswer && m.Reply != "" && w.Now().Sub(m.CreatedAt) < replyLife {
		err := p.Whisper(ctx, m.Reply, card)
		var refused *core.ChatError
		if !errors.As(err, &refused) || !refused.Refused {
			return err
		}
	}
	return w.post(ctx, p, m, card)
}

// card is what the message shows: what it was given, or what holds at this moment.
func (w *messageWorker) card(ctx context.Context, m *core.ChatMessage) (core.Card, error) {
	if m.Content != nil {
		return *m.Content, nil
	}
	return w.Chat.Card(ctx, *m)
}

func (w *messageWorker) post(ctx context.Context, p Platform, m *core.ChatMessage, card core.Card) error {
	channel, thread := m.Channel, m.Thread
	if m.Private || channel == "" {
		var err error
		if channel, err = p.Direct(ctx, m.UserID); err != nil {
			return err
		}
		thread = ""
	}
	id, found := "", false
	var err error
	if m.Attempts > 1 {
		if id, found, err = p.Find(ctx, channel, thread, m.ID, m.CreatedAt); err != nil {
			return err
		}
	}
	if !found {
		if id, err = p.Post(ctx, channel, thread, m.ID, card); err != nil {
			return err
		}
	}
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeLimit)
	defer cancel()
	if err := w.Service.MessagePosted(keep, m.ID, channel, id); err != nil {
		return err
	}
	w.settle(ctx, p, m)
	if found { // it shows what held when it was sent, before whoever sent it died
		return p.Update(ctx, channel, id, card)
	}
	return nil
}

// settle ends that a service shows that it waits for an answer. It is no harm when it goes on for a while.
func (w *messageWorker) settle(ctx context.Context, p Platform, m *core.ChatMessage) {
	s, waits := p.(Settler)
	if !waits || m.Reply == "" || w.Now().Sub(m.CreatedAt) >= replyLife {
		return
	}
	if err := s.Settle(ctx, m.Reply, m.Private); err != nil {
		w.Log.Info("it still looks as if an answer were missing in chat", "message", m.ID, "error", err)
	}
}

func (w *messageWorker) failed(ctx context.Context, job *river.Job[messageArgs], m core.ChatMessage, cause error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return river.JobSnooze(0) // this process is being stopped; the lease ends by itself
	}
	var said *core.ChatError
	asked := errors.As(cause, &said)
	if asked && said.Refused || w.Now().After(m.CreatedAt.Add(core.MessageLife)) {
		w.Log.Warn("a message could not be delivered", "message", m.ID, "platform", m.Platform, "error", cause)
		return finish(ctx, w.DB, job, func(tx pgx.Tx) error { return w.Service.MessageUndeliverable(ctx, tx, m, cause.Error()) })
	}
	pause := mailPause(m.Attempts)
	if asked && said.After > 0 {
		pause = said.After
	} else {
		w.Log.Warn("a message could not be sent yet", "message", m.ID, "platform", m.Platform, "attempts", m.Attempts, "error", cause)
	}
	return w.later(ctx, m, cause.Error(), pause)
}

// later gives the message back, to be sent after a pause.
func (w *messageWorker) later(ctx context.Context, m core.ChatMessage, reason string, pause time.Duration) error {
	if err := w.Service.MessageDelayed(ctx, m.ID, reason); err != nil {
		return interrupted(ctx, err)
	}
	return river.JobSnooze(pause)
}
