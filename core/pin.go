package core

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// PinBackup keeps a backup for good, with a note that says why, or leaves it to the rules again.
type PinBackup struct {
	On
	Backup string `json:"-" path:"id"`
	Note   string `json:"note,omitempty" description:"Why it is kept, such as the title of a paper"`
	Unpin  bool   `json:"unpin,omitempty"`
}

func (PinBackup) action() string { return "pin" }

// Item says which backup is meant.
func (c *PinBackup) Item(backup string) { c.Backup = backup }

func (c PinBackup) subject() string { return c.Database + "/" + c.Backup }

func (c PinBackup) prepare(*Service, Actor) (decision, error) {
	if err := checkText("note", c.Note, 1000); err != nil {
		return nil, err
	}
	kind := "pin"
	if c.Unpin {
		kind = "unpin"
	}
	audit := map[string]any{"backup": c.Backup, "note": c.Note}
	return change{
		on: c.Database, kind: kind, states: everyState, immediate: true,
		write: func(ctx context.Context, s *Service, tx pgx.Tx, req Request, i Instance, _ string) error {
			b, err := s.backupOf(ctx, tx, i, c.Backup)
			if err != nil {
				return err
			}
			if err := b.usable(); err != nil {
				return err
			}
			audit["before"] = map[string]any{"pinned": b.PinnedAt != nil, "note": b.PinNote}
			audit["after"] = map[string]any{"pinned": !c.Unpin, "note": c.Note}
			_, err = tx.Exec(ctx, `update backups set pinned_at = case when $2 then null else coalesce(pinned_at, $3) end, pinned_by = case when $2 then null else $4 end,
				pin_note = case when $2 then '' else $5 end where id = $1`, b.ID, c.Unpin, s.now(), req.Actor.ID, c.Note)
			if err != nil {
				return fmt.Errorf("pin the backup: %w", err)
			}
			return nil
		},
		audit: audit,
	}, nil
}
