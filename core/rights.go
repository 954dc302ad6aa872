package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/policy"
)

// seesPHI reports whether an administrator sees and approves what others have of health data.
func (s *Service) seesPHI(actor Actor) bool {
	admins := s.policy.PHI.Admins
	return actor.ID == systemPerson || len(admins) == 0 || slices.ContainsFunc(admins, func(login string) bool { return strings.EqualFold(login, actor.Login) })
}

// mayHoldPHI refuses the mark of health data to those whom the policy does not let have it.
func (s *Service) mayHoldPHI(ctx context.Context, db DB, actor Actor) error {
	groups := s.policy.PHI.Groups
	if len(groups) == 0 || actor.IsAdmin() && s.seesPHI(actor) {
		return nil
	}
	var yes bool
	if err := db.QueryRow(ctx, "select exists (select from people where id = $1 and groups && $2)", actor.ID, groups).Scan(&yes); err != nil {
		return fmt.Errorf("look at the groups of %s: %w", actor.Login, err)
	}
	if !yes {
		return &Error{Code: CodeForbidden, Field: "phi", Message: fmt.Sprintf("Health data about persons may be held by: %s. You are not in such a group; ask an administrator where it may go.", strings.Join(groups, ", "))}
	}
	return nil
}

// mayCreate refuses an engine in a size to those whom the policy does not let have it.
func (s *Service) mayCreate(actor Actor, engine, size string) error {
	mine, bound := s.policy.Allowances(actor.Groups, string(actor.Role()))
	if !bound || actor.IsAdmin() || actor.ID == systemPerson || slices.ContainsFunc(mine, func(a policy.Allowance) bool { return a.Allows(engine, size) }) {
		return nil
	}
	if len(mine) == 0 {
		return Errorf(CodeForbidden, "On this site, you do not create databases yourself. Ask an administrator to make one for you.")
	}
	words := make([]string, len(mine))
	for n, a := range mine {
		words[n] = a.String()
	}
	return Errorf(CodeForbidden, "On this site, you may have: %s. For %s in the size %s, ask an administrator.", strings.Join(words, "; "), engine, size)
}

// checkExpiry applies the longest life that the policy allows, from now on. nil is a life without end.
func (s *Service) checkExpiry(at *time.Time) error {
	longest := time.Duration(s.policy.Expiry.Maximum)
	if longest == 0 || at != nil && !at.After(s.now().Add(longest)) {
		return nil
	}
	return invalid("expires", "Databases stay for at most %s at a time on this site. Name an earlier time; it can be extended before it is over.", count(int(longest.Hours()/24), "day"))
}

// defaultExpiry is when a database ends of which nothing is said.
func (s *Service) defaultExpiry() *time.Time {
	if s.policy.Expiry.Default == 0 {
		return nil
	}
	at := s.now().Add(time.Duration(s.policy.Expiry.Default)).UTC().Truncate(time.Second)
	return &at
}

// mayDeleteAlone reports whether the policy lets an owner delete an instance without an approval.
func (s *Service) mayDeleteAlone(ctx context.Context, tx pgx.Tx, actor Actor, i Instance) (bool, error) {
	p := s.policy.Delete
	switch {
	case !p.Alone(), i.PHI, i.OwnerID != actor.ID:
		return false, nil
	case len(p.Sizes) > 0 && !slices.Contains(p.Sizes, i.Size):
		return false, nil
	case p.YoungerThan > 0 && s.now().Sub(i.CreatedAt) > time.Duration(p.YoungerThan):
		return false, nil
	case p.SmallerThan == 0:
		return true, nil
	}
	var bytes *int64
	err := tx.QueryRow(ctx, "select bytes from samples where instance_id = $1 and bytes is not null order by at desc limit 1", i.ID).Scan(&bytes)
	if notFound(err) {
		return false, nil // not measured yet
	}
	if err != nil {
		return false, fmt.Errorf("read the size of %s: %w", i.Name, err)
	}
	return *bytes < int64(p.SmallerThan), nil
}

// Policy is the site's rules.
func (s *Service) Policy() policy.Policy { return s.policy }
