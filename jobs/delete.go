package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
)

// deletePlan makes a last backup before the server is stopped, if it runs and there is a store.
var deletePlan = plan{
	limit: backupLimit, tries: backupTries, blind: true,
	steps: func(ctx context.Context, a *attempt) ([]step, error) {
		if a.blind {
			return []step{{"remove the server, whose data stays", a.remove}}, nil
		}
		halt := step{"stop the server", a.halt}
		if a.Store == nil || a.instance.State != core.StateReady {
			return []step{halt}, nil
		}
		id, err := a.Service.FinalBackup(ctx, a.steps.operationID, a.instance)
		if err != nil {
			return nil, err
		}
		a.backup = &backup{attempt: a, id: id}
		work, err := a.backup.work(ctx)
		return append(work, halt), err
	},
	undo: backupPlan.undo,
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		if a.backup != nil {
			if failure != nil {
				failure.Message += "\nIt is not deleted. If a last backup cannot be had, stop it first: then it goes into the trash without one."
			}
			if err := a.Service.KeepBackup(ctx, tx, a.steps.operationID, a.backup.made(), failure); err != nil {
				return err
			}
		}
		return a.Service.FinishDelete(ctx, tx, a.steps.operationID, a.instance, failure)
	},
}

var undeletePlan = plan{
	limit: 5 * time.Minute,
	steps: startPlan.steps,
	undo:  startPlan.undo,
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		return a.Service.FinishUndelete(ctx, tx, a.steps.operationID, a.instance, failure)
	},
}

var purgePlan = plan{
	limit: 10 * time.Minute, blind: true,
	steps: func(_ context.Context, a *attempt) ([]step, error) {
		return []step{{"remove the server and its secret", a.remove}}, nil
	},
	finish: finishPurge,
}

func (a *attempt) remove(ctx context.Context) (string, error) {
	return "", a.Runtime.Remove(ctx, a.instance.ID)
}

// finishPurge leaves the volume to its own node, where the catalogue's tombstone is looked at once more.
func finishPurge(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
	if failure == nil {
		args, opts := removeVolumeArgs{InstanceID: a.instance.ID}, &river.InsertOpts{Queue: nodeQueue(a.nodeID)}
		if _, err := river.ClientFromContext[pgx.Tx](ctx).InsertTx(ctx, tx, args, opts); err != nil {
			return fmt.Errorf("enqueue the removal of the volume: %w", err)
		}
	}
	id := a.instance.ID
	kept, err := a.Service.KeptVolumes(ctx, id)
	if err != nil {
		return err
	}
	removed := []string{"service mydb-" + id, "secret mydb-" + id, fmt.Sprintf("volume mydb-%s-g%d", id, a.instance.Generation), fmt.Sprintf("port %d", a.server.Port)}
	for _, volume := range kept {
		removed = append(removed, "volume "+volume)
	}
	return a.Service.FinishPurge(ctx, tx, a.steps.operationID, a.instance, removed, failure)
}

// purgeArgs ask for the purge of what has been in the trash for long enough.
type purgeArgs struct{}

// Kind implements river.JobArgs.
func (purgeArgs) Kind() string { return "purge_trash" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (purgeArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1}
}

type purgeWorker struct {
	river.WorkerDefaults[purgeArgs]
	Options
}

// Work implements river.Worker.
func (w *purgeWorker) Work(ctx context.Context, _ *river.Job[purgeArgs]) error {
	started, err := w.Service.StartPurges(ctx)
	if started > 0 {
		w.Log.Info("the trash is emptied of what was there for long enough", "databases", started)
	}
	return err
}
