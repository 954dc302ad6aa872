package core

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/core/engine"
)

// What a share or a service account lets somebody do.
const (
	RightRead  = "read"
	RightWrite = "write"
)

// Share gives a colleague, or everybody who is in a group, an account of their own. Doing it again with other rights changes them. Who joins
// the group later gets one, too, and who leaves it loses theirs: see FollowGroups. Who has a share by name keeps that as it is.
type Share struct {
	On
	With  string `json:"with" required:"true" description:"Login or mail address of a colleague, or group: and the name of a group"`
	Right string `json:"right,omitempty" enum:"read,write" description:"Default: read. Who may write may also make tables, which are the owner's too"`
	Until string `json:"until,omitempty" description:"RFC 3339, or a number of days such as 90d; default: until it is taken back"`
}

func (Share) action() string { return "share" }

// grants are accounts on their way to be made or changed, in the transaction that decides it.
type grants struct {
	s    *Service
	tx   pgx.Tx
	req  Request
	i    Instance
	live []Access
	work []AccessWork
}

func (c Share) prepare(s *Service, _ Actor) (decision, error) {
	writes, until, err := c.wanted(s.now())
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(c.With) == "" {
		return nil, invalid("with", "Say with whom, by login or mail address, such as grace; or a group, such as group:genomics.")
	}
	var work []AccessWork
	audit, before := map[string]any{"with": c.With, "writes": writes, "until": until}, map[string]any{}
	return change{
		on: c.Database, kind: "share", states: []State{StateReady},
		write: func(ctx context.Context, s *Service, tx pgx.Tx, req Request, i Instance, _ string) error {
			g, err := newGrants(ctx, s, tx, req, i)
			if err != nil {
				return err
			}
			group, isGroup := groupOf(c.With)
			people, err := c.people(ctx, tx, i, group, isGroup)
			if err != nil {
				return err
			}
			if isGroup {
				if err := g.keepGroup(ctx, group, writes, until); err != nil {
					return err
				}
			}
			for _, p := range people {
				before[p.Login] = g.rightOf(p)
				if err := g.share(ctx, p, writes, until, group); err != nil {
					return err
				}
			}
			work, audit["before"] = g.work, before
			return nil
		},
		nothing: func() bool { return len(work) == 0 },
		args:    func(Instance) any { return AccessArgs{Accounts: work} },
		audit:   audit,
	}, nil
}

// rightOf is what a person may do by now: read, write or none.
func (g *grants) rightOf(p Person) string {
	for _, a := range g.live {
		if a.Kind == AccessShare && value(a.PersonID) == p.ID {
			if a.Writes {
				return RightWrite
			}
			return RightRead
		}
	}
	return "none"
}

// wanted reads the right and the end.
func (c Share) wanted(now time.Time) (writes bool, until *time.Time, err error) {
	switch c.Right {
	case "", RightRead:
	case RightWrite:
		writes = true
	default:
		return false, nil, invalid("right", "There is no right %q. Choose read or write.", clip(c.Right))
	}
	until, err = parseExpiry(c.Until, now)
	if err != nil {
		return false, nil, invalid("until", "The end %q is not understood, or not in the future. Write a number of days such as 90d, or a time such as 2027-06-30T00:00:00Z.", clip(c.Until))
	}
	return writes, until, nil
}

// people finds with whom it is to be shared.
func (c Share) people(ctx context.Context, tx pgx.Tx, i Instance, group string, isGroup bool) ([]Person, error) {
	if !isGroup {
		p, err := findPerson(ctx, tx, "with", c.With)
		if err == nil && p.ID == i.OwnerID {
			err = invalid("with", "%s owns %s already. Name somebody else.", p.Login, i.Name)
		}
		return []Person{p}, err
	}
	list, err := many[Person](ctx, tx, "select "+personColumns+" from people where $1 = any(groups) and disabled_at is null and id <> $2 order by login", group, i.OwnerID)
	if err != nil {
		return nil, fmt.Errorf("look for the people of a group: %w", err)
	}
	if len(list) == 0 {
		return nil, invalid("with", "MyDB knows nobody else in the group %q. People appear once they have logged in; share with them by name until then.", clip(group))
	}
	return list, nil
}

