package core

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"
)

// approvedCreate begins a create that somebody else has approved. The instance's row, name and port are there already.
type approvedCreate struct{ On }

func (approvedCreate) action() string { return "create" }

func (c approvedCreate) prepare(*Service, Actor) (decision, error) {
	return change{on: c.Database, kind: "create", states: []State{StateCreating}, allow: func(actor Actor, _ Instance) error { return actor.needs(ScopeOperate) }}, nil
}

// needsSizeApproval reports whether somebody gets a size class only with an approval. Administrators decide themselves.
func (s *Service) needsSizeApproval(actor Actor, size string) bool {
	return !actor.IsAdmin() && slices.Contains(s.policy.Approvals.Sizes, size)
}

func (s *Service) createNeedsApproval(actor Actor, d *creation) bool {
	return s.needsSizeApproval(actor, d.Size) || d.PHI && !actor.IsAdmin() && s.policy.NeedsApproval("phi")
}

// ask keeps all that was asked for, with the name and a port, and asks for an approval. Nothing is made before.
func (d *creation) ask(ctx context.Context, s *Service, tx pgx.Tx, req Request, owner Person) (Receipt, error) {
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
	return request{on: id, action: "create", reason: reason, states: []State{StateCreating}}.ask(ctx, s, tx, req, i)
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
