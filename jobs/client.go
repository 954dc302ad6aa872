package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core"
)

// managersQueue holds the work that needs the cluster's API, which only managers serve.
const managersQueue = "managers"

// nodeQueue holds the work that must be done on one node, by its local engine.
func nodeQueue(nodeID string) string { return "node-" + nodeID }

// backupQueue holds the backups of the instances on a node, and what fills their volumes: its engine has their images.
func backupQueue(nodeID string) string { return "backup-" + nodeID }

// verifyQueue holds verifications, which take as much as a database does. Managers serve it.
const verifyQueue = "verify"

// How many jobs one worker works on at once. Creating an instance is mostly waiting for its server.
const (
	managerSlots = 16
	nodeSlots    = 4
)

// softStop is how long running jobs may go on after a request to stop; what is not done by then goes on elsewhere or later.
const softStop = 3 * time.Second

// Inserter puts jobs into the queue for a process that does no work itself. It implements core.Queue.
type Inserter struct{ client *river.Client[pgx.Tx] }

// NewInserter makes an Inserter. It reads and writes nothing yet.
func NewInserter(pool *pgxpool.Pool, log *slog.Logger) (*Inserter, error) {
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Logger: log})
	if err != nil {
		return nil, fmt.Errorf("make the queue's client: %w", err)
	}
	return &Inserter{client}, nil
}

// Enqueue implements core.Queue.
func (q *Inserter) Enqueue(ctx context.Context, tx pgx.Tx, job core.Job) error {
	var args river.JobArgs
	switch job.Kind {
	case "create":
		args = createArgs{OperationID: job.OperationID}
	case "restore":
		args = createArgs{OperationID: job.OperationID, Restore: true}
	case "import":
		args = createArgs{OperationID: job.OperationID, Import: true}
	case "notify":
		args = notifyArgs{NotificationID: job.NotificationID}
	case "chat":
		args = chatArgs{Key: job.InboxKey}
	case "chat_message":
		args = messageArgs{MessageID: job.MessageID}
	default:
		if _, known := plans[job.Kind]; !known {
			return fmt.Errorf("no worker does %q", job.Kind)
		}
		args = operationArgs{OperationID: job.OperationID, Action: job.Kind}
	}
	_, err := q.client.InsertTx(ctx, tx, args, &river.InsertOpts{ScheduledAt: job.NotBefore, Queue: queueFor(job)})
	return err
}

// onNode are the kinds of work that begin on the node of the instance.
var onNode = []string{"backup", "restore_in_place", "undo"}

// queueFor is where a job belongs, when that is not the default of its kind.
func queueFor(job core.Job) string {
	switch {
	case slices.Contains(onNode, job.Kind) && job.NodeID != "":
		return backupQueue(job.NodeID)
	case job.Kind == "adopt" && job.NodeID != "":
		return nodeQueue(job.NodeID) // only there can the server's secret be read
	case job.Kind == "verify":
		return verifyQueue
	}
	return ""
}

// Options are what workers are made of. All but Store, Mailer, Chat, ChatOnly, InstanceHost and Now are needed.
type Options struct {
	DB      *pgxpool.Pool
	Service *core.Service
	Runtime Runtime
	Log     *slog.Logger
	// Store keeps backups; nil means that there are none.
	Store Store
	// Mailer delivers mail; nil means that mail is off, which fails nothing.
	Mailer Mailer
	// Chat answers what comes in from chat services, and Platforms are those that this process can send to. Where there are none, such work
	// is left to processes that have them.
	Chat      ChatDesk
	Platforms map[core.Platform]Platform
	// ChatOnly leaves everything else to other processes. Runtime is not needed then.
	ChatOnly bool
	// InstanceHost is the host name that people connect to; empty means the address of the node that an instance is on.
	InstanceHost string
	// CreateLimit is how long a create may take before it is given up.
	CreateLimit time.Duration
	Now         func() time.Time // default: time.Now
}

// now is the time, also for those who call a function of this package without having started workers.
func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// Workers is a running set of workers on one node.
type Workers struct {
	client   *river.Client[pgx.Tx]
	service  *core.Service
	liveness *liveness
	log      *slog.Logger
	cancel   context.CancelFunc
}

// Start starts the workers of this node: those of its own queue, and those of the cluster's if the node is a manager.
func Start(ctx context.Context, o Options) (*Workers, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	self, queues, err := o.queues(ctx)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	clientID := host + "-" + xid.New().String()
	workers := river.NewWorkers()
	river.AddWorker(workers, &createWorker{Options: o})
	river.AddWorker(workers, &operationWorker{Options: o})
	river.AddWorker(workers, &notifyWorker{Options: o})
	river.AddWorker(workers, &chatWorker{Options: o})
	river.AddWorker(workers, &messageWorker{Options: o})
	river.AddWorker(workers, &behindWorker{Options: o})
	river.AddWorker(workers, &anchorWorker{Options: o})
	river.AddWorker(workers, &sampleWorker{Options: o})
	river.AddWorker(workers, &reconcileWorker{Options: o})
	river.AddWorker(workers, &inventoryWorker{Options: o})
	river.AddWorker(workers, &expiryWorker{Options: o})
	river.AddWorker(workers, &purgeWorker{Options: o})
	river.AddWorker(workers, &endAccountsWorker{Options: o})
	river.AddWorker(workers, &refreshWorker{Options: o})
	river.AddWorker(workers, &scheduleWorker{Options: o})
	river.AddWorker(workers, &guardWorker{Options: o})
	river.AddWorker(workers, &digestWorker{Options: o})
	river.AddWorker(workers, &retainWorker{Options: o})
	river.AddWorker(workers, &catalogueWorker{Options: o})
	river.AddWorker(workers, &adoptionWorker{Options: o})
	river.AddWorker(workers, &orphansWorker{Options: o})
	river.AddWorker(workers, &certificatesWorker{Options: o})
	river.AddWorker(workers, &uploadWorker{Options: o})
	river.AddWorker(workers, &poolWorker{Options: o})
	river.AddWorker(workers, &removeSpareWorker{Options: o})
	river.AddWorker(workers, &removeVolumeWorker{Options: o})
	river.AddWorker(workers, &keptWorker{Options: o})
	river.AddWorker(workers, &removeKeptWorker{Options: o})
	river.AddWorker(workers, &forgetWorker{service: o.Service})
	client, err := river.NewClient(riverpgxv5.New(o.DB), riverConfig(o, clientID, queues, workers))
	if err != nil {
		return nil, fmt.Errorf("make the queue's client: %w", err)
	}
	w := &Workers{client: client, service: o.Service, log: o.Log, liveness: &liveness{db: o.DB, client: client, clientID: clientID, nodeID: self.ID, log: o.Log}}
	return w, w.start(ctx)
}

