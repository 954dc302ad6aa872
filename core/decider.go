package core

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// mandate is about which kinds of requests somebody decides.
type mandate struct {
	all      bool     // an administrator, or a deputy whom the policy names
	kinds    []string // also these, by a group that they are in
	reserved []string // not these, unless they are in kinds, too
}

func (s *Service) mandate(actor Actor) mandate {
	if actor.needs(ScopeOperate) != nil {
		return mandate{}
	}
	deputy := slices.ContainsFunc(s.policy.Approvals.Deputies, func(login string) bool { return strings.EqualFold(login, actor.Login) })
	return mandate{all: actor.IsAdmin() || deputy, kinds: s.policy.Approvals.DecidedBy(actor.Groups), reserved: s.policy.Approvals.Reserved()}
}

// about reports whether it is one about a kind of requests.
func (m mandate) about(kind string) bool {
	return slices.Contains(m.kinds, kind) || m.all && !slices.Contains(m.reserved, kind)
}

// any reports whether there is anything to decide about.
func (m mandate) any() bool { return m.all || len(m.kinds) > 0 }

// mandated is true, in SQL, of an approval a that somebody decides about, with three arguments from the nth on: those of args.
func mandated(n int) string {
	return fmt.Sprintf("(a.action = any($%d::text[]) or $%d and a.action <> all($%d::text[]))", n, n+1, n+2)
}

func (m mandate) args() []any {
	return []any{append([]string{}, m.kinds...), m.all, append([]string{}, m.reserved...)}
}

// Decides reports whether an actor decides about anything that others ask for.
func (s *Service) Decides(actor Actor) bool { return s.mandate(actor).any() }

// DecidesAbout reports whether an actor decides about a kind of requests.
func (s *Service) DecidesAbout(actor Actor, action string) bool {
	return s.mandate(actor).about(action)
}

// deciders says, for people to read, who decides about a kind of requests.
func (s *Service) deciders(action string) string {
	by := s.policy.Approvals.Approvers[action]
	switch {
	case len(by.Groups) == 0:
		return "Only administrators approve and deny."
	case by.Only:
		return fmt.Sprintf("On this site, this is decided by: %s.", strings.Join(by.Groups, ", "))
	}
	return fmt.Sprintf("On this site, this is decided by administrators and by: %s.", strings.Join(by.Groups, ", "))
}

// deputies are the logins of the people who decide like administrators.
func (s *Service) deputies() []string {
	out := make([]string, len(s.policy.Approvals.Deputies))
	for i, login := range s.policy.Approvals.Deputies {
		out[i] = strings.ToLower(login)
	}
	return out
}

// askDeciders tells those who may decide that a decision is asked for: administrators and deputies, unless the policy has others for it alone,
// and these others.
func (s *Service) askDeciders(ctx context.Context, tx pgx.Tx, i Instance, news NewsApprovalAsked) error {
	by := s.policy.Approvals.Approvers[news.Action]
	n := Notification{InstanceID: i.ID, Key: news.Approval, To: []Audience{ToAdmins}}
	deputies := s.deputies()
	if by.Only {
		n.To, deputies = nil, []string{}
	}
	if len(by.Groups) > 0 {
		news.Deciders = s.deciders(news.Action)
	}
	n.News = news
	err := tx.QueryRow(ctx, `select array(select id from people where disabled_at is null and login <> $1 and id <> $2 and (login = any($3) or groups && $4::text[]) order by id)`,
		news.By, systemPerson, deputies, append([]string{}, by.Groups...)).Scan(&n.People)
	if err != nil {
		return fmt.Errorf("look who decides: %w", err)
	}
	return s.notify(ctx, tx, n)
}

// mayBreakGlass refuses an administrator to approve what they have asked for themselves, unless the policy allows it and nobody else
// could decide.
func (s *Service) mayBreakGlass(ctx context.Context, db DB, d Decide, action string, actor Actor) error {
	others := Errorf(CodeForbidden, "You asked for this yourself, so another administrator has to decide.")
	if !s.policy.Approvals.BreakGlass || !d.Approve || !actor.IsAdmin() {
		return others
	}
	var someone bool
	err := db.QueryRow(ctx, "select exists (select from people where id not in ($1, $2) and disabled_at is null and (admin or login = any($3) or groups && $4))",
		actor.ID, systemPerson, s.deputies(), append([]string{}, s.policy.Approvals.Approvers[action].Groups...)).Scan(&someone)
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
