package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// The functions in this file are the workers' side: what a job reads before it works, and what it writes while it does and when
// it is done. Doors have no use for them.

// ErrFinished says that an operation was ended already, so that its job has nothing left to do.
var ErrFinished = errors.New("the operation is finished already")

// Args reads what an operation's worker needs to know into args, a pointer.
func (s *Service) Args(ctx context.Context, operationID string, args any) error {
	var text []byte
	if err := s.db.QueryRow(ctx, "select args from operations where id = $1", operationID).Scan(&text); err != nil {
		return fmt.Errorf("read the arguments of operation %s: %w", operationID, err)
	}
	if err := json.Unmarshal(text, args); err != nil {
		return fmt.Errorf("decode the arguments of operation %s: %w", operationID, err)
	}
	return nil
}

// InitUntil settles, once, after which moment an empty data directory of an instance is missing data and not a new server.
func (s *Service) InitUntil(ctx context.Context, instanceID string, until time.Time) (time.Time, error) {
	err := s.db.QueryRow(ctx, "update instances set init_until = coalesce(init_until, $2) where id = $1 returning init_until", instanceID, until).Scan(&until)
	if err != nil {
		return until, fmt.Errorf("settle until when instance %s may initialise: %w", instanceID, err)
	}
	return until, nil
}

// Begin marks an operation as running. It gives the instance and the moment of the first attempt. Errors: ErrFinished.
func (s *Service) Begin(ctx context.Context, operationID string) (Instance, time.Time, error) {
	var (
		instanceID string
		first      time.Time
	)
	err := s.db.QueryRow(ctx, `update operations set state = 'running', started_at = coalesce(started_at, now())
		where id = $1 and finished_at is null returning instance_id, started_at`, operationID).Scan(&instanceID, &first)
	if notFound(err) {
		return Instance{}, first, ErrFinished
	}
	if err != nil {
		return Instance{}, first, fmt.Errorf("begin operation %s: %w", operationID, err)
	}
	i, err := one[Instance](ctx, s.db, selectInstance+"where i.id = $1", instanceID)
	return i, first, err
}

// EndedOperations gives those of the operations that have ended. One that is not known is none of ours and not among them.
func (s *Service) EndedOperations(ctx context.Context, ids []string) ([]string, error) {
	rows, err := s.db.Query(ctx, "select id from operations where id = any($1) and finished_at is not null", ids)
	if err != nil {
		return nil, fmt.Errorf("look which operations have ended: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// StartStep writes that a step has begun. A step that was done in an earlier attempt begins anew.
func (s *Service) StartStep(ctx context.Context, operationID string, seq int, name string) error {
	told, err := s.db.Exec(ctx, `with step as (insert into operation_steps (operation_id, seq, name, state) values ($1, $2, $3, 'running')
		on conflict (operation_id, seq) do update set name = $3, state = 'running', detail = '', started_at = now(), finished_at = null)
		`+inChat, operationID, seq, name)
	if err != nil {
		return fmt.Errorf("write step %q: %w", name, err)
	}
	if told.RowsAffected() > 0 {
		s.touchProgress(ctx, operationID)
	}
	return nil
}

// EndStep writes how a step ended. Detail is for people and never holds a secret.
func (s *Service) EndStep(ctx context.Context, operationID string, seq int, ok bool, detail string) error {
	state := "done"
	if !ok {
		state = "failed"
	}
	told, err := s.db.Exec(ctx, `with step as (update operation_steps set state = $3, detail = $4, finished_at = now() where operation_id = $1 and seq = $2)
		`+inChat, operationID, seq, state, detail)
	if err != nil {
		return fmt.Errorf("write the end of step %d: %w", seq, err)
	}
	if told.RowsAffected() > 0 {
		s.touchProgress(ctx, operationID)
	}
	return nil
}

// Placed is where the catalogue has put a live instance.
type Placed struct {
	ID     string
	NodeID string
	Size   string
}

// Ended reports whether an instance has ended for good: only then may its volume go.
func (s *Service) Ended(ctx context.Context, instanceID string) (bool, error) {
	var ended bool
	err := s.db.QueryRow(ctx, "select ended_at is not null from instances where id = $1", instanceID).Scan(&ended)
	if err != nil {
		return false, fmt.Errorf("look whether instance %s has ended: %w", instanceID, err)
	}
	return ended, nil
}

// Place decides on which node an instance runs, once: an instance that has a node keeps it. choose sees where all other live
// instances are, and no other placement happens meanwhile. The host is what people connect to.
func (s *Service) Place(ctx context.Context, instanceID string, choose func([]Placed) (nodeID, host string, err error)) (nodeID, host string, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtext('mydb placement'))"); err != nil {
			return fmt.Errorf("lock the placement: %w", err)
		}
		var node, at *string
		if err := tx.QueryRow(ctx, "select node_id, host from instances where id = $1", instanceID).Scan(&node, &at); err != nil {
			return fmt.Errorf("read the placement: %w", err)
		}
		if node != nil && at != nil {
			nodeID, host = *node, *at
			return nil
		}
		placed, err := many[Placed](ctx, tx, "select id, node_id, size from instances where node_id is not null and ended_at is null")
		if err != nil {
			return fmt.Errorf("read the placements: %w", err)
		}
		if nodeID, host, err = choose(placed); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "update instances set node_id = $2, host = $3 where id = $1", instanceID, nodeID, host)
		return err
	})
	return nodeID, host, err
}

