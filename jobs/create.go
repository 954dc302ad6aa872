package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
)

type createArgs struct {
	OperationID string `json:"operation_id"`
	Restore     bool   `json:"restore,omitempty"` // the instance is filled from a backup
	Import      bool   `json:"import,omitempty"`  // the instance is filled from outside
}

// limit is how long the work may take.
func (a createArgs) limit(o Options) time.Duration {
	if a.fills() {
		return backupLimit
	}
	return o.CreateLimit
}

// fills reports whether the instance is filled, too, which takes its time and is not tried again and again.
func (a createArgs) fills() bool { return a.Restore || a.Import }

// Kind implements river.JobArgs.
func (createArgs) Kind() string { return "create" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (createArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: maxAttempts}
}

// createWorker makes an instance that core.Create decided on.
type createWorker struct {
	river.WorkerDefaults[createArgs]
	Options
}

// Timeout implements river.Worker: one attempt may take as long as the whole create, and clean up.
func (w *createWorker) Timeout(job *river.Job[createArgs]) time.Duration {
	return job.Args.limit(w.Options) + time.Minute
}

// NextRetry implements river.Worker.
func (w *createWorker) NextRetry(job *river.Job[createArgs]) time.Time {
	return backoff(job.Attempt, w.Now())
}

// Work implements river.Worker. Each step finds what an earlier attempt left and goes on.
func (w *createWorker) Work(ctx context.Context, job *river.Job[createArgs]) error {
	c, err := w.begin(ctx, job.Args)
	if errors.Is(err, core.ErrFinished) {
		return nil
	}
	if err != nil {
		return interrupted(ctx, err)
	}
	limited, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	if err := c.run(limited); err != nil {
		return w.failed(ctx, job, c, err)
	}
	err = finish(ctx, w.DB, job, func(tx pgx.Tx) error { return c.finish(ctx, tx, nil) })
	if err == nil && c.incoming != nil {
		w.sweepUploads(ctx)
	}
	return err
}

// failed decides whether an error is worth another attempt. If not, everything that the create made goes away before the name
// is free again.
func (w *createWorker) failed(ctx context.Context, job *river.Job[createArgs], c *creation, cause error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return interrupted(ctx, cause)
	}
	late := w.Now().After(c.deadline) || job.Args.fills() && job.Attempt >= backupTries
	if !permanent(cause) && !late {
		return cause
	}
	failure := sentence(cause)
	if !permanent(cause) {
		failure = c.gaveUp(cause)
	}
	w.Log.Warn("a create failed", "instance", c.instance.ID, "operation", c.steps.operationID, "error", cause)
	if err := c.steps.do(ctx, "clean up", func() (string, error) { return "", c.cleanUp(ctx) }); err != nil {
		return interrupted(ctx, fmt.Errorf("clean up after %w: %w", cause, err))
	}
	return finish(ctx, w.DB, job, func(tx pgx.Tx) error {
		if c.instance.NodeID != nil {
			args := removeVolumeArgs{InstanceID: c.instance.ID}
			if _, err := river.ClientFromContext[pgx.Tx](ctx).InsertTx(ctx, tx, args, &river.InsertOpts{Queue: nodeQueue(*c.instance.NodeID)}); err != nil {
				return fmt.Errorf("enqueue the removal of the volume: %w", err)
			}
		}
		if err := c.finish(ctx, tx, &failure); err != nil {
			return err
		}
		return c.doubt(ctx, tx, cause)
	})
}

func (w *createWorker) begin(ctx context.Context, args createArgs) (*creation, error) {
	limit := args.limit(w.Options)
	a, err := begin(ctx, w.Options, args.OperationID, limit)
	if err != nil {
		return nil, err
	}
	c := &creation{attempt: a, limit: limit}
	if args.Restore {
		if c.from, err = w.source(ctx, args.OperationID); err != nil {
			return nil, err
		}
		a.private = a.private || c.from.Instance.PHI
	}
	if args.Import {
		if c.incoming, err = w.incoming(ctx, c); err != nil {
			return nil, err
		}
	}
	// Cleaning up ends before that moment.
	a.initUntil, err = w.Service.InitUntil(ctx, a.instance.ID, a.deadline.Add(time.Hour))
	return c, err
}

