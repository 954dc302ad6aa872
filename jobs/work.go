package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
)

// maxAttempts is high because River must not give up before we do: each worker judges by itself what a retry can mend, and for
// how long it is worth trying.
const maxAttempts = 1000

// errSuperseded says that this attempt's job was given to another worker, which finishes it.
var errSuperseded = errors.New("the job went on elsewhere")

// finish commits the end of a job: what do writes and River's completion, together, and only if this is still the current attempt.
func finish[T river.JobArgs](ctx context.Context, db *pgxpool.Pool, job *river.Job[T], do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		var current bool
		err := tx.QueryRow(ctx, "select state = 'running' and attempt = $2 from river_job where id = $1 for update", job.ID, job.Attempt).Scan(&current)
		if err != nil {
			return fmt.Errorf("look at the job: %w", err)
		}
		if !current {
			return errSuperseded
		}
		if err := do(tx); err != nil {
			return err
		}
		if _, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job); err != nil {
			return fmt.Errorf("complete the job: %w", err)
		}
		return nil
	})
}

// steps writes the steps of an operation as they happen.
type steps struct {
	service     *core.Service
	operationID string
	seq         int
}

// do runs one step. detail is what the step tells people when it is done.
func (s *steps) do(ctx context.Context, name string, run func() (detail string, err error)) error {
	s.seq++
	if err := s.service.StartStep(ctx, s.operationID, s.seq, name); err != nil {
		return err
	}
	detail, err := run()
	if err != nil {
		detail = sentence(err).Message
	}
	// The end of a step is worth writing when the step was cut short by the attempt's end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, s.service.EndStep(ctx, s.operationID, s.seq, err == nil, detail))
}

// permanent reports whether a retry cannot mend an error.
func permanent(err error) bool {
	var (
		problem *Problem
		refused *engine.RefusedError
		ours    *core.Error
	)
	switch {
	case errors.Is(err, crypt.ErrOtherKey): // until this process gets the key file that the others have
		return false
	case errors.As(err, &problem):
		return problem.Permanent
	case errors.As(err, &refused):
		return true
	case errors.As(err, &ours):
		return true
	}
	return false
}

// sentence is what a person reads of an error in a job. An unknown error stays in the log.
func sentence(err error) core.Explanation {
	var (
		problem *Problem
		refused *engine.RefusedError
		ours    *core.Error
		later   *postponed
	)
	switch {
	case errors.As(err, &problem):
		text := problem.Message
		if problem.Detail != "" {
			text += "\n" + problem.Detail
		}
		return core.Explanation{Code: problem.code(), Message: text}
	case errors.As(err, &refused):
		return core.Explanation{Code: core.CodeInvalid, Message: refused.Message}
	case errors.As(err, &ours):
		return core.Explanation{Code: ours.Code, Message: ours.Message}
	case errors.As(err, &later):
		return core.Explanation{Code: core.CodeUnavailable, Message: later.message}
	case errors.Is(err, context.Canceled):
		return core.Explanation{Code: core.CodeUnavailable, Message: "MyDB was stopped here; the work goes on as soon as a worker is up."}
	}
	return core.Explanation{Code: core.CodeUnavailable, Message: "This did not work yet; MyDB tries again."}
}

func (p *Problem) code() core.Code {
	if p.Cause == CauseCapacity || p.Cause == CauseEngine || p.Cause == CausePort {
		return core.CodeUnavailable
	}
	return core.CodeInternal
}

// backoff is the pause before the next attempt: short at first, for what passes quickly, and half a minute at most.
func backoff(attempt int, now time.Time) time.Time {
	return now.Add(min(500*time.Millisecond<<min(attempt, 10), 30*time.Second))
}

// interrupted tells River to run a job again at once, elsewhere or later, when this process is being stopped.
func interrupted(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return river.JobSnooze(0)
	}
	return err
}

// failureLog logs what River would only store.
type failureLog struct{ log *slog.Logger }

// HandleError implements river.ErrorHandler.
func (f *failureLog) HandleError(_ context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	f.log.Warn("a job's attempt failed", "job", job.ID, "kind", job.Kind, "attempt", job.Attempt, "error", err)
	return nil
}

// HandlePanic implements river.ErrorHandler.
func (f *failureLog) HandlePanic(_ context.Context, job *rivertype.JobRow, value any, trace string) *river.ErrorHandlerResult {
	f.log.Error("a job panicked", "job", job.ID, "kind", job.Kind, "attempt", job.Attempt, "panic", value, "trace", trace)
	return nil
}
