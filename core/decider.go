package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// decides reports whether an actor decides what others ask for: an administrator, or a deputy whom the policy names.
func (s *Service) decides(actor Actor) bool {
	deputy := slices.ContainsFunc(s.policy.Approvals.Deputies, func(login string) bool { return strings.EqualFold(login, actor.Login) })
	return actor.IsAdmin() || deputy && actor.may(ScopeOperate)
}

// Decides reports whether an actor decides what others ask for.
func (s *Service) Decides(actor Actor) bool { return s.decides(actor) }

// mayBreakGlass refuses an administrator to approve what they have asked for themselves, unless the policy allows it and nobody else
// could decide.
func (s *Service) mayBreakGlass(ctx context.Context, db DB, d Decide, actor Actor) error {
	others := Errorf(CodeForbidden, "You asked for this yourself, so another administrator has to decide.")
	if !s.policy.Approvals.BreakGlass || !d.Approve || !actor.IsAdmin() {
		return others
	}
	deputies := make([]string, len(s.policy.Approvals.Deputies))
	for i, login := range s.policy.Approvals.Deputies {
		deputies[i] = strings.ToLower(login)
	}
	var someone bool
	err := db.QueryRow(ctx, "select exists (select from people where id not in ($1, $2) and disabled_at is null and (admin or login = any($3)))",
		actor.ID, systemPerson, deputies).Scan(&someone)
	switch {
	case err != nil:
		return fmt.Errorf("look who else could decide: %w", err)
	case someone:
		return others
	case strings.TrimSpace(d.Reason) == "":
		return invalid("reason", "You decide alone about what you asked for yourself, because this site has nobody else. Say why; it is recorded, and the owner is told.")
	}
	return nil
}
