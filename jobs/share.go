package jobs

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// sharePlan makes and changes further accounts, of colleagues and of pipelines. Each is proven by logging in with its password, for as
// long as MyDB has one.
var sharePlan = plan{
	limit: 2 * time.Minute,
	steps: func(ctx context.Context, a *attempt) (all []step, err error) {
		if err := a.Service.Args(ctx, a.steps.operationID, &a.accounts); err != nil {
			return nil, err
		}
		for _, w := range a.accounts.Accounts {
			password, err := a.Service.AccessPassword(ctx, a.instance, w.ID)
			if err != nil {
				return nil, err
			}
			all = append(all, a.grant(w, password)...)
		}
		return all, nil
	},
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		return a.Service.FinishShare(ctx, tx, a.steps.operationID, a.instance, a.accounts, a.granted, failure)
	},
}

func (a *attempt) grant(w core.AccessWork, password string) []step {
	rights := "may read"
	if w.Writes {
		rights = "may read and write"
	}
	all := []step{{"make the account " + w.Username, func(ctx context.Context) (string, error) {
		err := a.engine.Grant(ctx, a.server, a.secrets.Admin, a.tenant(), engine.Access{Username: w.Username, Password: password, Write: w.Writes})
		if err == nil && password != "" {
			a.granted = append(a.granted, w.ID)
		}
		return rights, err
	}}}
	if password == "" {
		return all
	}
	return append(all, step{"log in as " + w.Username, func(ctx context.Context) (string, error) {
		return "", a.engine.Login(ctx, a.server, engine.Tenant{Username: w.Username, Password: password, Database: a.instance.Database})
	}})
}

// unsharePlan removes further accounts.
var unsharePlan = plan{
	limit: 2 * time.Minute,
	steps: func(ctx context.Context, a *attempt) (all []step, err error) {
		if err := a.Service.Args(ctx, a.steps.operationID, &a.accounts); err != nil {
			return nil, err
		}
		return a.revoke(a.accounts.Accounts), nil
	},
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		return a.Service.FinishUnshare(ctx, tx, a.steps.operationID, a.instance, a.accounts, failure)
	},
}

func (a *attempt) revoke(list []core.AccessWork) (all []step) {
	for _, w := range list {
		all = append(all, step{"end the sessions of " + w.Username + " and remove it", func(ctx context.Context) (string, error) {
			return "", a.engine.Revoke(ctx, a.server, a.secrets.Admin, a.tenant(), w.Username)
		}})
	}
	return all
}

// accountsPause is how often accounts are looked for whose time is over, or whose people have joined or left a group.
const accountsPause = time.Minute

// endAccountsArgs ask for the end of accounts whose time is over.
type endAccountsArgs struct{}

// Kind implements river.JobArgs.
func (endAccountsArgs) Kind() string { return "end_accounts" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (endAccountsArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1}
}

type endAccountsWorker struct {
	river.WorkerDefaults[endAccountsArgs]
	Options
}

// Work implements river.Worker.
func (w *endAccountsWorker) Work(ctx context.Context, _ *river.Job[endAccountsArgs]) error {
	n, err := w.Service.EndAccounts(ctx)
	if n > 0 {
		w.Log.Info("removing accounts whose time is over", "databases", n)
	}
	if err != nil {
		return err
	}
	if n, err = w.Service.FollowGroups(ctx); n > 0 {
		w.Log.Info("changing accounts with the groups that databases are shared with", "databases", n)
	}
	return err
}
