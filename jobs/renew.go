package jobs

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// renewPlan gives a server a new certificate: another secret of the cluster, with which it is restarted. Passwords stay.
var renewPlan = plan{
	limit: 5 * time.Minute,
	steps: func(_ context.Context, a *attempt) ([]step, error) {
		all := []step{{"make a certificate", a.newCertificate}}
		if a.instance.State == core.StateStopped {
			return append(all, step{"give it to the server, which is stopped", a.halt}), nil
		}
		return append(all,
			step{"restart the server with it", a.ensure},
			step{"wait until the server answers", a.settle},
			step{"write and read as " + a.instance.Username, a.probe},
		), nil
	},
	undo: func(ctx context.Context, a *attempt) error {
		if err := a.open(ctx); err != nil { // the secrets of before
			return err
		}
		if a.instance.State == core.StateStopped {
			_, err := a.halt(ctx)
			return err
		}
		if _, err := a.ensure(ctx); err != nil {
			return err
		}
		_, err := a.settle(ctx)
		return err
	},
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		return a.Service.FinishRenew(ctx, tx, a.steps.operationID, a.instance, failure)
	},
}

func (a *attempt) newCertificate(ctx context.Context) (detail string, err error) {
	a.secrets, err = a.Service.NextServerSecrets(ctx, a.instance.ID, func() (engine.Secrets, error) {
		next := a.secrets
		next.Version++
		next.Certificate, next.Key, err = a.authority.Issue(a.Now(), a.server.Host, "mydb-"+a.instance.ID)
		return next, err
	})
	return "", err
}

// certificatesPause is how often certificates are looked at, and so how long at least lies between two renewals.
const certificatesPause = time.Minute

// certificatesArgs ask for a look at the certificates.
type certificatesArgs struct{}

// Kind implements river.JobArgs.
func (certificatesArgs) Kind() string { return "certificates" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (certificatesArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1, UniqueOpts: oneAtATime}
}

type certificatesWorker struct {
	river.WorkerDefaults[certificatesArgs]
	Options
}

// Work implements river.Worker.
func (w *certificatesWorker) Work(ctx context.Context, _ *river.Job[certificatesArgs]) error {
	began, err := w.Service.TendCertificates(ctx)
	if began {
		w.Log.Info("a server gets a new certificate")
	}
	return err
}
