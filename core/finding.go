package core

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"
)

// Severity says how much a finding matters. Nobody is told of what is for information only.
type Severity string

// The severities, from low to high.
const (
	SeverityInfo    Severity = "info"
	SeverityWarning Severity = "warning"
	SeverityAlarm   Severity = "alarm"
)

// Finding is something that is wrong now, or was: an alarm on an instance, or a difference between the cluster and the catalogue.
type Finding struct {
	ID         string     `json:"id"`
	Kind       string     `json:"kind"`
	InstanceID *string    `json:"database_id,omitempty"`
	Database   string     `json:"database,omitempty"`
	Subject    string     `json:"subject"` // the thing, such as the name of a service
	Message    string     `json:"message"` // what is wrong, and what to do
	Severity   Severity   `json:"severity"`
	Action     string     `json:"action,omitempty"` // what MyDB did about it
	FirstAt    time.Time  `json:"first_at"`
	LastAt     time.Time  `json:"last_at"`
	ResolvedAt *time.Time `json:"resolved_at,omitempty"`
}

const selectFinding = `select f.id, f.kind, f.instance_id, coalesce(i.name, '') as database, f.subject, f.message, f.severity, f.action, f.first_at,
	f.last_at, f.resolved_at from findings f left join instances i on i.id = f.instance_id `

// Findings lists what is wrong now, or with all also what was, newest first, for administrators and auditors. next is the cursor of the next page,
// or empty. Errors: CodeForbidden.
func (s *Service) Findings(ctx context.Context, actor Actor, all bool, page Page) (list []Finding, next string, err error) {
	if !actor.Oversees() {
		return nil, "", Errorf(CodeForbidden, "Only administrators may read the findings.")
	}
	list, err = many[Finding](ctx, s.db, selectFinding+`where ($1 or f.resolved_at is null) and ($2 = '' or f.id < $2) order by f.id desc limit $3`,
		all, page.Cursor, page.limit()+1)
	if err != nil {
		return nil, "", fmt.Errorf("list findings: %w", err)
	}
	if len(list) > page.limit() {
		list = list[:page.limit()]
		next = list[len(list)-1].ID
	}
	return list, next, nil
}

// AlarmsOf lists what is wrong with an instance now. Whoever may see the instance may see it.
func (s *Service) AlarmsOf(ctx context.Context, i Instance) ([]Finding, error) {
	list, err := many[Finding](ctx, s.db, selectFinding+"where f.instance_id = $1 and f.resolved_at is null and f.kind = any($2) order by f.id", i.ID, slices.Concat(alarmKinds, guardKinds, []string{AlarmBackupLost, FindingOwner}))
	if err != nil {
		return nil, fmt.Errorf("list the alarms of %s: %w", i.Name, err)
	}
	return list, nil
}

// found is a finding of one look.
type found struct {
	kind, subject, instanceID, message, action string
	severity                                   Severity
}

// look is what was looked for, and what was found.
type look struct {
	kinds     []string
	instances []string        // that were looked at; nil: everything was
	skipped   map[string]bool // instances of which nothing can be said now: what was found of them stays
	subject   string          // the only one that was looked at; empty: all
	tell      []Audience
	found     []found
}

// settle opens a finding for what is new, keeps up what is still so, and resolves what was looked at and is no more. Each is told once,
// and again when it gets worse or is over.
func (s *Service) settle(ctx context.Context, l look) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtext('mydb findings'))"); err != nil {
			return fmt.Errorf("lock the findings: %w", err)
		}
		open, err := many[Finding](ctx, tx, selectFinding+"where f.resolved_at is null and f.kind = any($1)", l.kinds)
		if err != nil {
			return fmt.Errorf("read the open findings: %w", err)
		}
		before := map[[2]string]Finding{}
		for _, f := range open {
			before[[2]string{f.Kind, f.Subject}] = f
		}
		for _, f := range l.found {
			key := [2]string{f.kind, f.subject}
			old, was := before[key]
			if err := s.keepFinding(ctx, tx, l, f, old, was); err != nil {
				return err
			}
			delete(before, key)
		}
		for _, f := range before {
			if l.skipped[value(f.InstanceID)] || l.subject != "" && f.Subject != l.subject {
				continue
			}
			if err := s.resolveFinding(ctx, tx, l, f); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) keepFinding(ctx context.Context, tx pgx.Tx, l look, f found, old Finding, was bool) error {
	id, since := old.ID, old.FirstAt
	var err error
	if was {
		_, err = tx.Exec(ctx, `update findings set message = $2, severity = $3, action = coalesce(nullif($4, ''), action), last_at = $5 where id = $1`,
			id, f.message, f.severity, f.action, s.now())
	} else {
		id, since = xid.New().String(), s.now()
		_, err = tx.Exec(ctx, `insert into findings (id, kind, instance_id, subject, message, severity, action, first_at, last_at)
			values ($1, $2, nullif($3, ''), $4, $5, $6, $7, $8, $8)`, id, f.kind, f.instanceID, f.subject, f.message, f.severity, f.action, since)
	}
	if err != nil {
		return fmt.Errorf("record the finding %s of %s: %w", f.kind, f.subject, err)
	}
	if was && rank(f.severity) <= rank(old.Severity) {
		return nil
	}
	return s.notifyFinding(ctx, tx, l, f.severity, Notification{
		News:       NewsAlarm{Alarm: f.kind, Subject: f.subject, Message: f.message, Since: since},
		InstanceID: f.instanceID, Key: id + " " + string(f.severity),
	})
}

// resolveFinding ends a finding, unless its instance was not looked at this time and should still be running.
func (s *Service) resolveFinding(ctx context.Context, tx pgx.Tx, l look, f Finding) error {
	id := value(f.InstanceID)
	looked := l.instances == nil || slices.Contains(l.instances, id)
	tag, err := tx.Exec(ctx, `update findings set resolved_at = $2 where id = $1 and ($3 or not exists (select from instances where id = $4 and state = 'ready'))`,
		f.ID, s.now(), looked, id)
	if err != nil {
		return fmt.Errorf("resolve the finding %s of %s: %w", f.Kind, f.Subject, err)
	}
	if tag.RowsAffected() == 0 {
		return nil
	}
	return s.notifyFinding(ctx, tx, l, f.Severity, Notification{
		News:       NewsAlarm{Alarm: f.Kind, Subject: f.Subject, Message: f.Message, Since: f.FirstAt, Resolved: true},
		InstanceID: id, Key: f.ID + " over",
	})
}

// notifyFinding tells of a finding that began, got worse or is over.
func (s *Service) notifyFinding(ctx context.Context, tx pgx.Tx, l look, severity Severity, n Notification) error {
	if severity == SeverityInfo {
		return nil
	}
	n.To = l.tell
	return s.notify(ctx, tx, n)
}

func rank(s Severity) int {
	return slices.Index([]Severity{SeverityInfo, SeverityWarning, SeverityAlarm}, s)
}
