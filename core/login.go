package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"
)

// SessionLimits are how long a login to the portal lasts.
type SessionLimits struct {
	Idle   time.Duration // without use; default: 2 hours
	Life   time.Duration // at most; default: 12 hours
	StepUp time.Duration // after which what is grave asks for the password again; default: 15 minutes
}

func (l SessionLimits) orDefault() SessionLimits {
	if l.Idle <= 0 {
		l.Idle = 2 * time.Hour
	}
	if l.Life <= 0 {
		l.Life = 12 * time.Hour
	}
	if l.StepUp <= 0 {
		l.StepUp = 15 * time.Minute
	}
	return l
}

// SessionLimits are those of this site.
func (s *Service) SessionLimits() SessionLimits { return s.limits }

// Login is a session of the portal, as its person sees it. Times are UTC.
type Login struct {
	ID          string    `json:"id"`
	Device      string    `json:"device"`
	Address     string    `json:"address"`
	StartedAt   time.Time `json:"started_at"`
	SeenAt      time.Time `json:"last_seen_at"` // to the minute
	ConfirmedAt time.Time `json:"confirmed_at"` // when the password was given last
}

const loginColumns = "l.id, l.device, l.address, l.started_at, l.seen_at, l.confirmed_at"

// liveLogin is true, in SQL, of a login l that neither ended nor was forgotten, with the two times of liveSince as arguments.
func liveLogin(n int) string {
	return fmt.Sprintf("l.ended_at is null and l.seen_at > $%d and l.started_at > $%d", n, n+1)
}

func (s *Service) liveSince() []any {
	return []any{s.now().Add(-s.limits.Idle), s.now().Add(-s.limits.Life)}
}

// seenEvery is how often a login that is in use is noted as such.
const seenEvery = time.Minute

// StartLogin records that somebody has logged in to the portal, and gives the login's id.
func (s *Service) StartLogin(ctx context.Context, req Request, device string) (string, error) {
	id := xid.New().String()
	_, err := s.db.Exec(ctx, `insert into logins (id, person_id, device, address, started_at, seen_at, confirmed_at) values ($1, $2, $3, $4, $5, $5, $5)`,
		id, req.Actor.ID, clip(device), req.Address, s.now())
	if err != nil {
		return "", fmt.Errorf("record the login: %w", err)
	}
	return id, nil
}

// UseLogin gives a login that goes on, and whose it is. Errors: CodeNotFound for one that ended, and for people who were disabled.
func (s *Service) UseLogin(ctx context.Context, id, address string) (Person, Login, error) {
	type row struct {
		Person
		LoginID                        string
		Device, Address                string
		StartedAt, SeenAt, ConfirmedAt time.Time
	}
	r, err := one[row](ctx, s.db, `select `+inTable("p", personColumns)+`, l.id as login_id, l.device, l.address, l.started_at, l.seen_at, l.confirmed_at
		from logins l join people p on p.id = l.person_id where l.id = $1 and p.disabled_at is null and `+liveLogin(2), append([]any{id}, s.liveSince()...)...)
	if notFound(err) {
		return Person{}, Login{}, Errorf(CodeNotFound, "This login is over.")
	}
	if err != nil {
		return Person{}, Login{}, fmt.Errorf("look up the login: %w", err)
	}
	if s.now().Sub(r.SeenAt) >= seenEvery || r.Address != address {
		if _, err := s.db.Exec(ctx, "update logins set seen_at = greatest(seen_at, $2), address = $3 where id = $1", id, s.now(), address); err != nil {
			return Person{}, Login{}, fmt.Errorf("note that the login is in use: %w", err)
		}
	}
	return r.Person, Login{r.LoginID, r.Device, address, r.StartedAt, r.SeenAt, r.ConfirmedAt}, nil
}

// Fresh reports whether the password of a login was given lately enough for what is grave.
func (s *Service) Fresh(l Login) bool { return s.now().Sub(l.ConfirmedAt) < s.limits.StepUp }

