package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
)

// verifyPlan restores a backup into a server that is thrown away, and counts every table there.
var verifyPlan = plan{
	limit: backupLimit, tries: backupTries, away: true, turn: verifyTurn,
	steps: func(ctx context.Context, a *attempt) ([]step, error) {
		if err := a.needStore(); err != nil {
			return nil, err
		}
		var args core.VerifyArgs
		if err := a.Service.Args(ctx, a.steps.operationID, &args); err != nil {
			return nil, err
		}
		m, err := a.Service.Manifest(ctx, args.BackupID)
		if err != nil {
			return nil, err
		}
		a.private = a.private || m.Instance.PHI
		a.verify = &verification{attempt: a, backupID: args.BackupID, manifest: m}
		first := []step{{"look for room for a copy", a.verify.findRoom}, {"look at its manifest in the store", a.verify.readManifest}}
		return append(first, a.verify.work()...), nil
	},
	postpone: func(ctx context.Context, tx pgx.Tx, a *attempt, note string) error {
		return a.Service.PostponeVerify(ctx, tx, a.steps.operationID, a.instance, note)
	},
	undo: func(ctx context.Context, a *attempt) error { return a.Runtime.Sweep(ctx, a.steps.operationID) },
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		if a.verify == nil {
			return a.Service.FinishVerify(ctx, tx, a.steps.operationID, a.instance, "", nil, failure)
		}
		return a.Service.FinishVerify(ctx, tx, a.steps.operationID, a.instance, a.verify.backupID, a.verify.receipt, failure)
	},
}

// verification is one attempt to prove a backup.
type verification struct {
	*attempt
	backupID string
	manifest core.Manifest
	began    time.Time
	scratch  engine.Server
	secrets  engine.Secrets
	receipt  *core.BackupReceipt
}

func (v *verification) work() []step {
	return []step{
		{"start a throw-away server", v.start},
		{"restore the backup there", v.restore},
		{"count every table", v.compare},
		{"throw the server away", func(ctx context.Context) (string, error) {
			return "", v.Runtime.Sweep(ctx, v.attempt.steps.operationID)
		}},
	}
}

