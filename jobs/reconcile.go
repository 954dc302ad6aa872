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

// healPlan brings an instance's service to what the catalogue says: its data is looked for before anything is started.
var healPlan = plan{
	limit: 10 * time.Minute, // a server may use its whole grace period to stop
	steps: func(_ context.Context, a *attempt) ([]step, error) {
		if a.instance.State != core.StateReady {
			return []step{{"stop the server", a.halt}}, nil
		}
		return []step{
			{"look for the data", a.findData},
			{"deploy the server", a.ensure},
			{"wait until the server answers", a.settle},
			{"write and read as " + a.instance.Username, a.probe},
		}, nil
	},
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		return a.Service.FinishHeal(ctx, tx, a.steps.operationID, a.instance, failure)
	},
}

// findData refuses to start a server whose volume was not seen lately: the orchestrator would make an empty one.
func (a *attempt) findData(ctx context.Context) (string, error) {
	there, err := a.Service.DataThere(ctx, a.instance)
	if err != nil || there {
		return "", err
	}
	return "", &Problem{
		Cause: CauseData, Permanent: true,
		Message: "The volume of this database was not seen on its machine lately, so nothing was started. An administrator must look at the machine.",
	}
}

// reconcilePause is how often the cluster is compared with the catalogue.
const reconcilePause = time.Minute

// reconcileArgs ask for a comparison of the cluster with the catalogue.
type reconcileArgs struct{}

// Kind implements river.JobArgs.
func (reconcileArgs) Kind() string { return "reconcile" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (reconcileArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1, UniqueOpts: oneAtATime}
}

type reconcileWorker struct {
	river.WorkerDefaults[reconcileArgs]
	Options
}

// Work implements river.Worker. The other nodes are asked for their volumes, which the next round reads.
func (w *reconcileWorker) Work(ctx context.Context, _ *river.Job[reconcileArgs]) error {
	self, cluster, err := reconcile(ctx, w.Options)
	if err != nil {
		return err
	}
	client := river.ClientFromContext[pgx.Tx](ctx)
	for _, node := range cluster.Nodes {
		if node == self.ID {
			continue
		}
		if _, err := client.Insert(ctx, inventoryArgs{NodeID: node}, &river.InsertOpts{Queue: nodeQueue(node)}); err != nil {
			return fmt.Errorf("ask node %s for its volumes: %w", node, err)
		}
	}
	return nil
}

// Reconcile compares the cluster with the catalogue once. It must run on a manager.
func Reconcile(ctx context.Context, o Options) error {
	_, _, err := reconcile(ctx, o)
	return err
}

func reconcile(ctx context.Context, o Options) (self Node, cluster core.Cluster, err error) {
	if self, err = o.Runtime.Self(ctx); err != nil {
		return self, cluster, err
	}
	if err = takeInventory(ctx, o, self.ID); err != nil {
		return self, cluster, err
	}
	if cluster, err = o.Runtime.List(ctx); err != nil {
		return self, cluster, err
	}
	r, err := o.Service.Reconcile(ctx, cluster)
	if r.Healed > 0 {
		o.Log.Warn("the cluster differed from the catalogue", "differences", r.Differences, "healed", r.Healed)
	}
	return self, cluster, err
}

// takeInventory records which volumes the node of this process has.
func takeInventory(ctx context.Context, o Options, nodeID string) error {
	at := time.Now()
	if o.Now != nil {
		at = o.Now()
	}
	if err := sweepLeftovers(ctx, o); err != nil {
		o.Log.Warn("what operations have left could not be removed", "error", err)
	}
	volumes, err := o.Runtime.Volumes(ctx)
	if err != nil {
		return err
	}
	inventory := core.Inventory{NodeID: nodeID, Volumes: volumes, At: at}
	free, known, err := o.Runtime.FreeDisk(ctx)
	if err != nil {
		return err
	}
	if known {
		inventory.FreeBytes = &free
	}
	return o.Service.KeepInventory(ctx, inventory)
}

// sweepLeftovers removes tools and throw-away servers from the node of this process whose operation has ended: that of a worker that was
// killed goes on elsewhere.
func sweepLeftovers(ctx context.Context, o Options) error {
	ids, err := o.Runtime.Leftovers(ctx)
	if err != nil || len(ids) == 0 {
		return err
	}
	ended, err := o.Service.EndedOperations(ctx, ids)
	for _, id := range ended {
		o.Log.Warn("a tool or throw-away server of an operation that has ended is removed", "operation", id)
		err = errors.Join(err, o.Runtime.Sweep(ctx, id))
	}
	return err
}

// inventoryArgs ask a node for its volumes.
type inventoryArgs struct {
	NodeID string `json:"node_id" river:"unique"`
}

// Kind implements river.JobArgs.
func (inventoryArgs) Kind() string { return "inventory" }

// InsertOpts implements river.JobArgsWithInsertOpts. A node without a worker gets one job and no more.
func (inventoryArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: oneAtATime.ByState}}
}

type inventoryWorker struct {
	river.WorkerDefaults[inventoryArgs]
	Options
}

// Work implements river.Worker.
func (w *inventoryWorker) Work(ctx context.Context, job *river.Job[inventoryArgs]) error {
	return takeInventory(ctx, w.Options, job.Args.NodeID)
}
