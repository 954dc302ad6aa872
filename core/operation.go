package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// OperationState is where an operation is in its life.
type OperationState string

// The states of an operation.
const (
	OperationQueued    OperationState = "queued"
	OperationRunning   OperationState = "running"
	OperationDone      OperationState = "done"
	OperationFailed    OperationState = "failed"
	OperationCancelled OperationState = "cancelled"
)

// Operation is one piece of work on one instance.
type Operation struct {
	ID         string         `json:"id"`
	Kind       string         `json:"kind"`
	State      OperationState `json:"state"`
	InstanceID string         `json:"database_id"`
	Database   string         `json:"database"`
	Error      *Explanation   `json:"error,omitempty"`
	CreatedAt  time.Time      `json:"created_at"`
	StartedAt  *time.Time     `json:"started_at"`
	FinishedAt *time.Time     `json:"finished_at"`
	Steps      []Step         `json:"steps"`
}

// Finished reports whether the operation has ended, well or not.
func (o Operation) Finished() bool { return o.FinishedAt != nil }

// Step is one step of an operation, in the order in which they are done.
type Step struct {
	Name       string     `json:"name"`
	State      string     `json:"state"` // running, done or failed
	Detail     string     `json:"detail,omitempty"`
	StartedAt  time.Time  `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
}

type operationRow struct {
	ID, Kind                    string
	State                       OperationState
	InstanceID, Database        string
	ErrorCode, Error, Reference *string
	CreatedAt                   time.Time
	StartedAt, FinishedAt       *time.Time
}

const selectOperation = `select o.id, o.kind, o.state, o.instance_id, i.name as database, o.error_code, o.error, o.reference,
	o.created_at, o.started_at, o.finished_at from operations o join instances i on i.id = o.instance_id `

// Operation finds one by id, with its steps. Errors: CodeNotFound, also for what is not the actor's to see.
func (s *Service) Operation(ctx context.Context, actor Actor, id string) (Operation, error) {
	return s.findOperation(ctx, s.db, actor, id)
}

func (s *Service) findOperation(ctx context.Context, db DB, actor Actor, id string) (Operation, error) {
	if err := actor.needs(ScopeRead); err != nil {
		return Operation{}, err
	}
	see := s.sight(actor)
	row, err := one[operationRow](ctx, db, selectOperation+"where o.id = $1 and (i.owner_id = $2 or o.requested_by = $2 or $3 and (not i.phi or $4) or "+ledBy("$5")+")",
		id, actor.ID, see.all, see.phi, see.led)
	if notFound(err) {
		return Operation{}, Errorf(CodeNotFound, "You have no operation %q.", clip(id))
	}
	if err != nil {
		return Operation{}, fmt.Errorf("find operation: %w", err)
	}
	return withSteps(ctx, db, row)
}

func withSteps(ctx context.Context, db DB, r operationRow) (Operation, error) {
	o := Operation{
		ID: r.ID, Kind: r.Kind, State: r.State, InstanceID: r.InstanceID, Database: r.Database,
		CreatedAt: r.CreatedAt, StartedAt: r.StartedAt, FinishedAt: r.FinishedAt,
	}
	if r.Error != nil {
		o.Error = &Explanation{Code: Code(value(r.ErrorCode)), Message: *r.Error, Reference: value(r.Reference)}
	}
	var err error
	o.Steps, err = many[Step](ctx, db, "select name, state, detail, started_at, finished_at from operation_steps where operation_id = $1 order by seq", r.ID)
	if err != nil {
		return o, fmt.Errorf("read the steps: %w", err)
	}
	return o, nil
}

func insertOperation(ctx context.Context, rows execer, id, instanceID, kind string, req Request) error {
	_, err := rows.Exec(ctx, "insert into operations (id, instance_id, kind, requested_by, door) values ($1, $2, $3, $4, $5)",
		id, instanceID, kind, req.Actor.ID, req.Door)
	if err != nil {
		return fmt.Errorf("insert the operation: %w", err)
	}
	return nil
}

// receiptOf reads back what a transaction has just written.
func receiptOf(ctx context.Context, tx pgx.Tx, operationID string) (Receipt, error) {
	row, err := one[operationRow](ctx, tx, selectOperation+"where o.id = $1", operationID)
	if err != nil {
		return Receipt{}, fmt.Errorf("read the operation back: %w", err)
	}
	i, err := one[Instance](ctx, tx, selectInstance+"where i.id = $1", row.InstanceID)
	if err != nil {
		return Receipt{}, fmt.Errorf("read the instance back: %w", err)
	}
	o := Operation{
		ID: row.ID, Kind: row.Kind, State: row.State, InstanceID: row.InstanceID, Database: row.Database,
		CreatedAt: row.CreatedAt, StartedAt: row.StartedAt, FinishedAt: row.FinishedAt, Steps: []Step{},
	}
	receipt := Receipt{Operation: o, Database: i}
	if row.Kind == "backup" {
		b, err := one[Backup](ctx, tx, selectBackup+"where b.operation_id = $1", operationID)
		if err != nil {
			return Receipt{}, fmt.Errorf("read the backup back: %w", err)
		}
		receipt.Backup = &b
	}
	return receipt, nil
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
