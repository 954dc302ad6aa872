package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
)

// A worker that dies is noticed by its lock: every worker holds a session advisory lock on its client id, which Postgres
// releases when the session ends, however it ends. Each worker looks for locks that are free and gives the jobs of their
// holders to others. River alone would wait for the job's whole timeout.
const (
	sweepEvery = 2 * time.Second
	// deadAfter is how long a lock must be free: a live worker that lost its connection takes its lock again within this time.
	deadAfter = 2 * time.Second
)

type liveness struct {
	db       *pgxpool.Pool
	client   *river.Client[pgx.Tx]
	clientID string
	nodeID   string
	log      *slog.Logger

	conn *pgx.Conn // holds the lock
	held atomic.Bool
}

// register makes this worker known and takes its lock, on a connection of its own.
func (l *liveness) register(ctx context.Context) error {
	config := l.db.Config().ConnConfig.Copy()
	// A host that vanishes closes no connection: let the server ask after a few seconds.
	for name, value := range map[string]string{"tcp_keepalives_idle": "3", "tcp_keepalives_interval": "1", "tcp_keepalives_count": "3"} {
		config.RuntimeParams[name] = value
	}
	config.RuntimeParams["application_name"] = "mydb worker " + l.clientID
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect to take the worker's lock: %w", err)
	}
	_, err = conn.Exec(ctx, "select pg_advisory_lock(hashtextextended($1, 0))", l.clientID)
	if err == nil {
		_, err = conn.Exec(ctx, `insert into workers (client_id, lock_key, node_id) values ($1, hashtextextended($1, 0), $2)
			on conflict (client_id) do update set missed_at = null`, l.clientID, l.nodeID)
	}
	if err != nil {
		conn.Close(context.WithoutCancel(ctx))
		return fmt.Errorf("take the worker's lock: %w", err)
	}
	l.conn = conn
	l.held.Store(true)
	return nil
}

// run keeps the lock and looks after the other workers until ctx ends.
func (l *liveness) run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := l.beat(ctx); err != nil && ctx.Err() == nil {
			l.log.Warn("the workers could not be looked after", "error", err)
		}
	}
}

func (l *liveness) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sweepEvery*2)
	defer cancel()
	if l.conn == nil || l.conn.Ping(ctx) != nil {
		l.held.Store(false)
		if l.conn != nil {
			l.conn.Close(context.WithoutCancel(ctx))
			l.conn = nil
		}
		if err := l.register(ctx); err != nil {
			return err
		}
	}
	return l.sweep(ctx)
}

// sweep gives the jobs of dead workers to others.
func (l *liveness) sweep(ctx context.Context) error {
	rows, err := l.db.Query(ctx, "select client_id from workers where client_id <> $1", l.clientID)
	if err != nil {
		return fmt.Errorf("list workers: %w", err)
	}
	others, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list workers: %w", err)
	}
	for _, other := range others {
		if err := l.examine(ctx, other); err != nil {
			return fmt.Errorf("examine worker %s: %w", other, err)
		}
	}
	return nil
}

// examine looks whether another worker holds its lock. Having the lock ourselves until the end of the transaction, nobody else
// examines it at the same time, and it cannot come back meanwhile.
func (l *liveness) examine(ctx context.Context, other string) error {
	return pgx.BeginFunc(ctx, l.db, func(tx pgx.Tx) error {
		var free bool
		if err := tx.QueryRow(ctx, "select pg_try_advisory_xact_lock(hashtextextended($1, 0))", other).Scan(&free); err != nil {
			return err
		}
		if !free {
			_, err := tx.Exec(ctx, "update workers set missed_at = null where client_id = $1 and missed_at is not null", other)
			return err
		}
		var dead bool
		err := tx.QueryRow(ctx, `update workers set missed_at = coalesce(missed_at, clock_timestamp()) where client_id = $1
			returning missed_at <= clock_timestamp() - $2::interval`, other, deadAfter).Scan(&dead)
		if err == pgx.ErrNoRows { //nolint:errorlint // pgx returns it bare; another worker has dealt with it
			return nil
		}
		if err != nil || !dead {
			return err
		}
		l.log.Warn("a worker died; its jobs go on elsewhere", "worker", other)
		if err := l.takeOver(ctx, tx, other); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "delete from workers where client_id = $1", other)
		return err
	})
}

// takeOver ends the jobs that a dead worker had and enqueues each anew. The new job has another id, so that an attempt that lives
// on unexpectedly can neither finish the operation nor touch the job that goes on.
func (l *liveness) takeOver(ctx context.Context, tx pgx.Tx, dead string) error {
	type row struct {
		Kind, Queue string
		Args        json.RawMessage
	}
	rows, err := tx.Query(ctx, `update river_job set state = 'discarded', finalized_at = now()
		where state = 'running' and attempted_by[array_upper(attempted_by, 1)] = $1 returning kind, queue, args`, dead)
	if err != nil {
		return err
	}
	lost, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	if err != nil {
		return err
	}
	for _, job := range lost {
		if _, err := l.client.InsertTx(ctx, tx, rawArgs{job.Kind, job.Args}, &river.InsertOpts{Queue: job.Queue, MaxAttempts: maxAttempts}); err != nil {
			return err
		}
	}
	return nil
}

// leave makes a clean end: nobody needs to look for this worker's lock.
func (l *liveness) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	l.held.Store(false)
	// Jobs that were interrupted are available again; a row that stays would only make others look.
	if _, err := l.db.Exec(ctx, `delete from workers where client_id = $1 and not exists (select from river_job
		where state = 'running' and attempted_by[array_upper(attempted_by, 1)] = $1)`, l.clientID); err != nil {
		l.log.Warn("the worker could not sign off; others will notice", "error", err)
	}
	if l.conn != nil {
		l.conn.Close(ctx)
	}
}

// rawArgs are the arguments of a job as they are stored.
type rawArgs struct {
	kind string
	args json.RawMessage
}

// Kind implements river.JobArgs.
func (a rawArgs) Kind() string { return a.kind }

// MarshalJSON implements json.Marshaler.
func (a rawArgs) MarshalJSON() ([]byte, error) { return a.args, nil }
