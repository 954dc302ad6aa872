package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// A restore in place gives an instance the data of one of its backups; id, name, address and passwords stay. Beside the server that runs,
// another one of the instance is filled on a new volume and proven; then the volumes are exchanged. The one before is kept for as long as
// the trash keeps things: undo.go is the way back.

// actionInPlace is the kind of the operation, and what a policy calls it.
const actionInPlace = "restore_in_place"

// InPlaceArgs are what the workers need to know that exchange the volume of an instance, in a restore in place or its undo.
type InPlaceArgs struct {
	BackupID string     `json:"backup_id,omitempty"` // empty for an undo
	From     int        `json:"from"`                // the generation that the instance runs on
	To       int        `json:"to"`
	Was      State      `json:"was"`               // ready or stopped, as it will be again
	KeptAt   *time.Time `json:"kept_at,omitempty"` // of an undo: since when the volume To is kept, and until when it would have been
	RemoveAt *time.Time `json:"remove_at,omitempty"`
	Filled   *Filled    `json:"filled,omitempty"` // once the volume To is ready to take the place of the other
}

// Undo reports whether the volume To is one that was kept.
func (a InPlaceArgs) Undo() bool { return a.BackupID == "" }

// Filled is what the worker who prepared a volume tells the one who exchanges it.
type Filled struct {
	At      time.Time      `json:"at"`
	Receipt *BackupReceipt `json:"receipt,omitempty"` // of what was restored
	Renewed []string       `json:"renewed,omitempty"` // accounts whose password could not be taken along: they have a new one
	Left    []string       `json:"left,omitempty"`    // accounts with the password that they had on that volume
	Old     []string       `json:"old,omitempty"`     // accounts whose password is kept in a form that the engine gives up
}

// replacement is a restore in place with what can be looked at before the transaction.
type replacement struct{ Restore }

func (c Restore) replacement() (decision, error) {
	for _, f := range []struct{ field, value, why string }{
		{"as", c.As, "the database keeps its name"},
		{"version", c.Version, "the database keeps its version"},
		{"size", c.Size, "the database keeps its size; resize it before or afterwards"},
	} {
		if f.value != "" {
			return nil, invalid(f.field, "In a restore in place, %s. Leave %s out, or restore into a new database.", f.why, f.field)
		}
	}
	return replacement{c}, nil
}

func (r replacement) decide(ctx context.Context, s *Service, tx pgx.Tx, req Request) (Receipt, error) {
	i, err := s.target(ctx, tx, req.Actor, r.Database)
	if err != nil {
		return Receipt{}, err
	}
	if err := r.change(i, Backup{}).check(req.Actor, i); err != nil {
		return Receipt{}, err
	}
	if r.Confirm != i.Name {
		return Receipt{}, invalid("confirm", "The confirmation %q is not the database's name, so nothing was done. Everything that %s holds now is replaced: if that is what you want, type its name.", clip(r.Confirm), i.Name)
	}
	b, err := s.replacing(ctx, tx, req.Actor, i, r.Backup)
	if err != nil {
		return Receipt{}, err
	}
	if s.policy.NeedsApproval(actionInPlace) && !r.approved {
		return request{
			on: i.ID, action: actionInPlace, about: b.ID, states: standing, args: Restore{Backup: b.ID, InPlace: true, Confirm: i.Name},
			reason: fmt.Sprintf("with the backup of %s", moment(b.CreatedAt)),
		}.decide(ctx, s, tx, req)
	}
	return r.change(i, b).decide(ctx, s, tx, req)
}

// standing are the states of an instance that is there and not at work.
var standing = []State{StateReady, StateStopped}

// replaceApproved makes the command again that was asked for.
func replaceApproved(on On, args []byte) (Command, error) {
	var c Restore
	if err := json.Unmarshal(args, &c); err != nil {
		return nil, err
	}
	c.On, c.approved = on, true
	return c, nil
}

