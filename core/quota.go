package core

import (
	"context"
	"fmt"
	"slices"

	"github.com/docker/go-units"
	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/policy"
)

// Quota is a limit, and what is taken of it. What the limit leaves out has none.
type Quota struct {
	Of    string       `json:"of"` // "you", "the group ..." or "this site"
	Limit policy.Limit `json:"limit"`
	Used  policy.Limit `json:"used"`
}

// scope is whose instances a limit counts.
type scope struct {
	of, where string // where in SQL, with $1
	arg       string
	limit     policy.Limit
}

// scopes are the limits that a person's instances count for, in the order in which they are locked.
func (s *Service) scopes(ctx context.Context, db DB, p Person, you string) ([]scope, error) {
	var out []scope
	if len(s.quotas.Groups)+len(s.quotas.Roles) > 0 {
		known, err := one[Person](ctx, db, "select "+personColumns+" from people where id = $1", p.ID)
		if err != nil {
			return nil, fmt.Errorf("read the groups of %s: %w", p.Login, err)
		}
		p = known
	}
	limit, own := s.quotas.People[p.Login]
	if !own {
		limit, own = s.quotas.Roles[string(Actor{p, ScopeAdmin}.Role())]
	}
	if !own {
		limit = s.quotas.Person
	}
	if limit.Any() {
		out = append(out, scope{you, "(i.owner_id = $1 or o.kind = 'transfer' and o.args->>'to' = $1)", p.ID, limit})
	}
	for _, g := range slices.Sorted(slices.Values(p.Groups)) {
		if s.quotas.Groups[g].Any() {
			out = append(out, scope{"the group " + g, "$1 = any(p.groups)", g, s.quotas.Groups[g]})
		}
	}
	if s.quotas.Total.Any() {
		out = append(out, scope{"this site", "$1 = ''", "", s.quotas.Total})
	}
	return out, nil
}

// used adds up what counts for a limit: everything live but for the trash. An instance under a resize counts with the larger size,
// and one that is being given to somebody for both.
func (s *Service) used(ctx context.Context, db DB, c scope) (sum policy.Limit, err error) {
	type group struct {
		Size, Wanted string
		N            int
	}
	list, err := many[group](ctx, db, `select i.size, case when o.kind = 'resize' then o.args->>'to' else i.size end as wanted, count(*) as n
		from instances i join people p on p.id = i.owner_id
		left join operations o on o.instance_id = i.id and o.finished_at is null and o.kind in ('resize', 'transfer', 'undelete')
		where i.ended_at is null and i.owner_id <> '`+systemPerson+`' and (i.state <> 'trashed' or o.kind = 'undelete') and `+c.where+` group by 1, 2`, c.arg)
	if err != nil {
		return sum, fmt.Errorf("add up what %s has: %w", c.of, err)
	}
	for _, g := range list {
		a, b := s.amount(g.Size), s.amount(g.Wanted)
		n := float64(g.N)
		sum.Databases += g.N
		sum.CPU += n * max(a.CPU, b.CPU)
		sum.Memory += max(a.Memory, b.Memory) * engine.Bytes(g.N)
		sum.Disk += max(a.Disk, b.Disk) * engine.Bytes(g.N)
	}
	return sum, nil
}

// amount is what one instance of a size counts for.
func (s *Service) amount(size string) policy.Limit {
	c, _ := s.catalogue.Size(size)
	return policy.Limit{Databases: 1, CPU: c.CPU, Memory: c.Memory, Disk: c.Disk}
}

// checkQuota refuses what would go above a limit of a person, their groups or the site. Nobody else's request slips in between: the
// limits that are checked stay locked until the transaction ends.
func (s *Service) checkQuota(ctx context.Context, tx pgx.Tx, actor Actor, owner Person, added policy.Limit) error {
	you := "you"
	if owner.ID != actor.ID {
		you = owner.Login
	}
	scopes, err := s.scopes(ctx, tx, owner, you)
	if err != nil {
		return err
	}
	return s.checkScopes(ctx, tx, scopes, added)
}

// checkTransfer is checkQuota for what somebody else has now: limits that count for both are not touched.
func (s *Service) checkTransfer(ctx context.Context, tx pgx.Tx, i Instance, to Person) error {
	before, err := s.scopes(ctx, tx, ownerOf(i), i.Owner)
	if err != nil {
		return err
	}
	after, err := s.scopes(ctx, tx, to, to.Login)
	if err != nil {
		return err
	}
	after = slices.DeleteFunc(after, func(a scope) bool {
		return slices.ContainsFunc(before, func(b scope) bool { return a.where == b.where && a.arg == b.arg })
	})
	return s.checkScopes(ctx, tx, after, s.amount(i.Size))
}

func (s *Service) checkScopes(ctx context.Context, tx pgx.Tx, scopes []scope, added policy.Limit) error {
	for _, c := range scopes {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtext('mydb quota'), hashtext($1))", c.where+c.arg); err != nil {
			return fmt.Errorf("lock the quota of %s: %w", c.of, err)
		}
		used, err := s.used(ctx, tx, c)
		if err != nil {
			return err
		}
		if err := s.above(c, used, added); err != nil {
			return err
		}
	}
	return nil
}

// above is the error of the first limit that would be passed.
func (s *Service) above(c scope, used, added policy.Limit) error {
	bytes := func(b engine.Bytes) string { return units.BytesSize(float64(b)) }
	number := func(n float64) string { return fmt.Sprintf("%g", n) }
	for _, r := range []struct {
		what              string
		limit, used, adds float64
		write             func(float64) string
	}{
		{"databases", float64(c.limit.Databases), float64(used.Databases), float64(added.Databases), number},
		{"cores", c.limit.CPU, used.CPU, added.CPU, number},
		{"memory", float64(c.limit.Memory), float64(used.Memory), float64(added.Memory), func(f float64) string { return bytes(engine.Bytes(f)) }},
		{"disk", float64(c.limit.Disk), float64(used.Disk), float64(added.Disk), func(f float64) string { return bytes(engine.Bytes(f)) }},
	} {
		if r.limit == 0 || r.adds <= 0 || r.used+r.adds <= r.limit {
			continue
		}
		who := s.quotas.Contact
		if who == "" {
			who = "an administrator"
		}
		of := c.of
		if of == "you" {
			of = "each person"
		}
		return Errorf(CodeQuota, "The limit of %s %s for %s does not allow this: %s are taken, and this needs %s more. Delete what nobody needs, choose a smaller size, or ask %s to raise the limit.",
			r.write(r.limit), r.what, of, r.write(r.used), r.write(r.adds), who)
	}
	return nil
}

// Quotas are the limits that count for somebody, with what is taken.
func (s *Service) Quotas(ctx context.Context, actor Actor) ([]Quota, error) {
	scopes, err := s.scopes(ctx, s.db, actor.Person, "you")
	if err != nil {
		return nil, err
	}
	out := []Quota{}
	for _, c := range scopes {
		used, err := s.used(ctx, s.db, c)
		if err != nil {
			return nil, err
		}
		out = append(out, Quota{Of: c.of, Limit: c.limit, Used: used})
	}
	return out, nil
}

// ownerOf is the owner of an instance, as a person that quotas count for.
func ownerOf(i Instance) Person { return Person{ID: i.OwnerID, Login: i.Owner} }
