package core

import (
	"context"
	"fmt"
	"time"
)

// Heartbeat is how the guard of backups has last told something outside that all is well.
type Heartbeat struct {
	TriedAt time.Time
	SentAt  *time.Time // the last that arrived
	Problem string     // of the newest attempt; empty when it arrived
}

// heartbeat is nil before the first attempt.
func (s *Service) heartbeat(ctx context.Context) (*Heartbeat, error) {
	h, err := one[Heartbeat](ctx, s.db, "select tried_at, sent_at, problem from heartbeats")
	if notFound(err) {
		return nil, nil //nolint:nilnil // there was none
	}
	if err != nil {
		return nil, fmt.Errorf("read the heartbeat: %w", err)
	}
	return &h, nil
}

// HeartbeatURL is what the guard calls when all is well; empty: nothing. It is a secret.
func (s *Service) HeartbeatURL() string { return s.policy.Backup.Heartbeat }

// KeepHeartbeat records an attempt. An empty problem means that it arrived.
func (s *Service) KeepHeartbeat(ctx context.Context, problem string) error {
	_, err := s.db.Exec(ctx, `insert into heartbeats (tried_at, sent_at, problem) values ($1, case when $2 = '' then $1::timestamptz end, $2)
		on conflict (id) do update set tried_at = $1, sent_at = case when $2 = '' then $1::timestamptz else heartbeats.sent_at end, problem = $2`, s.now(), problem)
	if err != nil {
		return fmt.Errorf("record the heartbeat: %w", err)
	}
	return nil
}
