package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// State is where an instance is in its life.
type State string

// The states of an instance.
const (
	StateSpare     State = "spare" // of the warm pool; nobody's yet
	StateCreating  State = "creating"
	StateReady     State = "ready" // measured: the owner's own role logged in, wrote and read
	StateStopped   State = "stopped"
	StateRestoring State = "restoring"
	StateDeleting  State = "deleting"
	StateTrashed   State = "trashed"
	StateDeleted   State = "deleted"
	StateFailed    State = "failed" // its creation failed; nothing of it is left and its name is free
)

// Instance is one database server of one owner. Times are UTC.
type Instance struct {
	ID                string            `json:"id"`
	Name              string            `json:"name"`
	Owner             string            `json:"owner"` // login
	OwnerID           string            `json:"-"`
	Engine            string            `json:"engine"`
	Version           string            `json:"version"`
	Size              string            `json:"size"`
	Image             string            `json:"-"`
	State             State             `json:"state"`
	NodeID            *string           `json:"-"`
	Host              *string           `json:"host"` // null until it is placed
	Port              *int              `json:"port"`
	Generation        int               `json:"-"`
	InitUntil         *time.Time        `json:"-"` // after it, an empty data directory is missing data
	Restarts          int               `json:"-"` // those that were asked for
	StoppedAt         *time.Time        `json:"stopped_at,omitempty"`
	StoppedWhy        string            `json:"-"`
	TrashedAt         *time.Time        `json:"trashed_at,omitempty"`
	PurgeAt           *time.Time        `json:"purge_at,omitempty"` // when the trash gives it up
	Username          string            `json:"username"`
	Database          string            `json:"database"`
	Extensions        []string          `json:"extensions"`
	Description       string            `json:"description"`
	Contact           string            `json:"contact"`
	Department        string            `json:"department"`
	PI                string            `json:"pi"` // login or mail address of the principal investigator or manager
	Application       string            `json:"application"`
	Project           string            `json:"project"`
	Support           string            `json:"support"`
	BackupWindow      string            `json:"backup_window"`
	MaintenanceWindow string            `json:"maintenance_window"`
	Template          string            `json:"template,omitempty"`
	Settings          map[string]string `json:"settings,omitempty"` // of the server, beside what the size gives
	Class             string            `json:"class,omitempty"`    // of databases that were made together
	PHI               bool              `json:"phi"`
	Backup            string            `json:"backup"`
	ExpiresAt         *time.Time        `json:"expires_at"`
	CreatedAt         time.Time         `json:"created_at"`
	ReadyAt           *time.Time        `json:"ready_at"`
	EndedAt           *time.Time        `json:"ended_at,omitempty"`
	RecoveredAt       *time.Time        `json:"-"`                 // when a recovery found it, until it was measured
	Right             string            `json:"right,omitempty"`   // what a share lets the one who asks do: read or write. Username is theirs then
	Failure           *string           `json:"failure,omitempty"` // why the last operation failed
	OperationID       *string           `json:"operation_id"`      // the latest operation
}

const selectInstance = `select i.id, i.name, p.login as owner, i.owner_id, i.engine, i.version, i.size, i.image, i.state, i.node_id, i.host, ports.port,
	i.generation, i.init_until, i.restarts, i.stopped_at, i.stopped_why, i.trashed_at, i.purge_at, i.username, i.database, i.extensions, i.description, i.contact, i.department, i.pi, i.application, i.project, i.support,
	i.backup_window, i.maintenance_window, i.class, i.template, i.settings, i.phi, i.backup, i.expires_at, i.created_at, i.ready_at,
	i.ended_at, i.recovered_at, '' as "right", o.error as failure, o.id as operation_id
	from instances i
	join people p on p.id = i.owner_id
	left join ports on ports.instance_id = i.id
	left join lateral (select id, error from operations where instance_id = i.id and kind <> 'verify' order by finished_at is null desc, id desc limit 1) o on true `

// Placed reports whether the instance has a host and a port that a client could try.
func (i Instance) Placed() bool { return i.Host != nil && i.Port != nil }

// Page is which part of a list is wanted: at most Limit items after the item that Cursor names (empty: from the start).
type Page struct {
	Limit  int
	Cursor string
}

// Limits of a page.
const (
	DefaultPage = 50
	MaxPage     = 200
)

func (p Page) limit() int {
	if p.Limit <= 0 {
		return DefaultPage
	}
	return min(p.Limit, MaxPage)
}

// Instances lists what the actor may see: their own and what is shared with them, or what others have, too, for those who see it and ask for all. It is
// Search without a filter.
func (s *Service) Instances(ctx context.Context, actor Actor, all bool, page Page) (list []Instance, next string, err error) {
	return s.Search(ctx, actor, Filter{All: all}, page)
}

// Instance finds one by name or id. A name means the live instance of that name, or else the actor's latest that ended. Owners see
// theirs, administrators and auditors all, leads what members of their groups own, and others what is shared with them. Errors: CodeNotFound, also for what is not the actor's to see.
func (s *Service) Instance(ctx context.Context, actor Actor, name string) (Instance, error) {
	return s.seenInstance(ctx, s.db, actor, name)
}

func (s *Service) seenInstance(ctx context.Context, db DB, actor Actor, name string) (Instance, error) {
	i, err := s.findInstance(ctx, db, actor, name)
	if err != nil {
		return i, err
	}
	list := []Instance{i}
	err = asSeen(ctx, db, actor, list)
	return list[0], err
}

// Look is an instance, found as Instance finds it, and the latest operation on it (nil when there was none), both at one moment:
// read one after the other, work could end in between, and an operation that is done would stand beside an instance that is not.
func (s *Service) Look(ctx context.Context, actor Actor, name string) (i Instance, o *Operation, err error) {
	moment := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, s.db, moment, func(tx pgx.Tx) error {
		if i, err = s.seenInstance(ctx, tx, actor, name); err != nil || i.OperationID == nil {
			return err
		}
		found, err := s.findOperation(ctx, tx, actor, *i.OperationID)
		if CodeOf(err) == CodeNotFound {
			return nil // it is for the owner to see
		}
		o = &found
		return err
	})
	return i, o, err
}

func (s *Service) findInstance(ctx context.Context, db DB, actor Actor, name string) (Instance, error) {
	if err := actor.needs(ScopeRead); err != nil {
		return Instance{}, err
	}
	see := s.sight(actor)
	i, err := one[Instance](ctx, db, selectInstance+`where (i.name = $1 or i.id = $1) and (i.owner_id = $2 or $3 and (not i.phi or $4) or `+ledBy("$5")+` or `+sharedWith+`)
		and i.owner_id <> '`+systemPerson+`' order by i.ended_at is null desc, i.id desc limit 1`, name, actor.ID, see.all, see.phi, see.led)
	if notFound(err) {
		return i, Errorf(CodeNotFound, "You have no database %q. The list shows those you have.", clip(name))
	}
	if err != nil {
		return i, fmt.Errorf("find instance: %w", err)
	}
	return i, nil
}