// readManifest compares the manifest in the store with the one that was written: without it nobody could restore the backup who has lost
// the catalogue.
func (v *verification) readManifest(ctx context.Context) (string, error) {
	want, err := v.Service.ManifestSum(ctx, v.backupID)
	if err != nil {
		return "", err
	}
	r, err := v.Store.Get(ctx, path.Join(core.BackupFolder(v.manifest.Instance.ID, v.backupID), core.ManifestObject))
	if errors.Is(err, ErrNoObject) {
		return "", v.judged(spoiltManifest("The manifest of the backup is not in the store any more.", err))
	}
	if err != nil {
		return "", storeProblem("MyDB could not read from the store of backups.", err)
	}
	defer r.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return "", storeProblem("MyDB could not read from the store of backups.", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want && want != "" {
		err := fmt.Errorf("its hash is %s, and not %s", got, want)
		return "", v.judged(spoiltManifest("The manifest of the backup in the store is not what was written: it was changed or cut off.", err))
	}
	return "", nil
}

func spoiltManifest(message string, err error) error {
	return &Problem{Cause: CauseData, Permanent: true, Message: message, Err: &core.PartError{Spoilt: true, Message: message, Err: err}}
}

// judged notes what an error says about the backup: only of one that is not what was written it says anything.
func (v *verification) judged(err error) error {
	var bad *core.PartError
	if errors.As(err, &bad) && bad.Spoilt {
		v.receipt = &core.BackupReceipt{At: v.Now().UTC(), Problems: []string{bad.Message}}
	}
	return err
}

func (v *verification) start(ctx context.Context) (string, error) {
	v.began = v.Now()
	if err := v.Runtime.Sweep(ctx, v.attempt.steps.operationID); err != nil {
		return "", err
	}
	if err := v.authorise(ctx); err != nil {
		return "", err
	}
	cert, key, err := v.authority.Issue(v.Now(), scratchHost, "mydb-"+v.attempt.steps.operationID)
	if err != nil {
		return "", err
	}
	v.secrets = engine.Secrets{Admin: crypt.NewPassword(), Probe: crypt.NewPassword(), Replication: crypt.NewPassword(), Certificate: cert, Key: key}
	secret, err := v.engine.SecretFile(v.secrets)
	if err != nil {
		return "", err
	}
	recipe, err := v.engine.Recipe(engine.Input{
		InstanceID: v.attempt.steps.operationID, Version: v.version, Size: v.size, Settings: v.manifest.Instance.Settings, InitUntil: v.Now().Add(time.Hour),
	})
	if err != nil {
		return "", err
	}
	port, err := v.Runtime.Scratch(ctx, ScratchSpec{OperationID: v.attempt.steps.operationID, PHI: v.private, Engine: v.instance.Engine, Size: v.size, Recipe: recipe, Secret: secret})
	if err != nil {
		return "", err
	}
	v.scratch = engine.Server{Host: scratchHost, Port: port, CA: v.authority.Pool(), PEM: v.authority.Certificate()}
	return "", v.answers(ctx, v.scratch, v.secrets.Admin, scratchStart)
}

// authorise finds the authority whose certificate the throw-away server has.
func (v *verification) authorise(ctx context.Context) (err error) {
	if v.authority == nil {
		v.authority, err = v.Service.Authority(ctx)
	}
	return err
}

func (v *verification) restore(ctx context.Context) (string, error) {
	return "", v.judged(v.restoreParts(ctx, v.manifest, v.scratch, v.secrets))
}

// restoreParts puts all parts of a backup onto a server that nobody uses yet.
func (a *attempt) restoreParts(ctx context.Context, m core.Manifest, s engine.Server, secrets engine.Secrets) error {
	if err := a.hasAll(ctx, m, s, secrets); err != nil {
		return err
	}
	folder := core.BackupFolder(m.Instance.ID, m.BackupID)
	for _, p := range m.Parts {
		err := a.openPart(ctx, folder, p, func(data io.Reader) error {
			return a.engine.RestorePart(ctx, s, secrets, p.Part, data, a.tools(a.version.Image))
		})
		var problem *Problem
		if errors.As(err, &problem) && problem.Cause == CauseData {
			problem.Permanent = true // what is spoilt stays so
		}
		var bad *core.PartError
		if errors.As(err, &bad) && bad.Spoilt {
			err = &doubtful{err, m.BackupID}
		}
		if err != nil {
			return problemOf(p.Part, fmt.Errorf("restore %s: %w", p.Object, err))
		}
	}
	return nil
}

// doubtful is the error of a backup that is spoilt.
type doubtful struct {
	error
	backupID string
}

// Unwrap gives what is wrong with it.
func (d *doubtful) Unwrap() error { return d.error }

// doubt has a backup verified that was found to be spoilt on the way, in the transaction that ends the operation.
func (a *attempt) doubt(ctx context.Context, tx pgx.Tx, cause error) error {
	var d *doubtful
	if !errors.As(cause, &d) {
		return nil
	}
	return a.Service.DoubtBackup(ctx, tx, d.backupID)
}

func (v *verification) compare(ctx context.Context) (string, error) {
	r, err := v.countCopy(ctx, v.manifest, v.scratch, v.secrets)
	if err != nil {
		return "", err
	}
	r.At, r.Seconds = v.Now().UTC(), v.Now().Sub(v.began).Seconds()
	v.receipt = &r
	if v.Service != nil { // a proof is no operation of a catalogue
		if err := v.Service.NoteReceipt(ctx, v.attempt.steps.operationID, r); err != nil {
			return "", err
		}
	}
	return checkCopy(r)
}

// countCopy compares what is on a server with what the backup held.
func (a *attempt) countCopy(ctx context.Context, m core.Manifest, s engine.Server, secrets engine.Secrets) (core.BackupReceipt, error) {
	below := int64(checksumBelow)
	if m.Instance.Image != a.version.Image {
		below = 0 // versions write some values in different ways
	}
	got, err := a.engine.Contents(ctx, s, secrets, below)
	if err != nil {
		return core.BackupReceipt{}, fmt.Errorf("count what was restored: %w", err)
	}
	if below == 0 {
		for _, d := range got.Databases {
			for n := range d.Tables {
				d.Tables[n].Checksum = ""
			}
		}
	}
	return core.Compare(m.Contents, got), nil
}

func checkCopy(r core.BackupReceipt) (string, error) {
	if !r.OK {
		return "", &Problem{
			Cause: CauseData, Permanent: true, Message: "The copy is not what the backup says it holds.",
			Detail: strings.Join(r.Problems, "\n"),
		}
	}
	return fmt.Sprintf("%s with %s", counted(r.Tables, "table"), counted(int(r.Rows), "row")), nil
}
