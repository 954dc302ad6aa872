package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mydb-project/mydb/core"
)

// undoPlan prepares the volume that was kept by a restore in place: who may log in now may do so there, too. The exchange follows.
var undoPlan = plan{
	limit: time.Hour, tries: backupTries,
	steps: func(ctx context.Context, a *attempt) ([]step, error) {
		x, err := a.exchanging(ctx)
		if err != nil {
			return nil, err
		}
		return []step{
			{"look for what was there before", x.find},
			{"read who may log in now", x.meetNow},
			{"start a server beside, with what was there before", x.startKept},
			{"let in who may log in now", x.admit},
			{"write and read as " + a.instance.Username, x.prove},
			{"stop that server", x.done},
		}, nil
	},
	undo:   inPlacePlan.undo,
	finish: handOver,
}

func (x *exchange) find(ctx context.Context) (string, error) {
	volumes, err := x.Runtime.Volumes(ctx)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("mydb-%s-g%d", x.instance.ID, x.args.To)
	if slices.ContainsFunc(volumes, func(v core.ClusterThing) bool { return v.Name == name && v.InstanceID == x.instance.ID }) {
		return "", nil
	}
	return "", &Problem{
		Cause: CauseData, Permanent: true, Detail: "volume " + name,
		Message: "The volume with what the database held before is not on its machine any more. An administrator must look at the machine; a backup can be restored instead.",
	}
}

// currentAnswers is how long the current server may take to answer: if it does not, that may be the reason for the undo.
const currentAnswers = 30 * time.Second

// meetNow reads the accounts of now if it can. Otherwise the passwords are those of before.
func (x *exchange) meetNow(ctx context.Context) (string, error) {
	err := x.meetCurrent(ctx)
	if err == nil || ctx.Err() != nil {
		return "", err
	}
	x.Log.Warn("the accounts of a server that is to be exchanged could not be read", "instance", x.instance.ID, "error", err)
	return "it does not answer, so passwords are those of before", nil
}

func (x *exchange) meetCurrent(ctx context.Context) error {
	if x.args.Was != core.StateStopped {
		if err := x.answers(ctx, x.now.server, x.secrets.Admin, currentAnswers); err != nil {
			return err
		}
		return x.meet(ctx)
	}
	if _, err := x.wake(ctx); err != nil {
		return err
	}
	return x.meet(ctx)
}

// startKept starts the server of before. It must find its data: an empty volume is not initialised.
func (x *exchange) startKept(ctx context.Context) (string, error) {
	if err := x.clear(ctx); err != nil {
		return "", err
	}
	var err error
	x.other, err = x.beside(ctx, x.args.To, x.initUntil)
	return "", err
}
