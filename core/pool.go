package core

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"
)

// A spare is an instance that runs before anybody asked for it, with nothing of a scientist's on it. A create claims one when it
// fits: the row, its port, its place and its secrets become the scientist's, and the worker goes on as with any other create.

// systemPerson owns what nobody else does. No login leads to it.
const systemPerson = "mydb"

// poolRest is how long no spare is made after one could not be: what is wrong needs time, or somebody.
const poolRest = "5 minutes"

// spareKind is what spares are kept of: the default version and size of an engine.
type spareKind struct {
	Engine, Version, Size, Image string
}

// PoolChange is what FillPool has decided.
type PoolChange struct {
	Made    int
	Drained []Spare // removed from the catalogue already; their servers have to go
}

// Spare is a spare that nobody may claim any more.
type Spare struct {
	ID     string
	NodeID *string
}

// FillPool makes spares that are missing, and drains those that are too many or that the catalogue no longer offers as a default.
// drain is called for each in the transaction that takes it out of the catalogue. Two calls at once do not make too many.
func (s *Service) FillPool(ctx context.Context, drain func(pgx.Tx, Spare) error) (change PoolChange, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtext('mydb pool'))"); err != nil {
			return fmt.Errorf("lock the pool: %w", err)
		}
		if still, err := standsStill(ctx, tx); err != nil || still {
			return err // what counts as a spare may have been claimed since
		}
		kinds := s.spareKinds()
		if change.Drained, err = s.drainSpares(ctx, tx, kinds, drain); err != nil {
			return err
		}
		for kind, want := range kinds {
			made, err := s.makeSpares(ctx, tx, kind, want)
			if err != nil {
				return err
			}
			change.Made += made
		}
		return nil
	})
	return change, err
}

// spareKinds says of what the pool keeps how many.
func (s *Service) spareKinds() map[spareKind]int {
	kinds := map[spareKind]int{}
	for name, want := range s.pool {
		offer, ok := s.catalogue.Offer(name)
		if !ok || len(offer.Offered()) == 0 || want <= 0 {
			continue
		}
		version, _ := offer.Version(offer.Offered()[0])
		kinds[spareKind{name, version.Version, s.catalogue.Sizes[0].Name, version.Image}] = want
	}
	return kinds
}

type spareRow struct {
	ID                           string
	NodeID                       *string
	Engine, Version, Size, Image string
	Stale                        bool // its certificate would have to be renewed soon
}

func (s *Service) drainSpares(ctx context.Context, tx pgx.Tx, kinds map[spareKind]int, drain func(pgx.Tx, Spare) error) ([]Spare, error) {
	rows, err := many[spareRow](ctx, tx, `select id, node_id, engine, version, size, image, coalesce(certificate_until < $1, false) as stale
		from instances where state = 'spare' order by id for update skip locked`, s.now().Add(renewBefore))
	if err != nil {
		return nil, fmt.Errorf("read the pool: %w", err)
	}
	kept := map[spareKind]int{}
	var out []Spare
	for _, r := range rows {
		kind := spareKind{r.Engine, r.Version, r.Size, r.Image}
		if !r.Stale {
			if kept[kind]++; kept[kind] <= kinds[kind] {
				continue
			}
		}
		spare := Spare{r.ID, r.NodeID}
		if err := s.endSpare(ctx, tx, spare); err != nil {
			return out, err
		}
		if err := drain(tx, spare); err != nil {
			return out, err
		}
		out = append(out, spare)
	}
	return out, nil
}

// endSpare takes a spare out of the catalogue. Nobody ever wrote to it.
func (s *Service) endSpare(ctx context.Context, tx pgx.Tx, spare Spare) error {
	var rows together
	_, _ = rows.Exec(ctx, "update instances set state = 'deleted', ended_at = now() where id = $1", spare.ID)
	_, _ = rows.Exec(ctx, "delete from secrets where instance_id = $1", spare.ID)
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("end spare %s: %w", spare.ID, err)
	}
	return releasePort(ctx, tx, spare.ID, s.now().Add(releasedPortQuarantine), "of a spare")
}

func (s *Service) makeSpares(ctx context.Context, tx pgx.Tx, kind spareKind, want int) (made int, err error) {
	var have int
	var resting bool
	err = tx.QueryRow(ctx, `select count(*) filter (where ended_at is null),
			coalesce(bool_or(state = 'failed' and ended_at > now() - interval '`+poolRest+`'), false)
		from instances where owner_id = $1 and engine = $2 and version = $3 and size = $4 and image = $5`,
		systemPerson, kind.Engine, kind.Version, kind.Size, kind.Image).Scan(&have, &resting)
	if err != nil {
		return 0, fmt.Errorf("count the spares: %w", err)
	}
	for ; !resting && have+made < want; made++ {
		if err := s.makeSpare(ctx, tx, kind); err != nil {
			return made, err
		}
	}
	return made, nil
}

func (s *Service) makeSpare(ctx context.Context, tx pgx.Tx, kind spareKind) error {
	var rows together
	id, opID := xid.New().String(), xid.New().String()
	_, _ = rows.Exec(ctx, `insert into instances (id, name, owner_id, engine, version, size, image, state, username, database, backup)
		values ($1, 'mydb-' || $1, $2, $3, $4, $5, $6, 'creating', '', '', 'never')`, id, systemPerson, kind.Engine, kind.Version, kind.Size, kind.Image)
	req := Request{Actor: Actor{Person: Person{ID: systemPerson}}, Door: DoorSystem}
	if err := insertOperation(ctx, &rows, opID, id, "create", req); err != nil {
		return err
	}
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("insert a spare: %w", err)
	}
	if _, err := s.ports.take(ctx, tx, id, s.now()); err != nil {
		return err
	}
	return s.queue.Enqueue(ctx, tx, Job{Kind: "create", OperationID: opID, InstanceID: id})
}

// claim finds a spare that is what was asked for, and locks it. Empty when there is none: then a new one is made. The lock is one that
// does not mind those who write down what they measured of it.
func (s *Service) claim(ctx context.Context, tx pgx.Tx, d *creation) (id string, err error) {
	if s.pool[d.Engine] <= 0 || !d.plain() {
		return "", nil
	}
	if still, err := standsStill(ctx, tx); err != nil || still {
		return "", err
	}
	err = tx.QueryRow(ctx, `select id from instances where state = 'spare' and engine = $1 and version = $2 and size = $3 and image = $4
		order by id limit 1 for no key update skip locked`, d.Engine, d.Version, d.Size, d.version.Image).Scan(&id)
	if notFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for a spare: %w", err)
	}
	return id, nil
}

// plain reports that a create asks for nothing that a spare would have had to be started with.
func (d *creation) plain() bool { return len(d.Settings) == 0 }

// IsSpare reports whether an instance is a spare, or is being made as one.
func (i Instance) IsSpare() bool { return i.OwnerID == systemPerson }

// KeepsSpares reports whether a warm pool is configured.
func (s *Service) KeepsSpares() bool { return len(s.pool) > 0 }