// replacing finds the backup that takes the place of what an instance holds.
func (s *Service) replacing(ctx context.Context, tx pgx.Tx, actor Actor, i Instance, id string) (Backup, error) {
	b, m, err := s.chooseBackup(ctx, tx, i, id)
	if id != "" && CodeOf(err) == CodeNotFound {
		return b, s.backupElsewhere(ctx, tx, actor, i, id, err)
	}
	if err == nil && compareVersions(i.Version, m.Instance.Version) < 0 {
		err = invalid("backup", "The backup is of %s %s and cannot be restored into %s, which runs the older %s. Restore it into a new database.", m.Instance.Engine, m.Instance.Version, i.Name, i.Version)
	}
	return b, err
}

// backupElsewhere says whose backup it is, to those who may know.
func (s *Service) backupElsewhere(ctx context.Context, tx pgx.Tx, actor Actor, i Instance, id string, unknown error) error {
	var owner string
	if err := tx.QueryRow(ctx, "select instance_id from backups where id = $1", id).Scan(&owner); err != nil {
		return unknown
	}
	other, err := s.findInstance(ctx, tx, actor, owner)
	if err != nil {
		return unknown
	}
	return invalid("backup", "The backup %s is of the database %s, and in place %s takes its own only. For a new database of it: restore %[2]s from=%[1]s", id, other.Name, i.Name)
}

// change is the beginning of the exchange.
func (r replacement) change(i Instance, b Backup) change {
	args := InPlaceArgs{BackupID: b.ID, From: i.Generation, Was: i.State}
	return change{
		on: r.Database, kind: actionInPlace, states: standing,
		write: func(ctx context.Context, _ *Service, tx pgx.Tx, _ Request, i Instance, _ string) (err error) {
			args.To, err = newGeneration(ctx, tx, i, b.ID)
			if err == nil {
				err = beginExchange(ctx, tx, i)
			}
			if err == nil {
				err = keepMark(ctx, tx, i, b)
			}
			return err
		},
		args:  func(Instance) any { return args },
		audit: map[string]any{"backup": b.ID, "made": b.CreatedAt.UTC(), "approved": r.approved},
	}
}

func (r replacement) explain(ctx context.Context, s *Service, err error) error {
	return change{on: r.Database}.explain(ctx, s, err)
}

// keepMark marks an instance as holding health data when it gets a backup of a time at which it did.
func keepMark(ctx context.Context, tx pgx.Tx, i Instance, b Backup) error {
	_, err := tx.Exec(ctx, "update instances set phi = true where id = $1 and (select (manifest->'database'->>'phi')::boolean from backups where id = $2)", i.ID, b.ID)
	if err != nil {
		return fmt.Errorf("keep the mark of health data: %w", err)
	}
	return nil
}

func beginExchange(ctx context.Context, tx pgx.Tx, i Instance) error {
	if _, err := tx.Exec(ctx, "update instances set state = 'restoring' where id = $1", i.ID); err != nil {
		return fmt.Errorf("record that %s is being restored: %w", i.Name, err)
	}
	return nil
}

// The functions below are the workers' side.

// SafetyBackup gives the backup that a restore in place makes first. A second call gives the same.
func (s *Service) SafetyBackup(ctx context.Context, operationID string, i Instance) (Backup, error) {
	return s.firstBackup(ctx, operationID, i, BackupSafety)
}

// HandOver tells the worker who exchanges the volumes what the one who filled the new one has done.
func (s *Service) HandOver(ctx context.Context, tx pgx.Tx, operationID string, filled Filled) error {
	text, err := json.Marshal(map[string]any{"filled": filled})
	if err != nil {
		return fmt.Errorf("encode what is handed over: %w", err)
	}
	tag, err := tx.Exec(ctx, "update operations set args = args || $2::jsonb where id = $1 and finished_at is null", operationID, string(text))
	if err != nil {
		return fmt.Errorf("hand operation %s over: %w", operationID, err)
	}
	if tag.RowsAffected() == 0 {
		return ErrFinished
	}
	return nil
}

