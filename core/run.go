package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Run is one piece of work with a backup: that it was made, verified or restored. Times are UTC.
type Run struct {
	ID          string         `json:"id"` // of the backup that was made, or of the operation
	Kind        string         `json:"kind"`
	State       string         `json:"state"` // running, done, failed or cancelled
	InstanceID  string         `json:"database_id"`
	Database    string         `json:"database"` // that was backed up, or that a restore has made or changed
	BackupID    *string        `json:"backup"`
	Source      string         `json:"backup_of"` // the database that the backup is of
	Reason      string         `json:"reason"`    // for which the backup was made
	RequestedBy string         `json:"requested_by"`
	Door        Door           `json:"door"`
	CreatedAt   time.Time      `json:"created_at"`
	StartedAt   *time.Time     `json:"started_at"`
	FinishedAt  *time.Time     `json:"finished_at"`
	Seconds     *float64       `json:"seconds"`
	Size        *int64         `json:"size"`  // of the backup in the store, in bytes
	Level       string         `json:"level"` // what is proven by now: done, verified, or nothing
	Location    string         `json:"location"`
	Receipt     *BackupReceipt `json:"receipt"`
	Error       string         `json:"error,omitempty"`
}

// runKinds are the kinds of runs.
var runKinds = []string{"backup", "verify", "restore", "restore_in_place", "undo"}

// RunKinds lists the kinds of runs.
func RunKinds() []string { return slices.Clone(runKinds) }

var runStates = []string{"running", "done", "failed", "cancelled"}

// RunStates lists the states of runs.
func RunStates() []string { return slices.Clone(runStates) }

const selectRun = `select r.id, r.kind, r.state, r.instance_id, i.name as database, r.backup_id, coalesce(s.name, '') as source, coalesce(b.reason, '') as reason,
	p.login as requested_by, r.door, r.created_at, r.started_at, r.finished_at, extract(epoch from r.finished_at - coalesce(r.started_at, r.created_at))::float8 as seconds,
	b.size, r.level, coalesce(b.location, '') as location, r.receipt, r.error from (
		select b.id, 'backup' as kind, case when b.state in ('running', 'failed') then b.state else 'done' end as state, b.instance_id, b.id as backup_id, b.requested_by, o.door,
			b.created_at, greatest(o.started_at, b.created_at) as started_at, b.finished_at, b.receipt, b.error,
			case when b.verified_at is not null then 'verified' when b.state in ('done', 'expired') then 'done' else '' end as level
		from backups b join operations o on o.id = b.operation_id
		union all
		select o.id, o.kind, case o.state when 'queued' then 'running' else o.state end, o.instance_id, nullif(o.args->>'backup_id', ''), o.requested_by, o.door,
			o.created_at, o.started_at, o.finished_at, o.receipt, coalesce(o.error, ''),
			case when o.state = 'done' and o.receipt->>'ok' = 'true' and coalesce(o.receipt->>'not_compared', '') = '' then 'verified' else '' end
		from operations o where o.kind in ('verify', 'restore', 'restore_in_place', 'undo')
	) r join instances i on i.id = r.instance_id join people p on p.id = r.requested_by
	left join backups b on b.id = r.backup_id left join instances s on s.id = b.instance_id `

// RunFilter narrows a history down. The zero value is everything of the actor's own.
type RunFilter struct {
	All      bool   // of everything that the actor sees; for administrators, auditors and leads
	Database string // name or id, of either side of a restore
	Kind     string
	State    string
	Span
}

// Span is from one moment up to before another. A zero moment is no limit.
type Span struct{ Since, Until time.Time }

// limits are the span for a query, with null for no limit.
func (s Span) limits() (since, until *time.Time) {
	if !s.Since.IsZero() {
		since = &s.Since
	}
	if !s.Until.IsZero() {
		until = &s.Until
	}
	return since, until
}

// Runs lists what was done with the backups of all instances that the actor owns, or of what else they see for those who ask for all,
// newest first, also of instances that are gone. next is the cursor of the next page, or empty. Errors: CodeForbidden, CodeInvalid.
func (s *Service) Runs(ctx context.Context, actor Actor, f RunFilter, page Page) (list []Run, next string, err error) {
	if err := actor.needs(ScopeRead); err != nil {
		return nil, "", err
	}
	see, err := s.sightOfAll(actor, f.All, "Only administrators see everybody's history.")
	if err != nil {
		return nil, "", err
	}
	if err := oneOf("kind", f.Kind, runKinds); err != nil {
		return nil, "", err
	}
	if err := oneOf("state", f.State, runStates); err != nil {
		return nil, "", err
	}
	since, until := f.limits()
	list, err = many[Run](ctx, s.db, selectRun+`where (i.owner_id = $1 or $2 and (not i.phi or $3) or `+ledBy("$11")+`) and ($4 = '' or $4 in (i.name, i.id, s.name, s.id))
		and ($5 = '' or r.kind = $5) and ($6 = '' or r.state = $6) and ($7::timestamptz is null or r.created_at >= $7) and ($8::timestamptz is null or r.created_at < $8)
		and ($9 = '' or r.id < $9) order by r.id desc limit $10`,
		actor.ID, see.all, see.phi, f.Database, f.Kind, f.State, since, until, page.Cursor, page.limit()+1, see.led)
	if err != nil {
		return nil, "", fmt.Errorf("list what was done with backups: %w", err)
	}
	if len(list) > page.limit() {
		list = list[:page.limit()]
		next = list[len(list)-1].ID
	}
	return list, next, nil
}

// oneOf refuses a value that is not among those that there are. Empty is none.
func oneOf(field, value string, known []string) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	return invalid(field, "There is no %s %q. Choose one of: %s.", field, clip(value), strings.Join(known, ", "))
}

// NoteReceipt keeps what an operation has counted on a copy, for the history.
func (s *Service) NoteReceipt(ctx context.Context, operationID string, r BackupReceipt) error {
	if _, err := s.db.Exec(ctx, "update operations set receipt = $2 where id = $1", operationID, r); err != nil {
		return fmt.Errorf("keep the receipt of operation %s: %w", operationID, err)
	}
	return nil
}
