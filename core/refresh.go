package core

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The kinds of findings about people and the directory.
const (
	FindingAway     = "directory_away"     // it has not answered for long
	FindingVanished = "directory_vanished" // so many are gone at once that it is rather the directory that is wrong
	FindingOwner    = "owner_gone"         // a database's owner may no longer use MyDB
)

// Why the directory does not let somebody in, as it is kept.
const (
	goneLeft     = "left"     // it has them no more, or not in the group of those who may use MyDB
	goneDisabled = "disabled" // their account is disabled or has expired
)

const (
	refreshBatch = 100
	// silence is how many people in a row may get no answer before the directory counts as away.
	silence = 3
	// Of people who vanish together, so many are people who leave, whatever share they are; more than a quarter beyond that is a fault.
	vanishedFew   = 5
	vanishedShare = 4
)

// Refreshed is what came of a refresh.
type Refreshed struct {
	Asked   int
	Missing int  // of whom the directory says that they are gone, or nothing; also from earlier times
	Left    int  // who lost their access with this refresh
	Away    bool // the directory did not answer, so it ended early and nobody lost anything
	Held    bool // too many are missing at once, so nobody lost anything
}

// RefreshOptions ask for more than the periodic refresh does.
type RefreshOptions struct {
	Everybody bool // not only those whose turn it is
	Accept    bool // an operator has looked: however many are missing, they have left
}

// Refresh reads everybody whose turn it is anew from the directory: names, mail addresses, groups, and the roles that follow from them. Who
// was gone at two times, with a while between them and an answer about everybody else since, loses their access. It keeps its place in the
// catalogue, so that another process goes on where one has died. It does nothing where the accounts are MyDB's own.
func (s *Service) Refresh(ctx context.Context, o RefreshOptions) (r Refreshed, err error) {
	if s.lookup == nil {
		return r, nil
	}
	if still, err := s.StandsStill(ctx); err != nil || still {
		return r, err
	}
	if err := s.askAll(ctx, o, &r); err != nil {
		return r, err
	}
	if err := s.judgeDirectory(ctx, r.Away); err != nil || r.Away {
		return r, err
	}
	if err := s.letGo(ctx, o, &r); err != nil {
		return r, err
	}
	return r, s.JudgeOwners(ctx)
}

// watched are those whom the directory is asked about. p is the person.
const watched = "p.disabled_at is null and p.id <> '" + systemPerson + "'"

func (s *Service) askAll(ctx context.Context, o RefreshOptions, r *Refreshed) error {
	before := s.now().Add(-s.policy.Directory.Refresh)
	if o.Everybody {
		before = s.now().Add(-time.Millisecond)
	}
	silent := 0
	for {
		list, err := many[Person](ctx, s.db, "select "+personColumns+" from people p where "+watched+` and (asked_at is null or asked_at <= $1)
			order by asked_at nulls first, id limit $2`, before, refreshBatch)
		if err != nil {
			return fmt.Errorf("look whom to ask the directory about: %w", err)
		}
		if len(list) == 0 {
			return nil
		}
		for _, p := range list {
			r.Asked++
			_, _, err := s.ask(ctx, p)
			switch {
			case err == nil:
				silent = 0
			case ctx.Err() != nil || !isAbout(err):
				return err
			default:
				silent++
				s.log.Warn("the directory could not be asked about a person", "login", p.Login, "error", err)
			}
			if silent == silence {
				r.Away = true
				return nil
			}
		}
		if len(list) < refreshBatch {
			r.Away = silent > 0 && silent == r.Asked
			return nil
		}
	}
}

// errNoAnswer says that the directory said nothing that is about a person.
var errNoAnswer = errors.New("no answer about this person")

func isAbout(err error) bool { return errors.Is(err, errNoAnswer) }

