package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Recovery is a rebuilding of MyDB's own database from what was in the store. Until an administrator has accepted it, nothing that takes
// something away is done by itself: purges, ends of time, retention, healing, the warm pool.
type Recovery struct {
	ID          string       `json:"id"`
	At          time.Time    `json:"at"`
	BackupID    string       `json:"backup_id,omitempty"` // of MyDB's own database; empty: from manifests alone
	BackupAt    *time.Time   `json:"backup_at"`
	Differences []Difference `json:"differences"`
	AcceptedAt  *time.Time   `json:"accepted_at"`
	AcceptedBy  string       `json:"accepted_by,omitempty"` // login
}

// Difference is something that a recovery has found to be otherwise than the backup says, and what it has made of it.
type Difference struct {
	Kind       string `json:"kind"`
	InstanceID string `json:"database_id,omitempty"`
	Database   string `json:"database,omitempty"`
	Message    string `json:"message"`
}

const selectRecovery = "select id, at, backup_id, backup_at, differences, accepted_at, accepted_by from recoveries "

// Recovery is the recovery that nobody has accepted yet; nil when there is none.
func (s *Service) Recovery(ctx context.Context) (*Recovery, error) {
	r, err := one[Recovery](ctx, s.db, selectRecovery+"where accepted_at is null")
	if notFound(err) {
		return nil, nil //nolint:nilnil // not being recovered is the ordinary case
	}
	if err != nil {
		return nil, fmt.Errorf("look for a recovery: %w", err)
	}
	return &r, nil
}

// StandsStill reports whether nothing may be taken away by itself now, because a recovery was not accepted yet.
func (s *Service) StandsStill(ctx context.Context) (bool, error) { return standsStill(ctx, s.db) }

func standsStill(ctx context.Context, db DB) (still bool, err error) {
	if err := db.QueryRow(ctx, "select exists (select from recoveries where accepted_at is null)").Scan(&still); err != nil {
		return true, fmt.Errorf("look for a recovery: %w", err)
	}
	return still, nil
}

// refuseStill is the error of what must not be done before a recovery was accepted.
func refuseStill(ctx context.Context, db DB) error {
	still, err := standsStill(ctx, db)
	if err == nil && still {
		return Errorf(CodeBusy, "MyDB was recovered from a backup, and no administrator has accepted yet what differs. Until then it removes and stops nothing by itself.")
	}
	return err
}

// Recoveries lists all recoveries, newest first, for administrators and auditors. Errors: CodeForbidden.
func (s *Service) Recoveries(ctx context.Context, actor Actor) ([]Recovery, error) {
	if !actor.Oversees() {
		return nil, Errorf(CodeForbidden, "Only administrators see recoveries.")
	}
	list, err := many[Recovery](ctx, s.db, selectRecovery+"order by id desc limit 100")
	if err != nil {
		return nil, fmt.Errorf("list the recoveries: %w", err)
	}
	return list, nil
}

// AcceptRecovery lets everything go on after a recovery. For administrators. Errors: CodeForbidden, CodeNotFound when nothing waits for it.
func (s *Service) AcceptRecovery(ctx context.Context, req Request) (r Recovery, err error) {
	defer s.refusing(ctx, req, "recovery.accept", "", &err)
	if err := s.sure(ctx, &req); err != nil {
		return Recovery{}, err
	}
	if !req.Actor.IsAdmin() {
		return Recovery{}, Errorf(CodeForbidden, "Only administrators accept a recovery.")
	}
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) (err error) {
		r, err = one[Recovery](ctx, tx, `update recoveries set accepted_at = $1, accepted_by = $2 where accepted_at is null
			returning id, at, backup_id, backup_at, differences, accepted_at, accepted_by`, s.now(), req.Actor.Login)
		if notFound(err) {
			return Errorf(CodeNotFound, "There is no recovery that waits to be accepted.")
		}
		if err != nil {
			return fmt.Errorf("accept the recovery: %w", err)
		}
		e := req.audit(OutcomeDone)
		e.Action, e.Subject, e.Data = "recovery.accept", r.ID, map[string]any{"backup": r.BackupID, "differences": len(r.Differences)}
		return writeAudit(ctx, tx, e)
	})
	return r, err
}

// The kinds of findings about a recovery.
const (
	FindingRecovery   = "recovery"    // waits to be accepted
	FindingNotAdopted = "not_adopted" // an instance that was found again could not be measured
)

// GuardRecovery reminds of a recovery that waits to be accepted, and of what it has found and could not measure. Periodic.
func (s *Service) GuardRecovery(ctx context.Context) error {
	l := look{kinds: []string{FindingRecovery, FindingNotAdopted}, tell: []Audience{ToAdmins}}
	r, err := s.Recovery(ctx)
	if err != nil {
		return err
	}
	if r != nil {
		l.found = append(l.found, found{kind: FindingRecovery, subject: r.ID, severity: SeverityAlarm, message: r.sentence()})
	}
	missed, err := many[struct{ ID, Name, Error string }](ctx, s.db, `select i.id, i.name, o.error from instances i, lateral (select error from operations
			where instance_id = i.id and kind = 'adopt' and state = 'failed' order by id desc limit 1) o where i.ended_at is null and i.recovered_at is not null`)
	if err != nil {
		return fmt.Errorf("look for what could not be measured: %w", err)
	}
	for _, i := range missed {
		l.found = append(l.found, found{
			kind: FindingNotAdopted, subject: i.ID, instanceID: i.ID, severity: SeverityAlarm, message: fmt.Sprintf("The recovery of MyDB has found the server of %s, but MyDB could not "+
				"take it over: %s It runs on as it was, but MyDB neither measures nor backs it up. MyDB tries again; if that does not help, restore its newest backup into a new "+
				"database, and delete this one.", i.Name, firstLine(i.Error)),
		})
	}
	return s.settle(ctx, l)
}

// sentence says what has happened, and what waits.
func (r Recovery) sentence() string {
	from := "the manifests in the store alone"
	if r.BackupAt != nil {
		from = "the backup of " + moment(*r.BackupAt)
	}
	return fmt.Sprintf("MyDB was recovered on %s from %s, with %s. Until an administrator accepts that, nothing is removed, stopped, expired or healed by itself. "+
		"Look at the differences, then accept: on the page Recovery, or with `mydb recover accept`.", moment(r.At), from, count(len(r.Differences), "difference"))
}

// Operator is somebody at the terminal of a machine of MyDB, who has its configuration and so may do everything. by is who they say they
// are.
func Operator(by string) Request {
	r := system(nil)
	r.Door, r.Actor.Login = DoorTerminal, by
	return r
}
