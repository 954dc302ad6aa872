package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// PortRange is the range of ports, both ends included, that instances are published on.
type PortRange struct{ First, Last int }

func (r PortRange) has(port int) bool { return port >= r.First && port <= r.Last }

// Quarantines of a port: clients may still try the port of a database that is gone; and what else runs on a host may go away.
const (
	releasedPortQuarantine = time.Hour
	busyPortQuarantine     = 10 * time.Minute
)

// PreparePorts makes a row for each port of the range, which taking a port then locks.
func (s *Service) PreparePorts(ctx context.Context) error {
	_, err := s.db.Exec(ctx, "insert into ports (port) select generate_series($1::int, $2::int) on conflict do nothing", s.ports.First, s.ports.Last)
	if err != nil {
		return fmt.Errorf("prepare the ports: %w", err)
	}
	return nil
}

// take gives the instance a free port, or CodeUnavailable when the range is full. Concurrent calls never wait for each other.
// Ports that were never used go first, then those that are free the longest.
func (r PortRange) take(ctx context.Context, tx pgx.Tx, instanceID string, now time.Time) (int, error) {
	var port int
	err := tx.QueryRow(ctx, `update ports set instance_id = $1, note = '' where port = (
			select port from ports where instance_id is null and free_after <= $2 and port between $3 and $4
			order by free_after, port for update skip locked limit 1)
		returning port`, instanceID, now, r.First, r.Last).Scan(&port)
	if notFound(err) {
		return 0, Errorf(CodeUnavailable, "All ports from %d to %d are in use, so no further database fits. "+
			"Ask an administrator to widen MYDB_PORT_RANGE or to remove what nobody needs.", r.First, r.Last)
	}
	if err != nil {
		return 0, fmt.Errorf("take a port: %w", err)
	}
	return port, nil
}

func releasePort(ctx context.Context, tx pgx.Tx, instanceID string, freeAfter time.Time, note string) error {
	_, err := tx.Exec(ctx, "update ports set instance_id = null, free_after = $2, note = $3 where instance_id = $1", instanceID, freeAfter, note)
	if err != nil {
		return fmt.Errorf("release the port: %w", err)
	}
	return nil
}

// ReplacePort gives the instance another port, because something else on the host holds the one it has.
// Errors: CodeUnavailable when the range is full.
func (s *Service) ReplacePort(ctx context.Context, instanceID string) (int, error) {
	var port int
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if err := releasePort(ctx, tx, instanceID, s.now().Add(busyPortQuarantine), "busy on the host"); err != nil {
			return err
		}
		var err error
		port, err = s.ports.take(ctx, tx, instanceID, s.now())
		return err
	})
	return port, err
}
