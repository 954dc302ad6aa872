package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/policy"
)

func (s *Service) verifies() bool {
	return s.backups.On && s.policy.Backup.Verify != policy.VerifyNever
}

// verifyPauses is after how long the same instance's turn comes again, and a verification that did not come to counting is tried again.
var verifyPauses = map[policy.Verify]time.Duration{
	policy.VerifyEach: 24 * time.Hour, policy.VerifyDaily: 24 * time.Hour, policy.VerifyWeekly: 7 * 24 * time.Hour,
}

// postponedPause is after how long a verification is tried again for which there was no room.
const postponedPause = 6 * time.Hour

// scheduleVerifications starts what is to be verified and fits into the budget of the site. Periodic.
func (s *Service) scheduleVerifications(ctx context.Context) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return s.fillVerifications(ctx, tx) })
}

// fillVerifications begins as many verifications as may be under way at once. Where each backup is verified, these are all that were not;
// else the newest of each instance whose turn it is. Whose last verification is longest ago comes first.
func (s *Service) fillVerifications(ctx context.Context, tx pgx.Tx) error {
	if !s.verifies() {
		return nil
	}
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtext('mydb verifications'))"); err != nil {
		return fmt.Errorf("lock the verifications: %w", err)
	}
	type waiting struct{ ID, InstanceID string }
	mode := s.policy.Backup.Verify
	list, err := many[waiting](ctx, tx, `with good as (select b.id, b.instance_id, b.state, b.receipt, row_number() over (partition by b.instance_id order by b.id desc) as place
			from backups b where b.state in ('done', 'verified')),
		proven as (select instance_id, max(verified_at) as at, max(id) filter (where state = 'verified') as newest from backups group by 1),
		recent as (select o.instance_id, o.args->>'backup_id' as backup_id, o.state, o.created_at > case o.state when 'cancelled' then $2::timestamptz else $3 end as recent
			from operations o where o.kind = 'verify' and o.finished_at is not null),
		candidates as (select distinct on (g.instance_id) g.id, g.instance_id, p.at from good g left join proven p using (instance_id)
			where g.state = 'done' and g.receipt is null
			and not exists (select from operations o where o.instance_id = g.instance_id and o.kind = 'verify' and o.finished_at is null)
			and not exists (select from recent r where r.backup_id = g.id and (r.recent or g.place > 1 and r.state <> 'cancelled'))
			and ($1 or g.id > coalesce(p.newest, '') and not exists (select from recent r where r.instance_id = g.instance_id and r.recent))
			order by g.instance_id, g.id desc)
		select id, instance_id from candidates order by at nulls first, id
		limit greatest($4 - (select count(*) from operations where kind = 'verify' and finished_at is null), 0)`,
		mode == policy.VerifyEach, s.now().Add(-postponedPause), s.now().Add(-verifyPauses[mode]), s.policy.Backup.VerifyAtOnce)
	if err != nil {
		return fmt.Errorf("look for backups to verify: %w", err)
	}
	for _, w := range list {
		if err := s.startVerify(ctx, tx, w.InstanceID, w.ID); err != nil {
			return err
		}
	}
	return nil
}

// VerifyLimits are how many verifications go on at once, in the whole site and on each machine.
func (s *Service) VerifyLimits() (total, perNode int) {
	return s.policy.Backup.VerifyAtOnce, s.policy.Backup.VerifyAtOncePerNode
}

// BackupsPerNode is how many backups are made at once on each machine.
func (s *Service) BackupsPerNode() int { return s.policy.Backup.AtOncePerNode }

// AheadOf counts the operations of the same kind that are running and began earlier.
func (s *Service) AheadOf(ctx context.Context, operationID string) (n int, err error) {
	err = s.db.QueryRow(ctx, `select count(*) from operations mine join operations o on o.kind = mine.kind and o.state = 'running' and o.id <> mine.id
		and (o.started_at, o.id) < (mine.started_at, mine.id) where mine.id = $1`, operationID).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the operations before %s: %w", operationID, err)
	}
	return n, nil
}

// Wait puts an operation that has begun back among those that wait: its time has not come yet.
func (s *Service) Wait(ctx context.Context, operationID string) error {
	_, err := s.db.Exec(ctx, "update operations set state = 'queued', started_at = null where id = $1 and state = 'running'", operationID)
	if err != nil {
		return fmt.Errorf("let operation %s wait: %w", operationID, err)
	}
	return nil
}

// PostponeVerify ends a verification for which there was no room. It is no failure and nobody is told: the backup gets its turn again.
func (s *Service) PostponeVerify(ctx context.Context, tx pgx.Tx, operationID string, i Instance, note string) error {
	tag, err := tx.Exec(ctx, "update operations set state = 'cancelled', finished_at = $2 where id = $1 and finished_at is null", operationID, s.now())
	if err != nil {
		return fmt.Errorf("postpone the verification: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrFinished
	}
	err = writeAudit(ctx, tx, AuditEntry{
		Actor: "mydb", Door: DoorSystem, Action: "verify", InstanceID: i.ID, Subject: i.Name, Outcome: OutcomeRefused,
		Data: map[string]any{"operation": operationID, "postponed": note},
	})
	if err != nil {
		return err
	}
	return s.fillVerifications(ctx, tx)
}
