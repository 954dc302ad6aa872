package core

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// FindingGroups says that so many have left their groups at once that it is rather the directory that is wrong.
const FindingGroups = "groups_vanished"

// groupOf reads the name of a group from what a share is with. The directory's names are in small letters.
func groupOf(with string) (group string, isGroup bool) {
	group, isGroup = strings.CutPrefix(with, "group:")
	if !isGroup {
		return "", false
	}
	return strings.ToLower(strings.TrimSpace(group)), true
}

// keepGroup records a share with a group, also for those from whom it had been taken back by name.
func (g *grants) keepGroup(ctx context.Context, group string, writes bool, until *time.Time) error {
	_, err := g.tx.Exec(ctx, `insert into group_shares (instance_id, group_name, writes, ends_at, created_by) values ($1, $2, $3, $4, $5)
		on conflict (instance_id, group_name) do update set writes = excluded.writes, ends_at = excluded.ends_at`, g.i.ID, group, writes, until, g.req.Actor.ID)
	if err == nil {
		_, err = g.tx.Exec(ctx, "update accounts set kept_out = false where instance_id = $1 and group_name = $2 and kept_out", g.i.ID, group)
	}
	if err != nil {
		return fmt.Errorf("record the share with a group: %w", err)
	}
	return nil
}

// covered reports whether a share with a group gives nothing to somebody who has an account already, by name or by another group.
func (g *grants) covered(a Access, writes bool, group string) bool {
	return group != "" && a.Group != group && (a.Group == "" || a.Writes || !writes)
}

// keepOut notes that accounts are taken back from single people of a group, to whom it does not bring them again.
func keepOut(ctx context.Context, tx pgx.Tx, work []AccessWork) error {
	for _, w := range work {
		if _, err := tx.Exec(ctx, "update accounts set kept_out = true where id = $1 and group_name <> ''", w.ID); err != nil {
			return fmt.Errorf("keep the account %s from coming back: %w", w.Username, err)
		}
	}
	return nil
}

// joinGroup makes the accounts of those who have joined a group since it was shared with. Only MyDB asks for it.
type joinGroup struct {
	On
	Group string
}

func (joinGroup) action() string { return "share" }

// joins is true of a person p who is to get an account by the share g with a group on an instance i.
const joins = `g.group_name = any(p.groups) and p.disabled_at is null and p.id <> i.owner_id
	and not exists (select from accounts a where a.instance_id = i.id and a.person_id = p.id and a.kind = 'share'
		and (a.revoked_at is null or a.kept_out and a.group_name = g.group_name))`

func (c joinGroup) prepare(*Service, Actor) (decision, error) {
	var args AccessArgs
	who := map[string]any{"with": "group:" + c.Group}
	return change{
		on: c.Database, kind: "share", states: []State{StateReady},
		allow: func(Actor, Instance) error { return nil },
		write: func(ctx context.Context, s *Service, tx pgx.Tx, req Request, i Instance, _ string) error {
			g, err := newGrants(ctx, s, tx, req, i)
			if err != nil {
				return err
			}
			args, who["joined"], err = c.add(ctx, g)
			return err
		},
		nothing: func() bool { return len(args.Accounts) == 0 },
		args:    func(Instance) any { return args },
		audit:   who,
	}, nil
}

// add notes what is to be done, and for whom. Somebody for whom no user name is free gets none, and keeps nobody else from theirs.
func (c joinGroup) add(ctx context.Context, g *grants) (AccessArgs, []string, error) {
	type member struct {
		ID, Login string
		Writes    bool
		EndsAt    *time.Time
	}
	list, err := many[member](ctx, g.tx, `select p.id, p.login, g.writes, g.ends_at from group_shares g join instances i on i.id = g.instance_id join people p on `+joins+`
		where i.id = $1 and g.group_name = $2 and (g.ends_at is null or g.ends_at > now()) order by p.login`, g.i.ID, c.Group)
	if err != nil {
		return AccessArgs{}, nil, fmt.Errorf("look who has joined a group: %w", err)
	}
	var logins []string
	var skipped error
	for _, m := range list {
		err := g.share(ctx, Person{ID: m.ID, Login: m.Login}, m.Writes, m.EndsAt, c.Group)
		if CodeOf(err) == CodeTaken {
			g.s.log.Warn("somebody who joined a group gets no user", "login", m.Login, "group", c.Group, "database", g.i.Name, "error", err)
			skipped = err
			continue
		}
		if err != nil {
			return AccessArgs{}, nil, err
		}
		logins = append(logins, m.Login)
	}
	if len(g.work) == 0 {
		return AccessArgs{}, nil, skipped
	}
	return AccessArgs{Accounts: g.work}, logins, nil
}