// source reads the manifest of the backup that a restore is from.
func (w *createWorker) source(ctx context.Context, operationID string) (*core.Manifest, error) {
	var args core.RestoreArgs
	if err := w.Service.Args(ctx, operationID, &args); err != nil {
		return nil, err
	}
	m, err := w.Service.Manifest(ctx, args.BackupID)
	return &m, err
}

// creation is one attempt at making an instance, from a backup when it is a restore, and from outside when it is an import.
type creation struct {
	*attempt
	limit    time.Duration
	from     *core.Manifest
	incoming *incoming
}

// cleanUp removes what runs. The volume follows.
func (c *creation) cleanUp(ctx context.Context) error {
	if err := c.Runtime.Sweep(ctx, c.steps.operationID); err != nil {
		return err
	}
	return c.Runtime.Remove(ctx, c.instance.ID)
}

func (c *creation) run(ctx context.Context) error {
	server := []step{
		{"choose a machine", c.place},
		{"start the server", c.start},
		{"wait until the server answers", func(ctx context.Context) (string, error) { return "", c.wait(ctx, c.changePort) }},
	}
	if c.instance.IsSpare() {
		return c.attempt.run(ctx, server)
	}
	tenant, err := c.Service.Tenant(ctx, c.instance)
	if err != nil {
		return err
	}
	if c.incoming != nil {
		return c.attempt.run(ctx, c.incoming.around(server, tenant))
	}
	if c.from != nil {
		if err := c.needStore(); err != nil {
			return err
		}
		server = append(server,
			step{"restore the backup of " + c.from.StartedAt.Format(time.RFC3339), c.restore},
			step{"count every table", c.countRestored},
			step{"lock the accounts of others", c.lockOthers},
		)
	}
	return c.attempt.run(ctx, append(server, []step{
		{"make user and database", func(ctx context.Context) (string, error) { return c.provision(ctx, tenant) }},
		{"log in, write and read as " + tenant.Username, func(ctx context.Context) (string, error) { return "", c.engine.Prove(ctx, c.server, tenant) }},
	}...))
}

func (c *creation) restore(ctx context.Context) (string, error) {
	if err := c.Runtime.Sweep(ctx, c.steps.operationID); err != nil {
		return "", err
	}
	return "", c.restoreParts(ctx, *c.from, c.server, c.secrets)
}

// lockOthers keeps out those whom the original was shared with: that the copy is for them, too, is for its owner to say.
func (c *creation) lockOthers(ctx context.Context) (string, error) {
	old, err := c.oldPasswords(ctx)
	if err != nil {
		return "", err
	}
	locked, err := c.engine.LockAccounts(ctx, c.server, c.secrets, c.instance.Username)
	if len(locked) > 0 {
		old = strings.TrimSuffix(strings.Join(locked, ", ")+": share the database again to let them in. "+old, ". ")
	}
	return old, err
}

// oldPasswords notes whose password the backup has in a form with which nobody gets in any more. The owner has a new one anyway.
func (c *creation) oldPasswords(ctx context.Context) (detail string, err error) {
	accounts, err := c.engine.Accounts(ctx, c.server, c.secrets)
	if err != nil {
		return "", err
	}
	var names []string
	for _, a := range accounts {
		if a.Old {
			names = append(names, a.Username)
		}
	}
	if len(names) == 0 {
		return "", nil
	}
	return "The passwords of these were kept in an old form (MD5), which lets nobody in any more, so that they need new ones: " + strings.Join(names, ", "),
		c.Service.NoteOldPasswords(ctx, c.steps.operationID, names)
}