// findPerson finds somebody who may use MyDB, by login or mail address. field is the one that names them.
func findPerson(ctx context.Context, db DB, field, who string) (Person, error) {
	p, err := one[Person](ctx, db, "select "+personColumns+" from people where (login = lower($1) or email = lower($1)) and id <> '"+systemPerson+"'", strings.TrimPrefix(who, "@"))
	if notFound(err) {
		return p, invalid(field, "Nobody here has the login or mail address %q. People appear once they have logged in.", clip(who))
	}
	if err != nil {
		return p, fmt.Errorf("find a person: %w", err)
	}
	if p.DisabledAt != nil {
		return p, invalid(field, "%s may no longer use MyDB. Name somebody else.", p.Login)
	}
	return p, nil
}

func newGrants(ctx context.Context, s *Service, tx pgx.Tx, req Request, i Instance) (*grants, error) {
	live, err := accesses(ctx, tx, i.ID)
	return &grants{s: s, tx: tx, req: req, i: i, live: live}, err
}

// share notes what is to be done so that a person has these rights.
func (g *grants) share(ctx context.Context, p Person, writes bool, until *time.Time, group string) error {
	n := slices.IndexFunc(g.live, func(a Access) bool { return value(a.PersonID) == p.ID })
	if n >= 0 && !g.covered(g.live[n], writes, group) {
		return g.update(ctx, g.live[n], writes, until, group)
	}
	if n >= 0 {
		return nil
	}
	username, err := g.username(p.Login)
	if err != nil {
		return err
	}
	return g.add(ctx, AccessShare, &p.ID, AccessWork{Username: username, Writes: writes, EndsAt: until, Group: group})
}

// update changes the rights of an account that exists. One that was never proven is begun anew.
func (g *grants) update(ctx context.Context, a Access, writes bool, until *time.Time, group string) error {
	same := a.EndsAt == nil && until == nil || a.EndsAt != nil && until != nil && a.EndsAt.Equal(*until)
	if a.MadeAt != nil && a.Writes == writes && same && a.Group == group {
		return nil
	}
	if a.MadeAt == nil {
		if err := g.password(ctx, a.ID); err != nil {
			return err
		}
	}
	g.work = append(g.work, AccessWork{ID: a.ID, Username: a.Username, Writes: writes, EndsAt: until, Group: group})
	return nil
}

