package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
)

// chatQueue holds answers to what comes in from chat services, and messages to be brought up to date there. Processes that know the
// services' keys serve it.
const chatQueue = "chat"

const (
	chatSlots = 12
	// answerLimit is how long an answer may take to be found: a report counts rows.
	answerLimit = 2 * time.Minute
	// answerTries is how often it is tried to answer, while the catalogue or the chat service does not answer.
	answerTries = 4
)

// ChatDesk knows what to answer. The bot is one.
type ChatDesk interface {
	// Answer carries out what came in, and says what to reply and who asked; personID is empty for whom nobody knows. What people did
	// wrong is part of the reply: an error is only what another attempt may mend.
	Answer(ctx context.Context, in core.Inbound) (r core.Reply, personID string, err error)
	// Card shows a message as it is to be seen now.
	Card(ctx context.Context, m core.ChatMessage) (core.Card, error)
}

// chatArgs ask for the answer to an event in the inbox.
type chatArgs struct {
	Key string `json:"key"`
}

// Kind implements river.JobArgs.
func (chatArgs) Kind() string { return "chat" }

// InsertOpts implements river.JobArgsWithInsertOpts. The highest priority: somebody is waiting.
func (chatArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: chatQueue, MaxAttempts: maxAttempts, Priority: 1}
}

type chatWorker struct {
	river.WorkerDefaults[chatArgs]
	Options
}

// Timeout implements river.Worker.
func (*chatWorker) Timeout(*river.Job[chatArgs]) time.Duration { return answerLimit + 2*storeLimit }

// NextRetry implements river.Worker.
func (w *chatWorker) NextRetry(job *river.Job[chatArgs]) time.Time {
	return backoff(job.Attempt, w.Now())
}

// Work implements river.Worker. The event's key makes the command idempotent, so an attempt after a crash gives the first receipt.
func (w *chatWorker) Work(ctx context.Context, job *river.Job[chatArgs]) error {
	in, err := w.Service.BeginChat(ctx, job.Args.Key)
	if errors.Is(err, core.ErrFinished) {
		return nil
	}
	if err != nil {
		return interrupted(ctx, err)
	}
	limited, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	reply, person, err := w.Chat.Answer(limited, in)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) || job.Attempt < answerTries {
			return interrupted(ctx, err)
		}
		e := core.Explain(w.Log, err)
		reply = core.Reply{Private: true, Card: core.Card{Text: e.Message, Tone: core.ToneBad}}
	}
	return finish(ctx, w.DB, job, func(tx pgx.Tx) error { return w.Service.AnswerChat(ctx, tx, in, person, reply) })
}

// behindPause is how often is looked for messages that a dead worker has left behind, and for approvals whose time is over.
const behindPause = 30 * time.Second

// behindArgs ask for that look.
type behindArgs struct{}

// Kind implements river.JobArgs.
func (behindArgs) Kind() string { return "chat_behind" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (behindArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1, UniqueOpts: oneAtATime}
}

type behindWorker struct {
	river.WorkerDefaults[behindArgs]
	Options
}

// Work implements river.Worker.
func (w *behindWorker) Work(ctx context.Context, _ *river.Job[behindArgs]) error {
	if _, err := w.Service.ExpireApprovals(ctx); err != nil {
		return err
	}
	ids, err := w.Service.MessagesBehind(ctx)
	if err != nil {
		return err
	}
	client := river.ClientFromContext[pgx.Tx](ctx)
	for _, id := range ids {
		if _, err := client.Insert(ctx, messageArgs{MessageID: id}, nil); err != nil {
			return err
		}
	}
	return nil
}
