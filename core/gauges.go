package core

import (
	"context"
	"fmt"
)

// Gauges is the state of the site in numbers, for monitoring. It names databases by their ids, because their names are private.
type Gauges struct {
	Instances []InstanceCount
	Measured  []InstanceGauge
	Backups   []BackupGauge
	Findings  []FindingCount
	Jobs      []JobCount
	Paused    bool // nothing is healed
	// Unaccepted says that MyDB was recovered, and nothing is taken away until an administrator accepts that.
	Unaccepted bool
	Catalogue  *float64   // how old the newest good backup of MyDB's own database is, in seconds; nil: there is no place for backups
	Store      *StoreLook // nil before the first look
	Heartbeat  *Heartbeat // nil before the first one
}

// InstanceCount is how many live instances of an engine are in a state.
type InstanceCount struct {
	Engine string
	State  State
	N      int
}

// InstanceGauge is the newest measurement of an instance that should be running, not older than 15 minutes.
type InstanceGauge struct {
	ID          string
	Up          bool
	Bytes       *int64
	Connections *int
}

// BackupGauge is how old the newest good backup of an instance is that should be backed up, in seconds; without one, the age of the
// instance.
type BackupGauge struct {
	ID  string
	Age float64
}

// FindingCount is how many findings are open.
type FindingCount struct {
	Kind     string
	Severity Severity
	N        int
}

// JobCount is how many jobs of the queue are in a state.
type JobCount struct {
	State string
	N     int
}

// Gauges reads the numbers.
func (s *Service) Gauges(ctx context.Context) (g Gauges, err error) {
	if g.Instances, err = many[InstanceCount](ctx, s.db, "select engine, state, count(*)::int as n from instances where ended_at is null group by 1, 2"); err != nil {
		return g, fmt.Errorf("count instances: %w", err)
	}
	if g.Measured, err = many[InstanceGauge](ctx, s.db, `select i.id, x.up, x.bytes, x.connections from instances i, lateral (select at, up, bytes, connections
		from samples where instance_id = i.id order by at desc limit 1) x where i.state = 'ready' and x.at > now() - interval '15 minutes'`); err != nil {
		return g, fmt.Errorf("read the newest samples: %w", err)
	}
	if g.Backups, err = many[BackupGauge](ctx, s.db, `select i.id, extract(epoch from now() - coalesce((select max(created_at) from backups b
		where b.instance_id = i.id and b.state in ('done', 'verified')), i.ready_at, i.created_at))::float8 as age from instances i where i.state = 'ready' and i.backup <> 'never'`); err != nil {
		return g, fmt.Errorf("read the ages of backups: %w", err)
	}
	if g.Findings, err = many[FindingCount](ctx, s.db, "select kind, severity, count(*)::int as n from findings where resolved_at is null group by 1, 2"); err != nil {
		return g, fmt.Errorf("count findings: %w", err)
	}
	// The queue's own table: no other place knows what waits in it.
	if g.Jobs, err = many[JobCount](ctx, s.db, "select state::text, count(*)::int as n from river_job group by 1"); err != nil {
		return g, fmt.Errorf("count jobs: %w", err)
	}
	if g.Store, err = s.storeLook(ctx); err != nil {
		return g, err
	}
	if g.Heartbeat, err = s.heartbeat(ctx); err != nil {
		return g, err
	}
	if s.backups.On {
		_, age, _, err := s.CatalogueAge(ctx)
		if err != nil {
			return g, err
		}
		seconds := age.Seconds()
		g.Catalogue = &seconds
	}
	if g.Unaccepted, err = s.StandsStill(ctx); err != nil {
		return g, err
	}
	against, err := s.healsNothing(ctx)
	g.Paused = against != ""
	return g, err
}
