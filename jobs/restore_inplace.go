package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
)

// inPlacePlan fills a new volume beside the one that the instance runs on, after a backup of what is there now. The exchange follows.
var inPlacePlan = plan{
	limit: backupLimit, tries: backupTries,
	steps: func(ctx context.Context, a *attempt) ([]step, error) {
		if err := a.needStore(); err != nil {
			return nil, err
		}
		x, err := a.exchanging(ctx)
		if err != nil {
			return nil, err
		}
		if x.manifest, err = a.Service.Manifest(ctx, x.args.BackupID); err != nil {
			return nil, err
		}
		a.private = a.private || x.manifest.Instance.PHI
		save, err := x.save(ctx)
		return slices.Concat(save, x.fill()), err
	},
	undo: func(ctx context.Context, a *attempt) error {
		x, err := a.exchanging(ctx)
		if err != nil {
			return err
		}
		return x.forget(ctx)
	},
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		if failure != nil && a.exchange != nil && !a.exchange.saved {
			failure.Message += "\nThe backup of today's data, which comes first, could not be made, so nothing was restored. A restore into a new database needs none."
		}
		return handOver(ctx, tx, a, failure)
	},
}

// save makes the safety backup. A stopped instance's server is started beside it for that.
func (x *exchange) save(ctx context.Context) ([]step, error) {
	b, err := x.Service.SafetyBackup(ctx, x.attempt.steps.operationID, x.instance)
	if err != nil {
		return nil, err
	}
	stopped := x.args.Was == core.StateStopped
	x.safety, x.saved = &backup{attempt: x.now, id: b.ID, beside: stopped}, b.Good()
	var all []step
	if stopped {
		all = append(all, step{"start the server beside, to read what is there now", x.wake})
	}
	if !x.saved {
		work, err := x.safety.work(ctx)
		if err != nil {
			return nil, err
		}
		all = append(append(all, work...), step{"keep that backup", x.keepSafety})
	}
	if stopped {
		all = append(all, step{"stop it again", func(ctx context.Context) (string, error) {
			if err := x.meet(ctx); err != nil {
				return "", err
			}
			return x.retire(ctx)
		}})
	}
	return all, nil
}

// keepSafety records the safety backup, which is worth having whatever becomes of the restore.
func (x *exchange) keepSafety(ctx context.Context) (string, error) {
	err := pgx.BeginFunc(ctx, x.DB, func(tx pgx.Tx) error {
		return x.Service.KeepBackup(ctx, tx, x.attempt.steps.operationID, x.safety.made(), nil)
	})
	x.saved = err == nil
	return "backup " + x.safety.id, err
}

// fill makes the new volume and proves what is on it.
func (x *exchange) fill() []step {
	return []step{
		{"start a server beside, on a new volume", x.startNew},
		{"restore the backup of " + x.manifest.StartedAt.Format(time.RFC3339) + " there", func(ctx context.Context) (string, error) {
			return "", x.restoreParts(ctx, x.manifest, x.other, x.secrets)
		}},
		{"count every table", x.count},
		{"let in who may log in now", x.admitAll},
		{"write and read as " + x.instance.Username, x.prove},
		{"stop that server", x.done},
	}
}

func (x *exchange) startNew(ctx context.Context) (string, error) {
	x.began = x.Now()
	if err := x.haveRoom(ctx, x.manifest); err != nil {
		return "", err
	}
	if err := x.clear(ctx); err != nil {
		return "", err
	}
	if err := x.Runtime.RemoveGeneration(ctx, x.instance.ID, x.args.To); err != nil {
		return "", err
	}
	var err error
	x.other, err = x.beside(ctx, x.args.To, x.Now().Add(time.Hour))
	return "", err
}

func (x *exchange) count(ctx context.Context) (string, error) {
	r, err := x.countCopy(ctx, x.manifest, x.other, x.secrets)
	if err != nil {
		return "", err
	}
	r.At, r.Seconds = x.Now().UTC(), x.Now().Sub(x.began).Seconds()
	x.filled.Receipt = &r
	if err := x.Service.NoteReceipt(ctx, x.steps.operationID, r); err != nil {
		return "", err
	}
	return checkCopy(r)
}

// admitAll makes the owner's side as a create does, and then lets everybody in.
func (x *exchange) admitAll(ctx context.Context) (string, error) {
	if x.args.Was != core.StateStopped {
		if err := x.meet(ctx); err != nil {
			return "", fmt.Errorf("read who may log in now: %w", err)
		}
	}
	if err := x.provision(ctx); err != nil {
		return "", err
	}
	return x.admit(ctx)
}