// add notes a new account, with a password.
func (g *grants) add(ctx context.Context, kind string, personID *string, w AccessWork) error {
	w.ID = xid.New().String()
	_, err := g.tx.Exec(ctx, `insert into accounts (id, instance_id, kind, person_id, group_name, username, writes, ends_at, created_by)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, w.ID, g.i.ID, kind, personID, w.Group, w.Username, w.Writes, w.EndsAt, g.req.Actor.ID)
	if err != nil {
		return fmt.Errorf("insert the account: %w", err)
	}
	g.live = append(g.live, Access{ID: w.ID, Kind: kind, PersonID: personID, Username: w.Username})
	g.work = append(g.work, w)
	return g.password(ctx, w.ID)
}

// password gives an account a new password, which is set by the worker and collected once.
func (g *grants) password(ctx context.Context, id string) error {
	sealed, err := g.s.keys.Seal([]byte(crypt.NewPassword()))
	if err != nil {
		return err
	}
	_, err = g.tx.Exec(ctx, `insert into secrets (instance_id, kind, sealed) values ($1, $2, $3)
		on conflict (instance_id, kind) do update set sealed = excluded.sealed, collected_at = null, created_at = now()`, g.i.ID, secretOfAccount(id), sealed)
	if err != nil {
		return fmt.Errorf("store a password: %w", err)
	}
	return nil
}

var noUserLetter = regexp.MustCompile("[^a-z0-9]+")

// username makes a name for a colleague's account from their login, that is free on the instance and that the engine takes.
func (g *grants) username(login string) (string, error) {
	login, _, _ = strings.Cut(strings.ToLower(login), "@")
	base := strings.Trim(noUserLetter.ReplaceAllString(login, "_"), "_")
	base = base[:min(len(base), 24)]
	for _, candidate := range []string{base, "u_" + base} {
		for n := 1; n < 100; n++ {
			name := candidate
			if n > 1 {
				name = fmt.Sprintf("%s_%d", candidate, n)
			}
			if g.taken(name) {
				continue
			}
			err := g.fits(name)
			if err == nil {
				return name, nil
			}
			if CodeOf(err) != CodeInvalid {
				return "", err
			}
			break // the engine does not take such a name
		}
	}
	return "", Errorf(CodeTaken, "No user name that is made from %q is free on %s.", clip(login), g.i.Name)
}

func (g *grants) taken(username string) bool {
	return username == g.i.Username || slices.ContainsFunc(g.live, func(a Access) bool { return a.Username == username })
}

// fits asks the engine whether an account may have a name.
func (g *grants) fits(username string) error {
	e, err := g.s.Engine(g.i.Engine)
	if err != nil {
		return err
	}
	err = e.CheckTenant(engine.Tenant{Username: username, Password: crypt.NewPassword(), Database: g.i.Database})
	var field *engine.FieldError
	if errors.As(err, &field) {
		return invalid("account", "%s", field.Message)
	}
	return err
}

// Unshare takes a share back: the colleague's sessions end, and what they made is the owner's. Colleagues may give up their own.
type Unshare struct {
	On
	With string `json:"with" required:"true" description:"Login or mail address of a colleague, or group: and the name of a group"`
}

func (Unshare) action() string { return "unshare" }

func (c Unshare) prepare(*Service, Actor) (decision, error) {
	if strings.TrimSpace(c.With) == "" {
		return nil, invalid("with", "Say whose share is to end, by login or mail address, such as grace; or a group, such as group:genomics.")
	}
	var work []AccessWork
	return change{
		on: c.Database, kind: "unshare", states: []State{StateReady},
		allow: func(actor Actor, i Instance) error {
			if strings.EqualFold(c.With, actor.Login) && i.OwnerID != actor.ID {
				return actor.needs(ScopeOperate)
			}
			return ownerOrAdmin(actor, i)
		},
		write: func(ctx context.Context, _ *Service, tx pgx.Tx, _ Request, i Instance, _ string) (err error) {
			work, err = c.find(ctx, tx, i)
			return err
		},
		nothing: func() bool { return len(work) == 0 },
		args:    func(Instance) any { return AccessArgs{Accounts: work} },
		audit:   map[string]any{"with": c.With},
	}, nil
}

func (c Unshare) find(ctx context.Context, tx pgx.Tx, i Instance) (work []AccessWork, err error) {
	group, isGroup := groupOf(c.With)
	var known bool
	err = tx.QueryRow(ctx, "select $2 or exists (select from people where login = lower($1) or email = lower($1))", c.With, isGroup).Scan(&known)
	if err != nil {
		return nil, fmt.Errorf("look for a person: %w", err)
	}
	if !known {
		return nil, invalid("with", "Nobody here has the login or mail address %q.", clip(c.With))
	}
	work, err = many[AccessWork](ctx, tx, `select `+workColumns+` from accounts a join people p on p.id = a.person_id where a.instance_id = $1 and a.kind = 'share'
		and a.revoked_at is null and ($4 and a.group_name = $3 or not $4 and (p.login = lower($2) or p.email = lower($2)))`, i.ID, c.With, group, isGroup)
	if err != nil {
		return nil, fmt.Errorf("find the shares: %w", err)
	}
	if isGroup {
		_, err = tx.Exec(ctx, "delete from group_shares where instance_id = $1 and group_name = $2", i.ID, group)
		return work, err
	}
	return work, keepOut(ctx, tx, work)
}
