package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// The days before the end of an instance's time at which its people are reminded.
const remindAt = "(60), (30), (7)"

// What happens after the end of an instance's time: it is stopped at once, and its deletion is asked for when it has been stopped
// for a month and nobody has connected for two weeks before.
const (
	expiredKeep = 30 * 24 * time.Hour
	quietFor    = 14 * 24 * time.Hour
)

// Expiry is what one look at the dates of expiry has led to.
type Expiry struct{ Reminded, Stopped, Asked int }

// Expire reminds of, stops, and asks for the deletion of instances whose time is coming to an end or is over. It catches up after
// a downtime, with one reminder instead of three. Nothing of it is done before a recovery was accepted. Periodic.
func (s *Service) Expire(ctx context.Context) (e Expiry, err error) {
	if still, err := s.StandsStill(ctx); err != nil || still {
		return e, err
	}
	if e.Reminded, err = s.each(ctx, s.remind, `select distinct on (i.id) i.id, d.days from instances i, (values `+remindAt+`) d (days)
		where i.state in ('ready', 'stopped') and i.expires_at > $1 and i.expires_at <= $1 + make_interval(days => d.days)
			and not exists (select from reminders r where r.instance_id = i.id and r.expires_at = i.expires_at and r.days <= d.days)
		order by i.id, d.days limit 200`, s.now()); err != nil {
		return e, err
	}
	if e.Stopped, err = s.each(ctx, s.expireOne, `select i.id, 0 as days from instances i where i.state = 'ready' and i.expires_at <= $1
		and not exists (select from operations o where o.instance_id = i.id and o.finished_at is null) limit 200`, s.now()); err != nil {
		return e, err
	}
	e.Asked, err = s.each(ctx, s.askToDelete, `select i.id, 0 as days from instances i where i.state = 'stopped' and i.stopped_why = '`+StoppedExpired+`'
		and i.stopped_at < $1 and (i.last_login_at is null or i.last_login_at < $2) and i.expires_at <= now()
		and not exists (select from approvals a where a.instance_id = i.id and a.created_at > $1) limit 200`, s.now().Add(-expiredKeep), s.now().Add(-quietFor))
	return e, err
}

// dated is an instance that is due, and for which of the reminders.
type dated struct {
	ID   string
	Days int
}

func (s *Service) each(ctx context.Context, do func(context.Context, dated) error, sql string, args ...any) (n int, err error) {
	due, err := many[dated](ctx, s.db, sql, args...)
	if err != nil {
		return 0, fmt.Errorf("look for what expires: %w", err)
	}
	var errs []error
	for _, d := range due {
		if err := do(ctx, d); err != nil && CodeOf(err) != CodeBusy { // busy: somebody is at work on it, so the next look is early enough
			errs = append(errs, fmt.Errorf("instance %s: %w", d.ID, err))
			continue
		}
		n++
	}
	return n, errors.Join(errs...)
}

// remind tells the people of an instance, once for each date and number of days; greater numbers count as told.
func (s *Service) remind(ctx context.Context, d dated) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		var expires time.Time
		err := tx.QueryRow(ctx, `with i as (select id, expires_at from instances where id = $1 for no key update),
				told as (insert into reminders (instance_id, expires_at, days) select i.id, i.expires_at, v.days from i, (values `+remindAt+`) v (days)
					where v.days >= $2 on conflict do nothing)
			select expires_at from i`, d.ID, d.Days).Scan(&expires)
		if err != nil {
			return fmt.Errorf("note the reminder: %w", err)
		}
		left := int(expires.Sub(s.now()).Hours()/24 + 0.5)
		return s.notify(ctx, tx, Notification{
			News: NewsExpiring{Days: left, ExpiresAt: expires}, InstanceID: d.ID, To: []Audience{ToOwner, ToPI, ToContact},
			Key: fmt.Sprintf("%s %s %d", d.ID, expires.Format(time.DateOnly), d.Days),
		})
	})
}

// system is MyDB itself as the one who asks.
func system(c Command) Request {
	return Request{Actor: Actor{Person: Person{ID: systemPerson, Login: systemPerson, Admin: true}, Scope: ScopeAdmin}, Door: DoorSystem, Command: c}
}

func (s *Service) expireOne(ctx context.Context, d dated) error {
	_, err := s.Do(ctx, system(expire{On{d.ID}}))
	return err
}

func (s *Service) askToDelete(ctx context.Context, d dated) error {
	_, err := s.Do(ctx, system(Delete{On: On{d.ID}, Reason: "Its time is over, it has been stopped for a month, and nobody has extended it."}))
	return err
}

// expire stops an instance whose time is over. Its data is kept.
type expire struct{ On }

func (expire) action() string { return "expire" }

func (c expire) prepare(s *Service, _ Actor) (decision, error) {
	return change{
		on: c.Database, kind: "expire", states: []State{StateReady},
		allow: func(_ Actor, i Instance) error {
			if i.ExpiresAt == nil || i.ExpiresAt.After(s.now()) {
				return Errorf(CodeBusy, "%s was extended meanwhile.", i.Name)
			}
			return nil
		},
		write: func(ctx context.Context, _ *Service, tx pgx.Tx, _ Request, _ Instance, _ string) error {
			return refuseStill(ctx, tx)
		},
	}, nil
}

// FinishExpire records that an instance was stopped because its time is over, and tells its people.
func (s *Service) FinishExpire(ctx context.Context, tx pgx.Tx, operationID string, i Instance, failure *Explanation) error {
	if failure == nil && i.ExpiresAt != nil {
		err := s.notify(ctx, tx, Notification{
			News: NewsExpiring{ExpiresAt: *i.ExpiresAt, Stopped: true}, InstanceID: i.ID, OperationID: operationID, To: []Audience{ToOwner, ToPI, ToContact},
		})
		if err != nil {
			return err
		}
	}
	return s.FinishStop(ctx, tx, operationID, i, StoppedExpired, failure)
}
