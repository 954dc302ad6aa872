package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Extend gives an instance a later date of expiry.
type Extend struct {
	On
	Expires string `json:"expires" required:"true" description:"RFC 3339, a number of days from now such as 90d, or never"`
}

func (Extend) action() string { return "extend" }

func (c Extend) prepare(s *Service, _ Actor) (decision, error) {
	var at *time.Time
	switch c.Expires {
	case "":
		return nil, invalid("expires", "Say until when, such as 90d from now, or never.")
	case "never":
	default:
		var err error
		if at, err = parseExpiry(c.Expires, s.now()); err != nil {
			return nil, err
		}
	}
	return change{
		on: c.Database, kind: "extend", states: []State{StateReady, StateStopped}, immediate: true,
		allow: func(actor Actor, i Instance) error {
			if err := ownerOrAdmin(actor, i); err != nil {
				return err
			}
			if err := s.checkExpiry(at); err != nil {
				return err
			}
			return refuseShorter(i, at)
		},
		write: func(ctx context.Context, _ *Service, tx pgx.Tx, _ Request, i Instance, _ string) error {
			if _, err := tx.Exec(ctx, "update instances set expires_at = $2 where id = $1", i.ID, at); err != nil {
				return fmt.Errorf("write the date: %w", err)
			}
			return nil
		},
		before: func(i Instance) map[string]any { return map[string]any{"expires_at": i.ExpiresAt} },
		audit:  map[string]any{"expires": c.Expires, "expires_at": at},
	}, nil
}

// refuseShorter keeps an extension from ending something earlier, which is what a delete is for.
func refuseShorter(i Instance, at *time.Time) error {
	if i.ExpiresAt == nil && at != nil {
		return invalid("expires", "%s never expires, so there is nothing to extend.", i.Name)
	}
	if at != nil && at.Before(i.ExpiresAt.Truncate(24*time.Hour)) {
		return invalid("expires", "%s already stays until %s, which is later than %s. Name a later time.",
			i.Name, i.ExpiresAt.Format(time.DateOnly), at.Format(time.DateOnly))
	}
	return nil
}
