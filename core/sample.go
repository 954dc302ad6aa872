package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// Usage is how an instance was doing at one moment. Bytes is the size of its databases, LongestQuery in seconds; both and all that
// follows from a login are null while it did not answer, and Error says why.
type Usage struct {
	At             time.Time  `json:"measured_at"`
	Up             bool       `json:"up"`
	UpSince        *time.Time `json:"up_since,omitempty"`
	Bytes          *int64     `json:"bytes"`
	Connections    *int       `json:"connections"`
	MaxConnections *int       `json:"max_connections"`
	LongestQuery   *float64   `json:"longest_query"`
	Error          string     `json:"error,omitempty"`
	Restarts       int        `json:"restarts"` // of the server by itself, since the measurement before

	// The rest comes with the newest measurement only.
	RestartsDay int        `json:"restarts_24h,omitempty"`
	LastError   string     `json:"last_error,omitempty"`
	LastErrorAt *time.Time `json:"last_error_at,omitempty"`
	LastLoginAt *time.Time `json:"last_login_at,omitempty"` // the latest that measuring has seen
}

// Longest is the longest query that was running, in whole seconds; 0 when none was.
func (u Usage) Longest() time.Duration { return time.Duration(value(u.LongestQuery)) * time.Second }

const (
	sampleColumns = "at, up, up_since, bytes, connections, max_connections, longest_query, error, coalesce(restarts, 0) as restarts, "
	usageColumns  = sampleColumns + "0 as restarts_day, '' as last_error, null::timestamptz as last_error_at, null::timestamptz as last_login_at"
)

const selectNewest = "select " + sampleColumns + `
		(select coalesce(sum(d.restarts), 0)::int from samples d where d.instance_id = $1 and d.at > $2) as restarts_day,
		coalesce(e.last_error, '') as last_error, e.last_error_at, (select last_login_at from instances where id = $1) as last_login_at
	from samples s left join lateral (select error as last_error, at as last_error_at from samples
		where instance_id = $1 and error <> '' order by at desc limit 1) e on true
	where s.instance_id = $1 order by s.at desc limit 1`

// How long samples are kept: those of every minute, and then one for each hour.
const (
	sampleKeep = 2 * 24 * time.Hour
	seriesKeep = 90 * 24 * time.Hour
)

// Target is an instance that is to be measured.
type Target struct {
	ID, Engine, Host string
	Port             int
	LastEnd          *time.Time // of its tasks that was counted; nil before the first measurement
}

// Ends is how often the server of an instance has ended by itself since the measurement before, and the newest such end.
type Ends struct {
	Restarts int
	Last     time.Time
}

// Targets lists the instances that should be answering now: those that are ready, and under no operation.
func (s *Service) Targets(ctx context.Context) ([]Target, error) {
	list, err := many[Target](ctx, s.db, `select i.id, i.engine, i.host, p.port,
			(select last_end from samples where instance_id = i.id order by at desc limit 1) as last_end
		from instances i join ports p on p.instance_id = i.id
		where i.state = 'ready' and not exists (select from operations o where o.instance_id = i.id and o.finished_at is null) order by i.id`)
	if err != nil {
		return nil, fmt.Errorf("list what is to be measured: %w", err)
	}
	return list, nil
}

// Sampled records a measurement; a failure is one too. Its text is for the owner.
func (s *Service) Sampled(ctx context.Context, instanceID string, m engine.Sample, ends Ends, failure string) error {
	var err error
	if failure != "" {
		_, err = s.db.Exec(ctx, "insert into samples (instance_id, up, error, restarts, last_end) values ($1, false, $2, $3, $4) on conflict do nothing", instanceID, failure, ends.Restarts, ends.Last)
	} else {
		_, err = s.db.Exec(ctx, `with seen as (update instances set last_login_at = greatest(last_login_at, $7) where id = $1 and $7::timestamptz is not null)
			insert into samples (instance_id, up, up_since, bytes, connections, max_connections, longest_query, restarts, last_end)
			values ($1, true, $2, $3, $4, $5, $6, $8, $9) on conflict do nothing`,
			instanceID, m.UpSince, m.Bytes, m.Connections, m.MaxConnections, m.LongestQuery.Seconds(), m.LastLogin, ends.Restarts, ends.Last)
	}
	if err != nil {
		return fmt.Errorf("record how %s is doing: %w", instanceID, err)
	}
	return nil
}

// Usage is the newest measurement of an instance; nil before the first. Whoever may see the instance may see it.
func (s *Service) Usage(ctx context.Context, i Instance) (*Usage, error) {
	u, err := one[Usage](ctx, s.db, selectNewest, i.ID, s.now().AddDate(0, 0, -1))
	if notFound(err) {
		return nil, nil //nolint:nilnil // not measured yet is an ordinary answer
	}
	if err != nil {
		return nil, fmt.Errorf("read how %s is doing: %w", i.Name, err)
	}
	return &u, nil
}

// Series are the measurements of an instance since a moment, oldest first, at most 5,000.
func (s *Service) Series(ctx context.Context, actor Actor, name string, since time.Time) ([]Usage, error) {
	i, err := s.Instance(ctx, actor, name)
	if err != nil {
		return nil, err
	}
	list, err := many[Usage](ctx, s.db, "select "+usageColumns+" from samples where instance_id = $1 and at > $2 order by at limit 5000", i.ID, since)
	if err != nil {
		return nil, fmt.Errorf("read the series of %s: %w", i.Name, err)
	}
	return list, nil
}

// thin keeps one sample for each hour of what is older than two days, and nothing after three months.
func (s *Service) thin(ctx context.Context, db DB) error {
	for sql, before := range map[string]time.Time{
		"delete from samples where at < $1": s.now().Add(-seriesKeep),
		`delete from samples s where at < $1 and exists (select from samples o where o.instance_id = s.instance_id
			and o.at < s.at and date_trunc('hour', o.at) = date_trunc('hour', s.at))`: s.now().Add(-sampleKeep),
	} {
		if _, err := db.Exec(ctx, sql, before); err != nil {
			return fmt.Errorf("thin out the samples: %w", err)
		}
	}
	return nil
}

// AdminPassword is that of MyDB's admin account on an instance that exists.
func (s *Service) AdminPassword(ctx context.Context, instanceID string) (string, error) {
	secrets, err := s.ServerSecrets(ctx, instanceID, func() (engine.Secrets, error) { return engine.Secrets{}, pgx.ErrNoRows })
	return secrets.Admin, err
}
