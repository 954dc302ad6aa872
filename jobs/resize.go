package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
)

var resizePlan = plan{
	limit: 3 * time.Minute,
	steps: func(ctx context.Context, a *attempt) ([]step, error) {
		var args core.ResizeArgs
		if err := a.Service.Args(ctx, a.steps.operationID, &args); err != nil {
			return nil, err
		}
		size, ok := a.Service.Catalogue().Size(args.To)
		if !ok {
			return nil, core.Errorf(core.CodeInvalid, "The size %s is no longer offered here.", args.To)
		}
		old := a.size
		a.size = size
		return []step{
			{"look for room on its machine", func(ctx context.Context) (string, error) {
				return "", a.room(ctx, old.CPUReserved, int64(old.MemoryReserved))
			}},
			{"restart the server with the new size", a.ensure},
			{"wait until the server answers", a.settle},
			{"write and read as " + a.instance.Username, a.probe},
		}, nil
	},
	undo: func(ctx context.Context, a *attempt) error {
		if err := a.choose(); err != nil { // the catalogue still has the old size
			return err
		}
		if _, err := a.ensure(ctx); err != nil {
			return err
		}
		_, err := a.settle(ctx)
		return err
	},
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		if failure != nil {
			failure.Message += fmt.Sprintf(" %s runs with its old size, %s.", a.instance.Name, a.instance.Size)
		}
		return a.Service.FinishResize(ctx, tx, a.steps.operationID, a.instance, a.size.Name, failure)
	},
}

// room looks whether the instance's node can hold it with its new size. cores and bytes are what it sets aside there already:
// none, once an earlier attempt has changed it.
func (a *attempt) room(ctx context.Context, cores float64, bytes int64) error {
	nodes, err := a.Runtime.Nodes(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(nodes, func(n Node) bool { return n.ID == a.nodeID })
	if i < 0 {
		return &Problem{Cause: CauseCapacity, Permanent: true, Message: "The machine of this database is not available at the moment, so its size stays."}
	}
	n := nodes[i]
	if n.FreeCPU+cores >= a.size.CPUReserved && n.FreeMemory+bytes >= int64(a.size.MemoryReserved) {
		return nil
	}
	return &Problem{Cause: CauseCapacity, Permanent: true, Message: fmt.Sprintf(
		"The machine of this database has no room for the size %s (it sets aside %g CPU and %s memory). Choose a smaller size, or ask an administrator to make room.",
		a.size.Name, a.size.CPUReserved, a.size.MemoryReserved)}
}
