package core

import (
	"context"
	"fmt"
	"slices"
)

// Role is what somebody is to MyDB. It follows from the groups of the directory that they are in, by the configuration of the site.
type Role string

// The roles. An administrator who is an auditor, too, is an administrator; an auditor who leads a group is an auditor.
const (
	RoleUser    Role = "user"
	RoleLead    Role = "lead"    // of groups: sees the databases of their members, and does no more with them
	RoleAuditor Role = "auditor" // sees what is known of everything, no contents, and changes nothing
	RoleAdmin   Role = "admin"
)

// Role is what the actor acts as: an administrator's token that may not administer is a user's.
func (a Actor) Role() Role {
	switch {
	case a.IsAdmin():
		return RoleAdmin
	case a.onlyAudits():
		return RoleAuditor
	case len(a.Leads) > 0:
		return RoleLead
	}
	return RoleUser
}

// onlyAudits reports whether the actor is an auditor and nothing more.
func (a Actor) onlyAudits() bool { return a.Auditor && !a.Admin }

// Oversees reports whether the actor may read what is known of the whole site, such as the audit trail.
func (a Actor) Oversees() bool { return a.IsAdmin() || a.Auditor && a.may(ScopeRead) }

// SeesOthers reports whether the actor sees databases of other people that are not shared with them.
func (a Actor) SeesOthers() bool { return a.Oversees() || len(a.Leads) > 0 }

// sight is what an actor sees beside what is their own and what is shared with them.
type sight struct {
	all bool     // everybody's
	phi bool     // also health data about persons, of everybody's
	led []string // what members of these groups own
}

func (s *Service) sight(actor Actor) sight {
	return sight{all: actor.Oversees(), phi: actor.onlyAudits() || s.seesPHI(actor), led: actor.Leads}
}

// sightOfAll is what an actor sees who asks for all, or nothing more than their own. Those who see nothing more are refused with a sentence.
func (s *Service) sightOfAll(actor Actor, all bool, refusal string) (sight, error) {
	switch {
	case !all:
		return sight{}, nil
	case !actor.SeesOthers():
		return sight{}, Errorf(CodeForbidden, "%s", refusal)
	}
	return s.sight(actor), nil
}

// ledBy is true, in SQL, of an instance i whose owner is in one of the groups.
func ledBy(groups string) string {
	return "exists (select from people l where l.id = i.owner_id and l.groups && " + groups + ")"
}

// Overlooks reports whether an actor who sees an instance sees it as its owner, as who oversees it or as who leads its owner, and not by a
// share alone.
func (s *Service) Overlooks(ctx context.Context, actor Actor, i Instance) (yes bool, err error) {
	if i.OwnerID == actor.ID || actor.Oversees() {
		return true, nil
	}
	if err := s.db.QueryRow(ctx, "select exists (select from people where id = $1 and groups && $2)", i.OwnerID, actor.Leads).Scan(&yes); err != nil {
		return false, fmt.Errorf("look who leads the owner of %s: %w", i.Name, err)
	}
	return yes, nil
}

// noteRole records in the audit trail that somebody has another role than they were known with.
func (s *Service) noteRole(ctx context.Context, p, was Person) error {
	if p.Admin == was.Admin && p.Auditor == was.Auditor && slices.Equal(p.Leads, was.Leads) {
		return nil
	}
	said := func(p Person) map[string]any {
		return map[string]any{"admin": p.Admin, "auditor": p.Auditor, "leads": append([]string{}, p.Leads...)}
	}
	return writeAudit(ctx, s.db, AuditEntry{
		Actor: "mydb", Door: DoorSystem, Action: "role.change", Subject: p.Login, Outcome: OutcomeDone,
		Data: map[string]any{"person": p.ID, "groups": p.Groups, "before": said(was), "after": said(p)},
	})
}

// ApplyRoles reckons everybody's role anew from their groups, and gives how many have another one. The policy may have changed since the
// directory was asked.
func (s *Service) ApplyRoles(ctx context.Context) (changed int, err error) {
	type member struct {
		ID            string
		Groups, Leads []string
		Auditor       bool
	}
	list, err := many[member](ctx, s.db, "select id, groups, leads, auditor from people where groups <> '{}' or leads <> '{}' or auditor")
	if err != nil {
		return 0, fmt.Errorf("read who is in which groups: %w", err)
	}
	for _, m := range list {
		audits, led := s.policy.Roles.Audits(m.Groups), s.policy.Roles.Led(m.Groups)
		if audits == m.Auditor && slices.Equal(led, m.Leads) {
			continue
		}
		p, err := one[Person](ctx, s.db, "update people set auditor = $2, leads = $3 where id = $1 returning "+personColumns, m.ID, audits, led)
		if err != nil {
			return changed, fmt.Errorf("change a role: %w", err)
		}
		if err := s.noteRole(ctx, p, Person{Admin: p.Admin, Auditor: m.Auditor, Leads: m.Leads}); err != nil {
			return changed, err
		}
		changed++
	}
	return changed, nil
}
