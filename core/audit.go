package core

import (
	"context"
	"fmt"
	"time"
)

// Outcome is how something in the audit trail ended.
type Outcome string

// The outcomes.
const (
	OutcomeAccepted Outcome = "accepted" // decided, work follows
	OutcomeRefused  Outcome = "refused"
	OutcomeDone     Outcome = "done"
	OutcomeFailed   Outcome = "failed"
)

// AuditEntry is one line of the audit trail: who did what to which thing through which door. It never holds a secret.
type AuditEntry struct {
	ID         int64          `json:"id"`
	At         time.Time      `json:"at"`
	ActorID    string         `json:"actor_id"`
	Actor      string         `json:"actor"`
	Door       Door           `json:"door"`
	Address    string         `json:"address"`
	Action     string         `json:"action"`
	InstanceID string         `json:"instance_id"`
	Subject    string         `json:"subject"` // the name or id of the thing, as the person knows it
	Outcome    Outcome        `json:"outcome"`
	Data       map[string]any `json:"data"`
}

// audit starts an entry about the request.
func (r Request) audit(outcome Outcome) AuditEntry {
	e := AuditEntry{ActorID: r.Actor.ID, Actor: r.Actor.Login, Door: r.Door, Address: r.Address, Outcome: outcome}
	if r.Command != nil {
		e.Action = r.Command.action()
	}
	return e
}

func writeAudit(ctx context.Context, rows execer, e AuditEntry) error {
	if e.Data == nil {
		e.Data = map[string]any{}
	}
	_, err := rows.Exec(ctx, `insert into audit (actor_id, actor, door, address, action, instance_id, subject, outcome, data)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		e.ActorID, e.Actor, e.Door, e.Address, e.Action, e.InstanceID, e.Subject, e.Outcome, e.Data)
	if err != nil {
		return fmt.Errorf("write the audit entry: %w", err)
	}
	return nil
}

// RecordLogin records that somebody logged in, or tried to.
func (s *Service) RecordLogin(ctx context.Context, req Request, login string, outcome Outcome) error {
	e := req.audit(outcome)
	e.Action, e.Subject = "login", login
	return writeAudit(ctx, s.db, e)
}

// Audit lists the newest entries, for administrators. Errors: CodeForbidden.
func (s *Service) Audit(ctx context.Context, actor Actor, limit int) ([]AuditEntry, error) {
	if !actor.IsAdmin() {
		return nil, Errorf(CodeForbidden, "Only administrators may read the audit trail.")
	}
	return many[AuditEntry](ctx, s.db, `select id, at, actor_id, actor, door, address, action, instance_id, subject, outcome, data
		from audit order by id desc limit $1`, min(max(limit, 1), 1000))
}
