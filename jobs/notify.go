package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
)

// notifyQueue is served by managers, with few slots of its own: a mail server that hangs must not hold up the making of databases.
const (
	notifyQueue = "notify"
	notifySlots = 4
)

// Mailer delivers mail. jobs/mail is the one for SMTP.
type Mailer interface {
	// Send hands a mail to the mail server, or says why not: a *MailError when the server refused it, whose Refused says that it
	// will always. It ends when ctx does. Of a mail whose hand-over was interrupted, nobody can tell whether it arrived; sent
	// again, it has the same Message-ID, by which mail programs recognise it.
	Send(ctx context.Context, m Mail) error
}

// Mail is one mail to one person.
type Mail struct {
	ID      string // makes the Message-ID
	Kind    string // of the news, such as "ready"
	Name    string // of the recipient; may be empty
	Address string
	At      time.Time
	Text    core.Text
	Why     string // why the recipient is told, in a sentence
	Choice  string // path of the portal's page on which they choose not to be; empty: there is no choice
}

// MailError is why a mail was not taken, in words for administrators, without a secret.
type MailError struct {
	Refused bool // this mail to this address will never be taken
	Message string
	Err     error
}

func (e *MailError) Error() string { return e.Message }

// Unwrap gives the cause below.
func (e *MailError) Unwrap() error { return e.Err }

// notifyArgs ask for a notification to be delivered.
type notifyArgs struct {
	NotificationID string `json:"notification_id"`
}

// Kind implements river.JobArgs.
func (notifyArgs) Kind() string { return "notify" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (notifyArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: notifyQueue, MaxAttempts: maxAttempts}
}

// sendLimit is how long one attempt to deliver a mail may take.
const sendLimit = 45 * time.Second

// storeLimit is how long writing down what became of a mail may take, also when this process is being stopped: a mail that was
// sent and is not known as sent would be sent again.
const storeLimit = 5 * time.Second

// notifyWorker delivers what is in the outbox. A mail is sent at least once: a worker that is killed after the mail server has
// taken it, and before that is stored, leaves it to be sent again, with the same Message-ID.
type notifyWorker struct {
	river.WorkerDefaults[notifyArgs]
	Options
}

// Timeout implements river.Worker.
func (*notifyWorker) Timeout(*river.Job[notifyArgs]) time.Duration { return sendLimit + 2*storeLimit }

// NextRetry implements river.Worker. It is for a catalogue that does not answer; mail servers are given the longer mailPause.
func (w *notifyWorker) NextRetry(job *river.Job[notifyArgs]) time.Time {
	return backoff(job.Attempt, w.Now())
}

// Work implements river.Worker.
func (w *notifyWorker) Work(ctx context.Context, job *river.Job[notifyArgs]) error {
	letter, err := w.Service.BeginLetter(ctx, job.Args.NotificationID)
	if errors.Is(err, core.ErrFinished) {
		return nil
	}
	if err != nil {
		return interrupted(ctx, err)
	}
	if w.Mailer == nil {
		return w.finish(ctx, job, letter, core.LetterCancelled, "not sent: mail is off (MYDB_SMTP_URL is not set)", false)
	}
	if err := w.send(ctx, letter); err != nil {
		return w.failed(ctx, job, letter, err)
	}
	return w.finish(ctx, job, letter, core.LetterSent, "", false)
}

func (w *notifyWorker) send(ctx context.Context, l core.Letter) error {
	text, err := l.Text()
	if err != nil {
		return &MailError{Refused: true, Message: err.Error(), Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	return w.Mailer.Send(ctx, Mail{
		ID: l.ID, Kind: l.Kind, Name: l.Name, Address: l.Address, At: l.CreatedAt, Text: text, Why: l.Why(), Choice: l.Choice(),
	})
}

// failed decides whether a letter is tried again, or dead.
func (w *notifyWorker) failed(ctx context.Context, job *river.Job[notifyArgs], l core.Letter, cause error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return river.JobSnooze(0) // this process is being stopped
	}
	var refused *MailError
	dead := errors.As(cause, &refused) && refused.Refused
	if dead || l.GivesUp(w.Now()) {
		w.Log.Error("a notification is given up", "notification", l.ID, "kind", l.Kind, "attempts", l.Attempts, "error", cause)
		return w.finish(ctx, job, l, core.LetterFailed, cause.Error(), dead)
	}
	pause := mailPause(l.Attempts)
	w.Log.Warn("a notification could not be sent yet", "notification", l.ID, "kind", l.Kind, "attempts", l.Attempts, "again_in", pause, "error", cause)
	if err := w.Service.DelayLetter(ctx, l.ID, cause.Error()); err != nil {
		return interrupted(ctx, err)
	}
	return river.JobSnooze(pause)
}

func (w *notifyWorker) finish(ctx context.Context, job *river.Job[notifyArgs], l core.Letter, end core.LetterState, reason string, refused bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeLimit)
	defer cancel()
	err := finish(ctx, w.DB, job, func(tx pgx.Tx) error {
		return w.Service.FinishLetter(ctx, tx, l, end, reason, refused)
	})
	if errors.Is(err, core.ErrFinished) {
		return nil
	}
	return err
}

// mailPause is the pause after so many attempts: what is greylisted or restarting gets in soon, what is down for long is asked
// every two hours.
func mailPause(attempts int) time.Duration {
	return min(15*time.Second<<min(attempts-1, 12), 2*time.Hour)
}