// free is true of an instance i on which MyDB may begin to change accounts, and did not fail to lately.
const free = `i.state = 'ready' and not exists (select from operations o where o.instance_id = i.id and (o.finished_at is null
	or o.kind in ('share', 'unshare') and o.state = 'failed' and o.finished_at > now() - interval '` + endPause + `'))`

// FollowGroups makes accounts for those who have joined a group that an instance is shared with, and ends those of people who have left it.
// It gives on how many instances. Periodic; what is stopped or busy gets its turn later. When so many have left their groups at once that
// it is rather the directory that is wrong, nobody loses anything, and administrators are told.
func (s *Service) FollowGroups(ctx context.Context) (started int, err error) {
	if still, err := s.StandsStill(ctx); err != nil || still {
		return 0, err
	}
	begin := func(c Command) error {
		_, err := s.Do(ctx, system(c))
		if err == nil {
			started++
		}
		if code := CodeOf(err); err == nil || code == CodeBusy || code == CodeGone || code == CodeTaken {
			return nil
		}
		return err
	}
	leavers, err := s.groupLeavers(ctx)
	if err != nil {
		return 0, err
	}
	for id, accounts := range leavers {
		if err := begin(endAccounts{On{id}, accounts}); err != nil {
			return started, err
		}
	}
	type due struct{ InstanceID, GroupName string }
	list, err := many[due](ctx, s.db, `select g.instance_id, g.group_name from group_shares g join instances i on i.id = g.instance_id
		where (g.ends_at is null or g.ends_at > now()) and `+free+` and exists (select from people p where `+joins+`) order by g.instance_id, g.group_name limit 200`)
	if err != nil {
		return started, fmt.Errorf("look who has joined a group: %w", err)
	}
	for _, d := range list {
		if err := begin(joinGroup{On{d.InstanceID}, d.GroupName}); err != nil {
			return started, err
		}
	}
	return started, nil
}

// outside is true of an account a that a person p has by a group in which they are no more.
const outside = "a.revoked_at is null and a.kind = 'share' and a.group_name <> '' and p.disabled_at is null and not a.group_name = any(p.groups)"

// groupLeavers finds the accounts that end because their people have left a group, by the instance.
func (s *Service) groupLeavers(ctx context.Context) (map[string][]AccessWork, error) {
	var h headcount
	err := s.db.QueryRow(ctx, `select count(distinct p.id), count(distinct p.id) filter (where `+outside+`) from accounts a join people p on p.id = a.person_id
		where a.revoked_at is null and a.kind = 'share' and a.group_name <> ''`).Scan(&h.Total, &h.Missing)
	if err != nil {
		return nil, fmt.Errorf("count who has left a group: %w", err)
	}
	l := look{kinds: []string{FindingGroups}, tell: []Audience{ToAdmins}}
	if h.tooMany() {
		l.found = []found{{
			kind: FindingGroups, subject: "directory", severity: SeverityAlarm,
			message: fmt.Sprintf("Of %s who have databases shared with them by a group, %d are in that group no more, all at once. That looks like a fault of the directory, so nobody has lost "+
				"anything. If it is right, the owners take these shares back with: unshare DATABASE group:NAME", count(h.Total, "person"), h.Missing),
		}}
	}
	if err := s.settle(ctx, l); err != nil || h.tooMany() {
		return nil, err
	}
	type due struct {
		InstanceID string
		AccessWork
	}
	list, err := many[due](ctx, s.db, `select a.instance_id, `+workColumns+` from accounts a join instances i on i.id = a.instance_id join people p on p.id = a.person_id
		where `+outside+` and `+free+` order by a.instance_id, a.id limit 500`)
	if err != nil {
		return nil, fmt.Errorf("look who has left a group: %w", err)
	}
	out := map[string][]AccessWork{}
	for _, d := range list {
		out[d.InstanceID] = append(out[d.InstanceID], d.AccessWork)
	}
	return out, nil
}
