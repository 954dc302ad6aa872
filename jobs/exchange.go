package jobs

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// An exchange of volumes is one operation and two jobs. The first is done on the instance's node, because only its engine reaches the
// volumes: it prepares the other volume with a server beside the instance. The second is done by a manager, because only those may change
// the service.

// actionExchange is what the second job does.
const actionExchange = "exchange"

const (
	// exchangeLimit is how long the second job may take: two servers may use their whole grace period to stop.
	exchangeLimit = 10 * time.Minute
	// firstSteps is more than there are steps in the first job.
	firstSteps = 50
	// retireGrace is how long a server beside an instance may take to stop: as long as any engine's.
	retireGrace = 2 * time.Minute
)

var exchangePlan = plan{
	limit: exchangeLimit, after: firstSteps,
	steps: func(ctx context.Context, a *attempt) ([]step, error) {
		x, err := a.exchanging(ctx)
		if err != nil {
			return nil, err
		}
		if x.args.Filled == nil {
			return nil, errors.New("the volume was not prepared")
		}
		a.deadline = x.args.Filled.At.Add(exchangeLimit)
		a.instance.Generation = x.args.To
		if x.args.Was == core.StateStopped {
			return []step{{"exchange the volume", a.halt}}, nil
		}
		return []step{
			{"exchange the volume", a.ensure},
			{"wait until the server answers", a.settle},
			{"write and read as " + a.instance.Username, a.probe},
		}, nil
	},
	undo: func(ctx context.Context, a *attempt) error {
		x, err := a.exchanging(ctx)
		if err != nil {
			return err
		}
		if a.secrets.Admin == "" { // it did not come to that
			if err := a.open(ctx); err != nil {
				return err
			}
		}
		a.instance.Generation = x.args.From
		if x.args.Was == core.StateStopped {
			_, err := a.halt(ctx)
			return err
		}
		if _, err := a.ensure(ctx); err != nil {
			return err
		}
		_, err = a.settle(ctx)
		return err
	},
	finish: finishInPlace,
}

// exchange is one attempt at a part of an exchange.
type exchange struct {
	*attempt
	args     core.InPlaceArgs
	manifest core.Manifest // of the backup; empty for an undo
	filled   core.Filled
	began    time.Time

	// now is the attempt with the server that has the accounts of now, which is one beside a stopped instance.
	now    *attempt
	people map[string]engine.Account // the accounts of now; nil when nobody knows
	safety *backup
	saved  bool // the safety backup is in the catalogue

	other engine.Server // with the volume that takes the place of the current one
}

// exchanging reads what the exchange is about.
func (a *attempt) exchanging(ctx context.Context) (*exchange, error) {
	if a.exchange != nil {
		return a.exchange, nil
	}
	x := &exchange{attempt: a}
	if err := a.Service.Args(ctx, a.steps.operationID, &x.args); err != nil {
		return nil, err
	}
	now := *a
	x.now, a.exchange = &now, x
	return x, nil
}

// handOver ends the first job: the second one follows, in the same transaction.
func handOver(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
	if failure != nil {
		return finishInPlace(ctx, tx, a, failure)
	}
	if err := a.Service.HandOver(ctx, tx, a.steps.operationID, a.exchange.filled); err != nil {
		return err
	}
	next := operationArgs{OperationID: a.steps.operationID, Action: actionExchange}
	if _, err := river.ClientFromContext[pgx.Tx](ctx).InsertTx(ctx, tx, next, nil); err != nil {
		return fmt.Errorf("enqueue the exchange: %w", err)
	}
	return nil
}

func finishInPlace(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
	x, err := a.exchanging(ctx)
	if err != nil {
		return err
	}
	if failure != nil {
		failure.Message += fmt.Sprintf("\nNothing has changed: %s holds what it held before.", a.instance.Name)
		if !x.args.Undo() && a.instance.NodeID != nil {
			if err := removeNew(ctx, tx, *a.instance.NodeID, a.instance, x.args.To); err != nil {
				return err
			}
		}
	}
	return a.Service.FinishInPlace(ctx, tx, a.steps.operationID, a.instance, x.args, failure)
}

// forget takes away what the first job has left after a failure. A kept volume stays.
func (x *exchange) forget(ctx context.Context) error {
	if err := x.clear(ctx); err != nil {
		return err
	}
	if x.args.Undo() {
		return nil
	}
	if err := x.Runtime.RemoveGeneration(ctx, x.instance.ID, x.args.To); err != nil {
		return err
	}
	if x.safety == nil || x.saved || x.Store == nil {
		return nil
	}
	if err := removeFolder(ctx, x.Store, path.Join(x.instance.ID, x.safety.id)); err != nil {
		x.Log.Warn("what a failed backup has left could not be removed", "backup", x.safety.id, "error", err)
	}
	return nil
}

// clear removes the servers beside the instance that an earlier attempt has left. They are stopped as they should be: one of them may run
// on a volume that stays.
func (x *exchange) clear(ctx context.Context) error {
	_, err := x.Runtime.Retire(ctx, x.attempt.steps.operationID, retireGrace)
	return err
}

// wake starts a stopped instance's server beside it, to read what is there now.
func (x *exchange) wake(ctx context.Context) (string, error) {
	if err := x.clear(ctx); err != nil {
		return "", err
	}
	var err error
	x.now.server, err = x.beside(ctx, x.args.From, x.initUntil)
	return "", err
}

// meet reads who may log in now, and with which passwords.
func (x *exchange) meet(ctx context.Context) error {
	list, err := x.engine.Accounts(ctx, x.now.server, x.secrets)
	if err != nil {
		return err
	}
	x.people = map[string]engine.Account{}
	for _, a := range list {
		x.people[a.Username] = a
	}
	return nil
}

// retire stops the server beside the instance. What is on its volume is whole then.
func (x *exchange) retire(ctx context.Context) (string, error) {
	clean, err := x.Runtime.Retire(ctx, x.attempt.steps.operationID, retireGrace)
	if err == nil && !clean {
		err = errors.New("the server beside the instance did not stop in good order")
	}
	return "", err
}

// prove measures that the other server is usable, and notes when.
func (x *exchange) prove(ctx context.Context) (string, error) {
	return "", x.engine.Probe(ctx, x.other, x.secrets, x.tenant())
}

// done notes that the other volume is ready.
func (x *exchange) done(ctx context.Context) (string, error) {
	detail, err := x.retire(ctx)
	x.filled.At = x.Now().UTC()
	return detail, err
}
