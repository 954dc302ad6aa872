package core

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// AddAccount makes a service account for a pipeline. Doing it again with other rights changes them.
type AddAccount struct {
	On
	Account string `json:"account" required:"true" description:"The user name, such as nightly_import"`
	Right   string `json:"right,omitempty" enum:"read,write" description:"Default: read"`
	Until   string `json:"until,omitempty" description:"RFC 3339, or a number of days such as 90d; default: until it is removed"`
}

func (AddAccount) action() string { return "account.add" }

func (c AddAccount) prepare(s *Service, _ Actor) (decision, error) {
	if c.Account == "" {
		return nil, invalid("account", "Give the account a user name, such as nightly_import.")
	}
	writes, until, err := Share{Right: c.Right, Until: c.Until}.wanted(s.now())
	if err != nil {
		return nil, err
	}
	return accountChange(c.Database, "share", nil, map[string]any{"account": c.Account, "writes": writes, "until": until},
		func(ctx context.Context, g *grants, _ *AccessArgs) error {
			n := slices.IndexFunc(g.live, func(a Access) bool { return a.Username == c.Account })
			switch {
			case n >= 0 && g.live[n].Kind == AccessService:
				return g.update(ctx, g.live[n], writes, until, "")
			case g.taken(c.Account):
				return &Error{Code: CodeTaken, Field: "account", Message: "The user name " + c.Account + " is taken on " + g.i.Name + ". Choose another."}
			}
			if err := g.fits(c.Account); err != nil {
				return err
			}
			return g.add(ctx, AccessService, nil, AccessWork{Username: c.Account, Writes: writes, EndsAt: until})
		}), nil
}

// accountChange is a change of accounts, which plan notes in the grants.
func accountChange(on, kind string, allow func(Actor, Instance) error, audit map[string]any, plan func(context.Context, *grants, *AccessArgs) error) change {
	var args AccessArgs
	return change{
		on: on, kind: kind, states: []State{StateReady}, allow: allow, audit: audit,
		write: func(ctx context.Context, s *Service, tx pgx.Tx, req Request, i Instance, _ string) error {
			g, err := newGrants(ctx, s, tx, req, i)
			if err != nil {
				return err
			}
			err = plan(ctx, g, &args)
			args.Accounts = g.work
			return err
		},
		nothing: func() bool { return len(args.Accounts) == 0 },
		args:    func(Instance) any { return args },
	}
}

// RemoveAccount ends a further account of either kind. Its sessions end, and what it made is the owner's.
type RemoveAccount struct {
	On
	Account string `json:"-" path:"account" description:"The user name of the account"`
}

func (RemoveAccount) action() string { return "account.remove" }

// Item takes the account from a path.
func (c *RemoveAccount) Item(account string) { c.Account = account }

func (c RemoveAccount) subject() string { return c.Database + "/" + c.Account }

func (c RemoveAccount) prepare(*Service, Actor) (decision, error) {
	return accountChange(c.Database, "unshare", nil, map[string]any{"account": c.Account},
		func(ctx context.Context, g *grants, _ *AccessArgs) error {
			for _, a := range g.live {
				if a.Username == c.Account {
					g.work = append(g.work, AccessWork{ID: a.ID, Username: a.Username})
				}
			}
			if len(g.work) > 0 {
				return keepOut(ctx, g.tx, g.work)
			}
			var was bool // then it is gone already, as wanted
			err := g.tx.QueryRow(ctx, "select exists (select from accounts where instance_id = $1 and username = $2)", g.i.ID, c.Account).Scan(&was)
			if err == nil && !was {
				err = Errorf(CodeNotFound, "%s has no account %q.", g.i.Name, clip(c.Account))
			}
			return err
		}), nil
}

// RotateAccount gives a further account a new password. For a service account, an overlap makes a second account with the same
// rights instead, and the first one ends when the overlap is over: pipelines change over without a gap.
type RotateAccount struct {
	On
	Account string `json:"-" path:"account" description:"The user name of the account"`
	Overlap string `json:"overlap,omitempty" description:"How long both work, such as 24h or 7d; at most 30d; default: the old password stops working at once"`
}

func (RotateAccount) action() string { return "account.rotate" }

// Item takes the account from a path.
func (c *RotateAccount) Item(account string) { c.Account = account }

func (c RotateAccount) subject() string { return c.Database + "/" + c.Account }

// maxOverlap is how long an account and its successor may both work.
const maxOverlap = 30 * 24 * time.Hour

func (c RotateAccount) prepare(_ *Service, actor Actor) (decision, error) {
	overlap, err := c.overlap()
	if err != nil {
		return nil, err
	}
	allow := func(actor Actor, i Instance) error { return actor.needs(ScopeOperate) } // the rest below: colleagues rotate their own
	return accountChange(c.Database, "account", allow, map[string]any{"account": c.Account, "overlap": c.Overlap},
		func(ctx context.Context, g *grants, args *AccessArgs) error {
			n := slices.IndexFunc(g.live, func(a Access) bool { return a.Username == c.Account && a.MadeAt != nil })
			if n < 0 || value(g.live[n].PersonID) != actor.ID {
				if err := ownerOrAdmin(actor, g.i); err != nil {
					return err
				}
			}
			if n < 0 {
				return Errorf(CodeNotFound, "%s has no account %q that is ready.", g.i.Name, clip(c.Account))
			}
			a := g.live[n]
			work := AccessWork{ID: a.ID, Username: a.Username, Writes: a.Writes, EndsAt: a.EndsAt, Group: a.Group, Rotates: true}
			if overlap == 0 {
				g.work = append(g.work, work)
				return g.password(ctx, a.ID)
			}
			if a.Kind != AccessService {
				return invalid("overlap", "%s is a person's account, and people change over at once. Leave the overlap out.", a.Username)
			}
			args.Retire, args.Overlap = a.ID, overlap
			work.ID, work.Username = "", g.successor(a.Username)
			return g.add(ctx, AccessService, nil, work)
		}), nil
}

func (c RotateAccount) overlap() (time.Duration, error) {
	if c.Overlap == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(c.Overlap)
	if days, isDays := strings.CutSuffix(c.Overlap, "d"); isDays {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(min(n, 1000)) * 24 * time.Hour
	}
	if err != nil || d <= 0 || d > maxOverlap {
		return 0, invalid("overlap", "The overlap %q is not understood. Write hours or days, such as 24h or 7d; at most 30d.", clip(c.Overlap))
	}
	return d, nil
}

var successorNumber = regexp.MustCompile(`_[0-9]+$`)

// successor is the name of the account that follows on one: import, import_2, import_3.
func (g *grants) successor(username string) string {
	base := successorNumber.ReplaceAllString(username, "")
	for n := 2; ; n++ {
		if name := base + "_" + strconv.Itoa(n); !g.taken(name) {
			return name
		}
	}
}