func (c *creation) countRestored(ctx context.Context) (string, error) {
	began := c.Now()
	r, err := c.countCopy(ctx, *c.from, c.server, c.secrets)
	if err != nil {
		return "", err
	}
	r.At, r.Seconds = c.Now().UTC(), c.Now().Sub(began).Seconds()
	if err := c.Service.NoteReceipt(ctx, c.steps.operationID, r); err != nil {
		return "", err
	}
	return checkCopy(r)
}

func (c *creation) place(ctx context.Context) (string, error) {
	nodes, err := c.Runtime.Nodes(ctx)
	if err == nil && c.from != nil && c.instance.NodeID == nil {
		nodes, err = c.withRoom(ctx, nodes, *c.from)
	}
	if err != nil {
		return "", err
	}
	nodeID, host, err := c.Service.Place(ctx, c.instance.ID, func(placed []core.Placed) (string, string, error) {
		node, err := chooseNode(nodes, placed, c.size, c.Service.Catalogue().Size)
		if err != nil {
			return "", "", err
		}
		if c.InstanceHost != "" {
			return node.ID, c.InstanceHost, nil
		}
		return node.ID, node.Addr, nil
	})
	if err != nil {
		return "", err
	}
	c.nodeID, c.instance.NodeID, c.instance.Host = nodeID, &nodeID, &host
	if c.authority, err = c.Service.Authority(ctx); err != nil {
		return "", err
	}
	c.server = engine.Server{Host: host, Port: *c.instance.Port, CA: c.authority.Pool(), PEM: c.authority.Certificate()}
	return "", nil
}

func (c *creation) start(ctx context.Context) (string, error) {
	secrets, err := c.Service.ServerSecrets(ctx, c.instance.ID, c.newSecrets)
	if err != nil {
		return "", err
	}
	c.secrets = secrets
	return c.ensure(ctx)
}

func (c *creation) newSecrets() (engine.Secrets, error) {
	cert, key, err := c.authority.Issue(c.Now(), c.server.Host, "mydb-"+c.instance.ID)
	return engine.Secrets{
		Admin: crypt.NewPassword(), Probe: crypt.NewPassword(), Replication: crypt.NewPassword(), Certificate: cert, Key: key,
	}, err
}

func (c *creation) changePort(ctx context.Context) error {
	port, err := c.Service.ReplacePort(ctx, c.instance.ID)
	if err != nil {
		return err
	}
	c.Log.Warn("the port is busy on the host; taking another", "instance", c.instance.ID, "busy", c.server.Port, "port", port)
	c.server.Port, c.instance.Port = port, &port
	_, err = c.ensure(ctx)
	return err
}

func (c *creation) provision(ctx context.Context, tenant engine.Tenant) (string, error) {
	if err := c.engine.Provision(ctx, c.server, c.secrets.Admin, tenant); err != nil {
		return "", err
	}
	return "", c.Service.InitDone(ctx, c.instance.ID)
}

// gaveUp says that the time for a create is over, and what stood in the way last.
func (c *creation) gaveUp(cause error) core.Explanation {
	e := sentence(cause)
	var problem *Problem
	if errors.As(cause, &problem) || errors.Is(cause, crypt.ErrOtherKey) {
		e.Message = fmt.Sprintf("MyDB tried %s. %s", c.tried("for %s", "%d times"), e.Message)
		return e
	}
	e.Reference = xid.New().String()
	c.Log.Error("a create was given up", "reference", e.Reference, "instance", c.instance.ID, "error", cause)
	e.Code = core.CodeUnavailable
	e.Message = fmt.Sprintf("The database did not become usable %s, so it was removed. Try again; if it happens again, "+
		"tell an administrator the reference %s.", c.tried("within %s", "in %d attempts"), e.Reference)
	return e
}

// tried says how much was tried: what is filled is given up after so many attempts, anything else after so much time.
func (c *creation) tried(long, often string) string {
	if c.from != nil || c.incoming != nil {
		return fmt.Sprintf(often, backupTries)
	}
	return fmt.Sprintf(long, c.limit)
}