// FinishInPlace records that an instance runs on another volume, or, after a failure, that it runs on the same as before.
func (s *Service) FinishInPlace(ctx context.Context, tx pgx.Tx, operationID string, i Instance, args InPlaceArgs, failure *Explanation) error {
	var err error
	if failure != nil {
		err = s.stayInPlace(ctx, tx, operationID, i, args, *failure)
	} else {
		err = s.changePlace(ctx, tx, operationID, i, args)
	}
	if err != nil {
		return err
	}
	return s.finishOperation(ctx, tx, operationID, i, failure)
}

// stayInPlace puts back what the beginning has changed. The new volume is of no use, and goes at once.
func (s *Service) stayInPlace(ctx context.Context, tx pgx.Tx, operationID string, i Instance, args InPlaceArgs, failure Explanation) error {
	var rows together
	_, _ = rows.Exec(ctx, "update instances set state = $2 where id = $1", i.ID, args.Was)
	_, _ = rows.Exec(ctx, "update kept_volumes set remove_at = coalesce($3, now()) where instance_id = $1 and generation = $2", i.ID, args.To, args.RemoveAt)
	_, _ = rows.Exec(ctx, "delete from secrets where instance_id = $1 and kind = $2", i.ID, secretNext)
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("record that %s stays as it is: %w", i.Name, err)
	}
	if err := s.keepBackup(ctx, tx, operationID, nil, &failure); err != nil {
		return err
	}
	what := "restore in place"
	if args.Undo() {
		what = "undo"
	}
	return s.notify(ctx, tx, Notification{
		News: newsOfFailure(what, failure), InstanceID: i.ID, OperationID: operationID, To: []Audience{ToOwner, ToRequester, ToAdmins},
	})
}

// changePlace makes the volume that was filled the current one, and keeps the other.
func (s *Service) changePlace(ctx context.Context, tx pgx.Tx, operationID string, i Instance, args InPlaceArgs) error {
	if args.Filled == nil {
		return errors.New("nothing was handed over that could be exchanged")
	}
	until := s.now().Add(s.deleteGrace)
	var rows together
	_, _ = rows.Exec(ctx, `insert into kept_volumes (instance_id, generation, node_id, restored_from, remove_at)
		select id, generation, node_id, restored_from, $2 from instances where id = $1`, i.ID, until)
	_, _ = rows.Exec(ctx, `update instances set generation = k.generation, restored_from = k.restored_from, state = $3 from kept_volumes k
		where id = $1 and k.instance_id = $1 and k.generation = $2`, i.ID, args.To, args.Was)
	_, _ = rows.Exec(ctx, "delete from kept_volumes where instance_id = $1 and generation = $2", i.ID, args.To)
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("record the exchange of the volumes: %w", err)
	}
	if err := s.passwordsAfter(ctx, tx, operationID, i, args); err != nil {
		return err
	}
	return s.tellOfExchange(ctx, tx, operationID, i, args, until)
}

func (s *Service) tellOfExchange(ctx context.Context, tx pgx.Tx, operationID string, i Instance, args InPlaceArgs, until time.Time) error {
	news := NewsRestored{Undone: args.Undo(), Until: until, Renewed: args.Filled.Renewed, Left: args.Filled.Left, Old: args.Filled.Old}
	err := tx.QueryRow(ctx, "select p.login from operations o join people p on p.id = o.requested_by where o.id = $1", operationID).Scan(&news.By)
	if err == nil && !args.Undo() {
		err = tx.QueryRow(ctx, "select created_at from backups where id = $1", args.BackupID).Scan(&news.Made)
	}
	if err != nil {
		return fmt.Errorf("read what was restored: %w", err)
	}
	if r := args.Filled.Receipt; r != nil {
		news.Tables, news.Rows, news.Seconds = r.Tables, r.Rows, r.Seconds
	}
	return s.notify(ctx, tx, Notification{
		News: news, InstanceID: i.ID, OperationID: operationID, To: []Audience{ToOwner, ToRequester, ToPI},
	})
}
