package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Undo takes back the last restore in place: the instance runs on the volume of before again. That can be undone, too.
type Undo struct{ On }

func (Undo) action() string { return "undo" }

func (c Undo) prepare(*Service, Actor) (decision, error) {
	var args InPlaceArgs
	audit := map[string]any{}
	return change{
		on: c.Database, kind: "undo", states: standing, audit: audit,
		write: func(ctx context.Context, s *Service, tx pgx.Tx, _ Request, i Instance, _ string) error {
			k, err := s.takeKept(ctx, tx, i)
			if err != nil {
				return err
			}
			audit["kept_since"] = k.KeptAt.UTC()
			args = InPlaceArgs{From: i.Generation, To: k.Generation, Was: i.State, KeptAt: &k.KeptAt, RemoveAt: k.RemoveAt}
			return beginExchange(ctx, tx, i)
		},
		args: func(Instance) any { return args },
	}, nil
}

// takeKept finds the volume that an instance ran on before and keeps it from being removed meanwhile.
func (s *Service) takeKept(ctx context.Context, tx pgx.Tx, i Instance) (Kept, error) {
	k, err := wayBack(ctx, tx, i.ID)
	if err != nil {
		return Kept{}, err
	}
	if k == nil {
		return Kept{}, Errorf(CodeGone, "There is nothing to undo on %s: it was never restored in place, or that was longer than %s ago.", i.Name, s.UndoTime())
	}
	_, err = tx.Exec(ctx, "update kept_volumes set remove_at = null where instance_id = $1 and generation = $2", i.ID, k.Generation)
	if err != nil {
		return Kept{}, fmt.Errorf("keep the volume of before: %w", err)
	}
	return *k, nil
}

// UndoTime is for how long a restore in place can be undone, in words.
func (s *Service) UndoTime() string { return inWords(s.deleteGrace) }

// inWords writes a time in days, or in hours when it is less than two of them.
func inWords(d time.Duration) string {
	if d < 48*time.Hour {
		return count(int(d.Round(time.Hour)/time.Hour), "hour")
	}
	return count(int(d/(24*time.Hour)), "day")
}

// Kept is a volume of an instance beside the one that it runs on. Times are UTC.
type Kept struct {
	InstanceID string
	Generation int
	NodeID     string
	KeptAt     time.Time
	RemoveAt   *time.Time
}

const keptColumns = "k.instance_id, k.generation, k.node_id, k.kept_at, k.remove_at"

// wayBack is the volume that an instance ran on before, for as long as it is kept; nil when there is none. It locks the row. The database's
// own clock counts, as in SuperfluousVolumes: what is to be removed is never brought back.
func wayBack(ctx context.Context, tx pgx.Tx, instanceID string) (*Kept, error) {
	k, err := one[Kept](ctx, tx, "select "+keptColumns+` from kept_volumes k where k.instance_id = $1 and k.remove_at > now() and k.removed_at is null
		order by k.kept_at desc limit 1 for update`, instanceID)
	if notFound(err) {
		return nil, nil //nolint:nilnil // none is an ordinary answer
	}
	if err != nil {
		return nil, fmt.Errorf("look for the volume of before: %w", err)
	}
	return &k, nil
}

// UndoUntil is until when the last restore in place of an instance can be undone; nil when there is nothing to undo.
func (s *Service) UndoUntil(ctx context.Context, i Instance) (*time.Time, error) {
	var until *time.Time
	err := s.db.QueryRow(ctx, `select remove_at from kept_volumes where instance_id = $1 and remove_at > now() and removed_at is null order by kept_at desc limit 1`, i.ID).Scan(&until)
	if err != nil && !notFound(err) {
		return nil, fmt.Errorf("look until when %s can be undone: %w", i.Name, err)
	}
	return until, nil
}
