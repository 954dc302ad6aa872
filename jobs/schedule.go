package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"
)

// How often is looked for backups that are due, for those that are late, and for those whose time is over.
const (
	schedulePause = time.Minute
	guardPause    = 5 * time.Minute
	retainPause   = time.Hour
	// uploadLife is after how long an upload that was not finished is ended: longer than any backup may take.
	uploadLife = backupLimit + time.Hour
)

// scheduleArgs ask for the backups that are due.
type scheduleArgs struct{}

// Kind implements river.JobArgs.
func (scheduleArgs) Kind() string { return "schedule_backups" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (scheduleArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1, UniqueOpts: oneAtATime}
}

type scheduleWorker struct {
	river.WorkerDefaults[scheduleArgs]
	Options
}

// Work implements river.Worker.
func (w *scheduleWorker) Work(ctx context.Context, _ *river.Job[scheduleArgs]) error {
	started, err := w.Service.ScheduleBackups(ctx)
	if started > 0 {
		w.Log.Info("scheduled backups begin", "databases", started)
	}
	return err
}

// guardArgs ask for a look at the newest backups.
type guardArgs struct{}

// Kind implements river.JobArgs.
func (guardArgs) Kind() string { return "guard_backups" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (guardArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1, UniqueOpts: oneAtATime}
}

type guardWorker struct {
	river.WorkerDefaults[guardArgs]
	Options
}

// Work implements river.Worker.
func (w *guardWorker) Work(ctx context.Context, _ *river.Job[guardArgs]) error {
	s := w.Service
	if err := errors.Join(s.GuardBackups(ctx), s.GuardCatalogue(ctx), s.GuardRecovery(ctx)); err != nil {
		return err
	}
	return Beat(ctx, w.Options)
}

// retainArgs ask for the end of backups that no rule keeps.
type retainArgs struct{}

// Kind implements river.JobArgs.
func (retainArgs) Kind() string { return "retain_backups" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (retainArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1, UniqueOpts: oneAtATime}
}

type retainWorker struct {
	river.WorkerDefaults[retainArgs]
	Options
}

// Timeout implements river.Worker.
func (*retainWorker) Timeout(*river.Job[retainArgs]) time.Duration { return time.Hour }

// Work implements river.Worker.
func (w *retainWorker) Work(ctx context.Context, _ *river.Job[retainArgs]) error {
	return Retain(ctx, w.Options)
}

// Retain takes backups out of the store that no rule keeps, by the catalogue's ids only, and ends uploads that nobody finishes.
func Retain(ctx context.Context, o Options) error {
	if o.Store == nil {
		return nil
	}
	expired, err := o.Service.ExpireBackups(ctx)
	if expired > 0 {
		o.Log.Info("backups have expired", "backups", expired)
	}
	if err != nil {
		return err
	}
	leaving, err := o.Service.LeavingBackups(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, b := range leaving {
		errs = append(errs, leave(ctx, o, b))
	}
	errs = append(errs, o.Service.JudgeLeaving(ctx), retainCatalogue(ctx, o))
	_, err = o.Store.Sweep(ctx, "", o.now().Add(-uploadLife))
	return errors.Join(append(errs, err)...)
}
