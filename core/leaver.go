package core

import (
	"context"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"
)

// isLogin tells a login from what else may be written of a person.
var isLogin = regexp.MustCompile("^[a-z0-9][a-z0-9._-]{0,127}$")

// leaver is somebody whom the directory does not let in any more.
type leaver struct{ ID, Login, Why string }

// leave ends all access of somebody who is gone: they are logged out and cannot log in, their tokens, links and codes work no more, and
// nobody is them in chat. Their users on databases of others end with EndAccounts. What they own stays as it is. It gives false for
// somebody who has come back meanwhile.
func (s *Service) leave(ctx context.Context, g leaver) (left bool, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "update people set disabled_at = $2, gone_why = $3 where id = $1 and disabled_at is null and missing_why = $3", g.ID, s.now(), g.Why)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		left = true
		ended := map[string]any{"why": g.Why}
		for _, end := range []struct{ what, sql string }{
			{"tokens", "update tokens set revoked_at = $2 where person_id = $1 and revoked_at is null"},
			{"sessions", "update logins set ended_at = $2 where person_id = $1 and ended_at is null"},
			{"links", "update links set revoked_at = $2 where person_id = $1 and revoked_at is null and done_at is null"},
			{"codes", "delete from link_codes where person_id = $1 and used_at is null and $2::timestamptz is not null"},
		} {
			tag, err := tx.Exec(ctx, end.sql, g.ID, s.now())
			if err != nil {
				return fmt.Errorf("end the %s: %w", end.what, err)
			}
			ended[end.what] = tag.RowsAffected()
		}
		if ended["databases"], err = texts(ctx, tx, "select name from instances where owner_id = $1 and ended_at is null order by name", g.ID); err != nil {
			return fmt.Errorf("look what they own: %w", err)
		}
		if ended["chat"], err = texts(ctx, tx, "delete from chat_identities where person_id = $1 returning platform || ' ' || team || ' ' || user_id", g.ID); err != nil {
			return fmt.Errorf("forget who they are in chat: %w", err)
		}
		return writeAudit(ctx, tx, AuditEntry{Actor: systemPerson, Door: DoorSystem, Action: "person.leave", Subject: g.Login, Outcome: OutcomeDone, Data: ended})
	})
	if err != nil {
		return false, fmt.Errorf("end the access of %s: %w", g.Login, err)
	}
	return left, nil
}

func texts(ctx context.Context, db DB, sql string, args ...any) ([]string, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// noteReturn records that somebody who was gone is back. Their tokens, chat identities and shares by name do not come back with them.
func (s *Service) noteReturn(ctx context.Context, p Person) error {
	return writeAudit(ctx, s.db, AuditEntry{Actor: systemPerson, Door: DoorSystem, Action: "person.return", Subject: p.Login, Outcome: OutcomeDone, Data: map[string]any{"person": p.ID}})
}

// JudgeOwners keeps a finding of each database whose owner may no longer use MyDB, and tells its principal investigator and the
// administrators: it goes on running, and somebody has to take it over. Periodic.
func (s *Service) JudgeOwners(ctx context.Context) error {
	list, err := many[ownerless](ctx, s.db, `select distinct on (i.id) i.id, i.name, p.login, p.gone_why as why, coalesce(l.login, i.pi) as pi from instances i join people p on p.id = i.owner_id
		left join people l on lower(i.pi) in (l.login, l.email) and l.disabled_at is null
		where p.disabled_at is not null and p.id <> '`+systemPerson+`' and i.ended_at is null order by i.id`)
	if err != nil {
		return fmt.Errorf("look for databases without an owner: %w", err)
	}
	l := look{kinds: []string{FindingOwner}, tell: []Audience{ToPI, ToAdmins}}
	for _, o := range list {
		l.found = append(l.found, found{
			kind: FindingOwner, subject: o.ID, instanceID: o.ID, severity: SeverityWarning, message: o.sentence(),
		})
	}
	return s.settle(ctx, l)
}

// ownerless is a database whose owner is gone. PI is who is named as its principal investigator, if that is somebody else.
type ownerless struct{ ID, Name, Login, Why, PI string }

func (o ownerless) sentence() string {
	why := "may no longer use MyDB"
	switch o.Why {
	case goneLeft:
		why = "has left"
	case goneDisabled:
		why = "has an account that is disabled in the directory"
	}
	to := "LOGIN"
	if o.PI != o.Login && isLogin.MatchString(o.PI) {
		to = o.PI
	}
	return fmt.Sprintf("%s, who owns %s, %s. The database goes on as it is, with its backups. An administrator gives it to somebody with: transfer %[2]s to %[4]s", o.Login, o.Name, why, to)
}
