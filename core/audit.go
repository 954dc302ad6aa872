package core

import (
	"context"
	"fmt"
	"maps"
	"math"
	"strconv"
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

// Outcomes lists them.
func Outcomes() []string {
	return []string{string(OutcomeAccepted), string(OutcomeRefused), string(OutcomeDone), string(OutcomeFailed)}
}

// AuditEntry is one line of the audit trail: who did what to which thing through which door. It never holds a secret.
type AuditEntry struct {
	ID         int64          `json:"id"`
	At         time.Time      `json:"at"`
	ActorID    string         `json:"actor_id"`
	Actor      string         `json:"actor"`
	Chat       *ChatUser      `json:"chat,omitempty"` // who they are on the chat service that it came from
	Door       Door           `json:"door"`
	Address    string         `json:"address"`
	Action     string         `json:"action"`
	InstanceID string         `json:"instance_id"`
	Subject    string         `json:"subject"` // the name or id of the thing, as the person knows it
	Outcome    Outcome        `json:"outcome"`
	Reference  string         `json:"reference"` // id of the operation, approval, link or backup, or else by which the door knows the request
	Data       map[string]any `json:"data"`
}

// audit starts an entry about the request.
func (r Request) audit(outcome Outcome) AuditEntry {
	e := AuditEntry{ActorID: r.Actor.ID, Actor: r.Actor.Login, Chat: r.Chat, Door: r.Door, Address: r.Address, Outcome: outcome, Reference: r.Reference}
	if r.Command != nil {
		e.Action = r.Command.action()
	}
	return e
}

// writeAudit adds an entry. Who they are in chat and the request's reference are part of its data, which the chain of the trail proves.
func writeAudit(ctx context.Context, rows execer, e AuditEntry) error {
	data := map[string]any{}
	maps.Copy(data, e.Data)
	if e.Chat != nil {
		data["chat"] = e.Chat
	}
	if e.Reference != "" {
		data["request"] = e.Reference
	}
	_, err := rows.Exec(ctx, `insert into audit (actor_id, actor, door, address, action, instance_id, subject, outcome, data)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		e.ActorID, e.Actor, e.Door, e.Address, e.Action, e.InstanceID, e.Subject, e.Outcome, data)
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

// AuditFilter narrows the audit trail down. The zero value is all of it.
type AuditFilter struct {
	Database string // name or id
	Actor    string // login
	Action   string // such as download, or the beginning of some, such as link.
	Outcome  Outcome
	Door     Door // such as slack
	Span
}

const selectAudit = `select id, at, actor_id, actor, data->'chat' as chat, door, address, action, instance_id, subject, outcome,
	coalesce(data->>'operation', data->>'approval', data->>'link', data->>'backup', data->>'request', '') as reference, data - 'chat' as data from audit `

// AuditTrail lists the audit trail, newest first, for administrators and auditors. next is the cursor of the next page, or empty.
// Errors: CodeForbidden, CodeInvalid.
func (s *Service) AuditTrail(ctx context.Context, actor Actor, f AuditFilter, page Page) (list []AuditEntry, next string, err error) {
	if !actor.Oversees() {
		return nil, "", Errorf(CodeForbidden, "Only administrators and auditors may read the audit trail.")
	}
	return s.trail(ctx, f, page)
}

// trail lists entries, for those who may read them.
func (s *Service) trail(ctx context.Context, f AuditFilter, page Page) (list []AuditEntry, next string, err error) {
	if err := oneOf("outcome", string(f.Outcome), Outcomes()); err != nil {
		return nil, "", err
	}
	before := int64(math.MaxInt64)
	if page.Cursor != "" {
		if before, err = strconv.ParseInt(page.Cursor, 10, 64); err != nil {
			return nil, "", invalid("cursor", "The cursor is the \"next\" of the answer before. Leave it out to start from the beginning.")
		}
	}
	since, until := f.limits()
	limit := min(max(page.Limit, 1), maxAudit)
	list, err = many[AuditEntry](ctx, s.db, selectAudit+`where id < $1 and ($2 = '' or instance_id = $2 or subject = $2 or instance_id in (select id from instances where name = $2)) and ($3 = '' or actor = lower($3))
		and ($4 = '' or starts_with(action, $4)) and ($5 = '' or outcome = $5) and ($6::timestamptz is null or at >= $6) and ($7::timestamptz is null or at < $7)
		and ($9 = '' or door = $9) order by id desc limit $8`, before, f.Database, f.Actor, f.Action, f.Outcome, since, until, limit+1, f.Door)
	if err != nil {
		return nil, "", fmt.Errorf("read the audit trail: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		next = strconv.FormatInt(list[limit-1].ID, 10)
	}
	return list, next, nil
}

// AuditBefore counts the entries of the audit trail that are older than a moment.
func AuditBefore(ctx context.Context, db DB, at time.Time) (n int64, err error) {
	if err := db.QueryRow(ctx, "select count(*) from audit where at < $1", at).Scan(&n); err != nil {
		return 0, fmt.Errorf("count old entries of the audit trail: %w", err)
	}
	return n, nil
}

// maxAudit is how many entries a page has at most.
const maxAudit = 1000

// Audit lists the newest entries, for administrators. Errors: CodeForbidden.
func (s *Service) Audit(ctx context.Context, actor Actor, limit int) ([]AuditEntry, error) {
	list, _, err := s.AuditTrail(ctx, actor, AuditFilter{}, Page{Limit: limit})
	return list, err
}