// ServerSecrets gives the secrets of an instance's own accounts and certificate, which fresh makes on the first call.
func (s *Service) ServerSecrets(ctx context.Context, instanceID string, fresh func() (engine.Secrets, error)) (engine.Secrets, error) {
	return s.serverSecrets(ctx, instanceID, secretServer, fresh)
}

// serverSecrets gives the secrets of a kind, and keeps what fresh makes when there are none.
func (s *Service) serverSecrets(ctx context.Context, instanceID, kind string, fresh func() (engine.Secrets, error)) (out engine.Secrets, err error) {
	plain, err := s.readSecret(ctx, instanceID, kind)
	if err != nil {
		return out, err
	}
	if plain == nil {
		made, err := fresh()
		if err != nil {
			return out, err
		}
		if plain, err = json.Marshal(made); err != nil {
			return out, fmt.Errorf("encode the server's secrets: %w", err)
		}
		sealed, err := s.keys.Seal(plain)
		if err != nil {
			return out, err
		}
		if err := insertSecret(ctx, s.db, instanceID, kind, sealed); err != nil {
			return out, err
		}
		// Another attempt may have been first: what is stored counts.
		if plain, err = s.readSecret(ctx, instanceID, kind); err != nil {
			return out, err
		}
	}
	if err := json.Unmarshal(plain, &out); err != nil {
		return out, fmt.Errorf("decode the server's secrets: %w", err)
	}
	return out, nil
}

// Tenant gives the owner's account of an instance that is being created.
func (s *Service) Tenant(ctx context.Context, i Instance) (engine.Tenant, error) {
	t := engine.Tenant{Username: i.Username, Database: i.Database, Extensions: i.Extensions}
	password, err := s.readSecret(ctx, i.ID, secretOwner)
	if err != nil {
		return t, err
	}
	sql, err := s.readSecret(ctx, i.ID, secretInitSQL)
	if err != nil {
		return t, err
	}
	t.Password, t.InitSQL = string(password), string(sql)
	return t, nil
}

// InitDone forgets the init script after it has run, so that it runs once.
func (s *Service) InitDone(ctx context.Context, instanceID string) error {
	_, err := s.db.Exec(ctx, "delete from secrets where instance_id = $1 and kind = $2", instanceID, secretInitSQL)
	if err != nil {
		return fmt.Errorf("forget the init script: %w", err)
	}
	return nil
}

// FinishCreate records the end of a create, inside the transaction that completes its job. A nil failure means that the instance
// was measured to be ready. After a failure the name and the port are free again; what existed must be gone already.
func (s *Service) FinishCreate(ctx context.Context, tx pgx.Tx, operationID string, i Instance, failure *Explanation) error {
	var err error
	switch {
	case failure == nil && i.IsSpare():
		_, err = tx.Exec(ctx, "update instances set state = 'spare' where id = $1", i.ID)
	case failure == nil:
		_, err = tx.Exec(ctx, "update instances set state = 'ready', ready_at = now() where id = $1", i.ID)
	default:
		_, err = tx.Exec(ctx, "update instances set state = 'failed', ended_at = now() where id = $1", i.ID)
		if err == nil {
			_, err = tx.Exec(ctx, "delete from secrets where instance_id = $1", i.ID)
		}
		if err == nil {
			err = releasePort(ctx, tx, i.ID, s.now().Add(releasedPortQuarantine), "of a create that failed")
		}
	}
	if err != nil {
		return fmt.Errorf("finish the instance: %w", err)
	}
	if err := s.finishOperation(ctx, tx, operationID, i, failure); err != nil || i.IsSpare() {
		return err // nobody waits for a spare
	}
	return s.tellOfCreate(ctx, tx, operationID, i, failure)
}

func (s *Service) finishOperation(ctx context.Context, tx pgx.Tx, operationID string, i Instance, failure *Explanation) error {
	outcome, state := OutcomeDone, OperationDone
	data := map[string]any{"operation": operationID}
	var code, message, reference *string
	if failure != nil {
		outcome, state = OutcomeFailed, OperationFailed
		c := string(failure.Code)
		code, message, reference = &c, &failure.Message, &failure.Reference
		data["error"] = failure.Message
	}
	var kind string
	err := tx.QueryRow(ctx, `update operations set state = $2, finished_at = now(), error_code = $3, error = $4, reference = $5
		where id = $1 and finished_at is null returning kind`, operationID, state, code, message, reference).Scan(&kind)
	if notFound(err) {
		return ErrFinished
	}
	if err != nil {
		return fmt.Errorf("finish operation %s: %w", operationID, err)
	}
	if err := s.touchMessages(ctx, tx, operationID, ""); err != nil {
		return err
	}
	if err := s.tellOfFailure(ctx, tx, operationID, kind, i, failure); err != nil {
		return err
	}
	return writeAudit(ctx, tx, AuditEntry{
		Actor: "mydb", Door: DoorSystem, Action: kind, InstanceID: i.ID, Subject: i.Name, Outcome: outcome, Data: data,
	})
}