// ConfirmLogin records that the person has given their password again.
func (s *Service) ConfirmLogin(ctx context.Context, id string) error {
	if _, err := s.db.Exec(ctx, "update logins set confirmed_at = $2 where id = $1 and ended_at is null", id, s.now()); err != nil {
		return fmt.Errorf("record that the login was confirmed: %w", err)
	}
	return nil
}

// EndLogin ends a login whose person logs out. One that is not there is over already.
func (s *Service) EndLogin(ctx context.Context, id string) error {
	if _, err := s.db.Exec(ctx, "update logins set ended_at = $2 where id = $1 and ended_at is null", id, s.now()); err != nil {
		return fmt.Errorf("end the login: %w", err)
	}
	return nil
}

// Logins lists the actor's own logins that go on, the one used last in front.
func (s *Service) Logins(ctx context.Context, actor Actor) ([]Login, error) {
	list, err := many[Login](ctx, s.db, "select "+loginColumns+" from logins l where l.person_id = $1 and "+liveLogin(2)+" order by l.seen_at desc, l.id desc",
		append([]any{actor.ID}, s.liveSince()...)...)
	if err != nil {
		return nil, fmt.Errorf("list logins: %w", err)
	}
	return list, nil
}

// RevokeLogin ends one of the actor's own logins, wherever it is. Errors: CodeNotFound, CodeForbidden.
func (s *Service) RevokeLogin(ctx context.Context, req Request, id string) (err error) {
	defer s.refusing(ctx, req, "session.revoke", id, &err)
	n, err := s.revokeLogins(ctx, req, "l.id = $4", id)
	if err == nil && n == 0 {
		err = Errorf(CodeNotFound, "You have no session %q.", clip(id))
	}
	return err
}

// RevokeOtherLogins ends all of the actor's own logins but one, which may be empty, and tells how many.
func (s *Service) RevokeOtherLogins(ctx context.Context, req Request, except string) (n int, err error) {
	defer s.refusing(ctx, req, "session.revoke", "", &err)
	return s.revokeLogins(ctx, req, "l.id <> $4", except)
}

func (s *Service) revokeLogins(ctx context.Context, req Request, which, id string) (n int, err error) {
	if err := req.Actor.covers(ScopeOperate); err != nil {
		return 0, err
	}
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		list, err := many[Login](ctx, tx, "update logins l set ended_at = now() where l.person_id = $1 and "+liveLogin(2)+" and "+which+" returning "+loginColumns,
			append(append([]any{req.Actor.ID}, s.liveSince()...), id)...)
		if err != nil {
			return fmt.Errorf("revoke logins: %w", err)
		}
		n = len(list)
		for _, l := range list {
			e := req.audit(OutcomeDone)
			e.Action, e.Subject, e.Data = "session.revoke", l.ID, map[string]any{"device": l.Device, "address": l.Address}
			if err := writeAudit(ctx, tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// forgetLogins removes what is over.
func (s *Service) forgetLogins(ctx context.Context) error {
	live := s.liveSince()
	if _, err := s.db.Exec(ctx, "delete from logins where ended_at is not null or seen_at < $1 or started_at < $2", live...); err != nil {
		return fmt.Errorf("forget logins that are over: %w", err)
	}
	return nil
}

// Grave reports whether deciding about an approval needs a password that was given lately: what cannot be taken back, what takes data
// away, all about health data, and what somebody approves for themselves. Nothing is said of one that is not there.
func (s *Service) Grave(ctx context.Context, actor Actor, approvalID string) (bool, error) {
	type row struct {
		Action, RequestedBy string
		PHI                 bool
	}
	a, err := one[row](ctx, s.db, "select a.action, a.requested_by, i.phi from approvals a join instances i on i.id = a.instance_id where a.id = $1", approvalID)
	if notFound(err) {
		return false, nil // the decision says so in its own words
	}
	if err != nil {
		return false, fmt.Errorf("look what the approval is about: %w", err)
	}
	return a.PHI || a.RequestedBy == actor.ID || graveActions[a.Action], nil
}

var graveActions = map[string]bool{"delete": true, "purge": true, "download": true, actionInPlace: true}
