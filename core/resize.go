package core

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/policy"
)

// Resize gives an instance another size class. Its server restarts.
type Resize struct {
	On
	Size string `json:"size" required:"true" description:"A size class of the catalogue"`

	approved bool // by somebody else
}

func (Resize) action() string { return "resize" }

// ResizeArgs are what the worker of a resize needs to know.
type ResizeArgs struct {
	From string `json:"from"`
	To   string `json:"to"`
}

func (c Resize) prepare(s *Service, actor Actor) (decision, error) {
	if c.Size == "" {
		return nil, invalid("size", "Say which size it shall have: %s.", strings.Join(s.catalogue.SizeNames(), ", "))
	}
	if _, ok := s.catalogue.Size(c.Size); !ok {
		return nil, invalid("size", "There is no size %q. Choose one of: %s.", clip(c.Size), strings.Join(s.catalogue.SizeNames(), ", "))
	}
	allow := func(actor Actor, i Instance) error {
		if err := ownerOrAdmin(actor, i); err != nil {
			return err
		}
		return s.mayCreate(actor, i.Engine, c.Size)
	}
	if !c.approved && s.needsSizeApproval(actor, c.Size) {
		return request{on: c.Database, action: "resize", about: c.Size, args: c, reason: "size " + c.Size, states: []State{StateReady}, allow: allow}, nil
	}
	return change{
		on: c.Database, kind: "resize", states: []State{StateReady}, allow: allow,
		done: func(i Instance) bool { return i.Size == c.Size },
		args: func(i Instance) any { return ResizeArgs{From: i.Size, To: c.Size} },
		write: func(ctx context.Context, s *Service, tx pgx.Tx, req Request, i Instance, _ string) error {
			from, to := s.amount(i.Size), s.amount(c.Size)
			more := policy.Limit{CPU: to.CPU - from.CPU, Memory: to.Memory - from.Memory, Disk: to.Disk - from.Disk}
			return s.checkQuota(ctx, tx, req.Actor, ownerOf(i), more)
		},
		before: func(i Instance) map[string]any { return map[string]any{"size": i.Size} },
		audit:  map[string]any{"size": c.Size},
	}, nil
}

// FinishResize records the end of a resize. After a failure, the server runs with the old size again.
func (s *Service) FinishResize(ctx context.Context, tx pgx.Tx, operationID string, i Instance, size string, failure *Explanation) error {
	if failure == nil {
		if _, err := tx.Exec(ctx, "update instances set size = $2 where id = $1", i.ID, size); err != nil {
			return fmt.Errorf("record the size: %w", err)
		}
	}
	return s.finishOperation(ctx, tx, operationID, i, failure)
}