// queues are those that this process serves, and the node that it is on.
func (o Options) queues(ctx context.Context) (self Node, queues map[string]river.QueueConfig, err error) {
	queues = map[string]river.QueueConfig{}
	if len(o.Platforms) > 0 {
		queues[chatQueue] = river.QueueConfig{MaxWorkers: chatSlots}
	}
	if o.ChatOnly {
		return Node{ID: "chat"}, queues, nil
	}
	if self, err = o.Runtime.Self(ctx); err != nil {
		return self, nil, fmt.Errorf("ask the engine which node this is: %w", err)
	}
	queues[nodeQueue(self.ID)] = river.QueueConfig{MaxWorkers: nodeSlots}
	queues[backupQueue(self.ID)] = river.QueueConfig{MaxWorkers: o.Service.BackupsPerNode()}
	if self.Manager {
		queues[managersQueue] = river.QueueConfig{MaxWorkers: managerSlots}
		_, verifications := o.Service.VerifyLimits()
		queues[verifyQueue] = river.QueueConfig{MaxWorkers: verifications}
		queues[notifyQueue] = river.QueueConfig{MaxWorkers: notifySlots}
	}
	return self, queues, nil
}

func riverConfig(o Options, clientID string, queues map[string]river.QueueConfig, workers *river.Workers) *river.Config {
	return &river.Config{
		ID:              clientID,
		Queues:          queues,
		Workers:         workers,
		Logger:          o.Log,
		FetchCooldown:   20 * time.Millisecond, // somebody is waiting for the job that a notification tells of
		SoftStopTimeout: softStop,
		ErrorHandler:    &failureLog{o.Log},
		PeriodicJobs: []*river.PeriodicJob{
			every(time.Minute, forgetArgs{}),
			every(time.Minute, purgeArgs{}),
			every(behindPause, behindArgs{}),
			every(anchorPause, anchorArgs{}),
			every(time.Minute, keptArgs{}),
			every(expiryPause, expiryArgs{}),
			every(accountsPause, endAccountsArgs{}),
			every(refreshPause, refreshArgs{}),
			every(schedulePause, scheduleArgs{}),
			every(cataloguePause, catalogueArgs{}),
			every(adoptionPause, adoptionArgs{}),
			every(guardPause, guardArgs{}),
			every(digestPause, digestArgs{}),
			every(retainPause, retainArgs{}),
			every(orphansPause, orphansArgs{}),
			every(uploadPause, uploadArgs{}),
			every(certificatesPause, certificatesArgs{}),
			every(samplePause, sampleArgs{}),
			every(reconcilePause, reconcileArgs{}),
			every(poolPause(o.Service), poolArgs{}),
		},
		// The application's role owns no index, so it cannot rebuild one.
		ReindexerSchedule: river.NeverSchedule(),
	}
}

// every runs a job again and again, on whichever manager is free. What must not be lost by a restart keeps its times in the catalogue.
func every(pause time.Duration, args river.JobArgs) *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(pause),
		func() (river.JobArgs, *river.InsertOpts) { return args, &river.InsertOpts{Queue: managersQueue} }, &river.PeriodicJobOpts{RunOnStart: true})
}

func (w *Workers) start(ctx context.Context) error {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.cancel = cancel
	if err := w.liveness.register(ctx); err != nil {
		cancel()
		return err
	}
	go w.liveness.run(background)
	go sealing{w.service, w.log}.run(background)
	if err := w.client.Start(background); err != nil {
		cancel()
		return fmt.Errorf("start the workers: %w", err)
	}
	return nil
}

// Stop lets running jobs end for a few seconds, then interrupts the rest, which other workers take over at once.
func (w *Workers) Stop(ctx context.Context) error {
	err := w.client.Stop(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = w.client.StopAndCancel(context.WithoutCancel(ctx))
	}
	w.cancel()
	sealing{w.service, w.log}.seal(ctx) // what was done until now; another worker, or the next start, seals the rest
	w.liveness.leave(ctx)
	return err
}

// Ready reports whether this process is known to the others as alive.
func (w *Workers) Ready() error {
	if !w.liveness.held.Load() {
		return errors.New("the worker's lock in the metadata database is lost; it is being taken again")
	}
	return nil
}
