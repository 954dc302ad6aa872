package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/crypt"
)

// operationArgs ask for work on an instance that exists. One worker does all kinds; plans says how.
type operationArgs struct {
	OperationID string `json:"operation_id"`
	Action      string `json:"action"` // the operation's kind
}

// Kind implements river.JobArgs.
func (operationArgs) Kind() string { return "operation" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (operationArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: maxAttempts}
}

// plan is how one kind of operation is done.
type plan struct {
	// limit is how long the operation may take, over all attempts. Then what has not passed counts as a failure.
	limit time.Duration
	// tries is after how many attempts any error counts as a failure; zero: only the limit does.
	tries int
	// away says that the instance itself is not touched, and may be gone.
	away bool
	// blind says that it can be done to a server whose secrets are lost: attempt.blind says that they are.
	blind bool
	// after is the number of the last step of the job that has handed the operation over to this one; zero: it is the first.
	after int
	// steps are what is done, in this order. Each is idempotent and finds what an earlier attempt left.
	steps func(context.Context, *attempt) ([]step, error)
	// turn says for how long the operation has to wait before it may begin. May be nil.
	turn func(context.Context, *attempt) (wait time.Duration, err error)
	// postpone ends an operation whose steps said that now is no time for it; see postponed. May be nil when none says so.
	postpone func(ctx context.Context, tx pgx.Tx, a *attempt, note string) error
	// undo puts back what a failed operation has changed outside the catalogue. May be nil. It is repeated until it works.
	undo func(context.Context, *attempt) error
	// finish writes the end into the catalogue, with the operation's; a nil failure is success.
	finish func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error
}

// plans has all kinds of operations but create, which makes what the others work on.
var plans = map[string]plan{
	"restart": restartPlan,
	"stop":    stopPlan,
	"start":   startPlan,
	"rotate":  rotatePlan,
	"resize":  resizePlan,

	"share":    sharePlan,
	"account":  sharePlan,
	"unshare":  unsharePlan,
	"transfer": transferPlan,

	"delete":   deletePlan,
	"undelete": undeletePlan,
	"purge":    purgePlan,
	"expire":   expirePlan,

	"renew": renewPlan,

	"heal":  healPlan,
	"adopt": adoptPlan,

	"backup": backupPlan,
	"verify": verifyPlan,

	"restore_in_place": inPlacePlan,
	"undo":             undoPlan,
	actionExchange:     exchangePlan,
}

// undoLimit is how long an attempt to undo may take.
const undoLimit = 2 * time.Minute

type operationWorker struct {
	river.WorkerDefaults[operationArgs]
	Options
}

// Timeout implements river.Worker.
func (w *operationWorker) Timeout(job *river.Job[operationArgs]) time.Duration {
	return plans[job.Args.Action].limit + undoLimit
}

// NextRetry implements river.Worker.
func (w *operationWorker) NextRetry(job *river.Job[operationArgs]) time.Time {
	return backoff(job.Attempt, w.Now())
}

// Work implements river.Worker.
func (w *operationWorker) Work(ctx context.Context, job *river.Job[operationArgs]) error {
	p, known := plans[job.Args.Action]
	if !known {
		return fmt.Errorf("no worker does %q", job.Args.Action)
	}
	a, err := begin(ctx, w.Options, job.Args.OperationID, p.limit)
	if errors.Is(err, core.ErrFinished) {
		return nil
	}
	if a == nil {
		return interrupted(ctx, err)
	}
	a.steps.seq = p.after
	if err == nil && p.turn != nil {
		wait, err := w.wait(ctx, p, a)
		if err != nil {
			return interrupted(ctx, err)
		}
		if wait > 0 {
			return river.JobSnooze(wait)
		}
	}
	if err == nil {
		err = w.do(ctx, p, a)
	}
	var later *postponed
	if errors.As(err, &later) {
		return finish(ctx, w.DB, job, func(tx pgx.Tx) error { return p.postpone(ctx, tx, a, later.message) })
	}
	if err == nil {
		return finish(ctx, w.DB, job, func(tx pgx.Tx) error { return p.finish(ctx, tx, a, nil) })
	}
	return w.failed(ctx, job, p, a, err)
}

// wait lets an operation wait whose turn it is not yet.
func (w *operationWorker) wait(ctx context.Context, p plan, a *attempt) (time.Duration, error) {
	wait, err := p.turn(ctx, a)
	if wait > 0 && err == nil {
		err = a.Service.Wait(ctx, a.steps.operationID)
	}
	return wait, err
}

func (w *operationWorker) do(ctx context.Context, p plan, a *attempt) error {
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	if !p.away {
		err := a.open(ctx)
		if a.blind = errors.Is(err, errSecretsLost); err != nil && !(a.blind && p.blind) {
			return err
		}
	}
	all, err := p.steps(ctx, a)
	if err != nil {
		return err
	}
	return a.run(ctx, all)
}

// failed decides whether an error is worth another attempt. If not, the operation is undone, and its end recorded.
func (w *operationWorker) failed(ctx context.Context, job *river.Job[operationArgs], p plan, a *attempt, cause error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return interrupted(ctx, cause)
	}
	tried := p.tries > 0 && job.Attempt >= p.tries
	if !permanent(cause) && !tried && !w.Now().After(a.deadline) {
		return cause
	}
	w.Log.Warn("an operation failed", "action", job.Args.Action, "instance", a.instance.ID, "operation", a.steps.operationID, "error", cause)
	failure := a.failure(p, cause)
	if p.undo != nil {
		if err := a.steps.do(ctx, "put back what was before", func() (string, error) { return "", p.undo(ctx, a) }); err != nil {
			return interrupted(ctx, fmt.Errorf("undo after %w: %w", cause, err))
		}
	}
	return finish(ctx, w.DB, job, func(tx pgx.Tx) error {
		if err := p.finish(ctx, tx, a, &failure); err != nil {
			return err
		}
		return a.doubt(ctx, tx, cause)
	})
}

// failure is what people read of the end.
func (a *attempt) failure(p plan, cause error) core.Explanation {
	e := sentence(cause)
	var problem *Problem
	if permanent(cause) || errors.As(cause, &problem) || errors.Is(cause, crypt.ErrOtherKey) {
		return e
	}
	e.Reference = xid.New().String()
	a.Log.Error("an operation was given up", "reference", e.Reference, "instance", a.instance.ID, "error", cause)
	e.Code = core.CodeUnavailable
	tried := "within " + p.limit.String()
	if p.tries > 0 {
		tried = fmt.Sprintf("in %d attempts", p.tries)
	}
	e.Message = fmt.Sprintf("This did not work %s, and MyDB has given up. Your data is where it was. Try again; if it happens again, "+
		"tell an administrator the reference %s.", tried, e.Reference)
	return e
}
