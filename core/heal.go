package core

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// heal brings an instance's service to what the catalogue says. Only the reconciler asks for it.
type heal struct{ On }

func (heal) action() string { return "heal" }

func (c heal) prepare(*Service, Actor) (decision, error) {
	return change{
		on: c.Database, kind: "heal", states: []State{StateReady, StateStopped, StateTrashed},
		allow: func(Actor, Instance) error { return nil }, // no door leads here
	}, nil
}

// FinishHeal records the end of a heal. The finding that led to it is resolved by the next look, when the difference is gone.
func (s *Service) FinishHeal(ctx context.Context, tx pgx.Tx, operationID string, i Instance, failure *Explanation) error {
	return s.finishOperation(ctx, tx, operationID, i, failure)
}

// Pause is a maintenance of the whole site, during which MyDB heals nothing.
type Pause struct {
	By     string    `json:"by"` // login
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

const pausedKey = "paused" // in the table site

// Paused is the pause that the site is in; nil when it is in none.
func (s *Service) Paused(ctx context.Context) (*Pause, error) {
	var text []byte
	err := s.db.QueryRow(ctx, "select value from site where key = $1", pausedKey).Scan(&text)
	if notFound(err) {
		return nil, nil //nolint:nilnil // not being paused is an ordinary answer
	}
	if err != nil {
		return nil, fmt.Errorf("look whether the site is paused: %w", err)
	}
	var p Pause
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("read the pause: %w", err)
	}
	return &p, nil
}

func pauseAction(paused bool) string {
	if paused {
		return "site.pause"
	}
	return "site.resume"
}

// SetPause begins a pause of the site, or ends it; both twice is success. For administrators. Errors: CodeForbidden, CodeInvalid.
func (s *Service) SetPause(ctx context.Context, req Request, paused bool, reason string) (_ *Pause, err error) {
	defer s.refusing(ctx, req, pauseAction(paused), "", &err)
	if err := s.sure(ctx, &req); err != nil {
		return nil, err
	}
	if !req.Actor.IsAdmin() {
		return nil, Errorf(CodeForbidden, "Only administrators may pause the site.")
	}
	if err := checkText("reason", reason, 1000); err != nil {
		return nil, err
	}
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		sql, args := "delete from site where key = $1", []any{pausedKey}
		if paused {
			text, err := json.Marshal(Pause{By: req.Actor.Login, At: s.now().UTC(), Reason: reason})
			if err != nil {
				return err
			}
			sql, args = "insert into site (key, value, sealed) values ($1, $2, false) on conflict do nothing", append(args, text)
		}
		tag, err := tx.Exec(ctx, sql, args...)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		e := req.audit(OutcomeDone)
		e.Action, e.Data = pauseAction(paused), map[string]any{"reason": reason}
		return writeAudit(ctx, tx, e)
	})
	if err != nil {
		return nil, fmt.Errorf("set the pause of the site: %w", err)
	}
	return s.Paused(ctx)
}
