package core

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"
)

// approvedCreate begins a create, or an import, that somebody else has approved. The instance's row, name and port are there already.
type approvedCreate struct {
	On
	ImportArgs
}

// approvedCreation reads a create or an import that somebody else has approved.
func approvedCreation(on On, args []byte) (Command, error) {
	c := approvedCreate{On: on}
	return c, json.Unmarshal(args, &c.ImportArgs)
}

func (c approvedCreate) action() string {
	if c.ImportArgs == (ImportArgs{}) {
		return "create"
	}
	return "import"
}

func (c approvedCreate) prepare(*Service, Actor) (decision, error) {
	d := change{on: c.Database, kind: c.action(), states: []State{StateCreating}, allow: func(actor Actor, _ Instance) error { return actor.needs(ScopeOperate) }}
	if c.action() == "import" {
		d.args = func(Instance) any { return c.ImportArgs }
	}
	if c.Upload != "" {
		d.write = func(ctx context.Context, s *Service, tx pgx.Tx, req Request, _ Instance, _ string) error {
			return s.claimUpload(ctx, tx, req.Actor, c.Upload)
		}
	}
	return d, nil
}

// needsSizeApproval reports whether somebody gets a size class only with an approval. Administrators decide themselves.
func (s *Service) needsSizeApproval(actor Actor, size string) bool {
	return !actor.IsAdmin() && slices.Contains(s.policy.Approvals.Sizes, size)
}

func (s *Service) createNeedsApproval(actor Actor, d *creation) bool {
	return s.needsSizeApproval(actor, d.Size) || d.PHI && !actor.IsAdmin() && s.policy.NeedsApproval("phi")
}

// ask keeps all that was asked for, with the name and a port, and asks for an approval. Nothing is made before. in is what an import
// brings; nil: nothing.
func (d *creation) ask(ctx context.Context, s *Service, tx pgx.Tx, req Request, owner Person, in *incoming) (Receipt, error) {
	id := xid.New().String()
	if err := d.insert(ctx, tx, id, owner); err != nil {
		return Receipt{}, err
	}
	if _, err := s.ports.take(ctx, tx, id, s.now()); err != nil {
		return Receipt{}, err
	}
	i, err := one[Instance](ctx, tx, selectInstance+"where i.id = $1", id)
	if err != nil {
		return Receipt{}, fmt.Errorf("read the instance back: %w", err)
	}
	reason := fmt.Sprintf("size %s", d.Size)
	if d.PHI {
		reason += ", with health data"
	}
	q := request{on: id, action: "create", reason: reason, states: []State{StateCreating}}
	if in != nil {
		q.args, q.reason = in.ImportArgs, reason+", "+in.words()
		if err := in.keep(ctx, s, tx, id); err != nil {
			return Receipt{}, err
		}
	}
	return q.ask(ctx, s, tx, req, i)
}

// words say what an import brings.
func (d *incoming) words() string {
	if d.Source != nil {
		return "imported from " + d.Source.String()
	}
	return "imported from an upload"
}

// keep keeps what an import needs until somebody has decided about it.
func (d *incoming) keep(ctx context.Context, s *Service, tx pgx.Tx, id string) error {
	if d.Source != nil {
		return insertSecret(ctx, tx, id, secretSource, d.sealed)
	}
	if _, err := tx.Exec(ctx, "update uploads set ends_at = greatest(ends_at, $2) where id = $1", d.Upload, s.now().Add(approvalLife+uploadLife)); err != nil {
		return fmt.Errorf("keep the upload: %w", err)
	}
	return nil
}

// dropUnapproved frees the name and the port of a create that was not approved. Nothing was made of it.
func (s *Service) dropUnapproved(ctx context.Context, tx pgx.Tx, action, instanceID string) error {
	if action != "create" {
		return nil
	}
	var rows together
	_, _ = rows.Exec(ctx, "update instances set state = 'failed', ended_at = now() where id = $1 and state = 'creating'", instanceID)
	_, _ = rows.Exec(ctx, "delete from secrets where instance_id = $1", instanceID)
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("drop what was not approved: %w", err)
	}
	return releasePort(ctx, tx, instanceID, s.now(), "of a create that was not approved")
}

// approvedResize reads a resize that somebody else has approved.
func approvedResize(on On, args []byte) (Command, error) {
	c := Resize{On: on, approved: true}
	return c, json.Unmarshal(args, &c)
}