// ask asks the directory about somebody, and keeps what it says. gone is not empty for somebody whom it does not let in. Errors: errNoAnswer.
func (s *Service) ask(ctx context.Context, p Person) (now Person, gone string, err error) {
	account, err := s.lookup(ctx, p.Login)
	switch code := CodeOf(err); {
	case err == nil && strings.EqualFold(account.Login, p.Login):
		now, err = s.SavePerson(ctx, account)
		return now, "", err
	case err == nil:
		err = fmt.Errorf("it answers with the account of %s", account.Login)
	case code == CodeNotFound:
		return p, goneLeft, s.missed(ctx, p, goneLeft)
	case code == CodeForbidden:
		return p, goneDisabled, s.missed(ctx, p, goneDisabled)
	}
	if _, failed := s.db.Exec(ctx, "update people set asked_at = $2 where id = $1", p.ID, s.now()); failed != nil {
		return p, "", fmt.Errorf("keep that the directory was asked: %w", failed)
	}
	return p, "", fmt.Errorf("%w: %w", errNoAnswer, err)
}

// missed keeps that the directory says that somebody is gone. Nothing follows from the first time.
func (s *Service) missed(ctx context.Context, p Person, why string) error {
	_, err := s.db.Exec(ctx, `update people set asked_at = $2, missing_since = coalesce(missing_since, $2), missing_at = $2, missing_why = $3
		where id = $1 and disabled_at is null`, p.ID, s.now(), why)
	if err != nil {
		return fmt.Errorf("keep that %s is missing: %w", p.Login, err)
	}
	return nil
}

// judgeDirectory keeps a finding of a directory that has not answered for long.
func (s *Service) judgeDirectory(ctx context.Context, away bool) error {
	l := look{kinds: []string{FindingAway}, tell: []Audience{ToAdmins}}
	if away {
		var last *time.Time
		if err := s.db.QueryRow(ctx, "select max(greatest(answered_at, missing_at)) from people").Scan(&last); err != nil {
			return fmt.Errorf("look when the directory answered last: %w", err)
		}
		if last != nil && s.now().Sub(*last) < 2*s.policy.Directory.Refresh {
			return nil // it may be a short while
		}
		l.found = []found{{
			kind: FindingAway, subject: "directory", severity: SeverityWarning,
			message: "The directory does not answer. Nobody loses anything by that, but nobody can log in, and administrators cannot act as such. To see why: mydb check",
		}}
	}
	return s.settle(ctx, l)
}

// headcount is how many people there are and are missing.
type headcount struct {
	Total, Missing int
	// Complete is since when everybody was asked; nil while somebody never was.
	Complete *time.Time
}

// tooMany reports whether so many are missing that it is rather the directory that is wrong.
func (h headcount) tooMany() bool {
	return h.Missing > vanishedFew && h.Missing*vanishedShare > h.Total
}

// letGo ends the access of those who are gone, unless too many are.
func (s *Service) letGo(ctx context.Context, o RefreshOptions, r *Refreshed) error {
	h, err := one[headcount](ctx, s.db, `select count(*) as total,
		count(*) filter (where missing_since is not null or answered_at is null or asked_at > answered_at) as missing,
		case when count(*) = count(asked_at) then min(asked_at) end as complete from people p where `+watched)
	if err != nil {
		return fmt.Errorf("count who is missing: %w", err)
	}
	r.Missing, r.Held = h.Missing, h.tooMany() && !o.Accept
	l := look{kinds: []string{FindingVanished}, tell: []Audience{ToAdmins}}
	if r.Held {
		l.found = []found{{
			kind: FindingVanished, subject: "directory", severity: SeverityAlarm,
			message: fmt.Sprintf("Of %s whom MyDB knows, the directory does not have %d any more, or says nothing of them. That looks like a fault, so nobody has lost anything. "+
				"Look whether MYDB_LDAP_BASE_DN, MYDB_LDAP_USER_GROUP and the rights of MYDB_LDAP_BIND_DN are as they should be. If they have left: mydb directory refresh --accept",
				count(h.Total, "person"), h.Missing),
		}}
	}
	if err := s.settle(ctx, l); err != nil || r.Held || h.Complete == nil {
		return err
	}
	gone, err := many[leaver](ctx, s.db, "select id, login, missing_why as why from people p where "+watched+
		" and missing_at - missing_since >= $1 and missing_since <= $2 order by id limit 1000", s.policy.Directory.Confirm, h.Complete)
	if err != nil {
		return fmt.Errorf("look who is gone: %w", err)
	}
	for _, g := range gone {
		left, err := s.leave(ctx, g)
		if err != nil {
			return err
		}
		if left {
			r.Left++
		}
	}
	return nil
}
