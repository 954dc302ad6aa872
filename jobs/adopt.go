package jobs

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/engine"
)

// adoptPlan measures a server that a recovery has found running. The service is left as it is. Passwords that MyDB has lost, the server
// still has: on its own machine they can be read.
var adoptPlan = plan{
	limit: 2 * time.Minute, tries: 1, blind: true,
	steps: func(_ context.Context, a *attempt) (all []step, err error) {
		if a.blind {
			all = append(all, step{"read the server's secret from its container", a.readSecret})
		}
		return append(all,
			step{"wait until the server answers", func(ctx context.Context) (string, error) { return "", a.wait(ctx, nil) }},
			step{"write and read as " + a.instance.Username, a.probe},
		), nil
	},
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		return a.Service.FinishAdopt(ctx, tx, a.steps.operationID, a.instance, failure)
	},
}

func (a *attempt) readSecret(ctx context.Context) (string, error) {
	recipe, err := a.engine.Recipe(engine.Input{InstanceID: a.instance.ID, Version: a.version, Size: a.size, Settings: a.instance.Settings, InitUntil: a.initUntil})
	if err != nil {
		return "", fmt.Errorf("write the recipe: %w", err)
	}
	content, err := a.Runtime.ReadSecret(ctx, a.instance.ID, recipe.SecretPath)
	if err != nil {
		return "", err
	}
	found, err := engine.ParseSecretFile(content)
	if err != nil {
		return "", &Problem{Cause: CauseData, Permanent: true, Message: "The secret that the server has is not in MyDB's form: " + err.Error() + "."}
	}
	if err := a.ours(found.Certificate); err != nil {
		return "", err
	}
	a.secrets, err = a.Service.ServerSecrets(ctx, a.instance.ID, func() (engine.Secrets, error) { return found, nil })
	return "", err
}

// ours refuses a server whose certificate another authority has issued.
func (a *attempt) ours(certificate []byte) error {
	block, _ := pem.Decode(certificate)
	if block == nil {
		return &Problem{Cause: CauseData, Permanent: true, Message: "The server's certificate cannot be read."}
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err == nil {
		_, err = cert.Verify(x509.VerifyOptions{Roots: a.authority.Pool(), CurrentTime: a.Now()})
	}
	if err != nil {
		return &Problem{Cause: CauseData, Permanent: true, Message: "The server's certificate is not of this site's authority: it is another MyDB's, or the authority was lost with the control plane.", Err: err}
	}
	return nil
}

// adoptionPause is how often is looked for what a recovery has found.
const adoptionPause = time.Minute

// adoptionArgs ask for a look at what a recovery has found.
type adoptionArgs struct{}

// Kind implements river.JobArgs.
func (adoptionArgs) Kind() string { return "adopt_recovered" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (adoptionArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1, UniqueOpts: oneAtATime}
}

type adoptionWorker struct {
	river.WorkerDefaults[adoptionArgs]
	Options
}

// Work implements river.Worker.
func (w *adoptionWorker) Work(ctx context.Context, _ *river.Job[adoptionArgs]) error {
	started, err := w.Service.StartAdoptions(ctx)
	if started > 0 {
		w.Log.Info("measuring what a recovery has found running", "databases", started)
	}
	return err
}
